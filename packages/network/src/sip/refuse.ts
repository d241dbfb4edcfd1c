// Requests that can't be taken: what can still be read of a broken one, and the code that each fault is answered with.
import { createHash } from 'node:crypto'
import { composeResponse } from './compose.ts'
import { parseVia, splitList } from './header.ts'
import { Headers } from './headers.ts'
import { MAX_MESSAGE_BYTES } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { parseUri } from './uri.ts'

/** Lines of a broken request that are looked at. */
const MAX_SALVAGED_LINES = 128
const START_LINE = /^([A-Za-z0-9\-.!%*_+`'~]{1,64})\s+(.{1,1024}?)\s+SIP\/(\d{1,3}\.\d{1,3})\s*$/i

/** A request that can't be taken, as far as it can be read, and its answer. */
export interface Broken {
  request: SipRequest
  status: 400 | 501 | 505
}

/**
 * Reads as much of a request that the parser has refused as an answer needs (RFC 3261 section 8.2.6.2), and says which
 * answer: 505 for another version, 501 for a method that nobody here knows, else 400. Null when it is no request, an
 * ACK (never answered), or has no Via to send an answer to.
 */
export function salvage(data: Buffer, knows: (method: string) => boolean): Broken | null {
  const text = data.subarray(0, MAX_MESSAGE_BYTES).toString('utf8')
  const head = text.replace(/^[\r\n]+/, '').split(/\r?\n\r?\n/, 1)[0]!
  const [first, ...lines] = head.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/, MAX_SALVAGED_LINES)
  const start = START_LINE.exec(first ?? '')
  if (!start || start[1] === 'ACK') return null
  const headers = new Headers()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.take(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  if (splitList(headers.get('via') ?? '').length === 0) return null
  const status = start[3] !== '2.0' ? 505 : knows(start[1]!) ? 400 : 501
  return {
    request: { kind: 'request', method: start[1]!, uri: start[2]!, headers, body: '' },
    status,
  }
}

/** The answer to a broken request. Its tag follows from the request, so that a repetition is answered alike. */
export function answerBroken(broken: Broken): SipResponse {
  const { headers } = broken.request
  const seed = ['via', 'call-id', 'cseq'].map((name) => headers.get(name) ?? '').join('\n')
  const toTag = createHash('sha256').update(seed).digest('hex').slice(0, 16)
  const response = composeResponse(broken.request, broken.status, { toTag })
  for (const name of ['from', 'to', 'call-id', 'cseq']) {
    // A field that was not there is not made up.
    if (headers.get(name) === null) response.headers.remove(name)
  }
  return response
}

/** Where a broken request's answer goes, as far as its Via says: the port, or null for that of the sender. */
export function answerPort(broken: Broken): number | null {
  const via = parseVia(splitList(broken.request.headers.get('via') ?? '')[0] ?? '')
  return via && !via.params.has('rport') ? (via.port ?? null) : null
}

/**
 * Why the Request-URI of a request outside of dialogs can't be taken: 416 for a scheme that isn't one of ours (RFC 3261
 * section 8.2.2.1), 400 for a URI that is none; null when it can.
 */
export function uriFault(uri: string): 400 | 416 | null {
  if (parseUri(uri) || /^tel:\S/i.test(uri)) return null
  return /^(?!sips?:)[a-z][a-z0-9+.-]*:\S/i.test(uri) ? 416 : 400
}

/** The types that an INVITE may bring. */
const READABLE_BODY = /^\s*(?:application\/sdp|multipart\/mixed)\b/i
const ACCEPTS_SDP = /^\s*(?:application\/sdp|application\/\*|\*\/\*)\s*(?:;|$)/i

/** Why an INVITE's content can't be taken: 415 for its own body, 406 when it takes no description from us. */
export function contentFault(request: SipRequest): 415 | 406 | null {
  const type = request.headers.get('content-type')
  if (request.body !== '' && type !== null && !READABLE_BODY.test(type)) return 415
  const accepted = request.headers.list('accept')
  return accepted.length > 0 && !accepted.some((value) => ACCEPTS_SDP.test(value)) ? 406 : null
}
