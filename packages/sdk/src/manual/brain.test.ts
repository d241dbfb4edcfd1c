// A brain over the socket: answers in the right frames, what was cut is dropped, and broken sockets are mended.
import { beforeEach, expect, test, vi } from 'vitest'
import { type ManualCall, type Reply, Saperly } from '../index.ts'
import { FakeSocket } from '../testing.ts'

beforeEach(() => void FakeSocket.opened.splice(0))

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const socket = (at = -1): FakeSocket => FakeSocket.opened.at(at)!

async function brain(
  onCall: (call: ManualCall) => unknown,
  onError?: (error: unknown) => void,
  signal?: AbortSignal,
) {
  const saperly = new Saperly({ apiKey: 'k', baseUrl: 'http://host.test', WebSocket: FakeSocket })
  const connected = saperly.manual.connect({
    connectionId: 'conn_1',
    secret: 'mc_1',
    onCall,
    onError,
    signal,
  })
  await tick()
  socket().ready()
  return connected
}

let serial = 0
function event(type: string, fields: object = {}) {
  return {
    type,
    requestId: `r${++serial}`,
    callId: 'call_1',
    at: '2026-01-01T00:00:00Z',
    ...fields,
  }
}
const opening = () => event('outbound_call', { from: '+1', to: '+2', instructions: 'Be kind.' })

/** The frames of an answer, its directives told short. */
function told(requestId: string, from = socket()): string[] {
  return from.sent
    .filter((frame) => frame.requestId === requestId)
    .map(({ directives }) =>
      directives
        .map((d: { type: string; text?: string; more?: boolean }) =>
          d.type === 'speak' ? `${d.text}${d.more ? '…' : ''}` : d.type,
        )
        .join(' | '),
    )
}

test('it comes with its secret as a subprotocol, never in the address', async () => {
  const open = await brain(() => undefined)
  expect(socket().url).toBe('ws://host.test/manual/conn_1')
  expect(socket().protocols).toEqual(['saperly.manual.v1', 'bearer.mc_1'])
  await open.close()
})

test('each event is handed to its handler, and answered when that returns', async () => {
  const open = await brain((call) => {
    call.on('outbound_call', (_, reply) => reply.say(`Hello ${call.to}: ${call.instructions}`))
    call.on('turn', async (turn, reply) => {
      await reply.say('You said')
      await reply.say(turn.text)
      reply.sendDtmf('1')
      reply.listen({ expect: { digits: 4 } })
    })
  })
  const first = opening()
  const turn = event('turn', { text: 'yes' })
  const silence = event('silence', { seconds: 10 })
  for (const one of [first, turn, silence]) socket().say(one)
  await tick()
  expect(told(first.requestId)).toEqual(['Hello +2: Be kind.…', ''])
  expect(told(turn.requestId)).toEqual(['You said…', ' yes…', 'send_dtmf | wait_for_user'])
  expect(told(silence.requestId), 'no handler: listen on').toEqual([''])
  expect(open.calls.map(({ id }) => id)).toEqual(['call_1'])
  await open.close()
})

test('a stream of text goes out as it comes, and stops when the caller cuts in', async () => {
  const seen: unknown[] = []
  let go: (() => void) | null = null
  async function* writing(reply: Reply) {
    yield 'One '
    yield 'two '
    await new Promise<void>((resolve) => (go = resolve))
    seen.push(reply.signal.aborted)
    yield 'three'
  }
  const errors: unknown[] = []
  const open = await brain(
    (call) =>
      call
        .on('turn', (_, reply) => reply.say(writing(reply)))
        .on('interrupted', (e) => seen.push(e.heard)),
    (error) => errors.push(error),
  )
  socket().say(opening())
  const turn = event('turn', { text: 'count' })
  socket().say(turn)
  await tick()
  expect(told(turn.requestId)).toEqual(['One …', 'two …'])
  socket().say(event('interrupted', { answering: turn.requestId, heard: 'One' }))
  await tick()
  go!()
  await tick()
  expect(told(turn.requestId)).toEqual(['One …', 'two …'])
  expect([seen, errors]).toEqual([['One', true], []])
  socket().say({ type: 'error', requestId: turn.requestId, _tag: 'StaleRequest', message: 'late' })
  expect(errors, 'an answer that crossed the interruption is no fault').toEqual([])
  await open.close()
})

test('`cancelled` drops the answer it names; the end of the call drops every one', async () => {
  const reasons: unknown[] = []
  const open = await brain((call) => {
    call.signal.addEventListener('abort', () => reasons.push('over'))
    call.on('turn', (_, { signal }) => {
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push((signal.reason as { reason: string }).reason)
          reject(signal.reason as Error)
        })
      })
    })
  })
  socket().say(opening())
  const [one, two] = [event('turn'), event('turn')]
  socket().say(one)
  socket().say(two)
  await tick()
  socket().say(event('cancelled', { superseded: one.requestId }))
  socket().say(event('call_ended', { status: 'completed' }))
  await tick()
  expect(reasons).toEqual(['superseded', 'call_ended', 'over'])
  expect(open.calls).toEqual([])
  await open.close()
})

