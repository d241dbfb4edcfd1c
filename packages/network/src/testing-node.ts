// A node in a simulated network, for tests: its carriers and phones are our own user agents, its media carries nothing.
import { Ids, SimClock, assert, ok, seededRandom, silentLog } from '@saperly/kernel'
import type { Clock } from '@saperly/kernel'
import type { PlaneLoad } from './media/load.ts'
import type { MediaCommand, MediaEvent, MediaPlane } from './media/port.ts'
import { createNode } from './node.ts'
import type { NetworkNode, NodeOptions } from './node.ts'
import type { NetworkCommand, NetworkEvent, TalkOptions } from './port.ts'
import type { Sandbox, SandboxCall } from './sandbox/port.ts'
import type { Dns } from './sip/dns.ts'
import type { IncomingCall } from './sip/incoming-call.ts'
import { Negotiation } from './sip/negotiation.ts'
import { SimNetwork } from './sip/sim-network.ts'
import type { Datagram } from './sip/sim-network.ts'
import type { Endpoint, Transport } from './sip/transport.ts'
import { UserAgent } from './sip/user-agent.ts'
import type { TrunkSettings } from './trunk/settings.ts'

export const TALK: TalkOptions = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}
export const NODE = { address: '127.0.0.1', port: 5060 }
export const PHONE = { address: '127.0.0.1', port: 6000 }
export const CARRIER_A = { address: '127.0.0.1', port: 7000 }
export const CARRIER_B = { address: '127.0.0.1', port: 7001 }

/** A media plane that carries nothing, and remembers what it was told. */
export class FakeMedia implements MediaPlane {
  readonly commands: MediaCommand[] = []
  readonly #listeners = new Map<string, (event: MediaEvent) => void>()
  readonly #recordTo = new Map<string, string | null>()
  failing = false

  get sessions(): number {
    return this.#recordTo.size
  }

  load: PlaneLoad = { workers: [], overloaded: false }

  subscribe(legId: string, listener: (event: MediaEvent) => void): () => void {
    this.#listeners.set(legId, listener)
    return () => this.#listeners.delete(legId)
  }

  post(command: MediaCommand): void {
    this.commands.push(command)
    const { legId } = command
    if (command.type === 'open') {
      if (this.failing) return this.tell({ type: 'failed', legId, reason: 'no ports' })
      this.#recordTo.set(legId, command.recordTo)
      this.tell({ type: 'opened', legId, port: 10_000, recognizer: 'phrases' })
    } else if (command.type === 'close') {
      const path = this.#recordTo.get(legId) ?? null
      this.#recordTo.delete(legId)
      const recording = path === null ? null : { path, durationMs: 5, bytes: 80 }
      this.tell({ type: 'closed', legId, recording, quality: null })
    }
  }

  tell(event: MediaEvent): void {
    queueMicrotask(() => this.#listeners.get(event.legId)?.(event))
  }

  /** The agreements that a leg was connected with. */
  agreements(): unknown[] {
    return this.commands.flatMap((command) =>
      command.type === 'connect' ? [command.agreement] : [],
    )
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

export interface World {
  clock: SimClock
  node: NetworkNode
  media: FakeMedia
  events: NetworkEvent[]
  told: SandboxCall[]
  open: (at: Endpoint) => Transport
  agent: (at: Endpoint, onCall: (call: IncomingCall) => void) => UserAgent
  dial: (more?: Partial<Extract<NetworkCommand, { type: 'dial' }>>) => void
  types: () => string[]
  /** Lets all timers run out, and throws when anything is left. */
  finish: () => Promise<void>
}

export function trunk(
  name: string,
  at: Endpoint,
  more: Partial<TrunkSettings> = {},
): TrunkSettings {
  return {
    name,
    address: `${at.address}:${at.port}`,
    transport: 'udp',
    username: null,
    password: null,
    prefixes: ['+'],
    codecs: ['PCMU', 'PCMA'],
    optionsIntervalSec: 0,
    ...more,
  }
}

/** A DNS that knows these services, each host with a priority after the one before it, and nothing else. */
export function scriptedDns(services: Readonly<Record<string, readonly Endpoint[]>>): Dns {
  return {
    naptr: () => Promise.resolve(ok([])),
    addresses: () => Promise.resolve(ok([])),
    srv: (name) =>
      Promise.resolve(
        ok(
          (services[name] ?? []).map(({ address, port }, priority) => ({
            priority,
            weight: 1,
            port,
            target: address,
          })),
        ),
      ),
  }
}

/** `drops` says which datagrams get lost. */
export async function world(
  trunks: readonly TrunkSettings[] = [],
  drops: (datagram: Datagram) => boolean = () => false,
  more: Partial<NodeOptions> = {},
): Promise<World> {
  const clock = new SimClock()
  const random = seededRandom(7)
  const network = new SimNetwork(clock, 5, drops)
  const media = new FakeMedia()
  const told: SandboxCall[] = []
  const sandbox: Sandbox = {
    addressFor: () => PHONE,
    sourceOf: (_, port) => port === PHONE.port,
    call: (call) => told.push(call),
    close: () => Promise.resolve(),
  }
  const node = await createNode({
    clock,
    random,
    ids: new Ids(clock, random),
    log: silentLog,
    media,
    sip: NODE,
    trunks,
    sandbox,
    voices: [],
    recognizer: 'phrases',
    transport: network.open(NODE),
    dns: scriptedDns({}),
    ...more,
  })
  const events: NetworkEvent[] = []
  node.subscribe((event) => events.push(event))
  const agents: UserAgent[] = []
  return {
    clock,
    node,
    media,
    events,
    told,
    open: (at) => network.open(at),
    agent: (at, onCall) => {
      const made = new UserAgent({
        transport: network.open(at),
        clock,
        random: seededRandom(at.port),
        log: silentLog,
        onCall,
      })
      agents.push(made)
      return made
    },
    dial: (more) =>
      node.post({
        type: 'dial',
        callId: 'call_1',
        environment: 'test',
        from: '+15555550001',
        to: '+15555550123',
        callerIdName: null,
        ringTimeoutMs: 45_000,
        talk: TALK,
        recordTo: null,
        ...more,
      }),
    types: () => events.map(({ type }) => type),
    finish: async () => {
      await clock.advance(300_000)
      const { legs, transactions, dialogs } = node.counts
      const left = agents.map((agent) => agent.transactions + agent.dialogs)
      const all = [legs, transactions, dialogs, ...left, media.sessions, clock.pending()]
      assert(
        all.every((count) => count === 0),
        `something was left behind: ${all.join(' ')}`,
      )
      const ended = events.flatMap(({ type, callId }) => (type === 'ended' ? [callId] : []))
      assert(ended.length === new Set(ended).size, 'a call ended twice')
    },
  }
}

/** What a phone says to an offer. */
export function answerTo(call: IncomingCall, clock: Clock): string {
  const options = { address: '127.0.0.1', port: 20_000, codecs: ['PCMA'] as const }
  const made = new Negotiation({ ...options, random: seededRandom(clock.now()) }).answer(call.sdp!)
  if (!made.ok) throw new Error(made.failure)
  return made.value.sdp
}

/** The last event that the node told. */
export const last = (w: World): NetworkEvent => w.events.at(-1)!
