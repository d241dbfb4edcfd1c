// What a final SIP response means for a call that was not answered.
import type { NetworkCause } from '../port.ts'

/** `rang`: an 18x had come before. */
export function causeOf(sipCode: number, rang: boolean): NetworkCause {
  switch (sipCode) {
    case 486:
    case 600:
      return 'busy'
    case 603:
      return 'declined'
    case 480:
      return 'no_answer'
    case 408:
    case 487:
      return rang ? 'no_answer' : 'carrier_refused'
    case 404:
    case 484:
    case 604:
      return 'invalid_number'
    default:
      return 'carrier_refused'
  }
}
