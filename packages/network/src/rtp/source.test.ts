// Who is believed: the announced source, a learned one, a NAT that moved the peer; never a stranger.
import { expect, test } from 'vitest'
import type { RtpPacket } from './packet.ts'
import { type Address, REBIND_SILENCE_MS, SourceLock } from './source.ts'

const PEER = { address: '192.0.2.1', port: 6000 }
const MOVED = { address: '192.0.2.1', port: 6400 }
const STRANGER = { address: '198.51.100.9', port: 9 }

/** A lock and a clock; `send` says whether packets with these numbers, 20 ms apart, are believed. */
function setUp() {
  const lock = new SourceLock(PEER)
  let nowMs = 0
  return {
    lock,
    wait: (ms: number) => void (nowMs += ms),
    send: (from: Address, sequences: readonly number[], ssrc = 7): boolean[] =>
      sequences.map((sequence) => {
        nowMs += 20
        const packet: RtpPacket = {
          payloadType: 0,
          marker: false,
          sequence: sequence & 0xffff,
          timestamp: 160 * sequence,
          ssrc,
          payload: new Uint8Array(),
        }
        return lock.accept(packet, from.address, from.port, nowMs)
      }),
  }
}

test('a NAT that moves the peer is followed once the old source is silent', () => {
  const { lock, wait, send } = setUp()
  expect(send(PEER, [65_530, 65_531, 65_532])).toEqual([true, true, true])
  // Too early: the old source may only be pausing.
  expect(send(MOVED, [65_533, 65_534, 65_535])).toEqual([false, false, false])
  wait(REBIND_SILENCE_MS)
  expect(send(MOVED, [65_560, 65_561, 65_562, 65_563])).toEqual([false, false, true, true])
  expect(lock.target).toMatchObject(MOVED)
  // And the old source is a stranger from now on.
  expect(send(PEER, [65_564, 65_565, 65_566])).toEqual([false, false, false])
})

test('silence alone lets nobody in', () => {
  const { lock, wait, send } = setUp()
  send(PEER, [100, 101, 102])
  wait(60_000)
  expect(send(STRANGER, [103, 104, 105, 106], 8)).not.toContain(true)
  expect(send(STRANGER, [90, 91, 92, 93])).not.toContain(true)
  expect(send(STRANGER, [5000, 5001, 5002, 5003])).not.toContain(true)
  expect(send(STRANGER, [103, 105, 107, 109])).not.toContain(true)
  expect(lock.target).toMatchObject(PEER)
  expect(send(PEER, [107])).toEqual([true])
})

test('a peer that still speaks is not to be replaced, whatever is known of its stream', () => {
  const { lock, send } = setUp()
  for (let i = 100; i < 200; i++) {
    expect(send(PEER, [i])).toEqual([true])
    expect(send(STRANGER, [i + 1])).toEqual([false])
  }
  expect(lock.target).toMatchObject(PEER)
})

test('a re-INVITE that names another address begins with a new lock', () => {
  const { send } = setUp()
  send(PEER, [1, 2, 3])
  const lock = new SourceLock(MOVED)
  expect(lock.locked).toBe(false)
  expect(lock.target).toEqual(MOVED)
})
