// Port pairs: even and odd, disjoint, drained before they are used again, and a clear fault when there are none.
import { Fault, seededRandom, SimClock, SystemClock } from '@saperly/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DRAIN_MS } from './drain.ts'
import { bindPair, MAX_BIND_TRIES, PortPool, slicePorts } from './ports.ts'
import { systemUdp, type Udp } from './udp.ts'

const deaf = { rtp: () => {}, rtcp: () => {} }

test('slices are disjoint, even and together the whole range', () => {
  const range = fc.record({ first: fc.integer({ min: 1024, max: 40_000 }), size: fc.nat(600) })
  fc.assert(
    fc.property(range, fc.integer({ min: 1, max: 9 }), ({ first, size }, count) => {
      const last = first + size
      const ports = slicePorts({ first, last }, count).map((slice) => {
        const pool = new PortPool(slice, new SimClock(), seededRandom(count))
        const taken: number[] = []
        for (let port = pool.take(); port !== null; port = pool.take()) taken.push(port)
        return taken
      })
      const all = ports.flat()
      expect(new Set(all).size).toBe(all.length)
      expect(all.every((port) => port % 2 === 0 && port >= first && port < last)).toBe(true)
      expect(all).toHaveLength(Math.max(0, Math.floor((last - (first + (first % 2)) + 1) / 2)))
      const sizes = ports.map((taken) => taken.length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }),
  )
})

test('a pair given back is used again after the drain, the oldest first', async () => {
  const clock = new SimClock()
  const pool = new PortPool({ first: 20_000, last: 20_003 }, clock, seededRandom(1))
  expect([pool.take(), pool.take()].sort()).toEqual([20_000, 20_002])
  expect(pool.take()).toBeNull()
  pool.giveBack(20_002, null)
  await clock.advance(1)
  pool.giveBack(20_000, null)
  await clock.advance(DRAIN_MS - 1)
  expect([pool.take(), pool.take()]).toEqual([20_002, null])
  await clock.advance(1)
  expect(pool.take()).toBe(20_000)
})

test('binds both ports of a pair anywhere, and closes them', async () => {
  const pairs = await Promise.all(
    Array.from({ length: 20 }, () => bindPair(systemUdp, '127.0.0.1', null, deaf)),
  )
  for (const pair of pairs) {
    expect(pair.port % 2).toBe(0)
    expect([pair.rtp.port, pair.rtcp.port]).toEqual([pair.port, pair.port + 1])
  }
  await Promise.all(pairs.map((pair) => pair.close()))
})

test('what arrives is told apart by the port it came to', async () => {
  const clock = new SystemClock()
  const heard: string[] = []
  const pair = await bindPair(systemUdp, '127.0.0.1', null, {
    rtp: () => void heard.push('rtp'),
    rtcp: () => void heard.push('rtcp'),
  })
  const signal = AbortSignal.timeout(5000)
  pair.rtcp.send(Uint8Array.of(1), pair.port, '127.0.0.1')
  while (heard.length < 1) await clock.sleep(2, signal)
  pair.rtp.send(Uint8Array.of(1), pair.port + 1, '127.0.0.1')
  while (heard.length < 2) await clock.sleep(2, signal)
  expect(heard).toEqual(['rtp', 'rtcp'])
  await pair.close()
})

/** A network on which only these ports are free. */
function udpWith(free: Set<number>): Udp {
  return {
    bind: async (_address, port) => {
      if (!free.delete(port)) throw new Fault('taken', { retryable: true })
      return { port, send: () => {}, close: async () => void free.add(port) }
    },
  }
}

test('a pair of which one port is taken by somebody else is passed over, and nothing leaks', async () => {
  const free = new Set([30_000, 30_002, 30_003])
  const pool = new PortPool({ first: 30_000, last: 30_003 }, new SimClock(), seededRandom(1))
  const pair = await bindPair(udpWith(free), '127.0.0.1', pool, deaf)
  expect(pair.port).toBe(30_002)
  expect(free).toEqual(new Set([30_000]))
  await expect(bindPair(udpWith(free), '127.0.0.1', pool, deaf)).rejects.toThrow(Fault)
  await pair.close()
  await pair.close()
  // Where the sound came to is listened at until it has drained.
  expect(free).toEqual(new Set([30_000, 30_003]))
  await pool.close()
  expect(free).toEqual(new Set([30_000, 30_002, 30_003]))
})

test('whoever starts beside a process that has hundreds of the same range gets its first pair at once', async () => {
  const range = { first: 30_000, last: 30_999 }
  const free = new Set(Array.from({ length: 1000 }, (_, i) => range.first + i))
  const processOf = (seed: number): PortPool =>
    new PortPool(range, new SimClock(), seededRandom(seed))
  const older = processOf(1)
  const bind = (pool: PortPool) => bindPair(udpWith(free), '127.0.0.1', pool, deaf)
  for (let legs = 0; legs < 250; legs++) await bind(older)
  await bind(processOf(2))
  expect(free.size).toBe(498)
})

test('gives up after so many tries', async () => {
  let tries = 0
  const udp: Udp = {
    bind: async () => {
      tries++
      throw new Fault('taken', { retryable: true })
    },
  }
  await expect(bindPair(udp, '127.0.0.1', null, deaf)).rejects.toThrow('no RTP port pair')
  expect(tries).toBe(MAX_BIND_TRIES)
})
