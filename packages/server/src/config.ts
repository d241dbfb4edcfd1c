// Environment and config file become one typed config; every fault is named at once, before anything starts.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { RateEntry } from './ledger/rate.ts'
import { type PaymentsConfig, paymentsConfig, paymentsSchema } from './payment-config.ts'
import { stripeEnvironment } from './payment-config.ts'
import { readRateFile } from './rate-file.ts'
import { sipConfig, sipEnvironment } from './sip-config.ts'
import type { SipConfig } from './sip-config.ts'
import { faultsAmong, prefix, trunkSchema, withCertificates } from './trunk-config.ts'
import { speechSchema } from './speech-engines.ts'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const ROLES = ['all', 'api', 'network'] as const
/** What a process does: HTTP for customers and their brains, or calls, or both. */
export type Role = (typeof ROLES)[number]

const port = z.coerce.number().int().min(0).max(65_535)
const SECRET_KEY = /^(?:[0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)$/
const ROOT_KEY = /^sk_(?:test|live)_[A-Za-z0-9_-]{16,200}$/

const NATS_URLS = /^(?:nats|tls):\/\/[^\s,]+(?:,(?:nats|tls):\/\/[^\s,]+)*$/

const environmentSchema = z.object({
  PORT: port.default(8080),
  HOST: z.string().min(1).default('127.0.0.1'),
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  DATA_DIR: z.string().min(1).default('.saperly'),
  DATABASE_URL: z.url({ protocol: /^postgres(?:ql)?$/ }).optional(),
  SAPERLY_ROLE: z.enum(ROLES).default('all'),
  NATS_URL: z
    .string()
    .regex(NATS_URLS, 'must be nats:// or tls:// addresses, with commas between them')
    .optional(),
  RECORDINGS_DIR: z.string().min(1).optional(),
  SAPERLY_CONFIG: z.string().min(1).optional(),
  SAPERLY_ROOT_KEY: z
    .string()
    .regex(ROOT_KEY, 'must be sk_test_… or sk_live_… with 16 to 200 letters, digits, - or _')
    .optional(),
  SAPERLY_SECRET_KEY: z
    .string()
    .regex(SECRET_KEY, 'must be 32 bytes, as 64 hex digits or in base64')
    .optional(),
  ...sipEnvironment,
  ...stripeEnvironment,
  RTP_PORT_MIN: port.optional(),
  RTP_PORT_MAX: port.optional(),
  RTP_WORKERS: z.coerce.number().int().min(1).max(64).optional(),
  OPUS_COMPLEXITY: z.coerce.number().int().min(0).max(10).default(5),
  SANDBOX_SCRIPTS: z.string().min(1).optional(),
  SPEECH_ENGINE: z.enum(['embedded', 'tone']).default('embedded'),
  ALLOW_PRIVATE_NETWORKS: z.string().default(''),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
})

const cents = z.int().min(0).max(100_000)

const days = z.int().min(1).max(36_500)
/** As long as the store keeps signalling at all. */
const MAX_SIGNALLING_DAYS = 30

const rate = z.strictObject({
  prefix: prefix.regex(/\d/, 'must have a digit at least'),
  manualCentsPerMin: cents,
  hostedCentsPerMin: cents,
})

const threshold = z.int().min(1).max(1_000_000_000).nullable()

const fileSchema = z.strictObject({
  trunks: z.array(trunkSchema).max(100).default([]),
  rates: z.array(rate).max(100_000).default([]),
  /** A CSV file in place of `rates`. */
  ratesFile: z.string().min(1).max(4096).nullable().default(null),
  models: z
    .record(
      z.string().min(1).max(200),
      z.strictObject({
        baseUrl: z.url({ protocol: /^https?$/ }),
        model: z.string().min(1).max(200),
        apiKey: z.string().min(1).max(4096).nullable().default(null),
      }),
    )
    .default({}),
  /** Engines beside the one that SPEECH_ENGINE names. */
  speech: speechSchema.prefault({}),
  allowedCountries: z
    .array(z.string().regex(/^[A-Z]{2}$/))
    .max(300)
    .nullable()
    .default(null),
  corsOrigins: z.array(z.string().min(1).max(300)).max(100).default([]),
  limits: z
    .strictObject({
      requestsPerSec: z.number().positive().max(100_000).default(50),
      burst: z.int().positive().max(1_000_000).default(200),
      liveCalls: z.int().positive().max(100_000).default(100),
      /** How long live calls may go on after the server was asked to end. */
      drainSec: z.number().min(0).max(86_400).default(20),
    })
    .prefault({}),
  /** Days that what calls leave behind is kept; null: for ever. */
  retention: z
    .strictObject({
      recordingsDays: days.nullable().default(null),
      transcriptsDays: days.nullable().default(null),
      signallingDays: days.max(MAX_SIGNALLING_DAYS).default(MAX_SIGNALLING_DAYS),
      eventsDays: days.nullable().default(null),
    })
    .prefault({}),
  /** Below what balance the owner is told, by environment, and for workspaces that differ. */
  balanceLow: z
    .strictObject({
      testCents: threshold.default(null),
      liveCents: threshold.default(null),
      workspaces: z
        .record(
          z.string().min(1).max(128),
          z.strictObject({ testCents: threshold.optional(), liveCents: threshold.optional() }),
        )
        .default({}),
    })
    .prefault({}),
  /** Who is asked for money when a balance runs low, and by which workspaces. */
  payments: paymentsSchema.prefault({}),
  impliedConsentHours: z
    .number()
    .positive()
    .max(24 * 365)
    .default(24),
})

export type FileConfig = z.output<typeof fileSchema>

export interface Config extends Omit<FileConfig, 'payments'> {
  payments: PaymentsConfig
  port: number
  host: string
  publicUrl: string | null
  /** Absolute. */
  dataDir: string
  /** Absolute; on a cluster the same folder everywhere. */
  recordingsDir: string
  databaseUrl: string | null
  role: Role
  /** Servers of the bus; empty: this process is alone. */
  natsUrls: readonly string[]
  rootKey: string | null
  /** 32 bytes in hex or base64, or null: kept in a file of the data directory. */
  secretKey: string | null
  sip: SipConfig
  rtp: { ports: { first: number; last: number } | null; workers: number | null }
  /** What Opus may spend on encoding, 0–10. */
  opusComplexity: number
  /** A directory of sandbox scripts beside the bundled ones, absolute, or null. */
  sandboxScripts: string | null
  speechEngine: 'embedded' | 'tone'
  /** CIDR blocks that outbound requests may reach although they are private, or all of them. */
  allowPrivateNetworks: readonly string[] | 'all'
  logLevel: LogLevel
}

/** Everything that is wrong with the environment or the config file, one line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`the configuration can't be used:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

/** Where the config file is looked for when SAPERLY_CONFIG names none; it may be absent there. */
const DEFAULT_FILE = 'saperly.config.json'
const DEFAULT_RTP_PORTS = { first: 10_000, last: 19_999 }

/** Reads the config. Throws ConfigError with all faults at once; a value never stands in a message. */
export function readConfig(
  environment: Record<string, string | undefined> = process.env,
  directory: string = process.cwd(),
): Config {
  const faults: string[] = []
  const present = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const env = environmentSchema.safeParse(present)
  if (!env.success) faults.push(...issuesOf(env.error, ''))
  const file = readFile(present['SAPERLY_CONFIG'], directory, faults)
  if (file) faults.push(...faultsAmong(file.trunks).map((fault) => `config file: ${fault}`))
  const trunks = (file?.trunks ?? []).map((trunk, i) =>
    withCertificates(trunk, directory, `config file: trunks.${i}`, faults),
  )
  const rates = file ? ratesOf(file, directory, faults) : []
  if (!env.success || !file) throw new ConfigError(faults)
  const sip = sipConfig(env.data, directory, file.trunks.length > 0, faults)
  const rtp = rtpPorts(env.data, file.trunks.length > 0, faults)
  faults.push(...clusterFaults(env.data))
  const payments = paymentsConfig(file.payments, env.data, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  const { data } = env
  for (const engine of Object.values(file.speech.engines)) {
    if (engine.kind === 'sherpa') engine.manifest = resolve(directory, engine.manifest)
  }
  return {
    ...file,
    trunks,
    rates,
    payments,
    port: data.PORT,
    host: data.HOST,
    publicUrl: data.PUBLIC_URL?.replace(/\/$/, '') ?? null,
    dataDir: resolve(directory, data.DATA_DIR),
    recordingsDir: resolve(directory, data.RECORDINGS_DIR ?? `${data.DATA_DIR}/recordings`),
    databaseUrl: data.DATABASE_URL ?? null,
    role: data.SAPERLY_ROLE,
    natsUrls: data.NATS_URL?.split(',') ?? [],
    rootKey: data.SAPERLY_ROOT_KEY ?? null,
    secretKey: data.SAPERLY_SECRET_KEY ?? null,
    sip,
    rtp: { ports: rtp, workers: data.RTP_WORKERS ?? null },
    opusComplexity: data.OPUS_COMPLEXITY,
    sandboxScripts: data.SANDBOX_SCRIPTS ? resolve(directory, data.SANDBOX_SCRIPTS) : null,
    speechEngine: data.SPEECH_ENGINE,
    allowPrivateNetworks: privateNetworks(data.ALLOW_PRIVATE_NETWORKS),
    logLevel: data.LOG_LEVEL,
  }
}

/** Several processes need what they have in common: one database, one key, and a bus. */
function clusterFaults(env: z.output<typeof environmentSchema>): string[] {
  const { SAPERLY_ROLE: role, NATS_URL, DATABASE_URL, SAPERLY_SECRET_KEY } = env
  const faults: string[] = []
  if (role !== 'all' && !NATS_URL) faults.push(`NATS_URL: is needed for the role ${role}`)
  if (role === 'all' && !NATS_URL) return faults
  if (!DATABASE_URL) faults.push('DATABASE_URL: is needed where several processes work together')
  if (!SAPERLY_SECRET_KEY) {
    faults.push('SAPERLY_SECRET_KEY: is needed where several processes work together')
  }
  return faults
}

function ratesOf(file: FileConfig, directory: string, faults: string[]): RateEntry[] {
  if (file.ratesFile === null) return file.rates
  if (file.rates.length > 0) faults.push('config file: rates and ratesFile exclude each other')
  const read = readRateFile(resolve(directory, file.ratesFile))
  faults.push(...read.faults.map((fault) => `rates file: ${fault}`))
  return read.rates
}

function privateNetworks(text: string): readonly string[] | 'all' {
  if (['all', 'true', '1'].includes(text)) return 'all'
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

function rtpPorts(
  env: z.output<typeof environmentSchema>,
  hasTrunks: boolean,
  faults: string[],
): { first: number; last: number } | null {
  const { RTP_PORT_MIN: min, RTP_PORT_MAX: max } = env
  if (min === undefined && max === undefined) return hasTrunks ? DEFAULT_RTP_PORTS : null
  const first = min ?? DEFAULT_RTP_PORTS.first
  const last = max ?? DEFAULT_RTP_PORTS.last
  if (first % 2 !== 0 || first < 1024) faults.push('RTP_PORT_MIN: must be even and at least 1024')
  if (last < first + 1) faults.push('RTP_PORT_MAX: must be greater than RTP_PORT_MIN')
  return { first, last }
}

function readFile(
  path: string | undefined,
  directory: string,
  faults: string[],
): FileConfig | null {
  let text: string
  try {
    text = readFileSync(resolve(directory, path ?? DEFAULT_FILE), 'utf8')
  } catch {
    if (path === undefined) return fileSchema.parse({})
    faults.push('SAPERLY_CONFIG: the file it names can’t be read')
    return null
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    faults.push('config file: is not JSON')
    return null
  }
  const file = fileSchema.safeParse(value)
  if (file.success) return file.data
  faults.push(...issuesOf(file.error, 'config file: '))
  return null
}

function issuesOf(error: z.ZodError, where: string): string[] {
  return error.issues.map(({ path, message }) => `${where}${path.join('.')}: ${message}`)
}
