// The part of a process that carries calls.
import { type Network, repairWav } from '@saperly/network'
import { ConnectionBrains } from '../brain/brains.ts'
import { Desks } from '../brain/desks.ts'
import { FarLines } from '../brain/far-lines.ts'
import { CallRegistry } from '../call/calls.ts'
import type { CallDeps } from '../call/deps.ts'
import { Lease } from '../call/lease.ts'
import { Takeover } from '../call/takeover.ts'
import { serveCalls } from '../cluster/serve-calls.ts'
import type { Config } from '../config.ts'
import type { LowBalance } from '../ledger/low-balance.ts'
import { RateDeck } from '../ledger/rate.ts'
import { openNetwork } from '../network-config.ts'
import type { Adapters, Ground } from './ground.ts'
import type { Committed } from './mail.ts'

export interface Carrying {
  network: Network
  lease: Lease
  calls: CallRegistry
  desks: Desks
}

/** All that carries calls; what processes before this one left is finished when it resolves. */
export async function openCalls(
  ground: Ground,
  { network: given, aroundNetwork }: Pick<Adapters, 'network' | 'aroundNetwork'>,
  { committed, emitted, fundsLow }: Committed & Required<Pick<CallDeps, 'fundsLow'>>,
): Promise<Carrying> {
  const { config, store, clock, ids, log, member, closers, timeline } = ground
  const plane = given ?? (await openNetwork(config, ground.speech, ground))
  closers.push(() => plane.close())
  const network = aroundNetwork?.(plane) ?? plane
  const desks = new Desks(clock)
  const far =
    member &&
    new FarLines({
      desks,
      messenger: member.messenger,
      channels: member.channels,
      clock,
      ids,
      log,
    })
  if (far) closers.push(() => far.close())
  const { tables } = store
  const brains = new ConnectionBrains({
    ...ground,
    tables,
    desks: far ?? desks,
    models: config.models,
  })
  const lease = new Lease({ store, clock, ids, log }, config.role)
  await lease.join()
  closers.push(() => lease.close())
  const callDeps = {
    store,
    network,
    brains,
    timeline,
    rates: new RateDeck(config.rates),
    policy: {
      allowedCountries: config.allowedCountries,
      impliedConsentMs: config.impliedConsentHours * 3_600_000,
      recordingsDir: config.recordingsDir,
      lowBalance: lowBalanceOf(config.balanceLow),
    },
    clock,
    ids,
    log,
    process: lease,
    repairRecording: repairWav,
    committed,
    emitted,
    fundsLow,
  }
  const calls = new CallRegistry(callDeps)
  const takeover = new Takeover(callDeps, calls)
  // Nobody else can be alive with the embedded database: it has one owner.
  await takeover.begin(config.databaseUrl === null)
  lease.start({ renewed: () => takeover.wake(), lost: () => calls.abandonAll() })
  closers.push(() => takeover.close())
  if (member) closers.push(serveCalls({ messenger: member.messenger, calls, store, clock }))
  return { network, lease, calls, desks }
}

function lowBalanceOf({ testCents, liveCents, workspaces }: Config['balanceLow']): LowBalance {
  const own = Object.entries(workspaces).map(
    ([id, cents]) => [id, { test: cents.testCents, live: cents.liveCents }] as const,
  )
  return { test: testCents, live: liveCents, workspaces: Object.fromEntries(own) }
}
