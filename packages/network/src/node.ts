// One machine of the phone network: joins signalling, media, trunks and the sandbox behind the network's port.
import type { Clock, Ids, Log, Random } from '@saperly/kernel'
import { isLoopback } from './address.ts'
import { callerOf } from './leg/caller.ts'
import { IncomingLeg } from './leg/incoming.ts'
import type { IncomingRoute } from './leg/incoming.ts'
import type { Leg, LegParts, Target } from './leg/leg.ts'
import { OutgoingLeg } from './leg/outgoing.ts'
import { fixedWays } from './leg/route.ts'
import type { Ways } from './leg/route.ts'
import type { MediaPlane } from './media/port.ts'
import type { PlaneLoad } from './media/load.ts'
import type {
  Environment,
  Network,
  NetworkCommand,
  NetworkEvent,
  TracedMessage,
  TrunkState,
  Voice,
} from './port.ts'
import { SANDBOX_CALL_HEADER } from './sandbox/port.ts'
import type { Sandbox } from './sandbox/port.ts'
import type { IncomingCall } from './sip/incoming-call.ts'
import { openDns } from './sip/dns.ts'
import type { Dns } from './sip/dns.ts'
import { udpHop } from './sip/hop.ts'
import type { Hearing } from './speech/port.ts'
import type { SipTimers } from './sip/machine.ts'
import { SignallingRecorder } from './sip/recorder.ts'
import { Resolver } from './sip/resolver.ts'
import type { TlsServerSettings } from './sip/tls.ts'
import { openTransports } from './sip/transports.ts'
import type { Endpoint, Transport } from './sip/transport.ts'
import { bareHost, numberOf, parseUri, sipUri } from './sip/uri.ts'
import { UserAgent } from './sip/user-agent.ts'
import type { TrunkSettings } from './trunk/settings.ts'
import type { Trunk } from './trunk/trunk.ts'
import { familiesOf } from './trunk/target.ts'
import { tlsClients } from './trunk/tls.ts'
import { Trunks } from './trunk/trunks.ts'

/** Legs at one time; a dial beyond it ends as refused, an incoming call gets 503. */
export const MAX_LEGS = 5_000
/** How long `close` waits for the legs to end, milliseconds. */
export const LEGS_CLOSE_LIMIT_MS = 5_000
/** Calls that sandbox phones were told to place and haven't yet; beyond it the oldest is forgotten. */
const MAX_EXPECTED = 1_000
/** When a caller who was refused because everything is busy may try again, seconds. */
const RETRY_AFTER_SEC = 10
const CLOSE_POLL_MS = 10
/** In the order in which we like to speak them, where a carrier leaves the choice. */
const PROTOCOLS = ['TLS', 'TCP', 'UDP'] as const

export interface NodeOptions {
  clock: Clock
  random: Random
  ids: Ids
  log: Log
  /** Closed with the node. */
  media: MediaPlane
  /** Where SIP and media are bound; `publicAddress` is what peers are told, when it is another (NAT). */
  sip: Endpoint & {
    publicAddress?: string | null
    timers?: SipTimers
    /** Where others may reach us over TLS, and what we show them; without it only we open such connections. */
    tls?: { port: number; server: TlsServerSettings } | null
  }
  trunks: readonly TrunkSettings[]
  /** Closed with the node. Without one, test calls end as `no_trunk`. */
  sandbox: Sandbox | null
  voices: readonly Voice[]
  recognizer: 'phrases' | 'free'
  /** Instead of the system's DNS. */
  dns?: Dns
  /** What each engine hears, by name, where calls may name one. */
  hearings?: Readonly<Record<string, Hearing>>
  /** Instead of sockets of its own, for simulation. */
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
  let node: SipNode | null = null
  const { clock, log, sip, trunks } = options
  const transport =
    options.transport ??
    (await openTransports({
      bind: sip,
      clock,
      log,
      accepts: (address) => node?.accepts(address) ?? false,
      tls: {
        port: sip.tls?.port ?? 0,
        server: sip.tls?.server ?? null,
        client: tlsClients(trunks),
      },
    }))
  node = new SipNode(options, transport)
  return node
}

