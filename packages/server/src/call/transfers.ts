// The transfers of one call, whichever way the network makes them: who waits for them, and what the timeline says.
import type { NetworkEvent } from '@saperly/network'
import type { CallRow, Tenant } from '../store/port.ts'
import { Bridge, type BridgeHooks } from './bridge.ts'
import type { CallDeps } from './deps.ts'
import type { CallPlan } from './plan.ts'
import { type CallLog, persist } from './timeline.ts'
import { mayTransfer, type TransferRefusal, TransferRequest } from './transfer.ts'

const TRANSFER_TYPES = [
  'transferAccepted',
  'transferred',
  'transferFailed',
  'bridgeWanted',
  'bridged',
  'targetDialog',
  'unbridged',
] as const

type TransferEvent = Extract<NetworkEvent, { type: (typeof TRANSFER_TYPES)[number] }>

/** Whether the network tells how a transfer goes. */
export function isTransfer(event: NetworkEvent): event is TransferEvent {
  return (TRANSFER_TYPES as readonly string[]).includes(event.type)
}

/** What the transfers of a call ask of the session around them. */
export interface TransferHooks {
  call: () => CallRow
  changed: (call: CallRow) => void
  talkedMs: () => number
  /** The target's money comes to its end. */
  warn: BridgeHooks['warn']
  cut: BridgeHooks['cut']
  broken: BridgeHooks['broken']
  /** The agent's part of the call is over. */
  letGo: () => void
  /** The peer is still there, and the agent shall know. */
  failed: (refusal: TransferRefusal) => void
}

export class Transfers {
  readonly #deps: CallDeps
  readonly #log: CallLog
  readonly #hooks: TransferHooks
  readonly #bridge: Bridge
  #request: TransferRequest | null = null

  constructor(deps: CallDeps, plan: CallPlan, log: CallLog, hooks: TransferHooks) {
    this.#deps = deps
    this.#log = log
    this.#hooks = hooks
    this.#bridge = new Bridge(deps, plan, log, hooks)
  }

  get underWay(): boolean {
    return this.#request !== null
  }

  /** Whether the peer talks with a target, and the agent with nobody. */
  get bridged(): boolean {
    return (this.#hooks.call().bridge?.answeredAt ?? null) !== null
  }

  /** What the target's leg is billed for. */
  get targetMs(): number | null {
    return this.#bridge.targetMs
  }

  /** The target answers. */
  watchFunds(): void {
    this.#bridge.watchFunds()
  }

  stopFunds(): Promise<void> {
    return this.#bridge.stopFunds()
  }

  /** Null: the call is not connected. The target was looked at before. */
  begin(to: string): TransferRequest | null {
    const { id: callId, state } = this.#hooks.call()
    if (state !== 'connected') return null
    if (this.#request) return TransferRequest.refused(to, 'another transfer is under way')
    this.#request = new TransferRequest(to)
    this.#note('requested', null, null)
    this.#deps.network.post({ type: 'transfer', callId, to })
    return this.#request
  }

  /** A brain asks: what the API would answer with, it is told as a transfer that failed. */
  async beginUnasked(tenant: Tenant, to: string): Promise<void> {
    if (this.bridged) return
    const refused = await persist(this.#deps, () => mayTransfer(this.#deps, tenant, to))
    if (refused) {
      const reason =
        refused._tag === 'RecipientOptedOut' ? 'recipient_opted_out' : 'destination_not_allowed'
      return this.#hooks.failed({ reason, sipCode: null })
    }
    const request = this.begin(to)
    if (request && request !== this.#request) {
      this.#hooks.failed({ reason: 'another transfer is under way', sipCode: null })
    }
  }

  async onNetwork(event: TransferEvent): Promise<void> {
    switch (event.type) {
      case 'transferAccepted':
        return this.#accepted()
      case 'transferred':
        this.#accepted()
        return this.#note('completed', null, event.sipCode)
      case 'transferFailed':
        return this.#failed(event)
      case 'bridgeWanted':
        return this.#callTarget(event)
      case 'bridged':
        await this.#bridge.onAnswered(event)
        this.#note('completed', null, 200)
        return this.#hooks.letGo()
      case 'targetDialog':
        return this.#bridge.onDialog(event.dialog)
      case 'unbridged':
        return this.#bridge.onEnded(event.measuredMs)
    }
  }

  /** The call is over: nobody waits for a transfer any more. */
  ended(): void {
    this.#request?.failed({ reason: 'the call has ended', sipCode: null })
  }

  /** A carrier may take it twice, first the REFER and then the call to the target: that is told once. */
  #accepted(): void {
    if (this.#request?.accepted()) this.#note('accepted', null, null)
  }

  async #callTarget({ sipCode }: TransferRefusal): Promise<void> {
    const request = this.#request
    if (!request || this.#hooks.call().state !== 'connected') return
    const reason = await this.#bridge.dial(request.to)
    if (reason) await this.#failed({ reason, sipCode })
  }

  async #failed({ reason, sipCode }: TransferRefusal): Promise<void> {
    const request = this.#request
    if (!request) return
    await this.#bridge.release()
    this.#note('failed', reason, sipCode)
    this.#request = null
    request.failed({ reason, sipCode })
    this.#hooks.failed({ reason, sipCode })
  }

  #note(
    state: 'requested' | 'accepted' | 'completed' | 'failed',
    reason: string | null,
    sipCode: number | null,
  ): void {
    this.#log.event('transfer', { to: this.#request?.to ?? '', state, reason, sipCode })
  }
}
