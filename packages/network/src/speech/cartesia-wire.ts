// What Cartesia's speech websocket says, as far as we use it: audio, word times, the end of a context, errors.
import { decodeG711 } from '../codec/g711.ts'
import type { Pcm, Word } from './port.ts'
import type { VendorMessage } from './vendor-socket.ts'

/** Words told in one message; the sentences that are asked for have at most 500 characters. */
const MAX_WORDS = 500

export type CartesiaMessage =
  | { type: 'chunk'; context: string; pcm: Pcm }
  | { type: 'timestamps'; context: string; words: Word[] }
  | { type: 'done'; context: string }
  /** `context` null: it concerns the connection. */
  | { type: 'error'; context: string | null; code: string }
  /** Kinds that are not asked for, or not known yet. */
  | { type: 'other' }

/** What to say, for one context. */
export interface CartesiaRequest {
  context: string
  model: string
  voice: string
  /** Two letters. */
  language: string
  text: string
}

/** The request for the whole speech of a context: raw µ-law at 8 kHz, with the times of its words. */
export function generation({ context, model, voice, language, text }: CartesiaRequest): object {
  return {
    model_id: model,
    transcript: text,
    voice: { mode: 'id', id: voice },
    language,
    context_id: context,
    output_format: { container: 'raw', encoding: 'pcm_mulaw', sample_rate: 8000 },
    add_timestamps: true,
    continue: false,
  }
}

export function cancellation(context: string): object {
  return { context_id: context, cancel: true }
}

/** Null when the message is not as documented. */
export function readCartesia(message: VendorMessage): CartesiaMessage | null {
  const { type, context_id: id } = message
  if (type === 'error') return errorOf(message, typeof id === 'string' ? id : null)
  if (type !== 'chunk' && type !== 'timestamps' && type !== 'done') return { type: 'other' }
  if (typeof id !== 'string') return null
  if (type === 'done') return { type, context: id }
  if (type === 'chunk') {
    const { data } = message
    if (typeof data !== 'string') return null
    return { type, context: id, pcm: decodeG711('PCMU', Buffer.from(data, 'base64')) }
  }
  const words = wordsOf(message['word_timestamps'])
  return words && { type, context: id, words }
}

/** The vendor's prose stays out: it may repeat what was to be said. */
function errorOf(message: VendorMessage, context: string | null): CartesiaMessage {
  const { status_code: status, error_code: word } = message
  const code =
    typeof word === 'string'
      ? `vendor_${word
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '_')
          .slice(0, 40)}`
      : `refused_${isStatus(status) ? status : 0}`
  return { type: 'error', context, code }
}

/** Times are in seconds from the start of the context. */
function wordsOf(value: unknown): Word[] | null {
  if (typeof value !== 'object' || value === null) return null
  const { words, start, end } = value as Record<string, unknown>
  if (!Array.isArray(words) || !Array.isArray(start) || !Array.isArray(end)) return null
  const found: Word[] = []
  for (const [i, text] of words.slice(0, MAX_WORDS).entries()) {
    const [fromSec, toSec] = [start[i] as unknown, end[i] as unknown]
    if (typeof text !== 'string' || !isTime(fromSec) || !isTime(toSec)) return null
    found.push({ text, fromMs: Math.round(fromSec * 1000), toMs: Math.round(toSec * 1000) })
  }
  return found
}

function isStatus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 100 && value < 1000
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
