// Figures of the trunks for /metrics; trunks are the operator's, so their names are no tenant's labels.
import type { TrunkState } from '@saperly/network'

/** Gauges by name and label, those of one name together. */
export function trunkFigures(trunks: readonly TrunkState[]): Record<string, number> {
  const gauges = {
    trunk_up: ({ up }: TrunkState) => Number(up),
    trunk_registered: ({ registered }: TrunkState) =>
      registered === null ? null : Number(registered),
    trunk_calls: ({ calls }: TrunkState) => calls,
    trunk_calls_waiting: ({ waiting }: TrunkState) => waiting,
  }
  const figures: Record<string, number> = {}
  for (const [name, read] of Object.entries(gauges)) {
    for (const trunk of trunks) {
      const value = read(trunk)
      if (value !== null) figures[`${name}{trunk="${trunk.name}"}`] = value
    }
  }
  return figures
}
