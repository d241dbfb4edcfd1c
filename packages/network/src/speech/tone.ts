// Text as tones: 16-tone MFSK in the telephone band, one nibble every 20 ms, every word under a checksum of its own.
//
// A transmission is a lead-in (to wake a voice detector), a sync word, then blocks. A block is one nibble of length
// (0–15 bytes), three of checksum, and the bytes of one word (or of a part of a long one) in UTF-8, with the space
// before it. An empty block ends the transmission. The checksum covers all bytes so far, so a prefix of the audio
// gives a prefix of the text, and a damaged one gives none.
import { assert } from '@saperly/kernel'
import { FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE } from './pcm.ts'
import type { AudioChunk, Word } from './port.ts'

export const TONES = 16
const LOWEST_HZ = 600
const SPACING_HZ = 100
const AMPLITUDE = 16_000
/** Alternating far tones; their loss does no harm. */
export const LEAD_IN: readonly number[] = [2, 13, 2, 13, 2]
export const SYNC: readonly number[] = [15, 0, 9, 4, 12, 1]
/** Bytes of one block. */
export const MAX_BLOCK_BYTES = 15
/** Nibbles before a block's bytes. */
export const HEADER_NIBBLES = 4

export function toneHz(tone: number): number {
  return LOWEST_HZ + SPACING_HZ * tone
}

/** 12 bit checksum (polynomial 0x80f), continued from `crc`. */
export function checksum(crc: number, bytes: Uint8Array): number {
  for (const byte of [bytes.length, ...bytes]) {
    crc ^= byte << 4
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x800 ? ((crc << 1) ^ 0x80f) & 0xfff : crc << 1
  }
  return crc
}

/** What a checksum starts from: nonzero, so that silence read as zeros never fits. */
export const CHECKSUM_START = 0x5a5

/** The bytes of `text` in blocks, none of which splits a character. */
function blocksOf(text: string): Uint8Array[] {
  const blocks: Uint8Array[] = []
  let block: number[] = []
  for (const char of text) {
    const bytes = new TextEncoder().encode(char)
    if (block.length + bytes.length > MAX_BLOCK_BYTES) {
      blocks.push(Uint8Array.from(block))
      block = []
    }
    block.push(...bytes)
  }
  if (block.length > 0) blocks.push(Uint8Array.from(block))
  return blocks
}

function nibblesOf(block: Uint8Array, crc: number): number[] {
  const bytes = Array.from(block).flatMap((byte) => [byte >> 4, byte & 15])
  return [block.length, crc >> 8, (crc >> 4) & 15, crc & 15, ...bytes]
}

/** Renders `text`; silent for one without words. Runs of white space become one space. */
export function renderTones(text: string): AudioChunk {
  const words = text.split(/\s+/).filter((word) => word !== '')
  if (words.length === 0) return { pcm: new Int16Array(0), words: [] }
  const symbols = [...LEAD_IN, ...SYNC]
  const timed: Word[] = []
  let crc = CHECKSUM_START
  const send = (block: Uint8Array): void => {
    crc = checksum(crc, block)
    symbols.push(...nibblesOf(block, crc))
  }
  for (const [i, word] of words.entries()) {
    const fromMs = symbols.length * FRAME_MS
    for (const block of blocksOf(i === 0 ? word : ` ${word}`)) send(block)
    timed.push({ text: word, fromMs, toMs: symbols.length * FRAME_MS })
  }
  send(new Uint8Array(0))
  return { pcm: modulate(symbols), words: timed }
}

/** One tone a symbol, without a jump of phase between two of them. */
function modulate(symbols: readonly number[]): Int16Array {
  const pcm = new Int16Array(symbols.length * FRAME_SAMPLES)
  let phase = 0
  let at = 0
  for (const tone of symbols) {
    assert(tone >= 0 && tone < TONES, `no tone ${tone}`)
    const step = (2 * Math.PI * toneHz(tone)) / SAMPLE_RATE
    for (let i = 0; i < FRAME_SAMPLES; i++) {
      pcm[at++] = Math.round(AMPLITUDE * Math.sin(phase))
      phase = (phase + step) % (2 * Math.PI)
    }
  }
  return pcm
}
