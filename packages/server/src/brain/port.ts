// A brain: whatever decides what the agent says. It is given text events and gives back directives, never audio.
import type { Directive, ManualEvent } from '@saperly/contract'
import type { Tenant } from '../store/port.ts'

/** What a brain is told about the call it talks on. */
export interface BrainCall {
  callId: string
  tenant: Tenant
  connectionId: string
  numberId: string
  direction: 'inbound' | 'outbound'
  from: string
  to: string
  /** The per-call prompt, or the stored one. */
  instructions: string | null
  /** Directives that answer no event ("an agent that has something to say"). The answer says whether they were taken. */
  onDirective: (directive: Directive) => void
}

/** One brain attached to one live call. Methods never throw synchronously. */
export interface Brain {
  /** `demo` when the platform's own demo brain answers: the call's events say so. */
  readonly kind: 'manual_socket' | 'manual_webhook' | 'hosted' | 'demo'
  /**
   * Gives an event that wants an answer. Directives arrive as they are produced; the iteration ends with the answer.
   * Aborting `signal` drops the answer (the caller went on, or the turn timed out).
   * @throws BrainLost when nobody is there to answer any more
   */
  ask(event: ManualEvent, signal: AbortSignal): AsyncIterable<Directive>
  /** Gives an event that wants no answer. Delivery is best effort, in order with `ask`. */
  tell(event: ManualEvent): void
  /** The call is over; `call_ended` has been told before. Resolves when nothing of it is left. */
  close(): Promise<void>
}

/** Nobody can answer for this connection: no socket, no webhook, no model, or all of them failed. */
export class BrainLost extends Error {
  override readonly name = 'BrainLost'
}

export interface Brains {
  /** Whether a call could be answered now; checked when placing. */
  available(tenant: Tenant, connectionId: string, numberWebhookUrl: string | null): Promise<boolean>
  /** Attaches a brain to a call. Always succeeds; a brain that is not there throws BrainLost at the first `ask`. */
  attach(call: BrainCall): Promise<Brain>
}
