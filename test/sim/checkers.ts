// The invariants of the design, looked at with every commit and every command to the network, and once more at the end.
import { billedSeconds, type Clock, costCents } from '@saperly/kernel'
import type { NetworkCommand, NetworkEvent } from '@saperly/network'
import type {
  CallRow,
  ConsentRow,
  DeliveryRow,
  EventRow,
} from '../../packages/server/src/store/port.ts'
import type { Journal } from './journal.ts'
import type { TransferRow } from './model/ledger.ts'
import type { Commit } from './model/rows.ts'
import type { ModelStore } from './model/store.ts'
import { type OptOutRow, pairOf, peerOf } from './model/tables.ts'
import { differenceOf } from './replay.ts'

/** From one commit to another; open at its end while it lasts. */
interface Span {
  from: number
  until: number
}

/** The transaction that reserved: what it read lies between these commits. */
interface Reserved {
  beganSeq: number
  seq: number
}

const TERMINAL = ['call.completed', 'call.failed']
const RESOLVING = ['settle', 'release']

export class Checkers {
  readonly #model: ModelStore
  readonly #journal: Journal
  readonly #reported = new Set<string>()
  readonly #placed = new Map<string, Reserved>()
  readonly #bridged = new Map<string, Reserved>()
  readonly #consents = new Map<string, Map<string, Span & { expiresAt: number }>>()
  readonly #optOuts = new Map<string, Span[]>()
  readonly #orders = new Map<string, string>()
  readonly #spoken = new Set<string>()
  /** Since when a call talks, and when it was first asked to end. */
  readonly #talking = new Map<string, number>()
  readonly #hungUp = new Map<string, number>()
  readonly #clock: Clock

  constructor(model: ModelStore, journal: Journal, clock: Clock) {
    this.#clock = clock
    this.#model = model
    this.#journal = journal
    model.database.watchers.push((commit) => this.#onCommit(commit))
  }

  /** The customer reported a duration: the bill may be more than was held. */
  reported(callId: string): void {
    this.#reported.add(callId)
  }

  // --- commits ------------------------------------------------------------------------------------------------------

  #onCommit(commit: Commit): void {
    for (const { table, key, row } of commit.changes) {
      if (table === 'consent') this.#onConsent(commit, row as ConsentRow)
      else if (table === 'opt_out') this.#onOptOut(commit, key, row as OptOutRow | null)
      else if (table === 'transfer') this.#onTransfer(row as TransferRow)
    }
    for (const { table, row } of commit.changes) {
      if (table === 'call_event') this.#onEvent(row as EventRow)
      if (table === 'call') this.#onCall(commit, row as CallRow)
    }
  }

