// A body of several parts (RFC 2046 section 5.1): carriers put ISUP or location beside the session description.
import { parseParams } from './header.ts'

/** Parts that are looked at. */
const MAX_PARTS = 16
const MAX_BOUNDARY_LENGTH = 70

/** The first part of type `application/sdp`, or null. `contentType` is the value of the whole body's field. */
export function sdpPart(contentType: string, body: string): string | null {
  const semicolon = contentType.indexOf(';')
  const boundary =
    semicolon < 0 ? '' : (parseParams(contentType.slice(semicolon)).get('boundary') ?? '')
  if (boundary === '' || boundary.length > MAX_BOUNDARY_LENGTH) return null
  // What stands before the first delimiter is no part.
  const [, ...parts] = `\r\n${body}`.split(`\r\n--${boundary}`, MAX_PARTS + 1)
  for (const part of parts) {
    if (part.startsWith('--')) return null
    const end = part.indexOf('\r\n\r\n')
    if (end >= 0 && /^content-type:\s*application\/sdp\b/im.test(part.slice(0, end))) {
      return `${part.slice(end + 4).replace(/(?:\r\n)+$/, '')}\r\n`
    }
  }
  return null
}
