// SIP messages: a small, lazy, bounded parser and the serialiser (RFC 3261 section 7).
import { fail, ok } from '@saperly/kernel'
import type { Result } from '@saperly/kernel'
import { isNameAddr, parseCSeq, parseVia, splitList } from './header.ts'
import type { CSeq } from './header.ts'
import { Headers } from './headers.ts'
import { sdpPart } from './multipart.ts'

export interface SipRequest {
  kind: 'request'
  method: string
  uri: string
  headers: Headers
  body: string
}

export interface SipResponse {
  kind: 'response'
  status: number
  reason: string
  headers: Headers
  body: string
}

export type SipMessage = SipRequest | SipResponse

/** Why bytes are not a SIP message. `empty` is a keepalive of line ends and nothing else. */
export type ParseFailure =
  | 'empty'
  | 'too_large'
  | 'bad_start_line'
  | 'bad_header'
  | 'too_many_headers'
  | 'missing_header'
  | 'repeated_header'
  | 'bad_address'
  | 'bad_via'
  | 'bad_cseq'
  | 'bad_content_length'
  | 'truncated'

export const MAX_MESSAGE_BYTES = 65_535
export const MAX_HEADERS = 128
export const MAX_HEADER_LENGTH = 8192

const REQUEST_LINE = /^([A-Za-z0-9\-.!%*_+`'~]{1,64}) (\S{1,1024}) SIP\/2\.0$/i
const STATUS_LINE = /^SIP\/2\.0 ([1-6]\d\d)(?: (.*))?$/i
const REQUIRED = ['via', 'from', 'to', 'call-id', 'cseq'] as const
/** Fields that stand alone: two of them leave nobody knowing which one counts (RFC 3261 section 7.3.1). */
const SINGLE = ['from', 'to', 'call-id', 'cseq', 'max-forwards', 'content-length'] as const
const STRICT_END = Buffer.from('\r\n\r\n')
const LOOSE_END = Buffer.from('\n\n')
const CR = 13
const LF = 10

/** Reads one datagram. Never throws; what is wrong comes back as a word. */
export function parseMessage(data: Buffer): Result<SipMessage, ParseFailure> {
  if (data.length > MAX_MESSAGE_BYTES) return fail('too_large')
  let start = 0
  while (start < data.length && (data[start] === CR || data[start] === LF)) start++
  if (start === data.length) return fail('empty')
  const end = findBody(data, start)
  const text = data.toString('utf8', start, end.head)
  const headers = new Headers()
  const first = lineEnd(text, 0)
  const failure = readHeaders(text, first.next, headers)
  if (failure) return fail(failure)
  const fault = faultOf(headers)
  if (fault) return fail(fault)
  const cseq = parseCSeq(headers.get('cseq')!)
  if (!cseq) return fail('bad_cseq')
  const body = readBody(data, end.body, headers)
  if (!body.ok) return body
  return readStartLine(text.slice(0, first.end), cseq, headers, body.value)
}

/** What is wrong with the fields that everything else stands on; null when they can be used. */
function faultOf(headers: Headers): ParseFailure | null {
  for (const name of REQUIRED) if (headers.get(name) === null) return 'missing_header'
  for (const name of SINGLE) if (headers.all(name).length > 1) return 'repeated_header'
  for (const name of ['from', 'to']) if (!isNameAddr(headers.get(name)!)) return 'bad_address'
  const vias = headers.list('via')
  return vias.length > 0 && vias.every((via) => parseVia(via) !== null) ? null : 'bad_via'
}

/** Where the header part ends and where the body begins; bare line feeds are tolerated. */
function findBody(data: Buffer, start: number): { head: number; body: number } {
  const strict = data.indexOf(STRICT_END, start)
  const loose = data.indexOf(LOOSE_END, start)
  if (loose >= 0 && (strict < 0 || loose < strict)) return { head: loose, body: loose + 2 }
  return strict < 0 ? { head: data.length, body: data.length } : { head: strict, body: strict + 4 }
}

/** Where the line that begins at `from` ends, and where the next one begins. */
function lineEnd(text: string, from: number): { end: number; next: number } {
  const feed = text.indexOf('\n', from)
  if (feed < 0) return { end: text.length, next: text.length + 1 }
  const end = feed > from && text.charCodeAt(feed - 1) === CR ? feed - 1 : feed
  return { end, next: feed + 1 }
}

/** Reads the fields from `from` on, unfolding continued ones. */
function readHeaders(text: string, from: number, headers: Headers): ParseFailure | null {
  let at = from
  while (at < text.length) {
    let { end, next } = lineEnd(text, at)
    let line = text.slice(at, end)
    while (isSpace(text.charCodeAt(next)) && line.length <= MAX_HEADER_LENGTH) {
      at = next
      ;({ end, next } = lineEnd(text, at))
      line = `${line.trimEnd()} ${text.slice(at, end).trim()}`
    }
    if (line.length > MAX_HEADER_LENGTH) return 'too_large'
    at = next
    if (line === '') continue
    if (headers.size >= MAX_HEADERS) return 'too_many_headers'
    const colon = line.indexOf(':')
    if (colon < 1 || !headers.take(line.slice(0, colon), line.slice(colon + 1).trim())) {
      return 'bad_header'
    }
  }
  return null
}

function isSpace(code: number): boolean {
  return code === 32 || code === 9
}

function readBody(data: Buffer, from: number, headers: Headers): Result<string, ParseFailure> {
  const stated = headers.get('content-length')
  if (stated === null) return ok(data.toString('utf8', from))
  if (!/^\d{1,6}$/.test(stated)) return fail('bad_content_length')
  const length = Number(stated)
  if (from + length > data.length) return fail('truncated')
  return ok(data.toString('utf8', from, from + length))
}

function readStartLine(
  line: string,
  cseq: CSeq,
  headers: Headers,
  body: string,
): Result<SipMessage, ParseFailure> {
  const status = STATUS_LINE.exec(line)
  if (status) {
    return ok({
      kind: 'response',
      status: Number(status[1]),
      reason: status[2] ?? '',
      headers,
      body,
    })
  }
  const request = REQUEST_LINE.exec(line)
  if (!request) return fail('bad_start_line')
  if (request[1] !== cseq.method) return fail('bad_cseq')
  return ok({ kind: 'request', method: request[1], uri: request[2]!, headers, body })
}

/** Writes a message; Content-Length is computed. */
export function serialise(message: SipMessage): Buffer {
  const first =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`
  const length = Buffer.byteLength(message.body, 'utf8')
  const headers = message.headers.write()
  return Buffer.from(
    `${first}\r\n${headers}Content-Length: ${length}\r\n\r\n${message.body}`,
    'utf8',
  )
}

/** The CSeq of a parsed message (the parser has checked it). */
export function cseqOf(message: SipMessage): CSeq {
  return parseCSeq(message.headers.get('cseq') ?? '') ?? { number: 0, method: '' }
}

/** The first Via element, or '' (the parser has checked that one is there). */
export function topVia(message: SipMessage): string {
  return splitList(message.headers.get('via') ?? '')[0] ?? ''
}

/** The body when it is of type `application/sdp` (or has no type but looks it), else null. */
export function sdpOf(message: SipMessage): string | null {
  if (message.body === '') return null
  const type = message.headers.get('content-type')
  if (type === null) return message.body.startsWith('v=0') ? message.body : null
  if (/^multipart\//i.test(type)) return sdpPart(type, message.body)
  return /^application\/sdp\b/i.test(type) ? message.body : null
}