  #onConsent({ seq }: Commit, row: ConsentRow): void {
    const pair = pairOf(row)
    const spans = this.#consents.get(pair) ?? new Map<string, Span & { expiresAt: number }>()
    this.#consents.set(pair, spans)
    const known = spans.get(row.id)
    const from = known?.from ?? seq
    const until = row.revokedAt === null ? Infinity : seq
    spans.set(row.id, { from, until, expiresAt: row.expiresAt ?? Infinity })
  }

  #onOptOut({ seq }: Commit, key: string, row: OptOutRow | null): void {
    if (row && row.liftedAt !== null) return
    const spans = this.#optOuts.get(key) ?? []
    this.#optOuts.set(key, spans)
    const last = spans.at(-1)
    if (row === null && last) last.until = seq
    else if (row && (!last || last.until < Infinity)) spans.push({ from: seq, until: Infinity })
  }

  #onTransfer(row: TransferRow): void {
    const { callId, hold } = row
    if (row.balanceAfterCents < 0) {
      this.#broken('the balance is the sum of the postings and not negative', row.id)
    }
    if (callId === null || !RESOLVING.includes(row.type)) return
    const its = this.#postings(callId).filter((other) => other.hold === hold)
    if (its.filter(({ type }) => RESOLVING.includes(type)).length !== 1) {
      this.#broken('a hold is resolved once', `${callId} hold ${hold}`)
    }
    const beyond = row.postedCents > -row.holdCents && row.shortfallCents === 0
    if (beyond && !this.#reported.has(callId)) {
      const figures = `${row.postedCents} of ${-row.holdCents} held`
      this.#broken('settled is at most held', `${callId} hold ${hold}: ${figures}`)
    }
  }

  #onEvent({ callId, type }: EventRow): void {
    const earlier = this.#events(callId).filter((row) => row.type === 'ended')
    if (earlier.length > (type === 'ended' ? 1 : 0)) {
      this.#broken('nothing happens on a call after its end', `${callId} ${type}`)
    }
  }

  #onCall(commit: Commit, row: CallRow): void {
    const reserved = { beganSeq: commit.beganSeq, seq: commit.seq }
    if (!this.#placed.has(row.id)) {
      this.#placed.set(row.id, reserved)
      this.#onOrder(row)
    }
    const bridge = row.bridge && `${row.id}/${row.bridge.hold}`
    if (bridge && !this.#bridged.has(bridge)) this.#bridged.set(bridge, reserved)
    const difference = differenceOf(row, this.#events(row.id))
    if (difference) this.#broken('events replay to the stored state', `${row.id}: ${difference}`)
    this.#journal.note(`${row.id} ${row.state} ${row.status}`)
  }

  #onOrder({ id, metadata }: CallRow): void {
    const { order } = metadata
    if (order === undefined) return
    const other = this.#orders.get(order)
    if (other !== undefined) {
      this.#broken('an idempotency key makes one call', `${order}: ${other} and ${id}`)
    }
    this.#orders.set(order, id)
  }

  // --- commands -----------------------------------------------------------------------------------------------------

  /** Before the network carries out a command of a process. */
  onCommand(command: NetworkCommand): void {
    const { callId } = command
    this.#journal.note(`> ${callId} ${command.type}`)
    if (command.type === 'dial') this.#onDial(callId)
    else if (command.type === 'hangUp') {
      if (!this.#hungUp.has(callId)) this.#hungUp.set(callId, this.#clock.monotonicMs())
    } else if (command.type === 'bridge') this.#onBridge(callId)
    else if (command.type === 'speak' && !this.#spoken.has(callId)) {
      this.#spoken.add(callId)
      if (!command.protected) this.#broken('nothing is spoken before the disclosure', callId)
    }
  }

  /** What the network has told a living process. */
  onEvent(event: NetworkEvent): void {
    const nowMs = this.#clock.monotonicMs()
    const { callId, type } = event
    if (type === 'answered') this.#talking.set(callId, nowMs)
    if (type === 'ended') this.#onTalked(callId, nowMs)
  }

  /** A hang-up may take its time, and may be lost: it is the asking that must not come too late. */
  #onTalked(callId: string, nowMs: number): void {
    const sinceMs = this.#talking.get(callId)
    const call = this.#model.rows.calls.rows.get(callId)?.row
    if (sinceMs === undefined || !call) return
    // It may have been asked for before the answer, which crossed it.
    const untilMs = Math.min(nowMs, this.#hungUp.get(callId) ?? nowMs)
    const sec = billedSeconds(Math.max(0, untilMs - sinceMs))
    const heldCents = this.#postings(callId)
      .filter(({ hold, type }) => hold === 0 && !RESOLVING.includes(type))
      .reduce((sum, { holdCents }) => sum + holdCents, 0)
    if (costCents(sec, call.rateCentsPerMin) > heldCents) {
      this.#broken('a call ends inside of what is held', `${callId}: ${sec} s for ${heldCents}`)
    }
  }

  #onDial(callId: string): void {
    const why = 'no INVITE without consent and a hold'
    const call = this.#model.rows.calls.rows.get(callId)?.row
    const reserved = this.#placed.get(callId)
    if (!call || !reserved) return this.#broken(why, `${callId} is not on record`)
    if (!this.#holdOpen(callId, 0)) this.#broken(why, `${callId} has no open hold`)
    const peer = { ...call, peerNumber: call.to }
    const consents = [...(this.#consents.get(pairOf(peer))?.values() ?? [])]
    const consented = consents.some(
      (span) => touches(span, reserved) && span.expiresAt > call.createdAt,
    )
    if (!consented) this.#broken(why, `${callId} had no consent when it was reserved`)
    if (this.#optedOut(peerOf(peer), reserved)) this.#broken(why, `${callId} calls an opt-out`)
  }

  #onBridge(callId: string): void {
    const why = 'no INVITE without consent and a hold'
    const call = this.#model.rows.calls.rows.get(callId)?.row
    const reserved = this.#bridged.get(`${callId}/${call?.bridge?.hold ?? ''}`)
    if (!call?.bridge || !reserved) return this.#broken(why, `target of ${callId} not on record`)
    if (!this.#holdOpen(callId, call.bridge.hold)) {
      this.#broken(why, `target of ${callId} has no open hold`)
    }
    const peer = peerOf({ ...call, peerNumber: call.bridge.to })
    if (this.#optedOut(peer, reserved)) this.#broken(why, `target of ${callId} opted out`)
  }

  #optedOut(peer: string, { beganSeq, seq }: Reserved): boolean {
    const spans = this.#optOuts.get(peer) ?? []
    return spans.some(({ from, until }) => from <= beganSeq && until > seq)
  }

  #holdOpen(callId: string, hold: number): boolean {
    const its = this.#postings(callId).filter((row) => row.hold === hold)
    return its.length > 0 && !its.some(({ type }) => RESOLVING.includes(type))
  }

  // --- the end ------------------------------------------------------------------------------------------------------

  /** Everything is over: no call is open, and the books add up. `endpoints`: that every event was queued for. */
  async atEnd(endpoints: number): Promise<void> {
    const { rows } = this.#model
    const told = new Map<string, number>()
    for (const { row } of rows.deliveries.rows.values()) {
      if (!TERMINAL.includes(row.eventType)) continue
      const callId = callIdOf(row)
      told.set(callId, (told.get(callId) ?? 0) + 1)
    }
    for (const { row } of rows.calls.rows.values()) this.#endOf(row, told, endpoints)
    const { tables } = this.#model.connect()
    for (const { problem } of await tables.ledger.verify()) {
      this.#broken('the balance is the sum of the postings and not negative', problem)
    }
    await tables.audit.chain()
    for (const { problem } of await tables.audit.verify()) {
      this.#broken('the audit chain is whole', problem)
    }
  }

  #endOf(call: CallRow, told: ReadonlyMap<string, number>, endpoints: number): void {
    const { id } = call
    if (call.state !== 'ended') {
      return this.#broken('a call of a living process comes to its end', `${id} is ${call.state}`)
    }
    const count = told.get(id) ?? 0
    if (count !== endpoints) this.#broken('one terminal event per call', `${id} has ${count}`)
    const postings = this.#postings(id)
    for (const { type, hold } of postings) {
      if (type === 'reserve' && this.#holdOpen(id, hold)) {
        this.#broken('a hold is resolved once', `${id} hold ${hold} is open`)
      }
    }
    const taken = postings.reduce((sum, row) => sum + row.postedCents, 0)
    if (taken !== call.costCents) {
      const figures = `${call.costCents} billed, ${taken} taken`
      this.#broken('the bill is the sum of its postings', `${id}: ${figures}`)
    }
  }

  #postings(callId: string): TransferRow[] {
    const { rows, groups } = this.#model.rows.transfers
    return [...(groups.get(callId) ?? [])].map((key) => rows.get(key)!.row)
  }

  #events(callId: string): (EventRow & { seq: number })[] {
    const { rows, groups } = this.#model.rows.events
    return [...(groups.get(callId) ?? [])].map((key) => rows.get(key)!.row)
  }

  #broken(...[invariant, what]: Parameters<Journal['broken']>): void {
    this.#journal.broken(invariant, what)
  }
}

function touches({ from, until }: Span, { beganSeq, seq }: Reserved): boolean {
  return from <= seq && until > beganSeq
}

function callIdOf({ body }: DeliveryRow): string {
  return (JSON.parse(body) as { payload: { callId: string } }).payload.callId
}