test('a broken socket is opened again; what was written meanwhile goes out, what was answered is told again', async () => {
  vi.useFakeTimers()
  try {
    let finish: (() => void) | null = null
    const connected = brainWithTimers((call) =>
      call
        .on('outbound_call', (_, reply) => reply.say('Hello.'))
        .on('turn', async (_, reply) => {
          await new Promise<void>((resolve) => (finish = resolve))
          await reply.say('Late.')
        }),
    )
    await vi.advanceTimersByTimeAsync(0)
    socket().ready()
    const open = await connected
    const [first, turn] = [opening(), event('turn')]
    socket().say(first)
    socket().say(turn)
    await vi.advanceTimersByTimeAsync(0)
    const old = socket()
    old.break()
    finish!()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(socket()).not.toBe(old)
    expect(socket().sent, 'nothing before the platform is ready').toEqual([])
    socket().ready([{ callId: 'call_1', from: '+1', to: '+2', direction: 'outbound' }])
    socket().say(first)
    socket().say(turn)
    await vi.advanceTimersByTimeAsync(0)
    expect(told(first.requestId)).toEqual(['Hello.…', ''])
    expect(told(turn.requestId).slice(0, 2)).toEqual(['Late.…', ''])
    expect(open.calls).toHaveLength(1)
    const closed = open.close()
    await vi.advanceTimersByTimeAsync(0)
    await closed
  } finally {
    vi.useRealTimers()
  }
})

function brainWithTimers(onCall: (call: ManualCall) => unknown) {
  const saperly = new Saperly({ apiKey: 'k', baseUrl: 'http://host.test', WebSocket: FakeSocket })
  return saperly.manual.connect({ connectionId: 'conn_1', secret: 'mc_1', onCall })
}

test('a call that another had is taken over with what is known of it', async () => {
  const taken: ManualCall[] = []
  const open = await brain((call) => taken.push(call))
  socket().ready([{ callId: 'call_1', from: '+1', to: '+2', direction: 'inbound' }])
  socket().say(event('turn', { text: 'still there?' }))
  socket().say(event('turn', { callId: 'call_2' }))
  await tick()
  expect(taken).toHaveLength(1)
  expect(taken[0]).toMatchObject({ id: 'call_1', direction: 'inbound', takenOver: true })
  await open.close()
})

test('it acts without being asked', async () => {
  const open = await brain((call) => {
    call.say('One more thing.')
    call.sendDtmf('1w2')
    call.hangup()
  })
  socket().say(opening())
  await tick()
  expect(socket().sent.slice(0, 3)).toEqual([
    { callId: 'call_1', directives: [{ type: 'speak', text: 'One more thing.' }] },
    { callId: 'call_1', directives: [{ type: 'send_dtmf', digits: '1w2' }] },
    { callId: 'call_1', directives: [{ type: 'hangup' }] },
  ])
  await open.close()
})

test('a handler that throws is reported, and the call listens on', async () => {
  const errors: unknown[] = []
  const fault = new Error('fault')
  const open = await brain(
    (call) => call.on('turn', () => Promise.reject(fault)),
    (error) => errors.push(error),
  )
  socket().say(opening())
  const turn = event('turn')
  socket().say(turn)
  await tick()
  socket().say({ type: 'error', requestId: 'r0', _tag: 'InvalidDirective', message: 'no' })
  expect(errors).toEqual([fault, expect.objectContaining({ _tag: 'InvalidDirective' })])
  expect(told(turn.requestId)).toEqual([''])
  await open.close()
})

test('after the end of an answer nothing can be added to it', async () => {
  const errors: Error[] = []
  const open = await brain(
    (call) =>
      call.on('turn', async (_, reply) => {
        reply.hangup()
        await reply.say('Bye.')
      }),
    (error) => errors.push(error as Error),
  )
  socket().say(opening())
  socket().say(event('turn'))
  await tick()
  expect(errors[0]?.message).toContain('the answer has ended')
  await open.close()
})

test('a first connection that fails is an error; a signal closes', async () => {
  const saperly = new Saperly({ apiKey: 'k', WebSocket: FakeSocket, maxRetries: 0 })
  const refused = saperly.manual.connect({
    connectionId: 'c',
    secret: 's',
    onCall: () => undefined,
  })
  await tick()
  socket().break()
  await expect(refused).rejects.toThrow('the manual socket was closed: 1006')

  const stop = new AbortController()
  const open = await brain(() => undefined, undefined, stop.signal)
  stop.abort()
  await open.closed
})
