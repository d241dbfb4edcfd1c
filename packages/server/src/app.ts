// The one file that joins ports to adapters. Nobody imports it but the entry point and the tests' world.
import { mkdir } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { type Clock, Ids, type Log, type Random, SystemClock, systemRandom } from '@saperly/kernel'
import {
  type ConfiguredSpeech,
  createMediaPlane,
  createNode,
  createSandbox,
  hearings,
  type Network,
  recognizerOf,
  repairWav,
  voices,
} from '@saperly/network'
import { createApi } from './api/server.ts'
import { SandboxInventory } from './api/inventory.ts'
import { AuditChainer } from './audit/chainer.ts'
import { bootstrap, type FirstKey } from './bootstrap.ts'
import { ConnectionBrains } from './brain/brains.ts'
import { ManualSockets } from './brain/manual-socket.ts'
import { CallRegistry } from './call/calls.ts'
import { Lease } from './call/lease.ts'
import { Takeover } from './call/takeover.ts'
import { Timeline } from './call/timeline.ts'
import { type Config, ConfigError } from './config.ts'
import type { LowBalance } from './ledger/low-balance.ts'
import { RateDeck } from './ledger/rate.ts'
import { openLog } from './log.ts'
import { clientLimit, MAX_CLIENTS, openFilesLimit } from './open-files.ts'
import { networkFigures } from './api/network-figures.ts'
import { addressPolicy } from './outbound/address.ts'
import { Dialler } from './outbound/dialler.ts'
import { Retention } from './privacy/retention.ts'
import { openKey, SecretBox } from './secrets/box.ts'
import { auditKey, linkKey } from './secrets/derive.ts'
import type { Store } from './store/port.ts'
import { openStore } from './store/postgres.ts'
import { configuredSpeech } from './speech-engines.ts'
import { startEmbedded } from './store/embedded/supervisor.ts'
import { trunkFigures } from './trunk-figures.ts'
import { Deliverer } from './webhook/deliver.ts'

/** Where the sandbox's phones live: on this machine, as sockets that are bound to `address` reach it. */
function loopbackFor(address: string): string {
  return isIPv6(address) && address !== '::' ? '::1' : '127.0.0.1'
}

/** What a test may replace. */
export interface Adapters {
  clock?: Clock
  random?: Random
  log?: Log
  network?: Network
  /** Stand around the store and the network that the server works with: where a test looks on, or kills the process. */
  aroundStore?: (store: Store) => Store
  aroundNetwork?: (network: Network) => Network
}

export interface Server {
  url: string
  /** The test key of the default workspace, and its demo number. */
  first: FirstKey
  store: Store
  network: Network
  calls: CallRegistry
  /**
   * Takes no new calls, and resolves when the last live one is over, after `limits.drainSec`, or when `hurry` aborts.
   * `close` comes after it.
   */
  drain(hurry: AbortSignal): Promise<void>
  /** Ends live calls, delivers nothing more, gives everything back. */
  close(): Promise<void>
}

