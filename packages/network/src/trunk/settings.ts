// One trunk as the config file has it.
import type { SrtpMode } from '../sip/sdes.ts'
import type { ServerAlgorithm } from '../sip/digest-server.ts'
import type { DigitMode } from '../sip/dtmf-info.ts'
import type { Codec } from '../sip/sdp.ts'

/** Every address and name of a trunk is checked by the config's schema before it comes here. */
export interface TrunkSettings {
  name: string
  /** A host name, an IPv4 address or an IPv6 address in brackets; `:port` where it isn't the usual one. */
  address: string
  /** `auto`: as the DNS of the host says (NAPTR and SRV, RFC 3263), UDP for an address. */
  transport: 'auto' | 'udp' | 'tcp' | 'tls'
  tls?: TrunkTls | null
  username: string | null
  password: string | null
  /** The only realm that the password is given to; any, by default. */
  authRealm?: string | null
  /** Null: the carrier knows our address. */
  register?: RegisterSettings | null
  inbound?: InboundSettings
  /** Calls that we begin per second, and calls at one time both ways; null: as many as come. */
  callsPerSec?: number | null
  maxCalls?: number | null
  /** How often each host is asked whether it is alive; 0: never. Default 30. */
  optionsIntervalSec?: number
  /** Whether media is encrypted: never, where the peer can, or else there is no call. Default off. */
  srtp?: SrtpMode
  /** In order of preference. */
  codecs: readonly Codec[]
  /** Fixed `X-` header fields of every INVITE. */
  headers?: Readonly<Record<string, string>>
  /** Whether the caller's number also stands in P-Asserted-Identity (RFC 3325). */
  identity?: 'none' | 'p-asserted-identity'
  /** `id`: the callee doesn't see who calls (RFC 3323, RFC 3325). */
  privacy?: 'none' | 'id'
  /** 3xx answers that are followed, one after the other. Default 0. */
  followRedirects?: number
  /** Hosts that a redirect may name besides the trunk's own. */
  redirectHosts?: readonly string[]
  /** How keys are sent: as telephone events (tones where the peer has none), or by SIP INFO. Default auto. */
  dtmf?: DigitMode
  /** False: its calls are transferred by the network itself, without asking by REFER first. Default true. */
  refer?: boolean
  /** True: numbers are sent without their plus. Default false. */
  stripPlus?: boolean
  /** Shown to the callee instead of the number that calls. Default: none. */
  callerId?: string | null
  /** Destinations served: `+` and digits. */
  prefixes: readonly string[]
  /** Final codes before ringing that the next host or trunk is tried after, besides 503. */
  failover?: readonly number[]
}

export interface RegisterSettings {
  /** Host or `host:port`; null: the trunk's own address. */
  registrar: string | null
  /** Asked for, seconds; the registrar decides. */
  expiresSec: number
  /** `user@domain`; null: the username at the registrar's domain. */
  aor: string | null
}

export interface InboundSettings {
  /** CIDR blocks that calls may come from; null: the trunk's own addresses. */
  sources: readonly string[] | null
  /** Asked of the caller by digest; null: the address is proof enough. */
  username: string | null
  password: string | null
  /** What the caller may prove it with; older stacks fail when they are offered more than MD5. */
  algorithms?: readonly ServerAlgorithm[]
}

/** Certificates and keys as PEM text. */
export interface TrunkTls {
  /** Trusted instead of the system's authorities. */
  ca: string | null
  /** Shown to the peer when it asks. */
  certificate: string | null
  key: string | null
  /** The name that the peer must prove to have; null: the host of the address. */
  serverName: string | null
  minVersion: 'TLSv1.2' | 'TLSv1.3'
}
