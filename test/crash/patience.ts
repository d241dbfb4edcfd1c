// Customers who come again when they are told that now is a bad moment: a busy machine keeps no act from its story.
import { type Answer, ApiClient } from '../world.ts'
import type { Platform } from './witness.ts'

const LATER: ReadonlySet<number> = new Set([429, 503])
const LIMIT_MS = 60_000
const AGAIN_MS = 250

/** The same platform, asked until it does not answer "later" any more. */
export function patiently({ test, live }: Platform): Platform {
  return { test: new PatientClient(test), live: new PatientClient(live) }
}

class PatientClient extends ApiClient {
  constructor({ url, token }: ApiClient) {
    super(url, token)
  }

  override async send(...request: Parameters<ApiClient['send']>): Promise<Answer> {
    const deadline = performance.now() + LIMIT_MS
    for (;;) {
      const answer = await super.send(...request)
      if (!LATER.has(answer.status) || performance.now() > deadline) return answer
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }
}
