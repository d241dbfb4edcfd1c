// One machine of the phone network: joins signalling, media, trunks and the sandbox behind the network's port.
import type { Clock, Ids, Log, Random } from '@saperly/kernel'
import { IncomingLeg } from './leg/incoming.ts'
import type { Leg, LegParts } from './leg/leg.ts'
import { OutgoingLeg } from './leg/outgoing.ts'
import type { Route } from './leg/outgoing.ts'
import type { MediaPlane } from './media/port.ts'
import type { PlaneLoad } from './media/load.ts'
import type { Environment, Network, NetworkCommand, NetworkEvent, Voice } from './port.ts'
import { SANDBOX_CALL_HEADER } from './sandbox/port.ts'
import type { Sandbox } from './sandbox/port.ts'
import { parseNameAddr } from './sip/header.ts'
import type { IncomingCall } from './sip/incoming-call.ts'
import { udpHop } from './sip/hop.ts'
import type { SipTimers } from './sip/machine.ts'
import { openUdp } from './sip/transport.ts'
import type { Endpoint, Transport } from './sip/transport.ts'
import { bareHost, numberOf, parseUri, sipUri } from './sip/uri.ts'
import { UserAgent } from './sip/user-agent.ts'
import { Trunk, trunksFor } from './trunk.ts'
import type { TrunkSettings } from './trunk.ts'

/** Legs at one time; a dial beyond it ends as refused, an incoming call gets 503. */
export const MAX_LEGS = 5_000
/** How long `close` waits for the legs to end, milliseconds. */
export const LEGS_CLOSE_LIMIT_MS = 5_000
/** Calls that sandbox phones were told to place and haven't yet; beyond it the oldest is forgotten. */
const MAX_EXPECTED = 1_000
/** When a caller who was refused because everything is busy may try again, seconds. */
const RETRY_AFTER_SEC = 10
const CLOSE_POLL_MS = 10

export interface NodeOptions {
  clock: Clock
  random: Random
  ids: Ids
  log: Log
  /** Closed with the node. */
  media: MediaPlane
  /** Where SIP and media are bound; `publicAddress` is what peers are told, when it is another (NAT). */
  sip: Endpoint & { publicAddress?: string | null; timers?: SipTimers }
  trunks: readonly TrunkSettings[]
  /** Closed with the node. Without one, test calls end as `no_trunk`. */
  sandbox: Sandbox | null
  voices: readonly Voice[]
  recognizer: 'phrases' | 'free'
  /** Instead of a UDP socket of its own, for simulation. */
  transport?: Transport
}

/** A node as its process sees it: the port, and what is worth measuring. */
export interface NetworkNode extends Network {
  /** Where SIP is reached. */
  readonly address: Endpoint
  /** Live legs, SIP transactions and dialogs; all zero after `close`. */
  readonly counts: { legs: number; transactions: number; dialogs: number }
}

/** Binds the node's SIP port and starts taking calls. Rejects with a Fault when the port can't be had. */
export async function createNode(options: NodeOptions): Promise<NetworkNode> {
  return new SipNode(options, options.transport ?? (await openUdp(options.sip)))
}

type Dial = Extract<NetworkCommand, { type: 'dial' }>

class SipNode implements NetworkNode {
  readonly recognizer: 'phrases' | 'free'
  readonly #options: NodeOptions
  readonly #ua: UserAgent
  readonly #trunks: readonly Trunk[]
  readonly #parts: LegParts
  readonly #legs = new Map<string, Leg>()
  readonly #listeners: ((event: NetworkEvent) => void)[] = []
  readonly #expected = new Set<string>()
  #closing: Promise<void> | null = null

