// A transfer that somebody waits for: answered once the carrier has taken or refused it.
import { deferred } from '@saperly/kernel'

export interface TransferRefusal {
  reason: string
  sipCode: number | null
}

export class TransferRequest {
  readonly to: string
  readonly #answer = deferred<TransferRefusal | null>()

  constructor(to: string) {
    this.to = to
  }

  /** Null when the carrier took it, else why not. */
  get answered(): Promise<TransferRefusal | null> {
    return this.#answer.promise
  }

  static refused(to: string, reason: string): TransferRequest {
    const request = new TransferRequest(to)
    request.failed({ reason, sipCode: null })
    return request
  }

  accepted(): void {
    this.#answer.resolve(null)
  }

  failed(refusal: TransferRefusal): void {
    this.#answer.resolve(refusal)
  }
}
