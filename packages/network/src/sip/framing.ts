// Cuts a byte stream into SIP messages by Content-Length (RFC 3261 section 18.3), and tells its empty lines apart.
import { MAX_MESSAGE_BYTES } from './message.ts'

/** Why a stream is no SIP: its connection is of no use any more. */
export type FramingFailure = 'not_sip' | 'no_content_length' | 'too_large'

export interface FrameReader {
  /** One whole message. Called in the order of the stream. */
  onMessage(data: Buffer): void
  /** An empty line between two messages: half a ping, or a pong (RFC 5626 section 4.4.1). */
  onEmptyLine(): void
}

/** Longest start line that is waited for, bytes. */
const MAX_START_LINE_BYTES = 2048
const START_LINE = /^(?:SIP\/2\.0 [1-6]\d\d(?: .*)?|\S{1,32} \S{1,1024} SIP\/2\.0)$/i
const CONTENT_LENGTH = /^(?:content-length|l)[ \t]*:[ \t]*(\d{1,6})[ \t]*\r?$/gim
const CR = 13
const LF = 10

/** Takes what was read, in pieces of any size. It keeps no more than one message that isn't whole yet. */
export class Framer {
  readonly #reader: FrameReader
  #pending: Buffer = Buffer.alloc(0)
  /** Up to here no end of the header part was found. */
  #searched = 0
  /** Length of the message under way, once its header part is whole. */
  #expected: number | null = null
  #startLineSeen = false

  constructor(reader: FrameReader) {
    this.#reader = reader
  }

  /** Whether a message has begun that isn't whole yet. */
  get partial(): boolean {
    return this.#pending.length > 0
  }

  /** Takes the next piece; what is wrong with the stream comes back, after which it must not be used any more. */
  push(data: Buffer): FramingFailure | null {
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data])
    for (;;) {
      this.#takeEmptyLines()
      if (this.#pending.length === 0) return null
      const failure = this.#readHead()
      if (failure !== null) return failure
      if (this.#expected === null || this.#pending.length < this.#expected) return null
      const message = this.#pending.subarray(0, this.#expected)
      this.#begin(this.#expected)
      this.#reader.onMessage(message)
    }
  }

  /** Only where no message has begun; half a line end waits for its other half. */
  #takeEmptyLines(): void {
    if (this.#expected !== null || this.#startLineSeen) return
    let at = 0
    for (;;) {
      const byte = this.#pending[at]
      if (byte === LF) at++
      else if (byte === CR && this.#pending[at + 1] === LF) at += 2
      else break
      this.#reader.onEmptyLine()
    }
    if (at > 0) this.#begin(at)
  }

  #begin(at: number): void {
    this.#pending = this.#pending.subarray(at)
    this.#searched = 0
    this.#expected = null
    this.#startLineSeen = false
  }

  #readHead(): FramingFailure | null {
    if (this.#expected !== null) return null
    const failure = this.#checkStartLine()
    if (failure !== null || !this.#startLineSeen) return failure
    const end = endOfHead(this.#pending, this.#searched)
    if (end === null) {
      this.#searched = Math.max(0, this.#pending.length - 3)
      return this.#pending.length > MAX_MESSAGE_BYTES ? 'too_large' : null
    }
    const length = contentLength(this.#pending.toString('latin1', 0, end))
    if (length === null) return 'no_content_length'
    if (end + length > MAX_MESSAGE_BYTES) return 'too_large'
    this.#expected = end + length
    return null
  }

  /** Whoever speaks something else (HTTP, TLS) is found out by the first line. */
  #checkStartLine(): FramingFailure | null {
    if (this.#startLineSeen) return null
    const feed = this.#pending.indexOf(LF)
    if (feed < 0) {
      // Only half of an empty line may begin with a carriage return.
      const wrong = this.#pending[0] === CR && this.#pending.length > 1
      return wrong || this.#pending.length > MAX_START_LINE_BYTES ? 'not_sip' : null
    }
    const line = this.#pending.toString('latin1', 0, Math.min(feed, MAX_START_LINE_BYTES))
    if (!START_LINE.test(line.replace(/\r$/, ''))) return 'not_sip'
    this.#startLineSeen = true
    return null
  }
}

const STRICT_END = Buffer.from('\r\n\r\n')
const LOOSE_END = Buffer.from('\n\n')

/** Where the body begins, or null when the header part isn't whole; bare line feeds are tolerated as by the parser. */
function endOfHead(data: Buffer, from: number): number | null {
  const strict = data.indexOf(STRICT_END, from)
  const loose = data.indexOf(LOOSE_END, from)
  if (loose >= 0 && (strict < 0 || loose < strict)) return loose + 2
  return strict < 0 ? null : strict + 4
}

/** Null when there is none, or when two contradict each other: the stream can't be followed then. */
function contentLength(head: string): number | null {
  const stated = new Set(Array.from(head.matchAll(CONTENT_LENGTH), (found) => Number(found[1])))
  const [only] = stated
  return stated.size === 1 ? only! : null
}
