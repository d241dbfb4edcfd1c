// The client against a real server: a whole call, typed, from consent to transcript; and a brain that is turned away.
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  CallNotActive,
  type CallEvent,
  ConnectionError,
  InsufficientFunds,
  NotFound,
  Saperly,
} from '@saperly/sdk'
import { deferred } from '@saperly/kernel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { openWorld, type World } from '../world.ts'

const PEER = '+15555550123'

let world: World
let saperly: Saperly

beforeAll(async () => {
  world = await openWorld()
  saperly = new Saperly({ apiKey: world.token, baseUrl: world.url, WebSocket })
})
afterAll(() => world.close())

/** A manual connection with a number of its own, which may call the peer. */
async function line(settings: object = {}) {
  const connection = await saperly.connections.create({
    name: 'line',
    mode: 'manual',
    complianceEnabled: false,
    ...settings,
  })
  const number = await saperly.numbers.provision()
  await saperly.numbers.bindConnection(number.id, { connectionId: connection.id })
  await saperly.consent.record({
    numberId: number.id,
    peerNumber: PEER,
    consentType: 'explicit_outbound',
    source: 'test',
  })
  return { connectionId: connection.id, secret: connection.manualSecret ?? '', numberId: number.id }
}

async function* words(text: string): AsyncGenerator<string> {
  for (const word of text.split(/(?<= )/)) yield await Promise.resolve(word)
}

test('a whole call: a brain that streams, live events, transcript, recording, bill', async () => {
  const { connectionId, secret, numberId } = await line({ recordingEnabled: true })
  const turns: string[] = []
  const brain = await saperly.manual.connect({
    connectionId,
    secret,
    onCall: (call) =>
      call
        .on('outbound_call', (_, reply) => reply.say(words('Hello there. How can I help you?')))
        .on('turn', async (turn, reply) => {
          turns.push(turn.text)
          await reply.say(words('It was nice talking to you. '))
          await reply.say('Goodbye.')
          reply.hangup()
        }),
  })
  const call = await saperly.calls.place({ fromNumberId: numberId, to: PEER, metadata: { a: 'b' } })
  const events: CallEvent[] = []
  for await (const event of saperly.calls.events(call.id, { live: true })) events.push(event)
  expect(events.at(-1)?.type).toBe('ended')
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length)
  const stored: CallEvent[] = []
  for await (const event of saperly.calls.events(call.id, { limit: 2 })) stored.push(event)
  expect(stored).toEqual(events)

  const ended = await saperly.calls.get(call.id)
  expect(ended).toMatchObject({ status: 'completed', metadata: { a: 'b' } })
  const { turns: said } = await saperly.calls.transcript(call.id)
  expect(said.filter(({ role }) => role === 'caller').map(({ text }) => text)).toEqual(turns)

  await world.until('the recording', async () => (await saperly.calls.get(call.id)).hasRecording)
  const { body, url } = await saperly.calls.recording(call.id)
  const wav = await buffer(Readable.fromWeb(body as never))
  expect([url, wav.toString('latin1', 0, 4)]).toEqual([
    expect.stringContaining('/recordings/'),
    'RIFF',
  ])

  expect(await saperly.calls.sip(call.id)).toContain('INVITE sip:')
  const capture = Buffer.from(await saperly.calls.sipCapture(call.id))
  expect([capture.readUInt32LE(0), capture.includes('INVITE sip:')]).toEqual([0xa1b2c3d4, true])

  const spoken = saperly.calls.speak(call.id, { text: 'Too late.' })
  await expect(spoken).rejects.toBeInstanceOf(CallNotActive)
  await expect(spoken).rejects.toMatchObject({ status: 409, callStatus: 'completed' })
  expect((await saperly.calls.list({ numberId })).map(({ id }) => id)).toEqual([call.id])
  await brain.close()
}, 90_000)

