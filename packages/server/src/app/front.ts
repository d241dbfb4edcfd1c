// The doors of a process: HTTP for customers and the sockets of their brains, or only a little for its operator.
import { clientLimit, MAX_CLIENTS, openFilesLimit } from '../open-files.ts'
import { assert } from '@saperly/kernel'
import { hearings, recognizerOf, voices } from '@saperly/network'
import { createHealth } from '../api/health-server.ts'
import { SandboxInventory } from '../api/inventory.ts'
import { networkFigures } from '../api/network-figures.ts'
import { createApi } from '../api/server.ts'
import { FarDesks } from '../brain/far-desks.ts'
import { ManualSockets } from '../brain/manual-socket.ts'
import { Switchboards } from '../brain/switchboards.ts'
import type { Calls } from '../call/port.ts'
import { ClusterCalls } from '../cluster/calls.ts'
import { linkKey } from '../secrets/derive.ts'
import { trunkFigures } from '../trunk-figures.ts'
import type { Ground } from './ground.ts'
import type { Committed } from './mail.ts'
import type { Carrying } from './calls.ts'

/** Where somebody comes in. */
export interface Door {
  url: string
  /** From now on nothing new is begun. */
  drain(): void
}

/** The door of a process that only carries calls. */
export async function openHealth(
  { config, closers, store, log, member }: Ground,
  carrying: Carrying | null,
): Promise<Door> {
  assert(carrying, 'a process without a door for customers carries calls')
  const { network, calls, desks } = carrying
  let draining = false
  const health = createHealth({
    host: config.host,
    port: config.port,
    closed: () => (draining ? 'draining' : null),
    askDatabase: () => store.tables.workspaces.get('ready'),
    figures: () => ({
      live_calls: calls.live,
      draining: draining ? 1 : 0,
      resident_memory_bytes: process.memoryUsage.rss(),
      ...member?.figures,
      ...networkFigures(network.load),
      ...trunkFigures(network.trunks),
    }),
    log,
  })
  closers.push(
    () => health.close(),
    () => desks.closeAll(),
    () => calls.close(),
  )
  const { host, port } = await health.listen()
  const drain = (): void => {
    draining = true
    calls.drain()
  }
  return { url: `http://${host}:${port}`, drain }
}

/** The door for customers and the sockets of their brains. */
export async function openFront(
  ground: Ground,
  carrying: Carrying | null,
  { emitted }: Committed,
): Promise<Door> {
  const { config, store, clock, ids, random, log, member, closers, speech } = ground
  const calls = callsOf(ground, carrying)
  const maxClients = clientLimit(await openFilesLimit())
  if (maxClients < MAX_CLIENTS) log.warn('open_files_low', { maxClients })
  const { sockets, disconnect } = openSockets(ground, carrying, maxClients)
  const { network = null } = carrying ?? {}
  const heard = hearings(config.speechEngine, speech)
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
      speechEngines: Object.keys(heard),
      linkSecret: linkKey(ground.key),
      checkAnswers: false,
    },
    store,
    calls,
    inventory: new SandboxInventory({ ids, random }),
    secrets: ground.box,
    clock,
    ids,
    random,
    log,
    voices: () => network?.voices() ?? voices(config.speechEngine, speech),
    // As a node hears with it: an engine that is not configured (any more) was asked to hear any words.
    recognizerOf: (engine) =>
      engine === null ? recognizerOf(config.speechEngine) : (heard[engine]?.recognizer ?? 'free'),
    publicUrl: () => url,
    liveStats: () => ({
      manual_sockets: sockets.open,
      outbound_requests: ground.dialler.open,
      ...member?.figures,
      ...(network && { ...networkFigures(network.load), ...trunkFigures(network.trunks) }),
    }),
    manualEnded: (connectionId) => {
      disconnect(connectionId)
      member?.tellGone(connectionId)
    },
    afterCommit: emitted,
  })
  // Live calls end while their brains can still be told, and upgraded sockets close before the port does.
  closers.push(
    () => api.close(),
    () => sockets.closeAll(),
    () => carrying?.desks.closeAll(),
    () => carrying?.calls.close(),
  )
  api.app.server.on('upgrade', (request, socket, head) => {
    if (!sockets.handleUpgrade(request, socket, head)) socket.destroy()
  })
  const address = await api.listen()
  url ||= `http://${address.host}:${address.port}`
  const drain = (): void => {
    api.drain()
    calls.drain()
  }
  return { url, drain }
}

/** The calls of this process, or those of all that share the database. */
function callsOf(
  { store, clock, ids, member, timeline }: Ground,
  carrying: Carrying | null,
): Calls {
  if (!member) {
    assert(carrying, 'a process that is alone carries its calls')
    return carrying.calls
  }
  const { messenger, roster } = member
  return new ClusterCalls({
    local: carrying?.calls ?? null,
    leaseId: () => carrying?.lease.id ?? messenger.processId,
    messenger,
    roster,
    store,
    clock,
    ids,
    follow: (callId, afterId, signal) => timeline.follow(callId, afterId, signal),
  })
}

/** The sockets of brains, for the calls of this process and of others. */
function openSockets(
  { store, clock, ids, log, member, closers }: Ground,
  carrying: Carrying | null,
  maxSockets: number,
): { sockets: ManualSockets; disconnect: (connectionId: string) => void } {
  const far =
    member && new FarDesks({ messenger: member.messenger, channels: member.channels, log })
  const boards = new Switchboards({
    desks: carrying?.desks ?? null,
    clock,
    ...(far && {
      staffed: (board) => far.serve(board),
      opened: (connectionId) => far.announce(connectionId),
    }),
  })
  closers.push(() => boards.closeAll())
  const { connections } = store.tables
  const sockets = new ManualSockets({ connections, boards, clock, ids, log, maxSockets })
  const disconnect = (connectionId: string): void => {
    sockets.disconnect(connectionId)
    carrying?.desks.disconnect(connectionId)
  }
  member?.onGone(disconnect)
  member?.messenger.bus.watch((up) => {
    // What was said while the bus was away was not heard.
    if (up)
      sockets.recheck().catch((error: unknown) => log.error('brain.recheck.failed', {}, error))
  })
  return { sockets, disconnect }
}
