// The receipt of a call, from the call and what the ledger wrote for it: the ledger says what was taken, the call for what.
import { costCents } from '@saperly/kernel'
import { type BridgeRecord, CALL_HOLD, type CallRow, type HoldEntryRow } from '../store/port.ts'

/** What one hold of the call was for, and what became of it. */
export interface ReceiptLine {
  leg: 'call' | 'target'
  to: string | null
  rateCentsPerMin: number | null
  billedSec: number | null
  priceCents: number | null
  heldCents: number
  /** Null while the hold is open. */
  takenCents: number | null
  shortfallCents: number
  entries: readonly HoldEntryRow[]
}

export interface ReceiptOfCall {
  /** The call is over, and none of its holds is open. */
  final: boolean
  takenCents: number
  shortfallCents: number
  lines: readonly ReceiptLine[]
}

/** `entries`: of the whole call, by hold and in their order. */
export function receiptOf(call: CallRow, entries: readonly HoldEntryRow[]): ReceiptOfCall {
  const holds = new Map<number, HoldEntryRow[]>([[CALL_HOLD, []]])
  for (const entry of entries) holds.set(entry.holdNo, [...(holds.get(entry.holdNo) ?? []), entry])
  const lines = [...holds].map(([hold, own]) => lineOf(call, hold, own))
  const sum = (of: (line: ReceiptLine) => number): number =>
    lines.reduce((total, line) => total + of(line), 0)
  return {
    final: call.state === 'ended' && lines.every(({ takenCents }) => takenCents !== null),
    takenCents: sum(({ takenCents }) => takenCents ?? 0),
    shortfallCents: sum(({ shortfallCents }) => shortfallCents),
    lines,
  }
}

function lineOf(call: CallRow, hold: number, entries: readonly HoldEntryRow[]): ReceiptLine {
  const end = entries.find(({ type }) => type === 'settle' || type === 'release')
  const held = entries.filter(({ type }) => type === 'reserve' || type === 'extend')
  // A call that was refused before anything was held for it took nothing.
  const nothing = entries.length === 0 && call.state === 'ended' ? 0 : null
  return {
    ...talkOf(call, hold),
    heldCents: held.reduce((total, { holdCents }) => total + holdCents, 0),
    takenCents: end?.postedCents ?? nothing,
    shortfallCents: end?.shortfallCents ?? 0,
    entries,
  }
}

type Talk = Pick<ReceiptLine, 'leg' | 'to' | 'rateCentsPerMin' | 'billedSec' | 'priceCents'>

function talkOf(call: CallRow, hold: number): Talk {
  if (hold === CALL_HOLD) {
    const { to, rateCentsPerMin, durationSec } = call
    return { leg: 'call', to, ...priced(rateCentsPerMin, durationSec) }
  }
  // The call keeps the record of its last target alone; the hold of each before it was given back unanswered.
  const bridge: BridgeRecord | null = call.bridge?.hold === hold ? call.bridge : null
  if (!bridge) {
    return { leg: 'target', to: null, rateCentsPerMin: null, billedSec: null, priceCents: null }
  }
  return {
    leg: 'target',
    to: bridge.to,
    ...priced(bridge.rateCentsPerMin, bridge.billedSec ?? null),
  }
}

function priced(
  rateCentsPerMin: number,
  billedSec: number | null,
): Pick<Talk, 'rateCentsPerMin' | 'billedSec' | 'priceCents'> {
  const priceCents = billedSec === null ? null : costCents(billedSec, rateCentsPerMin)
  return { rateCentsPerMin, billedSec, priceCents }
}