type Dial = Extract<NetworkCommand, { type: 'dial' }>

class SipNode implements NetworkNode {
  readonly recognizer: 'phrases' | 'free'
  readonly #options: NodeOptions
  readonly #ua: UserAgent
  readonly #trunks: Trunks
  readonly #signalling: SignallingRecorder
  readonly #parts: LegParts
  readonly #legs = new Map<string, Leg>()
  readonly #listeners: ((event: NetworkEvent) => void)[] = []
  readonly #expected = new Set<string>()
  #closing: Promise<void> | null = null

  constructor(options: NodeOptions, transport: Transport) {
    const { clock, random, log, media: plane } = options
    this.#options = options
    this.recognizer = options.recognizer
    this.#signalling = new SignallingRecorder(clock)
    const resolver = new Resolver({
      dns: options.dns ?? openDns(clock),
      clock,
      random,
      protocols: PROTOCOLS.filter((protocol) => transport.at(protocol) !== null),
      families: familiesOf(options.sip.address),
    })
    this.#ua = new UserAgent({
      transport: this.#signalling.over(transport),
      resolver,
      clock,
      random,
      log,
      ...(options.sip.timers && { timers: options.sip.timers }),
      publicAddress: options.sip.publicAddress ?? null,
      admits: (source) => this.#isSandbox(source) || this.#trunks.admits(source),
      guard: (request, source) =>
        this.#isSandbox(source) ? null : this.#trunks.guard(request, source),
      credentialsFor: (request, source) =>
        this.#isSandbox(source)
          ? null
          : (this.#trunks.originOf(request, source)?.credentials ?? null),
      onCall: (call) => this.#onCall(call),
    })
    const ours = options.sip.publicAddress ?? options.sip.address
    this.#trunks = new Trunks(options.trunks, { clock, random, log, ua: this.#ua, resolver, ours })
    this.#parts = {
      clock,
      random,
      log,
      plane,
      ua: this.#ua,
      media: { bind: options.sip.address, advertised: ours },
      emit: (event) => this.#emit(event),
      signalling: this.#signalling,
      transferUri: (to, environment, trunk) => this.#transferUri(to, environment, trunk),
      takesRefer: (trunk) => this.#trunks.named(trunk)?.refer ?? true,
      targetWays: (target, environment, trunk) => this.#targetWays(target, environment, trunk),
    }
    this.#trunks.open()
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

  get trunks(): readonly TrunkState[] {
    return this.#trunks.states
  }

  /** Whether a connection from that address is taken. */
  accepts(address: string): boolean {
    return address === this.address.address || this.#trunks.accepts(address)
  }

  voices(): readonly Voice[] {
    return this.#options.voices
  }

  /** An engine that is not configured (any more) was asked to hear any words. */
  recognizerOf(engine: string | null): 'phrases' | 'free' {
    if (engine === null) return this.recognizer
    return this.#options.hearings?.[engine]?.recognizer ?? 'free'
  }

  async trace(callId: string): Promise<readonly TracedMessage[]> {
    return this.#signalling.trace(callId)
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
    await this.#trunks.close()
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
    const { environment, from, to, callerIdName: callerName } = command
    const ways =
      environment === 'test'
        ? this.#sandboxWays(command)
        : this.#trunks.waysTo({ from, to, callerName })
    this.#start(callId, new OutgoingLeg(this.#parts, command, ways, this.#forget(callId)))
  }

  #start(callId: string, leg: Leg): void {
    this.#legs.set(callId, leg)
    leg.start()
  }

  #forget(callId: string): () => void {
    return () => {
      this.#legs.delete(callId)
      this.#signalling.ended(callId)
    }
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

  #sandboxWays({ from, to, callerIdName, toOwnNumber = false }: Target): Ways {
    const via = toOwnNumber ? this.address : this.#options.sandbox?.addressFor(to)
    if (!via) return fixedWays([])
    return fixedWays([
      {
        trunk: null,
        via: udpHop(via),
        to: sipUri(to, via.address, via.port),
        from: sipUri(from, this.#parts.media.advertised, null),
        displayName: callerIdName,
        fields: [],
        codecs: ['PCMU', 'PCMA'],
        srtp: 'off',
        dtmf: 'auto',
        credentials: null,
        failover: new Set(),
        redirects: { max: 0, allow: () => false },
      },
    ])
  }

  /** A test call never leaves this machine. */
  #targetWays(target: Target, environment: Environment, trunk: string | null): Ways {
    const { from, to, callerIdName: callerName } = target
    if (environment === 'live') return this.#trunks.waysToTarget({ from, to, callerName }, trunk)
    return parseUri(to) ? fixedWays([]) : this.#sandboxWays(target)
  }

  #bye(command: Extract<NetworkCommand, { type: 'bye' }>): void {
    const { callId, dialog } = command
    const credentials = this.#trunks.named(dialog.trunk)?.credentials ?? null
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

  /** Our own phones, and ourselves: a test call to one of our numbers comes back in. */
  #isSandbox(source: Endpoint): boolean {
    const { address, port } = this.address
    if (source.address === address && source.port === port) return true
    return this.#options.sandbox?.sourceOf(source.address, source.port) ?? false
  }

  #onCall(call: IncomingCall): void {
    const sandbox = this.#isSandbox(call.source)
    const trunk = sandbox ? null : (this.#trunks.originOf(call.request, call.source) ?? null)
    if ((!sandbox && !trunk) || this.#closing) return call.reject(503)
    if (this.#full) return call.rejectForNow(RETRY_AFTER_SEC)
    const to = trunk ? trunk.names.calledBy(call.request) : numberOf(call.requestUri)
    if (to === null) return call.reject(484)
    const place = trunk?.limits.takeIncoming()
    if (place === null) return call.reject(503)
    const environment = sandbox ? 'test' : 'live'
    const callId = this.#takeExpected(call, environment) ?? this.#options.ids.next('call')
    const route = { callId, environment, to, from: callerOf(call), ...mediaOf(trunk) } as const
    const forget = this.#forget(callId)
    const over = (): void => {
      place?.release()
      forget()
    }
    this.#start(callId, new IncomingLeg(this.#parts, call, route, over))
  }

  #takeExpected(call: IncomingCall, environment: Environment): string | null {
    const named = call.request.headers.get(SANDBOX_CALL_HEADER)
    return environment === 'test' && named !== null && this.#expected.delete(named) ? named : null
  }

  /** A number goes by the trunk of the call, or to the sandbox's phone; a test call never leaves this machine. */
  #transferUri(to: string, environment: Environment, trunk: string | null): string | null {
    const { sandbox } = this.#options
    const uri = parseUri(to)
    if (uri) return environment === 'live' || isLoopback(bareHost(uri.host)) ? to : null
    if (environment === 'test') {
      const phone = sandbox?.addressFor(to)
      return phone ? sipUri(to, phone.address, phone.port) : null
    }
    return this.#trunks.named(trunk)?.names.uriOf(to) ?? null
  }
}

/** What is agreed with the peers of a trunk; a sandbox phone speaks plain G.711. */
function mediaOf(trunk: Trunk | null): Pick<IncomingRoute, 'trunk' | 'codecs' | 'srtp' | 'dtmf'> {
  if (!trunk) return { trunk: null, codecs: ['PCMU', 'PCMA'], srtp: 'off', dtmf: 'auto' }
  const { name, codecs, srtp, dtmf } = trunk
  return { trunk: name, codecs, srtp, dtmf }
}
