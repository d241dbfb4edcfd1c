// Hides what must not be read in a message that is shown to people: keys, passwords, proofs and pressed digits.
//
// Each hidden character becomes a star, so that lengths (Content-Length, a packet's) stay what they were.

/** Header fields of RFC 3261 section 22 and RFC 7616, folded lines included. */
const CREDENTIALS =
  /^((?:proxy-)?authorization|(?:www|proxy)-authenticate|(?:proxy-)?authentication-info)([ \t]*:[ \t]*)(.*(?:\r?\n[ \t].*)*)/gim
/** Parameters of a digest that prove something, or help to guess the password from it. */
const PROOFS =
  /\b(response|rspauth|nonce|cnonce|nextnonce|opaque)([ \t]*=[ \t]*)("(?:[^"\\]|\\.)*"|[^\s,;]+)/gi
/** The password of a URI (RFC 3261 section 19.1.1). */
const PASSWORD = /\b(sips?:[^\s:@<>"]{1,256}:)([^\s@<>"]{1,256})(?=@)/gi

/** SDP: SRTP keys (RFC 4568), the old `k=` line, ICE passwords. */
const SDP_KEYS = /^(a=crypto:\S+ \S+ |k=|a=ice-pwd:)(.+)$/gim
/** What an INFO says that was pressed. */
const DIGITS = /^([ \t]*(?:signal|digit|d)[ \t]*=[ \t]*)(\S+)/gim
const BARE_DIGITS = /^content-type[ \t]*:[ \t]*application\/dtmf\b/im
const DTMF_BODY = /^(?:content-type|c)[ \t]*:[ \t]*application\/dtmf(?:-relay)?\b/im

function stars(text: string): string {
  return text.replace(/[^\s"]/g, '*')
}

/** The message with everything secret in it as stars. Works on text of one character a byte (latin1). */
export function withoutSecrets(message: string): string {
  const head = headOf(message)
  const body = message.slice(head.length)
  const shown = head
    .replace(
      CREDENTIALS,
      (_, name: string, colon: string, value: string) => name + colon + proofless(name, value),
    )
    .replace(PASSWORD, (_, before: string, password: string) => before + stars(password))
  return shown + bodyWithoutSecrets(head, body)
}

function headOf(message: string): string {
  const end = /\r?\n\r?\n/.exec(message)
  return end ? message.slice(0, end.index + end[0].length) : message
}

/** A digest keeps what identifies it; any other scheme is a secret as a whole. */
function proofless(name: string, value: string): string {
  if (!/info$/i.test(name) && !/^digest\s/i.test(value)) {
    const scheme = /^\S+\s+/.exec(value)?.[0] ?? ''
    return scheme + stars(value.slice(scheme.length))
  }
  return value.replace(
    PROOFS,
    (_, proof: string, equals: string, secret: string) => proof + equals + stars(secret),
  )
}

function bodyWithoutSecrets(head: string, body: string): string {
  if (!DTMF_BODY.test(head)) {
    return body.replace(SDP_KEYS, (_, before: string, key: string) => before + stars(key))
  }
  if (BARE_DIGITS.test(head) && !/application\/dtmf-relay/i.test(head)) return stars(body)
  return body.replace(DIGITS, (_, before: string, digit: string) => before + stars(digit))
}