/** Starts a whole server. Resolves when it is ready to take calls; what the last process left is finished before. */
export async function startServer(config: Config, adapters: Adapters = {}): Promise<Server> {
  const clock = adapters.clock ?? new SystemClock()
  const random = adapters.random ?? systemRandom
  const log = adapters.log ?? openLog(config.logLevel)
  const ids = new Ids(clock, random)
  const closers: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const shut of closers.splice(0).toReversed()) await shut()
  }
  try {
    const speech = await configuredSpeech(config.speechEngine, config.speech, {
      clock: new SystemClock(),
      log,
    })
    if (Array.isArray(speech)) throw new ConfigError(speech)
    const recordingsDir = join(config.dataDir, 'recordings')
    await mkdir(recordingsDir, { recursive: true, mode: 0o700 })
    const key = await openKey({
      fromEnvironment: config.secretKey,
      dataDir: config.dataDir,
      random,
    })
    const box = new SecretBox(key, random)

    const opened = await openDatabase(config, { clock, log, random, key }, closers)
    const store = adapters.aroundStore?.(opened) ?? opened
    const first = await bootstrap(
      { store, box, clock, ids, random, dataDir: config.dataDir },
      config.rootKey,
    )

    const dialler = new Dialler(addressPolicy(config.allowPrivateNetworks, config.host), clock)
    closers.push(() => dialler.close())
    const deliverer = new Deliverer({ store, dialler, box, clock, random, log })
    const chainer = new AuditChainer({ store, clock, log })
    closers.push(() => chainer.close())
    const retention = new Retention({ store, clock, log, days: config.retention })
    closers.push(() => retention.close())
    closers.push(() => deliverer.close())
    const committed = (): void => chainer.wake()
    const emitted = (): void => {
      deliverer.wake()
      chainer.wake()
    }

    const plane =
      adapters.network ?? (await openNetwork(config, speech, { clock, random, ids, log }))
    closers.push(() => plane.close())
    const network = adapters.aroundNetwork?.(plane) ?? plane
    const maxClients = clientLimit(await openFilesLimit())
    if (maxClients < MAX_CLIENTS) log.warn('open_files_low', { maxClients })
    const { connections } = store.tables
    const sockets = new ManualSockets({ connections, clock, ids, log, maxSockets: maxClients })
    const brains = new ConnectionBrains({
      tables: store.tables,
      sockets,
      dialler,
      box,
      models: config.models,
      clock,
      log,
    })
    const timeline = new Timeline({ store, clock, ids, log })
    const lease = new Lease({ store, clock, ids, log }, 'all')
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
        recordingsDir,
        lowBalance: lowBalanceOf(config.balanceLow),
      },
      clock,
      ids,
      log,
      process: lease,
      repairRecording: repairWav,
      committed,
      emitted,
    }
    const calls = new CallRegistry(callDeps)
    const takeover = new Takeover(callDeps, calls)
    // Nobody else can be alive with the embedded database: it has one owner.
    await takeover.begin(config.databaseUrl === null)
    lease.start({ renewed: () => takeover.wake(), lost: () => calls.abandonAll() })
    closers.push(() => takeover.close())

    let url = config.publicUrl ?? ''
    const api = await createApi({
      config: {
        host: config.host,
        port: config.port,
        requestsPerSec: config.limits.requestsPerSec,
        requestBurst: config.limits.burst,
        maxClients,
        corsOrigins: config.corsOrigins,
        managedModels: Object.keys(config.models),
        speechEngines: Object.keys(hearings(config.speechEngine, speech)),
        linkSecret: linkKey(key),
        checkAnswers: false,
      },
      store,
      calls,
      inventory: new SandboxInventory({ ids, random }),
      secrets: box,
      clock,
      ids,
      random,
      log,
      voices: () => network.voices(),
      recognizerOf: (engine) => network.recognizerOf(engine),
      publicUrl: () => url,
      liveStats: () => ({
        manual_sockets: sockets.open,
        outbound_requests: dialler.open,
        ...networkFigures(network.load),
        ...trunkFigures(network.trunks),
      }),
      manualEnded: (connectionId) => sockets.disconnect(connectionId),
      afterCommit: emitted,
    })
    // Live calls end while their brains can still be told, and upgraded sockets close before the port does.
    closers.push(
      () => api.close(),
      () => sockets.closeAll(),
      () => calls.close(),
      () => Promise.resolve(api.drain()),
    )
    api.app.server.on('upgrade', (request, socket, head) => {
      if (!sockets.handleUpgrade(request, socket, head)) socket.destroy()
    })
    const address = await api.listen()
    url ||= `http://${address.host}:${address.port}`
    deliverer.start()
    chainer.start()
    retention.start()
    emitted()
    const drain = (hurry: AbortSignal): Promise<void> => {
      api.drain()
      return calls.drained(config.limits.drainSec * 1000, hurry)
    }
    return { url, first, store, network, calls, drain, close }
  } catch (error) {
    await close()
    throw error
  }
}

function lowBalanceOf({ testCents, liveCents, workspaces }: Config['balanceLow']): LowBalance {
  const own = Object.entries(workspaces).map(
    ([id, cents]) => [id, { test: cents.testCents, live: cents.liveCents }] as const,
  )
  return { test: testCents, live: liveCents, workspaces: Object.fromEntries(own) }
}

async function openDatabase(
  config: Config,
  deps: { clock: Clock; log: Log; random: Random; key: Uint8Array },
  closers: (() => Promise<unknown>)[],
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

async function openNetwork(
  config: Config,
  speech: ConfiguredSpeech,
  deps: { clock: Clock; random: Random; ids: Ids; log: Log },
): Promise<Network> {
  const media = createMediaPlane(
    {
      workers: config.rtp.workers ?? Math.max(1, cpus().length - 1),
      ports: config.rtp.ports,
      engine: config.speechEngine,
      speech,
      firstPacketTimeoutMs: 30_000,
      packetTimeoutMs: 15_000,
      opusComplexity: config.opusComplexity,
    },
    deps,
  )
  const { host: address, port, publicHost: publicAddress } = config.sip
  return createNode({
    ...deps,
    media,
    sip: { address, port, publicAddress, tls: tlsOf(config.sip) },
    trunks: config.trunks,
    sandbox: await createSandbox({
      ...deps,
      media,
      address: loopbackFor(address),
      scripts: config.sandboxScripts,
    }),
    voices: voices(config.speechEngine, speech),
    hearings: hearings(config.speechEngine, speech),
    recognizer: recognizerOf(config.speechEngine),
  })
}

/** What the node shows over TLS. */
function tlsOf({
  tls,
}: Config['sip']): NonNullable<Parameters<typeof createNode>[0]['sip']['tls']> | null {
  if (!tls) return null
  const { port, certificate, key, clientCa } = tls
  return { port, server: { certificate, key, clientCa, minVersion: 'TLSv1.2' } }
}
