// Phone numbers: E.164 on the wire, country and nothing else inside.
import { parsePhoneNumberFromString } from 'libphonenumber-js/min'

/** `+`, a non-zero digit, 7 to 15 digits in all. Fictional and unassigned ranges are accepted. */
export const E164_PATTERN = /^\+[1-9]\d{6,14}$/

/** SIP target of a transfer: `sip:` or `sips:`, optional user, host, optional port and parameters. */
export const SIP_URI_PATTERN =
  /^sips?:(?:[^@\s<>"]{1,128}@)?[A-Za-z0-9.\-[\]:]{1,255}(?:;[^\s<>"]{1,255})?$/

export function isE164(text: string): boolean {
  return E164_PATTERN.test(text)
}

/** ISO 3166 country of an E.164 number, or null where the numbering plan does not tell. */
export function countryOf(e164: string): string | null {
  const parsed = parsePhoneNumberFromString(e164)
  if (parsed?.country) return parsed.country
  return parsed?.countryCallingCode === '1' ? 'US' : null
}
