// Who calls, as an INVITE tells it.
import { parseNameAddr } from '../sip/header.ts'
import type { IncomingCall } from '../sip/incoming-call.ts'
import { numberOf } from '../sip/uri.ts'

/** What is kept of a caller's name where it is no number, characters. */
const MAX_CALLER_LENGTH = 64

/**
 * The asserted identity, unless the caller wants it kept (RFC 3325 section 7), else From; `anonymous` when neither
 * names anybody.
 */
export function callerOf({ request, from }: IncomingCall): string {
  const privacy = (request.headers.get('privacy') ?? '').toLowerCase().split(/[;,\s]+/)
  const asserted = request.headers
    .list('p-asserted-identity')
    .map((value) => numberOf(parseNameAddr(value)?.uri ?? ''))
    .find((number) => number !== null)
  const shown = privacy.includes('id') ? null : asserted
  return (shown ?? numberOf(from.uri) ?? 'anonymous').slice(0, MAX_CALLER_LENGTH)
}
