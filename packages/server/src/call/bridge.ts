// The target that we call ourselves for a transferred call: its hold, its record for recovery, and its funds.
import { DEFAULT_RING_TIMEOUT_SEC } from '@saperly/contract'
import { assert } from '@saperly/kernel'
import type { NetworkEvent } from '@saperly/network'
import { numberIn } from '../consent/destination.ts'
import { audit } from '../consent/trail.ts'
import type { BridgeRecord, CallRow, LedgerRefusal, Tables } from '../store/port.ts'
import type { CallDeps } from './deps.ts'
import { firstSliceCents, Funds, type FundsHooks } from './funds.ts'
import { extendHold } from './hold.ts'
import { TakenOver } from './lease.ts'
import type { CallPlan } from './plan.ts'
import { type CallLog, persist } from './timeline.ts'

/** Targets that one call may call one after the other; each has a hold of its own. */
export const MAX_TARGETS = 20

/** Why there is money, or no permission, for no target. */
type Refusal = LedgerRefusal['reason'] | 'recipient_opted_out' | 'too_many_transfers'

export interface BridgeHooks {
  call: () => CallRow
  /** The row as it was written. */
  changed: (call: CallRow) => void
  /** Milliseconds since the peer's answer. */
  talkedMs: () => number
  /** The money of the target's leg comes to its end. */
  warn: FundsHooks['warn']
  cut: FundsHooks['cut']
  broken: FundsHooks['failed']
}

export class Bridge {
  readonly #deps: CallDeps
  readonly #plan: CallPlan
  readonly #log: CallLog
  readonly #hooks: BridgeHooks
  #targets = 0
  #targetMs: number | null = null
  /** From the target's answer on. */
  #funds: Funds | null = null

  constructor(deps: CallDeps, plan: CallPlan, log: CallLog, hooks: BridgeHooks) {
    this.#deps = deps
    this.#plan = plan
    this.#log = log
    this.#hooks = hooks
  }

  /**
   * From the target's answer to its end as the network measured it, or until now, as far as it was held for; null
   * without an answer.
   */
  get targetMs(): number | null {
    const funds = this.#funds
    return funds && funds.coveredOf(this.#targetMs ?? funds.talkedMs)
  }

  /** The target answers: what is held for it burns from here on. */
  watchFunds(): void {
    const call = this.#hooks.call()
    const { bridge } = call
    if (!bridge) return
    const { warn, cut, broken: failed } = this.#hooks
    const more = { call, hold: bridge.hold }
    this.#funds ??= new Funds(this.#deps.clock, bridge, {
      extend: (cents, signal) => extendHold(this.#deps, this.#log, { ...more, cents }, signal),
      // Nobody is there to be told: the agent's part is over.
      warn,
      cut,
      failed,
    })
  }

  async stopFunds(): Promise<void> {
    await this.#funds?.stop()
  }

