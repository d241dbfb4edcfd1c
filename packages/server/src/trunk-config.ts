// One trunk of the config file: its schema, and the certificates that it names, read once at the start.
import { isIP, isIPv4 } from 'node:net'
import { z } from 'zod'
import { pemsFit, readPem } from './certificates.ts'

/** Final codes that are the callee's own answer: no other trunk would give another (contract, "Placing a call"). */
const CALLEE_CODES: readonly number[] = [480, 486, 600, 603]
/** Codes that ask for something and refuse nothing yet. */
const ASKING_CODES: readonly number[] = [401, 407]
const MAX_HEADERS = 20

export const prefix: z.ZodString = z.string().regex(/^\+\d{0,15}$/, 'must be + and up to 15 digits')

const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}))(?::(\d{1,5}))?$/

/** A host name, an IPv4 address or an IPv6 address in brackets, with or without a port. */
function isHost(text: string): boolean {
  const [, host = '', port] = HOST.exec(text) ?? []
  if (host === '' || (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)))
    return false
  if (host.startsWith('[')) return isIP(host.slice(1, -1)) === 6
  return /^[\d.]+$/.test(host) ? isIPv4(host) : true
}

/** An address, or a block of them in CIDR notation. */
function isBlock(text: string): boolean {
  const [address = '', length, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return (
    length === undefined ||
    (/^\d{1,3}$/.test(length) && Number(length) <= (family === 6 ? 128 : 32))
  )
}

const host = z
  .string()
  .max(300)
  .refine(
    isHost,
    'must be a host name, an IPv4 address or an IPv6 address in brackets, with :port if need be',
  )
const secret = z.string().min(1).max(200)
const path = z.string().min(1).max(4096)

const tlsSchema = z.strictObject({
  /** Trusted instead of the system's authorities. */
  ca: path.nullable().default(null),
  certificate: path.nullable().default(null),
  key: path.nullable().default(null),
  serverName: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,253}$/, 'must be a host name')
    .nullable()
    .default(null),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2'),
})

const registerSchema = z.strictObject({
  registrar: host.nullable().default(null),
  expiresSec: z.int().min(30).max(86_400).default(3600),
  aor: z
    .string()
    .regex(/^[A-Za-z0-9+._~!*'()-]{1,100}@[A-Za-z0-9.-]{1,253}$/, 'must be user@domain')
    .nullable()
    .default(null),
})

const inboundSchema = z.strictObject({
  sources: z
    .array(z.string().refine(isBlock, 'must be an address, or a block like 192.0.2.0/24'))
    .min(1)
    .max(1000)
    .nullable()
    .default(null),
  username: secret.nullable().default(null),
  password: secret.nullable().default(null),
  algorithms: z
    .array(z.enum(['SHA-256', 'MD5']))
    .min(1)
    .max(2)
    .default(['SHA-256', 'MD5']),
})

const failoverCode = z
  .int()
  .min(400)
  .max(699)
  .refine((code) => !CALLEE_CODES.includes(code), 'is the callee’s own answer')
  .refine((code) => !ASKING_CODES.includes(code), 'is a question, not a refusal')

export const trunkSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9-]{1,40}$/, 'must be lower-case letters, digits and -'),
    address: host,
    transport: z.enum(['auto', 'udp', 'tcp', 'tls']).default('udp'),
    tls: tlsSchema.nullable().default(null),
    username: secret.nullable().default(null),
    password: secret.nullable().default(null),
    /** The only realm that the password is given to. */
    authRealm: z.string().min(1).max(200).nullable().default(null),
    register: registerSchema.nullable().default(null),
    inbound: inboundSchema.prefault({}),
    callsPerSec: z.number().min(0.01).max(10_000).nullable().default(null),
    maxCalls: z.int().min(1).max(100_000).nullable().default(null),
    optionsIntervalSec: z
      .union([z.literal(0), z.int().min(5).max(3600)], 'must be 0 or from 5 to 3600')
      .default(30),
    srtp: z.enum(['off', 'optional', 'required']).default('off'),
    codecs: z
      .array(z.enum(['PCMU', 'PCMA', 'G722', 'opus']))
      .min(1)
      .max(4)
      .refine((named) => new Set(named).size === named.length, 'must not name a codec twice')
      .default(['PCMU', 'PCMA']),
    headers: z
      .record(
        z.string().regex(/^[Xx]-[A-Za-z0-9-]{1,60}$/, 'must begin with X-'),
        z.string().regex(/^[\x20-\x7e]{1,200}$/, 'must be plain text of at most 200 characters'),
      )
      .refine(
        (fields) => Object.keys(fields).length <= MAX_HEADERS,
        `must be at most ${MAX_HEADERS}`,
      )
      .default({}),
    identity: z.enum(['none', 'p-asserted-identity']).default('none'),
    privacy: z.enum(['none', 'id']).default('none'),
    followRedirects: z.int().min(0).max(10).default(0),
    redirectHosts: z
      .array(z.string().regex(/^[A-Za-z0-9.:-]{1,253}$/))
      .max(100)
      .default([]),
    /** Numbers are sent without their plus. */
    stripPlus: z.boolean().default(false),
    /** False: calls over it are transferred by a second leg at once, without asking by REFER. */
    dtmf: z.enum(['auto', 'info']).default('auto'),
    refer: z.boolean().default(true),
    /** Shown to the callee instead of the number that calls. */
    callerId: z
      .string()
      .regex(/^\+?\d{1,20}$/, 'must be digits')
      .nullable()
      .default(null),
    /** Destinations that it serves; the longest match wins, then the order in the file. */
    prefixes: z.array(prefix).min(1).max(1000).default(['+']),
    failover: z.array(failoverCode).max(50).default([]),
  })
  .superRefine((trunk, context) => {
    for (const [at, message] of conflictsOf(trunk)) {
      context.addIssue({ code: 'custom', path: at.split('.'), message })
    }
  })

