// A desk whose sockets are in other processes, over a bus that loses, doubles and shuffles, and in simulated time.
import type { Directive, ServerFrame } from '@saperly/contract'
import { Ids, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Channels } from '../bus/channels.ts'
import { Messenger } from '../bus/messenger.ts'
import { Roster, type Standing } from '../bus/roster.ts'
import { BusHub, CALM } from '../bus/testing.ts'
import { Desks } from './desks.ts'
import { FarDesks } from './far-desks.ts'
import { FarLines, IDLE_MS } from './far-lines.ts'
import { ManualBrain } from './manual.ts'
import type { BrainCall } from './port.ts'
import { SeatLost } from './seat.ts'
import { Switchboards } from './switchboards.ts'
import { collect, never, turn } from './testing.ts'

const CONNECTION = 'conn_1'
const CONTROL = { endCall: true, sendDtmf: true, transfer: null }

function building(seed = 1) {
  const clock = new SimClock()
  const random = seededRandom(seed)
  const hub = new BusHub(clock, random)
  const ids = new Ids(clock, random)
  const closers: (() => unknown)[] = []
  const enter = (role: Standing['role']) => {
    const bus = hub.member()
    const processId = ids.next('proc')
    const messenger = new Messenger({ bus, prefix: 'test', processId, clock, log: silentLog })
    const standing = () => ({ role, leaseId: processId, closed: false, liveCalls: 0, workers: 1 })
    const roster = new Roster({ messenger, clock, standing })
    const channels = new Channels({ messenger, roster, clock })
    const deps = { messenger, channels, clock, ids, log: silentLog }
    closers.push(() => {
      channels.close()
      roster.close()
      messenger.close()
    })
    return { bus, deps, channels }
  }
  /** A process that carries calls. */
  const node = () => {
    const { deps, ...rest } = enter('network')
    const desks = new Desks(clock)
    const lines = new FarLines({ ...deps, desks })
    closers.push(() => {
      lines.close()
      desks.closeAll()
    })
    return { ...rest, desks, lines }
  }
  /** A process with sockets. */
  const gateway = () => {
    const { deps, ...rest } = enter('api')
    const far = new FarDesks(deps)
    const boards = new Switchboards({
      desks: null,
      clock,
      staffed: (board) => far.serve(board),
      opened: (connectionId) => far.announce(connectionId),
    })
    closers.push(() => boards.closeAll())
    const connect = (answer?: (frame: ServerFrame) => Directive[] | null) => {
      const frames: ServerFrame[] = []
      const line = ids.next('req')
      const send = (frame: ServerFrame): void => {
        frames.push(frame)
        const directives = answer?.(frame)
        const { requestId } = frame as { requestId?: string }
        if (directives) say({ requestId, directives })
      }
      const board = boards.open(CONNECTION, line, send)
      const say = (frame: unknown): void => board.hear(line, JSON.stringify(frame))
      const of = (type: string) => frames.filter((frame) => frame.type === type)
      return { frames, of, say, close: () => boards.close(CONNECTION, line) }
    }
    return { ...rest, connect }
  }
  const close = async (): Promise<void> => {
    for (const shut of closers.toReversed()) shut()
    await clock.advance(0)
    expect(clock.pending()).toBe(0)
  }
  return { clock, hub, node, gateway, close }
}

type Building = ReturnType<typeof building>
type Node = ReturnType<Building['node']>

/** A brain for a call on that node, as it is attached at the answer. */
async function attach({ clock }: Building, node: Node, callId = 'call_1') {
  const unasked: Directive[] = []
  const finding = node.lines.find(CONNECTION)
  await clock.advance(200)
  const desk = await finding
  const tenant = { workspaceId: 'ws_1', environment: 'live' } as const
  const call: BrainCall = {
    callId,
    tenant,
    connectionId: CONNECTION,
    numberId: 'num_1',
    direction: 'outbound',
    from: '+15555550199',
    to: '+15555550123',
    instructions: null,
    onDirective: (directive) => void unasked.push(directive),
  }
  const findDesk = () => node.lines.find(CONNECTION)
  const brain = new ManualBrain(call, { findDesk, webhooks: [], control: CONTROL }, desk)
  return { brain, desk, unasked }
}

