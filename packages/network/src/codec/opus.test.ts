// Opus: round trip at the telephone's rate, packets of every length, streams side by side, and hostile payloads.
import { seededRandom } from '@saperly/kernel'
import { afterEach, expect, test } from 'vitest'
import { CODECS, createDecoder, createEncoder } from './codec.ts'
import { OpusDecoder, OpusEncoder } from './opus.ts'

const opened: { close(): void }[] = []
afterEach(() => {
  for (const stream of opened.splice(0)) stream.close()
})

function encoder(): OpusEncoder {
  const made = new OpusEncoder(5)
  opened.push(made)
  return made
}

function decoder(): OpusDecoder {
  const made = new OpusDecoder()
  opened.push(made)
  return made
}

function tone(hertz: number, from: number, samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.round(8000 * Math.sin((2 * Math.PI * hertz * (from + i)) / 8000)),
  )
}

/** Power of one frequency in the samples, 0-1 of all. */
function share(samples: readonly number[], hertz: number): number {
  let [re, im, energy] = [0, 0, 0]
  samples.forEach((sample, i) => {
    re += sample * Math.cos((2 * Math.PI * hertz * i) / 8000)
    im += sample * Math.sin((2 * Math.PI * hertz * i) / 8000)
    energy += sample ** 2
  })
  return (2 * (re ** 2 + im ** 2)) / (samples.length * energy)
}

test.each(CODECS.opus.packetTimesMs)('a tone comes back from packets of %i ms', (ms) => {
  const [from, to] = [encoder(), decoder()]
  const samples = 8 * ms
  const heard: number[] = []
  for (let at = 0; at < 8000; at += samples) {
    const payload = from.encode(tone(1000, at, samples))
    expect(payload.length).toBeLessThan((ms * 40) / 8)
    const pcm = to.decode(payload)!
    expect(pcm).toHaveLength(samples)
    heard.push(...pcm)
  }
  const later = heard.slice(2000, 6000)
  expect(share(later, 1000)).toBeGreaterThan(0.98)
  expect(Math.max(...later)).toBeGreaterThan(7000)
})

test('streams do not disturb each other, also when there are so many that the memory must grow', () => {
  const [from, to] = [encoder(), decoder()]
  const before = to.decode(from.encode(tone(500, 0, 160)))!
  // Memory for about 170 streams is there from the beginning.
  const others = Array.from({ length: 300 }, () => encoder())
  others[299]!.encode(tone(2000, 0, 160))
  const heard: number[] = [...before]
  for (let at = 160; at < 8000; at += 160) {
    heard.push(...to.decode(from.encode(tone(500, at, 160)))!)
    others[at % 300]!.encode(tone(2000, at, 160))
  }
  expect(share(heard.slice(2000), 500)).toBeGreaterThan(0.98)
})

test('what is no Opus packet is refused, and nothing is disturbed by it', () => {
  const random = seededRandom(11)
  const to = decoder()
  expect(to.decode(new Uint8Array())).toBeNull()
  expect(to.samplesIn(new Uint8Array())).toBe(0)
  expect(to.decode(new Uint8Array(2000))).toBeNull()
  let refused = 0
  for (let i = 0; i < 20_000; i++) {
    const payload = random.bytes(random.int(1, 80))
    const pcm = to.decode(payload)
    if (pcm === null) refused++
    // The length that was told beforehand is the one that comes.
    else expect(pcm).toHaveLength(to.samplesIn(payload))
  }
  expect(refused).toBeGreaterThan(1000)
  const from = encoder()
  const heard: number[] = []
  for (let at = 0; at < 8000; at += 160) heard.push(...to.decode(from.encode(tone(700, at, 160)))!)
  expect(share(heard.slice(4000), 700)).toBeGreaterThan(0.98)
})

test('every codec brings a tone back by the common interface', () => {
  for (const codec of ['PCMU', 'PCMA', 'G722', 'opus'] as const) {
    const from = createEncoder(codec)
    const to = createDecoder(codec)
    opened.push(from, to)
    const heard: number[] = []
    for (let at = 0; at < 8000; at += 160)
      heard.push(...to.decode(from.encode(tone(440, at, 160)))!)
    expect([codec, share(heard.slice(2000, 6000), 440) > 0.98]).toEqual([codec, true])
  }
})