export type TrunkFile = z.output<typeof trunkSchema>
type Tls = z.output<typeof tlsSchema>

interface Conflicting {
  address: string
  transport: string
  username: string | null
  password: string | null
  tls: Tls | null
  register: z.output<typeof registerSchema> | null
  inbound: z.output<typeof inboundSchema>
}

/** What can't be true at the same time, as path and message. */
function conflictsOf(trunk: Conflicting): [path: string, message: string][] {
  const { username, password, address, transport, tls, register, inbound } = trunk
  const found: [string, string][] = []
  if (password !== null && username === null) found.push(['username', 'must stand beside password'])
  if (tls && transport !== 'tls' && transport !== 'auto') {
    found.push(['tls', 'is only for transport tls or auto'])
  }
  if (tls && tls.serverName === null && address.startsWith('[')) {
    found.push(['tls.serverName', 'must be given where the address is IPv6'])
  }
  if (tls && (tls.certificate === null) !== (tls.key === null)) {
    found.push(['tls.key', 'certificate and key go together'])
  }
  if (register && username === null && register.aor === null) {
    found.push(['register.aor', 'must be given where there is no username'])
  }
  if ((inbound.username === null) !== (inbound.password === null)) {
    found.push(['inbound.password', 'username and password go together'])
  }
  if (inbound.username === null && inbound.sources?.some((block) => block.endsWith('/0'))) {
    found.push(['inbound.sources', 'everybody may call only with inbound.username and password'])
  }
  return found
}

/** A trunk with the texts of its certificates in place of their paths. */
export type TrunkConfig = TrunkFile

/**
 * Reads the certificates of a trunk; their paths are taken from `directory`. What can't be read or doesn't fit
 * together is added to `faults`, with `where` in front.
 */
export function withCertificates(
  trunk: TrunkFile,
  directory: string,
  where: string,
  faults: string[],
): TrunkConfig {
  if (!trunk.tls) return trunk
  const { ca, certificate, key } = trunk.tls
  const before = faults.length
  const read = (name: string, file: string | null): string | null =>
    readPem(file, directory, `${where}.tls.${name}`, faults)
  const texts = {
    ca: read('ca', ca),
    certificate: read('certificate', certificate),
    key: read('key', key),
  }
  if (faults.length === before && !pemsFit(texts)) {
    faults.push(`${where}.tls: its files are no PEM certificates and keys that fit together`)
  }
  return { ...trunk, tls: { ...trunk.tls, ...texts } }
}

/** Faults that only several trunks together can have. */
export function faultsAmong(trunks: readonly TrunkFile[]): string[] {
  const faults: string[] = []
  const names = new Set<string>()
  const peers = new Map<string, string>()
  trunks.forEach(({ name, address, transport, tls }, i) => {
    if (names.has(name)) faults.push(`trunks.${i}.name: is taken by a trunk before it`)
    names.add(name)
    if (transport !== 'tls' && transport !== 'auto') return
    // A TLS connection is made by the name of the peer, whichever trunk asks for it.
    const peer = (tls?.serverName ?? address.replace(/:\d+$/, '')).toLowerCase()
    const settings = JSON.stringify({ ...tls, serverName: null })
    const known = peers.get(peer) ?? settings
    if (known !== settings)
      faults.push(`trunks.${i}.tls: differs from a trunk before it with the same server name`)
    peers.set(peer, known)
  })
  return faults
}
