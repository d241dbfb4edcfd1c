// What every file of this folder stands on, joined in app.ts.
import type { Clock, Ids, Log } from '@saperly/kernel'
import type { Network } from '@saperly/network'
import type { Brains } from '../brain/port.ts'
import type { LowBalance } from '../ledger/low-balance.ts'
import type { RateDeck } from '../ledger/rate.ts'
import type { Store, Tenant } from '../store/port.ts'
import type { Lease } from './lease.ts'
import type { Timeline } from './timeline.ts'

/** What an operator may set about calls. */
export interface CallPolicy {
  /** Countries that may be called, ISO 3166, or null for all. */
  allowedCountries: readonly string[] | null
  /** How long the consent lasts that an answered inbound call implies, milliseconds. */
  impliedConsentMs: number
  /** Where recordings are written, absolute. */
  recordingsDir: string
  /** Below what their owners are told (`balance.low`); absent: nobody is. */
  lowBalance?: LowBalance
}

export interface CallDeps {
  store: Store
  network: Network
  brains: Brains
  timeline: Timeline
  rates: RateDeck
  policy: CallPolicy
  clock: Clock
  ids: Ids
  log: Log
  /** This process, which runs the calls that it makes. */
  process: Pick<Lease, 'id' | 'confirmed' | 'runs'>
  /** Makes the recording of a dead process whole; null when there is nothing to hear. */
  repairRecording: (path: string) => Promise<number | null>
  /** Something was committed that waits for its place in the audit chain. */
  committed: () => void
  /** The same, with deliveries that are due. */
  emitted: () => void
  /** The tenant has less money than it had, or less than was wanted. A hint: whoever takes it looks for himself. */
  fundsLow?: (tenant: Tenant) => void
}
