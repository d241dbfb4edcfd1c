// Channels over a bus that loses, doubles and shuffles: what was posted comes, in order, once; or the channel breaks.
import { Ids, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BUS_ABSENCE_MS, Channels, PEER_SILENCE_MS } from './channels.ts'
import { MAX_UNACKNOWLEDGED } from './channel.ts'
import { Messenger } from './messenger.ts'
import { Roster } from './roster.ts'
import { BusHub } from './testing.ts'

function pair(seed: number) {
  const clock = new SimClock()
  const random = seededRandom(seed)
  const hub = new BusHub(clock, random)
  const ids = new Ids(clock, random)
  const side = () => {
    const bus = hub.member()
    const processId = ids.next('req')
    const messenger = new Messenger({ bus, prefix: 'test', processId, clock, log: silentLog })
    const standing = () =>
      ({ role: 'all', leaseId: 'lease', closed: false, liveCalls: 0, workers: 1 }) as const
    const roster = new Roster({ messenger, clock, standing })
    const channels = new Channels({ messenger, roster, clock })
    const got: unknown[] = []
    const broken: number[] = []
    const end = {
      onMessage: (body: unknown) => void got.push(body),
      onBroken: () => void broken.push(clock.monotonicMs()),
    }
    const close = (): void => {
      channels.close()
      roster.close()
      messenger.close()
    }
    return { bus, processId, roster, channels, got, broken, end, close }
  }
  return { clock, hub, a: side(), b: side() }
}

test('whatever the weather, messages come in order, each once', async () => {
  const share = fc.double({ min: 0, max: 0.4, noNaN: true })
  await fc.assert(
    fc.asyncProperty(fc.integer(), share, share, share, async (seed, lost, doubled, late) => {
      const { clock, hub, a, b } = pair(seed)
      await clock.advance(10)
      b.channels.expect('word', () => (channel) => {
        for (let i = 0; i < 30; i++) channel.post({ back: i })
        return b.end
      })
      hub.weather = { lost, doubled, late, delayMs: 700 }
      const channel = a.channels.open('word', b.processId, a.end)
      for (let i = 0; i < 50; i++) {
        channel?.post({ there: i })
        await clock.advance(20)
      }
      hub.weather = { lost: 0, doubled: 0, late: 0, delayMs: 0 }
      await clock.advance(3_000)
      // Of two hundred reports in a row so many are hardly lost that the peer counts as dead; then all is broken.
      if (a.broken.length === 0 && b.broken.length === 0) {
        expect(b.got).toEqual(Array.from({ length: 50 }, (_, there) => ({ there })))
        expect(a.got).toEqual(Array.from({ length: 30 }, (_, back) => ({ back })))
      }
      expect(b.got).toEqual(b.got.map((_, there) => ({ there })))
      a.close()
      b.close()
      await clock.advance(1_000)
      expect(clock.pending()).toBe(0)
    }),
    { numRuns: 60 },
  )
})

test('a bus that is away for twenty seconds holds messages up, and loses none', async () => {
  const { clock, hub, a, b } = pair(1)
  await clock.advance(10)
  b.channels.expect('word', () => () => b.end)
  const channel = a.channels.open('word', b.processId, a.end)
  channel?.post(1)
  await clock.advance(100)
  hub.turn(false)
  channel?.post(2)
  await clock.advance(20_000)
  expect(b.got).toEqual([1])
  hub.turn(true)
  await clock.advance(1_000)
  expect(b.got).toEqual([1, 2])
  expect(a.broken.concat(b.broken)).toEqual([])
  hub.turn(false)
  await clock.advance(BUS_ABSENCE_MS + 2_000)
  expect([a.broken.length, b.broken.length]).toEqual([1, 1])
})

test('a peer that falls silent breaks the channel soon, one that says goodbye at once', async () => {
  const { clock, a, b } = pair(2)
  await clock.advance(10_000)
  b.channels.expect('word', () => () => b.end)
  a.channels.open('word', b.processId, a.end)?.post(1)
  await clock.advance(100)
  b.bus.turn(false)
  await clock.advance(PEER_SILENCE_MS - 1_500)
  expect(a.broken).toEqual([])
  await clock.advance(3_000)
  expect(a.broken).toHaveLength(1)

  const { clock: later, a: c, b: d } = pair(3)
  await later.advance(10_000)
  d.channels.expect('word', () => () => d.end)
  c.channels.open('word', d.processId, c.end)?.post(1)
  await later.advance(100)
  d.close()
  await later.advance(1_100)
  expect(c.broken).toHaveLength(1)
})

test('a channel that nobody expects, or that was dropped, breaks at its next message', async () => {
  const { clock, a, b } = pair(4)
  await clock.advance(10)
  a.channels.open('nobody', b.processId, a.end)?.post(1)
  await clock.advance(10)
  expect(a.broken).toHaveLength(1)
  b.channels.expect('word', () => (channel) => {
    channel.post('hello')
    queueMicrotask(() => b.channels.drop(channel))
    return b.end
  })
  const channel = a.channels.open('word', b.processId, a.end)
  channel?.post(1)
  await clock.advance(10)
  channel?.post(2)
  await clock.advance(10)
  expect(a.broken).toHaveLength(2)
  expect([a.channels.size, b.channels.size]).toEqual([0, 0])
  expect(b.got).toEqual([1])
})

test('a side that stops reading breaks it, instead of filling the memory', async () => {
  const { clock, hub, a, b } = pair(5)
  await clock.advance(10)
  b.channels.expect('word', () => () => b.end)
  const channel = a.channels.open('word', b.processId, a.end)
  hub.turn(false)
  for (let i = 0; i <= MAX_UNACKNOWLEDGED; i++) channel?.post(i)
  expect(a.broken).toHaveLength(1)
})
