// What every role stands on: settings, key, database, and the bus where there are several processes.
import { mkdir } from 'node:fs/promises'
import { type Clock, Ids, type Log, type Random, SystemClock, systemRandom } from '@saperly/kernel'
import type { ConfiguredSpeech, Network } from '@saperly/network'
import { NatsBus } from '../bus/nats.ts'
import type { Bus } from '../bus/port.ts'
import type { Standing } from '../bus/roster.ts'
import { Timeline } from '../call/timeline.ts'
import { Member } from '../cluster/member.ts'
import { type Config, ConfigError } from '../config.ts'
import { openLog } from '../log.ts'
import { addressPolicy } from '../outbound/address.ts'
import { Dialler } from '../outbound/dialler.ts'
import { openKey, SecretBox } from '../secrets/box.ts'
import { auditKey, busPrefix } from '../secrets/derive.ts'
import { configuredSpeech } from '../speech-engines.ts'
import { startEmbedded } from '../store/embedded/supervisor.ts'
import type { Store } from '../store/port.ts'
import { openStore } from '../store/postgres.ts'

/** What a test may replace. */
export interface Adapters {
  clock?: Clock
  random?: Random
  log?: Log
  network?: Network
  /** Stand around the store and the network that the server works with: where a test looks on, or kills the process. */
  aroundStore?: (store: Store) => Store
  aroundNetwork?: (network: Network) => Network
  /** In place of the one that NATS_URL names. */
  bus?: Bus
}

export type Closers = (() => unknown)[]

/** What every role stands on. */
export interface Ground {
  config: Config
  clock: Clock
  random: Random
  log: Log
  ids: Ids
  closers: Closers
  speech: ConfiguredSpeech
  key: Uint8Array
  box: SecretBox
  store: Store
  dialler: Dialler
  timeline: Timeline
  /** Null where this process is alone. */
  member: Member | null
}

export type Standings = (processId: string) => Standing

export async function openGround(
  config: Config,
  adapters: Adapters,
  closers: Closers,
  standing: Standings,
): Promise<Ground> {
  const clock = adapters.clock ?? new SystemClock()
  const random = adapters.random ?? systemRandom
  const log = adapters.log ?? openLog(config.logLevel)
  const ids = new Ids(clock, random)
  const speech = await configuredSpeech(config.speechEngine, config.speech, {
    clock: new SystemClock(),
    log,
  })
  if (Array.isArray(speech)) throw new ConfigError(speech)
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 })
  await mkdir(config.recordingsDir, { recursive: true, mode: 0o700 })
  const key = await openKey({
    fromEnvironment: config.secretKey,
    dataDir: config.dataDir,
    random,
  })
  const box = new SecretBox(key, random)
  const opened = await openDatabase(config, { clock, log, random, key }, closers)
  const store = adapters.aroundStore?.(opened) ?? opened
  const dialler = new Dialler(addressPolicy(config.allowPrivateNetworks, config.host), clock)
  closers.push(() => dialler.close())
  const member = joinCluster(config, adapters.bus, { clock, log, ids, key }, standing)
  if (member) closers.push(() => member.close())
  const elsewhere = member?.elsewhere ?? null
  const timeline = new Timeline({ store, clock, ids, log, elsewhere })
  const base = { config, clock, random, log, ids, closers, speech, key }
  return { ...base, box, store, dialler, member, timeline }
}

function joinCluster(
  config: Config,
  bus: Bus | undefined,
  { clock, log, ids, key }: Pick<Ground, 'clock' | 'log' | 'ids' | 'key'>,
  standing: Standings,
): Member | null {
  if (config.natsUrls.length === 0) return null
  const processId = ids.next('proc')
  return new Member({
    bus: bus ?? new NatsBus({ urls: config.natsUrls, clock, log }),
    prefix: busPrefix(key),
    processId,
    standing: () => standing(processId),
    clock,
    log,
  })
}

async function openDatabase(
  config: Config,
  deps: { clock: Clock; log: Log; random: Random; key: Uint8Array },
  closers: Closers,
): Promise<Store> {
  const { clock, log, random } = deps
  let address: Parameters<typeof openStore>[0]['address']
  if (config.databaseUrl !== null) {
    address = { url: config.databaseUrl }
  } else {
    const embedded = await startEmbedded({ dataDir: config.dataDir, clock: new SystemClock(), log })
    closers.push(() => embedded.stop())
    address = embedded.address
  }
  const maxLiveCalls = config.limits.liveCalls
  const store = await openStore({
    address,
    clock,
    log,
    auditKey: auditKey(deps.key),
    random,
    maxLiveCalls,
  })
  closers.push(() => store.close())
  return store
}
