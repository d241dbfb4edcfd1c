// When each word of a rendered sentence is spoken: the words' own phones, laid along the phones of the sentence.
import type { Word } from './port.ts'

/** One phone as the synthesiser timed it, milliseconds. */
export interface Segment {
  phone: string
  fromMs: number
  toMs: number
}

/** The name flite gives to silence. */
export const PAUSE = 'pau'

/** The phones one written word stands for; empty when nothing of it is spoken. */
export interface SpokenWord {
  text: string
  phones: readonly string[]
}

/** Reads flite's `-psdur` line: `phone:end-in-seconds` in order. */
export function parseSegments(printed: string): Segment[] {
  let fromMs = 0
  return [...printed.matchAll(/(\S+):(\d+\.\d+)/g)].map(([, phone, end]) => {
    const segment = { phone: phone!, fromMs, toMs: Math.round(Number(end) * 1000) }
    fromMs = segment.toMs
    return segment
  })
}

const GAP_COST = 2
const VOWEL = /^[aeiou]/

/** A vowel may well be reduced to another one in running speech; a consonant rarely changes. */
function mismatch(one: string, other: string): number {
  if (one === other) return 0
  return VOWEL.test(one) && VOWEL.test(other) ? 1 : 3
}

/**
 * For each expected phone the index of the spoken one it lines up with, or -1 (edit distance, cheapest path).
 * Both lists are bounded by the 500 characters a sentence may have.
 */
function alignPhones(expected: readonly string[], spoken: readonly string[]): Int32Array {
  const width = spoken.length + 1
  const cost = new Uint16Array((expected.length + 1) * width)
  for (let i = 0; i <= expected.length; i++) {
    for (let j = 0; j <= spoken.length; j++) {
      if (i === 0 || j === 0) {
        cost[i * width + j] = GAP_COST * (i + j)
        continue
      }
      const pair = cost[(i - 1) * width + j - 1]! + mismatch(expected[i - 1]!, spoken[j - 1]!)
      const skip = Math.min(cost[(i - 1) * width + j]!, cost[i * width + j - 1]!) + GAP_COST
      cost[i * width + j] = Math.min(pair, skip)
    }
  }
  const matched = new Int32Array(expected.length).fill(-1)
  let i = expected.length
  let j = spoken.length
  while (i > 0 && j > 0) {
    const here = cost[i * width + j]!
    if (here === cost[(i - 1) * width + j - 1]! + mismatch(expected[i - 1]!, spoken[j - 1]!)) {
      matched[--i] = --j
    } else if (here === cost[(i - 1) * width + j]! + GAP_COST) i--
    else j--
  }
  return matched
}

/**
 * Times `words` by the segments of the sentence they make up. Every word gets a time, in order and without overlap;
 * one that is not spoken (a dash, say) gets an empty stretch at the end of the word before it.
 */
export function timeWords(words: readonly SpokenWord[], segments: readonly Segment[]): Word[] {
  const voiced = segments.filter((segment) => segment.phone !== PAUSE)
  const matched = alignPhones(
    words.flatMap((word) => word.phones),
    voiced.map((segment) => segment.phone),
  )
  let lastMs = voiced[0]?.fromMs ?? 0
  let at = 0
  return words.map(({ text, phones }) => {
    const hits = [...matched.subarray(at, at + phones.length)].filter((index) => index >= 0)
    at += phones.length
    const fromMs = Math.max(lastMs, voiced[hits[0] ?? -1]?.fromMs ?? lastMs)
    lastMs = Math.max(fromMs, voiced[hits.at(-1) ?? -1]?.toMs ?? fromMs)
    return { text, fromMs, toMs: lastMs }
  })
}
