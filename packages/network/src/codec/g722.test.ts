// G.722 against what another implementation made of the same input, and what it does to a telephone's sound.
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { G722Decoder, G722Encoder } from './g722.ts'

/** A known pseudo-random sequence, 0–1. */
function sequence(): () => number {
  let state = 12_345
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    return (state >>> 8) / 2 ** 24
  }
}

/** Noise of several loudnesses up to full scale, and a gliding tone. */
function signal(samples: number, next: () => number): Int16Array {
  const loudness = [300, 3000, 32_767, 12_000, 30]
  return Int16Array.from({ length: samples }, (_, i) => {
    const part = Math.floor(i / 4000) % 5
    const loud = loudness[part]!
    const sample = part === 3 ? loud * Math.sin(i * 0.3 + i * i * 1e-6) : loud * (2 * next() - 1)
    return Math.round(sample)
  })
}

const digest = (data: Uint8Array | Int16Array): string =>
  createHash('sha256')
    .update(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')

/** The reference is spandsp 0.0.6 in its mode for 8 kHz, 64 kbit/s: bit by bit the same over 50 s. */
test('codes and decodes bit by bit like an independent implementation', () => {
  const next = sequence()
  const payload = new G722Encoder().encode(signal(400_000, next))
  const noise = Uint8Array.from({ length: 400_000 }, () => Math.floor(next() * 256))
  expect({
    payload: digest(payload),
    pcm: digest(new G722Decoder().decode(payload)),
    pcmOfNoise: digest(new G722Decoder().decode(noise)),
  }).toEqual({
    payload: '59eb482f187f2c2d918d19213f5cd0065b98be0a83830bf63ad009dc5c7c76ff',
    pcm: '1534bffba59c851dd9ae9f646fc46203b1c61606180e5afc01b8fbadc266e3e5',
    pcmOfNoise: 'c43197d3cf1f85a2b459f62a3f61b673edc46529d9066857cd1fd969b2972451',
  })
})

/** Signal to noise, dB, of a tone that went through the codec in frames of 20 ms. */
function toneQuality(hertz: number, amplitude: number): number {
  const encoder = new G722Encoder()
  const decoder = new G722Decoder()
  let [signalPower, noisePower] = [0, 0]
  for (let frame = 0; frame < 50; frame++) {
    const pcm = Int16Array.from({ length: 160 }, (_, i) =>
      Math.round(amplitude * Math.sin((2 * Math.PI * hertz * (frame * 160 + i)) / 8000)),
    )
    const heard = decoder.decode(encoder.encode(pcm))
    if (frame < 5) continue
    pcm.forEach((sample, i) => {
      signalPower += sample ** 2
      noisePower += (heard[i]! - sample) ** 2
    })
  }
  return 10 * Math.log10(signalPower / noisePower)
}

test.each([300, 440, 1000, 2000, 3400])('a tone of %i Hz stays clear, loud or soft', (hertz) => {
  for (const amplitude of [300, 3000, 30_000]) {
    expect(toneQuality(hertz, amplitude)).toBeGreaterThan(28)
  }
})

test('the upper band is silent', () => {
  const payload = new G722Encoder().encode(new Int16Array(160).fill(1234))
  expect(payload.every((byte) => byte >> 6 === 3)).toBe(true)
})