const speak = (text: string): Directive[] => [{ type: 'speak', text }]
const ask = (requestId: string, callId = 'call_1') => ({ ...turn(requestId), callId })

/** Answers every turn with its own requestId, as a brain that works. */
const echo = (frame: ServerFrame): Directive[] | null =>
  frame.type === 'turn' ? speak(frame.requestId) : null

/** The worst of 400,000 questions, with three tenths of all messages lost, took 6.5 s. */
const ANSWERED_WITHIN_MS = 30_000

test('whatever the weather, each question is answered, once and in order', async () => {
  const share = fc.double({ min: 0, max: 0.3, noNaN: true })
  await fc.assert(
    fc.asyncProperty(fc.integer(), share, share, share, async (seed, lost, doubled, late) => {
      const house = building(seed)
      const [node, gateway] = [house.node(), house.gateway()]
      await house.clock.advance(1_000)
      gateway.connect(echo)
      const { brain } = await attach(house, node)
      expect(brain.kind).toBe('manual_socket')
      house.hub.weather = { lost, doubled, late, delayMs: 400 }
      for (let i = 0; i < 10; i++) {
        let answer: Directive[] | null = null
        void collect(brain.ask(ask(`req_${i}`), never)).then((given) => (answer = given))
        const askedMs = house.clock.monotonicMs()
        while (answer === null && house.clock.monotonicMs() < askedMs + ANSWERED_WITHIN_MS) {
          await house.clock.advance(2_000)
          house.hub.weather = { ...house.hub.weather, lost: i < 5 ? lost : 0 }
        }
        expect(answer).toEqual(speak(`req_${i}`))
      }
      house.hub.weather = CALM
      await brain.close()
      await house.clock.advance(1_000)
      await house.close()
    }),
    { numRuns: 25 },
  )
})

test('one socket serves calls on two nodes: it is told what it owns, and its frames find their way', async () => {
  const house = building()
  const [one, two, gateway] = [house.node(), house.node(), house.gateway()]
  const socket = gateway.connect()
  expect(socket.frames).toEqual([expect.objectContaining({ type: 'ready', calls: [] })])
  const first = await attach(house, one, 'call_1')
  const second = await attach(house, two, 'call_2')
  const opening = { from: '+15555550199', to: '+15555550123', instructions: null, topic: null }
  for (const [{ brain }, callId] of [
    [first, 'call_1'],
    [second, 'call_2'],
  ] as const) {
    const { requestId, at } = turn(`open_${callId}`)
    const event = { type: 'outbound_call', requestId, callId, at, ...opening } as const
    const answer = collect(brain.ask(event, never))
    await house.clock.advance(10)
    expect(socket.frames.at(-1)).toMatchObject({ type: 'outbound_call', callId })
    socket.say({ requestId, directives: speak(`hello ${callId}`) })
    await house.clock.advance(10)
    expect(await answer).toEqual(speak(`hello ${callId}`))
  }
  socket.say({ callId: 'call_2', directives: speak('unasked') })
  await house.clock.advance(10)
  expect([first.unasked, second.unasked]).toEqual([[], speak('unasked')])

  // What no desk asked, and what the desk of a call refuses, is answered as on one machine.
  socket.say({ requestId: 'req_nobody', directives: [] })
  socket.say({ callId: 'call_3', directives: speak('x') })
  socket.say({ requestId: 'open_call_1', directives: [] })
  await house.clock.advance(10)
  const errors = socket.of('error') as { _tag: string; requestId: string | null }[]
  expect(errors.map(({ _tag, requestId }) => [_tag, requestId])).toEqual([
    ['StaleRequest', 'req_nobody'],
    ['InvalidDirective', null],
    ['StaleRequest', 'open_call_1'],
  ])

  // A second socket takes over when the first goes: each node tells it of its calls, the last word names both.
  const other = gateway.connect()
  socket.close()
  await house.clock.advance(200)
  const ready = other.of('ready').at(-1) as { calls: { callId: string }[] }
  expect(ready.calls.map(({ callId }) => callId).toSorted()).toEqual(['call_1', 'call_2'])
  await first.brain.close()
  await second.brain.close()
  await house.close()
})

