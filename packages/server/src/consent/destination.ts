// Where the platform may send a call at all: countries that the operator allows, and prefixes that have a price.
import { failure, type FailureOf } from '@saperly/contract'
import { countryOf, fail, isE164, ok, type Result } from '@saperly/kernel'
import type { Environment } from '@saperly/network'

export interface DestinationPolicy {
  /** ISO 3166 countries that may be called, or null for all. */
  countries: readonly string[] | null
  /** Whether a prefix of this number has a rate of its own (not the default one). Asked in live only. */
  hasExplicitRate: (e164: string) => boolean
}

/**
 * Whether a call may go to `to`: an E.164 number, or for a transfer a `sip:`/`sips:` address. A test call stays among
 * the sandbox's phones, so no SIP address will do there; in live a number needs an explicit rate.
 */
export function mayDial(
  policy: DestinationPolicy,
  environment: Environment,
  to: string,
): Result<void, FailureOf<'DestinationNotAllowed'>> {
  const refuse = (reason: string) => fail(failure('DestinationNotAllowed', { to, reason }))
  if (!isE164(to) && environment === 'test') return refuse('a test call stays in the sandbox')
  const number = numberIn(to)
  if (number === null) return ok(undefined)
  if (policy.countries !== null) {
    const country = countryOf(number)
    if (country === null || !policy.countries.includes(country))
      return refuse(`calls to ${country ?? 'this numbering plan'} are not allowed here`)
  }
  if (environment === 'live' && !policy.hasExplicitRate(number))
    return refuse('no rate is set for this prefix')
  return ok(undefined)
}

/** The phone number that a destination reaches: itself, or the user part of a SIP address that is one; else null. */
export function numberIn(to: string): string | null {
  if (isE164(to)) return to
  const user = /^sips?:(\+\d+)[@;]/.exec(to)?.[1]
  return user !== undefined && isE164(user) ? user : null
}
