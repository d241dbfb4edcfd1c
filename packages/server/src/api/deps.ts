// What the API stands on, joined in app.ts: ports and settings, nothing that it makes itself.
import type { FailureOf } from '@saperly/contract'
import type { Clock, Ids, Log, Random, Result } from '@saperly/kernel'
import type { Voice } from '@saperly/network'
import type { Calls } from '../call/port.ts'
import type { SecretBox } from '../secrets/box.ts'
import type { NumberRow, Store, Tables, Tenant } from '../store/port.ts'

export interface ApiConfig {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Sustained requests a second of one key, and how many may come at once. */
  requestsPerSec: number
  requestBurst: number
  /** Clients that may be connected at once. */
  maxClients: number
  /** Origins whose pages may call the API; empty for none. */
  corsOrigins: readonly string[]
  /** Models that a hosted connection may name as `managed`. */
  managedModels: readonly string[]
  /** Speech engines beside the default one that a connection may name. */
  speechEngines: readonly string[]
  /** Signs links to recordings; at least 32 bytes, the same across restarts. */
  linkSecret: Uint8Array
  /** Holds every answer against its schema; for development and tests. */
  checkAnswers: boolean
}

/** What somebody wants of a number. */
export interface NumberWish {
  tenant: Tenant
  keyId: string
  country: string
  numberType: string
  areaCode: string | null
  phoneNumber: string | null
  expectedMonthlyPriceCents: number | null
  approveHigherPrice: boolean
  at: number
}

export type NumberRefusal = FailureOf<
  'NoNumbersAvailable' | 'PriceChanged' | 'InsufficientFunds' | 'SpendLimitExceeded'
>

/** Where numbers come from. */
export interface Inventory {
  /** Monthly price in cents of such a number for this tenant, or null when none is to be had. */
  quote(tenant: Tenant, country: string, numberType: string): Promise<number | null>
  /** Inserts the number that was found, with whatever it costs, inside the caller's transaction. */
  take(tables: Tables, wish: NumberWish): Promise<Result<NumberRow, NumberRefusal>>
}

export interface ApiDeps {
  config: ApiConfig
  store: Store
  calls: Calls
  inventory: Inventory
  secrets: Pick<SecretBox, 'seal'>
  clock: Clock
  ids: Ids
  random: Random
  log: Log
  /** Voices of all speech engines. */
  voices: () => readonly Voice[]
  /** What a speech engine hears; null stands for the node's own. */
  recognizerOf: (engine: string | null) => 'phrases' | 'free'
  /** Where clients reach us, without a slash at the end. */
  publicUrl: () => string
  /** Figures for `/metrics`, by name; no figure may name a tenant. */
  liveStats: () => Readonly<Record<string, number>>
  /** A connection was deleted, or is manual no more: its sockets have nothing to do here. */
  manualEnded: (connectionId: string) => void
  /** Something was committed: deliveries may be due, audit rows wait for their chain. */
  afterCommit: () => void
}
