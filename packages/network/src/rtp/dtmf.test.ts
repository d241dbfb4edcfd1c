// Digits: what goes out frame by frame, and that what comes in is counted once.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keypadTone } from '../codec/keypad.ts'
import { eventOfDigit, MAX_QUEUED_DIGITS, ToneReceiver, ToneSender, writeEvent } from './dtmf.ts'
import type { ToneStep } from './dtmf.ts'

function stepsOf(digits: string): ToneStep[] {
  const sender = new ToneSender()
  expect(sender.send(digits, () => {})).toBe(true)
  const steps: ToneStep[] = []
  for (let step = sender.next(); step !== null; step = sender.next()) steps.push(step)
  return steps
}

/** The packets of `steps` as RTP would carry them: one timestamp per event. */
function packetsOf(steps: readonly ToneStep[], ssrc = 1) {
  let timestamp = 1000
  return steps.flatMap((step, frame) => {
    if (step.kind === 'pause') return []
    if (step.first) timestamp = 1000 + frame * 160
    return [{ ssrc, timestamp, payload: writeEvent(step) }]
  })
}

function received(packets: ReturnType<typeof packetsOf>): string {
  const receiver = new ToneReceiver()
  return packets.map((packet) => receiver.receive(packet) ?? '').join('')
}

test('a digit is 100 ms of growing duration, then its end three times', () => {
  const events = stepsOf('5').filter((step) => step.kind === 'event')
  expect(events.map(({ durationSamples }) => durationSamples)).toEqual([
    160, 320, 480, 640, 800, 800, 800, 800,
  ])
  expect(events.map(({ end }) => end)).toEqual([...Array(5).fill(false), true, true, true])
  expect(events.map(({ first }) => first)).toEqual([true, ...Array(7).fill(false)])
  expect([...writeEvent(events.at(-1)!)]).toEqual([5, 0x80 | 10, 3, 0x20])
})

test('w is a pause of half a second', () => {
  const steps = stepsOf('w')
  expect(steps).toHaveLength(25)
  expect(steps.every(({ kind }) => kind === 'pause')).toBe(true)
})

test('tells when the last digit is done, once', () => {
  const sender = new ToneSender()
  let done = 0
  sender.send('1', () => done++)
  sender.send('2', () => (done += 10))
  while (sender.busy) sender.next()
  expect(done).toBe(11)
  expect(sender.next()).toBeNull()
})

test('refuses what is no digit, and what is too much', () => {
  const sender = new ToneSender()
  for (const digits of ['', 'x', '12e', '1 2', 'a', '😀']) {
    expect(sender.send(digits, () => {})).toBe(false)
  }
  expect(sender.send('1'.repeat(MAX_QUEUED_DIGITS), () => {})).toBe(true)
  expect(sender.send('1', () => {})).toBe(false)
  expect(eventOfDigit('')).toBeNull()
})

test('any digits come out as they went in, with packets lost, doubled and swapped', () => {
  const digits = fc
    .array(fc.constantFrom(...Array.from('0123456789*#ABCDw')), { minLength: 1, maxLength: 20 })
    .map((list) => list.join(''))
  fc.assert(
    fc.property(digits, fc.nat(7), fc.nat(7), (sent, lost, doubled) => {
      const packets = packetsOf(stepsOf(sent))
      const arrived = packets.flatMap((packet, i) =>
        i % 8 === lost ? [] : i % 8 === doubled ? [packet, packet] : [packet],
      )
      expect(received(arrived)).toBe(sent.replaceAll('w', ''))
    }),
  )
})

test('a packet of an older digit that comes late is not another digit', () => {
  const packets = packetsOf(stepsOf('12'))
  const late = packets.splice(7, 1)
  packets.splice(10, 0, ...late)
  expect(received(packets)).toBe('12')
})

test('a key held beyond the largest duration is one digit', () => {
  const receiver = new ToneReceiver()
  const packet = (timestamp: number, duration: number) => ({
    ssrc: 1,
    timestamp,
    payload: Uint8Array.of(3, 10, duration >> 8, duration & 0xff),
  })
  expect(receiver.receive(packet(500, 160))).toBe('3')
  expect(receiver.receive(packet(500, 0xffff))).toBeNull()
  expect(receiver.receive(packet(500 + 0xffff, 160))).toBeNull()
  expect(receiver.receive(packet(500 + 0xffff + 8000, 160))).toBe('3')
})

test('flash and other events, and short payloads, are no digits', () => {
  const receiver = new ToneReceiver()
  expect(
    receiver.receive({ ssrc: 1, timestamp: 1, payload: Uint8Array.of(16, 0, 0, 1) }),
  ).toBeNull()
  expect(receiver.receive({ ssrc: 1, timestamp: 2, payload: Uint8Array.of(1, 0) })).toBeNull()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (payload) => {
      receiver.receive({ ssrc: 1, timestamp: 3, payload })
    }),
  )
})

test('the tones of a key are the two of its row and column', () => {
  const pcm = keypadTone(5, 0, 1600)
  const power = (hz: number): number => {
    let [re, im] = [0, 0]
    pcm.forEach((sample, i) => {
      re += sample * Math.cos((2 * Math.PI * hz * i) / 8000)
      im += sample * Math.sin((2 * Math.PI * hz * i) / 8000)
    })
    return Math.hypot(re, im) / pcm.length
  }
  expect(power(770)).toBeGreaterThan(3000)
  expect(power(1336)).toBeGreaterThan(3000)
  expect(power(697) + power(1477)).toBeLessThan(300)
})