  /** Holds the first slice of the target's leg, and then has the network call it. Null, or why it was not called. */
  async dial(to: string): Promise<Refusal | null> {
    const { network, store, process } = this.#deps
    const call = this.#hooks.call()
    if (this.#targets >= MAX_TARGETS) return 'too_many_transfers'
    const refusal = await this.#reserve(call, this.#recordOf(call, to))
    if (refusal) return refusal
    const own =
      call.environment === 'test' &&
      (await persist(this.#deps, () => store.tables.numbers.findActive('test', to))) !== null
    const from = await this.#callerFor(call)
    if (!(await process.runs(call))) throw new TakenOver(call.id)
    network.post({
      type: 'bridge',
      callId: call.id,
      to,
      from,
      toOwnNumber: own,
      callerIdName: this.#plan.callerIdName,
      ringTimeoutMs: (call.ringTimeoutSec || DEFAULT_RING_TIMEOUT_SEC) * 1000,
    })
    return null
  }

  /** The target did not answer: its hold is given back. */
  async release(): Promise<void> {
    const { bridge, id } = this.#hooks.call()
    if (!bridge) return
    await this.#write(async (tables, at) => {
      const released = await tables.ledger.release(id, at, bridge.hold)
      assert(released, 'the hold of a target that is called is open')
      await this.#audit(tables, 'ledger.release', { takenCents: 0, shortfallCents: 0 }, at)
      return { bridge: null }
    })
  }

  async onAnswered({ dialog, at }: Extract<NetworkEvent, { type: 'bridged' }>): Promise<void> {
    await this.#change({ dialog, answeredAt: at })
  }

  /** What recovery needs has changed. */
  onDialog(dialog: BridgeRecord['dialog']): Promise<void> {
    return this.#change({ dialog })
  }

  onEnded(measuredMs: number): void {
    this.#targetMs = measuredMs
  }

  /** A number at its own rate, as if it were called; an address without one at that of the call whose trunk it takes. */
  #recordOf(call: CallRow, to: string): BridgeRecord {
    const { rates } = this.#deps
    const number = numberIn(to)
    const { settings } = this.#plan
    return {
      hold: this.#targets + 1,
      to,
      rateCentsPerMin: number ? rates.rateFor(number, settings.mode) : call.rateCentsPerMin,
      maxDurationSec: Math.max(1, call.maxDurationSec - Math.floor(this.#hooks.talkedMs() / 1000)),
      dialog: null,
      answeredAt: null,
    }
  }

  /** The number of the call, or the connection's `transfer.from` if that is the tenant's own. */
  async #callerFor(call: CallRow): Promise<string> {
    const { tables } = this.#deps.store
    const wanted = this.#plan.settings.callControl.transfer?.from ?? null
    const number =
      wanted &&
      (await persist(this.#deps, () => tables.numbers.findActive(call.environment, wanted)))
    if (number && number.workspaceId === call.workspaceId) return number.phoneNumber
    return call.direction === 'outbound' ? call.from : call.to
  }

  async #reserve(call: CallRow, record: BridgeRecord): Promise<Refusal | null> {
    const { id: callId, keyId, workspaceId, environment } = call
    const tenant = { workspaceId, environment }
    const { hold, to, rateCentsPerMin, maxDurationSec } = record
    const amountCents = firstSliceCents(rateCentsPerMin, maxDurationSec)
    let refusal: Refusal | null = null
    await this.#write(async (tables, at) => {
      // The peer's carrier may have kept us waiting since the target was looked at first.
      const number = numberIn(to)
      const optedOut = number !== null && (await tables.consent.isOptedOut(tenant, number))
      const held = optedOut
        ? null
        : await tables.ledger.reserve({ tenant, callId, hold, keyId, amountCents, at })
      refusal = held === null ? 'recipient_opted_out' : held.ok ? null : held.refusal.reason
      if (refusal) return null
      await this.#audit(tables, 'ledger.reserve', { amountCents, transferTo: to }, at)
      return { bridge: record }
    })
    if (!refusal) this.#targets = hold
    return refusal
  }

  async #change(patch: Partial<BridgeRecord>): Promise<void> {
    const { bridge } = this.#hooks.call()
    if (bridge) await this.#write(async () => ({ bridge: { ...bridge, ...patch } }))
  }

  /** One transaction: what `body` writes, and the call with its patch (null: as it was). */
  async #write(
    body: (tables: Tables, at: number) => Promise<{ bridge: BridgeRecord | null } | null>,
  ): Promise<void> {
    const { store, clock, committed } = this.#deps
    const call = this.#hooks.call()
    const row = await persist(this.#deps, () =>
      store.transaction(async (tables) => {
        const patch = await body(tables, clock.now())
        if (!patch) return null
        const changed = await tables.calls.change(call, [call.state], patch)
        // A hold that was opened beside a call that others have ended would never be resolved.
        if (!changed) throw new TakenOver(call.id)
        return changed
      }),
    )
    if (row) this.#hooks.changed(row)
    committed()
  }

  #audit(
    tables: Tables,
    eventType: string,
    data: Record<string, unknown>,
    at: number,
  ): Promise<void> {
    const { id: targetId, workspaceId, environment } = this.#hooks.call()
    return audit(tables, this.#deps.ids, {
      tenant: { workspaceId, environment },
      eventType,
      targetType: 'call',
      targetId,
      actor: 'platform',
      data,
      at,
    })
  }
}
