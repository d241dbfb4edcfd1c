// SIP URIs and name-addr values (RFC 3261 sections 19.1 and 20.10): tolerant readers that never throw.

/** A `sip:` or `sips:` URI taken apart; `params` is the raw text after the host, leading `;` included. */
export interface SipUri {
  scheme: 'sip' | 'sips'
  user: string | null
  host: string
  port: number | null
  params: string
}

/** Longest URI that is looked at, in characters. */
export const MAX_URI_LENGTH = 1024

const URI =
  /^(sips?):(?:([^@<>\s"]*)@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?((?:;[^?\s<>]*)?)(?:\?[^\s<>]*)?$/i

/** The parts of a SIP URI, or null when it isn't one. Headers (`?a=b`) are dropped, a password stays in the user. */
export function parseUri(text: string): SipUri | null {
  if (text.length > MAX_URI_LENGTH) return null
  const found = URI.exec(text)
  if (!found) return null
  const port = found[4] === undefined ? null : Number(found[4])
  if (port !== null && (port < 1 || port > 65_535)) return null
  return {
    scheme: found[1]!.toLowerCase() === 'sips' ? 'sips' : 'sip',
    user: found[2] === undefined || found[2] === '' ? null : unescapeUser(found[2]),
    host: found[3]!,
    port,
    params: found[5] ?? '',
  }
}

/** Writes a URI; the user part is escaped where it must be. */
export function formatUri(uri: SipUri): string {
  const user = uri.user === null ? '' : `${escapeUser(uri.user)}@`
  const port = uri.port === null ? '' : `:${uri.port}`
  return `${uri.scheme}:${user}${uri.host}${port}${uri.params}`
}

/** `sip:user@host:port` for an address; IPv6 literals get their brackets. */
export function sipUri(user: string | null, address: string, port: number | null): string {
  const host = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address
  return formatUri({ scheme: 'sip', user, host, port, params: '' })
}

/** Value of a URI parameter, '' when it has none, null when absent. Names are compared without case. */
export function uriParam(uri: SipUri, name: string): string | null {
  for (const part of uri.params.split(';')) {
    const equals = part.indexOf('=')
    const key = equals < 0 ? part : part.slice(0, equals)
    if (key.toLowerCase() === name) return equals < 0 ? '' : part.slice(equals + 1)
  }
  return null
}

/** A host without the brackets of an IPv6 literal. */
export function bareHost(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

/**
 * The phone number that a `sip:` or `tel:` URI names, as E.164 with plus where it can be (an international `00` is
 * read as plus; visual separators go), otherwise the bare user; null when there is none.
 */
export function numberOf(uriText: string): string | null {
  const user = /^tel:/i.test(uriText)
    ? (/^tel:([^;?\s]*)/i.exec(uriText)?.[1] ?? '')
    : (parseUri(uriText)?.user?.split(/[;:]/)[0] ?? '')
  if (user === '') return null
  const digits = user.replaceAll(/[-.() ]/g, '')
  const international = /^(?:\+|00)([1-9]\d{6,14})$/.exec(digits)
  if (international) return `+${international[1]!}`
  // Ten digits may be a national number as well, so only longer ones are taken for international.
  return /^[1-9]\d{10,14}$/.test(digits) ? `+${digits}` : user
}

const UNESCAPED_USER = /[^A-Za-z0-9\-_.!~*'()&=+$,;?/:]/g

function escapeUser(user: string): string {
  return user.replaceAll(UNESCAPED_USER, (character) => {
    const bytes = Buffer.from(character, 'utf8')
    return [...bytes].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
  })
}

function unescapeUser(user: string): string {
  if (!user.includes('%')) return user
  try {
    return decodeURIComponent(user)
  } catch {
    // A stray percent sign: the text stands for itself.
    return user
  }
}
