// When a balance has run low: the operator's thresholds, and the one moment at which a posting crosses one.
import type { Tenant } from '../store/port.ts'

/** Cents, by environment; null: nobody is told. `workspaces` has those that differ, by id. */
export interface LowBalance {
  test: number | null
  live: number | null
  workspaces: Readonly<
    Record<string, { test?: number | null | undefined; live?: number | null | undefined }>
  >
}

/** The threshold of a workspace in an environment. */
export function thresholdOf(settings: LowBalance, { workspaceId, environment }: Tenant) {
  const own = Object.hasOwn(settings.workspaces, workspaceId)
    ? settings.workspaces[workspaceId]?.[environment]
    : undefined
  return own === undefined ? settings[environment] : own
}

/**
 * Whether taking `takenCents` brought what is posted from the threshold or more to below it, `postedCents`. Holds are
 * left out: they come and go with every call, and what is posted only falls until money is added, so that one crossing
 * is one posting. Right only for figures of the transaction that took, which keeps every other posting out.
 */
export function crossed(thresholdCents: number, postedCents: number, takenCents: number): boolean {
  return postedCents < thresholdCents && postedCents + takenCents >= thresholdCents
}