  constructor(options: NodeOptions, transport: Transport) {
    const { clock, random, log, media: plane } = options
    this.#options = options
    this.recognizer = options.recognizer
    this.#trunks = options.trunks.map((settings) => new Trunk(settings))
    this.#ua = new UserAgent({
      transport,
      clock,
      random,
      log,
      ...(options.sip.timers && { timers: options.sip.timers }),
      publicAddress: options.sip.publicAddress ?? null,
      admits: (source) => this.#originOf(source) !== null,
      onCall: (call) => this.#onCall(call),
    })
    this.#parts = {
      clock,
      random,
      log,
      plane,
      ua: this.#ua,
      media: {
        bind: options.sip.address,
        advertised: options.sip.publicAddress ?? options.sip.address,
      },
      emit: (event) => this.#emit(event),
      transferUri: (to, environment, trunk) => this.#transferUri(to, environment, trunk),
    }
  }

  get address(): Endpoint {
    return this.#ua.address
  }

  get counts(): { legs: number; transactions: number; dialogs: number } {
    const { transactions, dialogs } = this.#ua
    return { legs: this.#legs.size, transactions, dialogs }
  }

  get load(): PlaneLoad {
    return this.#options.media.load
  }

  /** A call more would be at the cost of those that there are. */
  get #full(): boolean {
    return this.#legs.size >= MAX_LEGS || this.load.overloaded
  }

  voices(): readonly Voice[] {
    return this.#options.voices
  }

  subscribe(listener: (event: NetworkEvent) => void): void {
    this.#listeners.push(listener)
  }

  post(command: NetworkCommand): void {
    if (this.#closing) return
    if (command.type === 'dial') this.#dial(command)
    else if (command.type === 'bye') this.#bye(command)
    else if (command.type === 'sandboxCall') this.#sandboxCall(command)
    else this.#legs.get(command.callId)?.post(command)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { clock, media, sandbox, log } = this.#options
    for (const [callId, leg] of this.#legs) leg.post({ type: 'hangUp', callId })
    const untilMs = clock.monotonicMs() + LEGS_CLOSE_LIMIT_MS
    const never = new AbortController().signal
    while (this.#legs.size > 0 && clock.monotonicMs() < untilMs) {
      await clock.sleep(CLOSE_POLL_MS, never)
    }
    if (this.#legs.size > 0) log.error('node.legs_stuck', { legs: this.#legs.size })
    await this.#ua.close()
    await sandbox?.close()
    await media.close()
  }

  #emit(event: NetworkEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #dial(command: Dial): void {
    const { callId } = command
    if (this.#legs.has(callId)) return this.#options.log.warn('node.dialled_twice', { callId })
    if (this.#full) return this.#refuseDial(callId)
    const routes =
      command.environment === 'test'
        ? this.#sandboxRoutes(command)
        : this.#trunkRoutes(command.from, command.to)
    this.#start(callId, new OutgoingLeg(this.#parts, command, routes, this.#forget(callId)))
  }

  #start(callId: string, leg: Leg): void {
    this.#legs.set(callId, leg)
    leg.start()
  }

  #forget(callId: string): () => void {
    return () => void this.#legs.delete(callId)
  }

  #refuseDial(callId: string): void {
    queueMicrotask(() =>
      this.#emit({
        callId,
        type: 'ended',
        cause: 'carrier_refused',
        sipCode: null,
        q850Cause: null,
        reason: 'the node carries as many calls as it may',
        measuredMs: null,
      }),
    )
  }

  #sandboxRoutes({ from, to, toOwnNumber = false }: Dial): Route[] {
    const { sandbox } = this.#options
    const via = toOwnNumber ? this.address : sandbox?.addressFor(to)
    if (!via) return []
    return [
      {
        trunk: null,
        via: udpHop(via),
        to: sipUri(to, via.address, via.port),
        from: sipUri(from, this.#parts.media.advertised, null),
        codecs: ['PCMU', 'PCMA'],
        credentials: null,
      },
    ]
  }

  #trunkRoutes(from: string, to: string): Route[] {
    return trunksFor(this.#trunks, to).map((trunk) => ({
      trunk: trunk.name,
      via: trunk.hop,
      to: trunk.uriOf(to),
      from: sipUri(trunk.callerOf(from), this.#parts.media.advertised, null),
      codecs: trunk.codecs,
      credentials: trunk.credentials,
    }))
  }

  #bye(command: Extract<NetworkCommand, { type: 'bye' }>): void {
    const { callId, dialog } = command
    const credentials = this.#trunks.find(({ name }) => name === dialog.trunk)?.credentials ?? null
    this.#ua.sendBye(dialog, credentials, (sipCode) =>
      this.#options.log.info('node.bye_for_another', { callId, sipCode }),
    )
  }

  #sandboxCall(command: Extract<NetworkCommand, { type: 'sandboxCall' }>): void {
    const { callId, from, to, script } = command
    const { sandbox, log } = this.#options
    if (!sandbox) return log.warn('node.no_sandbox', { callId })
    this.#expected.add(callId)
    if (this.#expected.size > MAX_EXPECTED) {
      const [oldest] = this.#expected
      this.#expected.delete(oldest!)
    }
    sandbox.call({ callId, from, to, script, node: this.address })
  }

  /** Whose requests come from there; null for strangers, who are dropped in silence. */
  #originOf(source: Endpoint): { environment: Environment; trunk: Trunk | null } | null {
    const { address, port } = this.address
    const ours = source.address === address && source.port === port
    if (ours || this.#options.sandbox?.sourceOf(source.address, source.port)) {
      return { environment: 'test', trunk: null }
    }
    const trunk = this.#trunks.find((known) => known.owns(source))
    return trunk ? { environment: 'live', trunk } : null
  }

  #onCall(call: IncomingCall): void {
    const origin = this.#originOf(call.source)
    if (!origin || this.#closing) return call.reject(503)
    if (this.#full) return call.rejectForNow(RETRY_AFTER_SEC)
    const to = numberOf(call.requestUri)
    if (to === null) return call.reject(484)
    const callId = this.#takeExpected(call, origin.environment) ?? this.#options.ids.next('call')
    const route = {
      callId,
      environment: origin.environment,
      trunk: origin.trunk?.name ?? null,
      from: callerOf(call),
      to,
      codecs: origin.trunk?.codecs ?? (['PCMU', 'PCMA'] as const),
    }
    this.#start(callId, new IncomingLeg(this.#parts, call, route, this.#forget(callId)))
  }

  #takeExpected(call: IncomingCall, environment: Environment): string | null {
    const named = call.request.headers.get(SANDBOX_CALL_HEADER)
    return environment === 'test' && named !== null && this.#expected.delete(named) ? named : null
  }

  /** A number goes by the trunk of the call, or to the sandbox's phone; a test call never leaves this machine. */
  #transferUri(to: string, environment: Environment, trunk: string | null): string | null {
    const { sandbox } = this.#options
    const uri = parseUri(to)
    if (uri) return environment === 'live' || bareHost(uri.host).startsWith('127.') ? to : null
    if (environment === 'test') {
      const phone = sandbox?.addressFor(to)
      return phone ? sipUri(to, phone.address, phone.port) : null
    }
    return this.#trunks.find(({ name }) => name === trunk)?.uriOf(to) ?? null
  }
}

/** The asserted identity, else From; `anonymous` when neither names anybody. */
function callerOf(call: IncomingCall): string {
  const asserted = call.request.headers
    .list('p-asserted-identity')
    .map((value) => numberOf(parseNameAddr(value)?.uri ?? ''))
    .find((number) => number !== null)
  return asserted ?? numberOf(call.from.uri) ?? 'anonymous'
}