test('a brain whose socket breaks goes on with its calls on the next one', async () => {
  const { connectionId, secret, numberId } = await line()
  const sockets: WebSocket[] = []
  class Kept extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols)
      sockets.push(this)
    }
  }
  let calls = 0
  let turns = 0
  const brain = await saperly.manual.connect({
    connectionId,
    secret,
    WebSocket: Kept,
    onCall: (call) => {
      calls++
      call
        .on('outbound_call', (_, reply) => reply.say('Hello there. How can I help you?'))
        .on('turn', async (_, reply) => {
          // Broken while the answer is being given: it goes out on the next socket.
          if (++turns === 1) sockets.at(-1)?.terminate()
          await reply.say(turns === 1 ? 'Is there anything else?' : 'Goodbye.')
          if (turns > 1) reply.hangup()
        })
    },
  })
  const { id } = await saperly.calls.place({ fromNumberId: numberId, to: PEER })
  const spoken: string[] = []
  for await (const event of saperly.calls.events(id, { live: true })) {
    if (event.type === 'speak' && event.data.source === 'brain') spoken.push(event.data.text)
  }
  expect([calls, sockets.length]).toEqual([1, 2])
  expect(spoken.slice(0, 2)).toEqual([
    'Hello there. How can I help you?',
    'Is there anything else?',
  ])
  expect((await saperly.calls.get(id)).status).toBe('completed')
  await brain.close()
}, 90_000)

test('a caller who cuts in aborts the answer, and the brain is told what was heard', async () => {
  const interrupting = '+15555550108'
  const { connectionId, secret, numberId } = await line()
  await saperly.consent.record({
    numberId,
    peerNumber: interrupting,
    consentType: 'explicit_outbound',
    source: 'test',
  })
  const aborted = deferred<unknown>()
  const heard = deferred<string>()
  const brain = await saperly.manual.connect({
    connectionId,
    secret,
    onCall: (call) =>
      call
        .on('interrupted', (event) => heard.resolve(event.heard))
        .on('outbound_call', async (_, reply) => {
          reply.signal.addEventListener('abort', () => aborted.resolve(reply.signal.reason))
          await reply.say(
            'This is a long story, and it takes its time to be told to its very end. ',
          )
          await reply.say(waiting(reply.signal))
        })
        .on('turn', (_, reply) => reply.hangup()),
  })
  const { id } = await saperly.calls.place({ fromNumberId: numberId, to: interrupting })
  expect(await aborted.promise).toMatchObject({ name: 'ReplyDropped' })
  expect('This is a long story, and it takes its time').toContain(
    (await heard.promise).slice(0, 10),
  )
  await world.api.final(id)
  await brain.close()
}, 90_000)

/** A model that is still thinking, and stops when nobody wants its answer any more. */
async function* waiting(signal: AbortSignal): AsyncGenerator<string> {
  yield 'Once upon a time '
  await new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

test('errors carry what the wire says', async () => {
  const call = saperly.calls.recording('call_nothing')
  await expect(call).rejects.toMatchObject({ _tag: 'CallNotFound', callId: 'call_nothing' })
  await expect(saperly.keys.revoke('key_nothing')).rejects.toBeInstanceOf(NotFound)
  const poor = await saperly.keys.mint({ name: 'poor', scopes: ['admin'], spendLimitCents: 1 })
  const { numberId } = await line()
  const spender = new Saperly({ apiKey: poor.token ?? '', baseUrl: world.url })
  const placed = spender.calls.place({ fromNumberId: numberId, to: PEER })
  await expect(placed).rejects.toMatchObject({
    _tag: 'SpendLimitExceeded',
    limitCents: 1,
    status: 402,
  })
  await expect(placed).rejects.not.toBeInstanceOf(InsufficientFunds)
})

test('the same idempotency key gives the same answer', async () => {
  const options = { idempotencyKey: `test-${Date.now()}` }
  const first = await saperly.numbers.provision(null, options)
  expect(await saperly.numbers.provision(null, options)).toEqual(first)
})

test('a brain with a wrong secret is turned away', async () => {
  const { connectionId } = await line()
  const once = new Saperly({ apiKey: world.token, baseUrl: world.url, WebSocket, maxRetries: 0 })
  const refused = once.manual.connect({ connectionId, secret: 'mc_wrong', onCall: () => undefined })
  await expect(refused).rejects.toThrow('401')
  await expect(refused).rejects.toBeInstanceOf(ConnectionError)
})
