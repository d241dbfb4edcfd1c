// A configured engine as the switchboard holds it: ears, a mouth, or both, and how it has fared of late.
import { Fault } from '@saperly/kernel'
import type { Breaker } from './breaker.ts'
import type { Ears, EarsOptions, Hearing, Mouth } from './port.ts'

export interface EngineEars extends Hearing {
  /** It says something while the peer still speaks, so that its silence means something. */
  readonly partials: boolean
  open(options: EarsOptions): Ears
}

export interface Engine {
  readonly name: string
  readonly breaker: Breaker
  readonly ears: EngineEars | null
  readonly mouth: Mouth | null
  close(): Promise<void>
}

/** An engine that failed, with the short word that events carry; never any of its text, address or key. */
export class EngineFault extends Fault {
  readonly code: string

  constructor(code: string) {
    super(`speech engine failed: ${code}`, { retryable: true })
    this.code = code
  }
}

/** The short word for a fault of any engine. */
export function codeOf(fault: Fault): string {
  return fault instanceof EngineFault ? fault.code : 'engine_failed'
}
