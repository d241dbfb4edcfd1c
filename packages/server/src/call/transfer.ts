// A transfer that somebody waits for: whom it may reach, and the answer once a carrier has taken or refused it.
import { failure, type FailureOf } from '@saperly/contract'
import { deferred } from '@saperly/kernel'
import { mayDial, numberIn } from '../consent/destination.ts'
import type { Tenant } from '../store/port.ts'
import type { CallDeps } from './deps.ts'

export interface TransferRefusal {
  reason: string
  sipCode: number | null
}

export class TransferRequest {
  readonly to: string
  readonly #answer = deferred<TransferRefusal | null>()
  #state: 'asked' | 'accepted' | 'failed' = 'asked'

  constructor(to: string) {
    this.to = to
  }

  /** Null when a carrier took it, else why not. */
  get answered(): Promise<TransferRefusal | null> {
    return this.#answer.promise
  }

  static refused(to: string, reason: string): TransferRequest {
    const request = new TransferRequest(to)
    request.failed({ reason, sipCode: null })
    return request
  }

  /** A carrier has taken it; false when one had before. */
  accepted(): boolean {
    if (this.#state !== 'asked') return false
    this.#state = 'accepted'
    this.#answer.resolve(null)
    return true
  }

  failed(refusal: TransferRefusal): void {
    this.#state = 'failed'
    this.#answer.resolve(refusal)
  }
}

/** Opt-out and allowed destination of the target are checked as for a call (contract, "Transferring a call"). */
export async function mayTransfer(
  deps: CallDeps,
  tenant: Tenant,
  to: string,
): Promise<FailureOf<'RecipientOptedOut' | 'DestinationNotAllowed'> | null> {
  const { policy, rates, store } = deps
  const destination = {
    countries: policy.allowedCountries,
    hasExplicitRate: (e164: string) => rates.isPriced(e164),
  }
  const dial = mayDial(destination, tenant.environment, to)
  if (!dial.ok) return dial.failure
  const number = numberIn(to)
  if (number === null || !(await store.tables.consent.isOptedOut(tenant, number))) return null
  return failure('RecipientOptedOut', { to: number })
}
