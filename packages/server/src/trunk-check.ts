// What `saperly doctor` asks of a trunk: whether its hosts are there, reached as calls would reach them.
import { SystemClock, silentLog, systemRandom } from '@saperly/kernel'
import { askTrunk, type HostAnswer } from '@saperly/network'
import type { Config } from './config.ts'

export type { HostAnswer } from '@saperly/network'

/** What each host of the trunk answers within `limitMs`; none when its name is not found. Rejects with a Fault without a socket. */
export function checkTrunk(
  trunk: Config['trunks'][number],
  sip: Config['sip'],
  limitMs: number,
): Promise<HostAnswer[]> {
  const deps = { clock: new SystemClock(), random: systemRandom, log: silentLog, address: sip.host }
  return askTrunk(trunk, deps, limitMs)
}
