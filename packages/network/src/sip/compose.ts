// Builds requests and responses with the headers that every one of them carries (RFC 3261 section 8).
import { Headers } from './headers.ts'
import type { SipRequest, SipResponse } from './message.ts'

/** What we do, as Allow says it. */
export const METHODS = [
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'OPTIONS',
  'INFO',
  'UPDATE',
  'REFER',
  'NOTIFY',
  'PRACK',
] as const

/** Extensions that we know, and so may be required: reliable provisional responses, session timers. */
export const EXTENSIONS = ['100rel', 'timer'] as const

export const USER_AGENT = 'Saperly'

export interface Body {
  type: string
  text: string
}

export function sdpBody(text: string): Body {
  return { type: 'application/sdp', text }
}

/** An extra header field: lower-case full name and value. */
export type Field = readonly [name: string, value: string]

export interface RequestParts {
  method: string
  uri: string
  from: string
  to: string
  callId: string
  cseq: number
  /** Contact URI, for requests that make or refresh a dialog. */
  contact: string | null
  routes: readonly string[]
  fields: readonly Field[]
  body: Body | null
}

/** A request without Via; the transaction layer puts it on top. */
export function composeRequest(parts: RequestParts): SipRequest {
  const headers = new Headers().add('via', '').add('max-forwards', '70')
  for (const route of parts.routes) headers.add('route', route)
  headers
    .add('from', parts.from)
    .add('to', parts.to)
    .add('call-id', parts.callId)
    .add('cseq', `${parts.cseq} ${parts.method}`)
  if (parts.contact !== null) headers.add('contact', `<${parts.contact}>`)
  if (parts.method !== 'ACK' && parts.method !== 'CANCEL') headers.add('allow', METHODS.join(', '))
  if (parts.method === 'INVITE' || parts.method === 'UPDATE') {
    headers.add('supported', EXTENSIONS.join(', '))
  }
  headers.add('user-agent', USER_AGENT)
  for (const [name, value] of parts.fields) headers.add(name, value)
  if (parts.body) headers.add('content-type', parts.body.type)
  return {
    kind: 'request',
    method: parts.method,
    uri: parts.uri,
    headers,
    body: parts.body?.text ?? '',
  }
}

export interface ResponseParts {
  /** Added to a To that has no tag yet. */
  toTag?: string
  contact?: string
  fields?: readonly Field[]
  body?: Body | null
}

/** A response to `request` (section 8.2.6); Record-Route is copied where a dialog is made (section 12.1.1). */
export function composeResponse(
  request: SipRequest,
  status: number,
  parts: ResponseParts = {},
): SipResponse {
  const headers = new Headers()
  for (const via of request.headers.all('via')) headers.add('via', via)
  const to = request.headers.get('to') ?? ''
  const tagged = parts.toTag === undefined || /;\s*tag\s*=/i.test(to)
  headers
    .add('from', request.headers.get('from') ?? '')
    .add('to', tagged ? to : `${to};tag=${parts.toTag}`)
    .add('call-id', request.headers.get('call-id') ?? '')
    .add('cseq', request.headers.get('cseq') ?? '')
  if (request.method === 'INVITE' && status > 100 && status < 300) {
    for (const route of request.headers.all('record-route')) headers.add('record-route', route)
  }
  if (parts.contact !== undefined) headers.add('contact', `<${parts.contact}>`)
  if (status === 405 || status === 501 || (status > 100 && status < 300)) {
    headers.add('allow', METHODS.join(', '))
  }
  if (status > 100 && status < 300) headers.add('supported', EXTENSIONS.join(', '))
  headers.add('server', USER_AGENT)
  for (const [name, value] of parts.fields ?? []) headers.add(name, value)
  if (parts.body) headers.add('content-type', parts.body.type)
  return {
    kind: 'response',
    status,
    reason: phraseOf(status),
    headers,
    body: parts.body?.text ?? '',
  }
}

/** What a request insists on and we don't know (RFC 3261 section 8.2.2.3). */
export function unsupportedBy(request: SipRequest): string[] {
  const known: readonly string[] = EXTENSIONS
  return request.headers.list('require').filter((name) => !known.includes(name.toLowerCase()))
}

const PHRASES: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  420: 'Bad Extension',
  422: 'Session Interval Too Small',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  484: 'Address Incomplete',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  489: 'Bad Event',
  491: 'Request Pending',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'Version Not Supported',
  600: 'Busy Everywhere',
  603: 'Decline',
  604: 'Does Not Exist Anywhere',
}

const CLASSES = ['', 'Trying', 'OK', 'Redirected', 'Request Failure', 'Server Failure', 'Failure']

/** The usual words for a status code. */
export function phraseOf(status: number): string {
  return PHRASES[status] ?? CLASSES[Math.floor(status / 100)] ?? ''
}