test('a process that dies with the socket: what was asked is asked again where the brain comes back', async () => {
  const house = building()
  const [node, dying, other] = [house.node(), house.gateway(), house.gateway()]
  await house.clock.advance(10_000)
  const first = dying.connect()
  const { brain } = await attach(house, node)
  const answer = collect(brain.ask(ask('req_1'), never))
  await house.clock.advance(100)
  expect(first.of('turn')).toHaveLength(1)
  dying.bus.turn(false)
  await house.clock.advance(3_000)
  const second = other.connect(echo)
  await house.clock.advance(10_000)
  expect(await answer).toEqual(speak('req_1'))
  expect(second.of('turn')).toHaveLength(1)
  await brain.close()
  await house.close()
})

test('a socket that does not come back within its grace time is lost, and asked for no more', async () => {
  const house = building()
  const [node, gateway] = [house.node(), house.gateway()]
  const socket = gateway.connect()
  const { brain, desk } = await attach(house, node)
  const answer = brain
    .ask(ask('req_1'), never)
    .next()
    .catch((error: Error) => error.name)
  await house.clock.advance(100)
  socket.close()
  await house.clock.advance(14_000)
  expect(desk?.staffed).toBe(true)
  await house.clock.advance(3_000)
  expect(await answer).toBe('BrainLost')
  expect(new SeatLost().name).toBe('SeatLost')
  const none = node.lines.find(CONNECTION)
  await house.clock.advance(200)
  expect(await none).toBe(null)
  await brain.close()
  await house.close()
})

test('a partition of twenty seconds delays an answer, and asks nothing twice', async () => {
  const house = building()
  const [node, gateway] = [house.node(), house.gateway()]
  await house.clock.advance(10_000)
  const socket = gateway.connect(echo)
  const { brain } = await attach(house, node)
  house.hub.turn(false)
  const answer = collect(brain.ask(ask('req_1'), never))
  await house.clock.advance(20_000)
  expect(socket.of('turn')).toEqual([])
  house.hub.turn(true)
  await house.clock.advance(1_000)
  expect(await answer).toEqual(speak('req_1'))
  expect([socket.of('turn').length, socket.of('ready').length]).toEqual([1, 1])
  await brain.close()
  await house.close()
})

test('one end forgot the other while the bus was away for it alone: they find each other again', async () => {
  const house = building()
  const [node, gateway] = [house.node(), house.gateway()]
  await house.clock.advance(10_000)
  const socket = gateway.connect(echo)
  const { brain, unasked } = await attach(house, node)
  node.bus.turn(false)
  await house.clock.advance(12_000)
  expect(gateway.channels.size).toBe(0)
  node.bus.turn(true)
  await house.clock.advance(10_000)
  const answer = collect(brain.ask(ask('req_1'), never))
  await house.clock.advance(100)
  expect(await answer).toEqual(speak('req_1'))
  socket.say({ callId: 'call_1', directives: speak('still here') })
  await house.clock.advance(100)
  expect(unasked).toEqual(speak('still here'))
  await brain.close()
  await house.close()
})

test('a desk without calls gives its lines back after a while', async () => {
  const house = building()
  const [node, gateway] = [house.node(), house.gateway()]
  gateway.connect()
  const { brain } = await attach(house, node)
  await brain.close()
  await house.clock.advance(IDLE_MS - 5_000)
  expect([node.channels.size, gateway.channels.size]).toEqual([1, 1])
  await house.clock.advance(30_000)
  expect([node.channels.size, gateway.channels.size]).toEqual([0, 0])
  await house.close()
})
