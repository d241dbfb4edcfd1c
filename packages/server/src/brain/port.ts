// A brain: whatever decides what the agent says. It is given text events and gives back directives, never audio.
import type { Directive, ManualEvent } from '@saperly/contract'
import type { Tenant } from '../store/port.ts'

/** What a brain may want: a directive of the wire, or (from a brain of the platform's own) that the peer opted out. */
export type BrainDirective = Directive | { type: 'opt_out' }

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
  /** Directives that answer no event ("an agent that has something to say"). Called in order, never after `close`. */
  onDirective: (directive: Directive) => void
}

/** One brain attached to one live call. Methods never throw synchronously. */
export interface Brain {
  /** `demo` when the platform's own demo brain answers: the call's events say so. */
  readonly kind: 'manual_socket' | 'manual_webhook' | 'hosted' | 'demo'
  /**
   * Gives an event that wants an answer. Directives arrive as they are produced; the iteration ends with the answer,
   * whether or not its last `speak` said `more`. Aborting `signal` drops the answer (the caller went on, or the turn
   * timed out): the iteration then throws Cancelled. Leaving the loop early drops it too.
   * @throws BrainLost when nobody is there to answer any more
   */
  ask(event: ManualEvent, signal: AbortSignal): AsyncIterable<BrainDirective>
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
