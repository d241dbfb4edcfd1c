// What the API may do with calls. Implemented by the files beside this one; place.ts is the one to read first.
import type { FailureOf } from '@saperly/contract'
import type { Result } from '@saperly/kernel'
import type { TracedMessage } from '@saperly/network'
import type { CallRow, EventRow, KeyRow, Tenant } from '../store/port.ts'

export interface PlaceRequest {
  /** Who asks: its tenant, number allow-list and caps bind the call. */
  key: KeyRow
  fromNumberId: string
  to: string
  connectionId: string | null
  instructions: string | null
  ringTimeoutSec: number | null
  maxDurationSec: number | null
  metadata: Record<string, string>
  /** The claimed idempotency record that this call answers, if there is one. */
  idempotencyKey: string | null
  /** Made by another process, which asks for the call and may withdraw it; absent: it is made here. */
  callId?: string
}

export type PlaceFailure = FailureOf<
  | 'NumberNotFound'
  | 'ConnectionNotFound'
  | 'NumberHasNoConnection'
  | 'BrainUnavailable'
  | 'DestinationNotAllowed'
  | 'ConsentRequired'
  | 'RecipientOptedOut'
  | 'CallingHoursBlocked'
  | 'InsufficientFunds'
  | 'SpendLimitExceeded'
  | 'ConcurrencyLimited'
  | 'CallStartFailed'
  | 'Unavailable'
>

export interface Calls {
  /** Resolves when the carrier has decided (contract, "Placing a call"). */
  place(request: PlaceRequest): Promise<Result<CallRow, PlaceFailure>>
  /** `durationSec`: what the customer reports, or null. Ending a final call returns it unchanged. */
  end(
    tenant: Tenant,
    callId: string,
    durationSec: number | null,
    actor: string,
  ): Promise<Result<CallRow, FailureOf<'CallNotFound'>>>
  transfer(
    tenant: Tenant,
    callId: string,
    to: string,
    actor: string,
  ): Promise<
    Result<
      CallRow,
      FailureOf<
        | 'CallNotFound'
        | 'CallNotActive'
        | 'RecipientOptedOut'
        | 'DestinationNotAllowed'
        | 'TransferFailed'
      >
    >
  >
  speak(
    tenant: Tenant,
    callId: string,
    text: string,
    interrupt: boolean,
  ): Promise<Result<CallRow, FailureOf<'CallNotFound' | 'CallNotActive'>>>
  sendDtmf(
    tenant: Tenant,
    callId: string,
    digits: string,
  ): Promise<Result<CallRow, FailureOf<'CallNotFound' | 'CallNotActive'>>>
  /** A sandbox phone calls one of the tenant's numbers; resolves when the platform has recorded the call. */
  sandboxCall(request: {
    key: KeyRow
    from: string
    toNumberId: string
    script: string | null
    callId?: string
  }): Promise<
    Result<
      CallRow,
      FailureOf<'NumberNotFound' | 'NumberHasNoConnection' | 'ConcurrencyLimited' | 'Unavailable'>
    >
  >
  /** Events after `afterId` (null: from the start), then live ones, until `ended` or until `signal` aborts. */
  follow(callId: string, afterId: string | null, signal: AbortSignal): AsyncIterable<EventRow>
  /** The call's SIP messages, oldest first, secrets masked; empty when none are kept (any more). */
  signalling(call: CallRow): Promise<readonly TracedMessage[]>
  /** Refuses new calls from now on; live ones go on. */
  drain(): void
  /** Calls that live in this process. */
  readonly live: number
}
