// One installation of the platform whose servers are killed: its data, its database, its customers' phones and web server.
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ids, silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import { openKey } from '../../packages/server/src/secrets/box.ts'
import { auditKey } from '../../packages/server/src/secrets/derive.ts'
import type { Store } from '../../packages/server/src/store/port.ts'
import { openStore } from '../../packages/server/src/store/postgres.ts'
import { ApiClient } from '../world.ts'
import type { Line } from './customers.ts'
import { CrashDatabase, type DatabaseKind } from './databases.ts'
import { Phones } from './phones.ts'
import { type Beginning, Life } from './processes.ts'
import { Receiver } from './receiver.ts'
import type { Environment, Platform } from './witness.ts'

export const WORKSPACE = 'ws_default'
const ROOT_KEY = 'sk_live_0123456789abcdef0123456789abcdef'
const BEGIN_LIMIT_MS = 180_000
const FUNDS_CENTS = 100_000_000
/** The customer's numbers in live, on the trunk. */
const LIVE_NUMBER = '+15550009999'

/** Phones of the sandbox, by what they do. */
export const SANDBOX = {
  mute: '+15555550109',
  hangsUp: '+15555550107',
  declines: '+15555550103',
  unanswered: '+15555550102',
  friendly: '+15555550123',
  noTransfer: '+15555550113',
  optsOut: '+15555550111',
} as const

/** The same phones, but nobody waits for a second before he answers. */
const SCRIPTS: Record<string, { refer?: string; steps: unknown[] }> = {
  mute: { steps: [...answersSoon(), { do: 'wait', ms: 120_000 }, { do: 'hangUp' }] },
  'no-transfer': {
    refer: 'refuse',
    steps: [...answersSoon(), { do: 'wait', ms: 120_000 }, { do: 'hangUp' }],
  },
  'hangs-up': { steps: [...answersSoon(), { do: 'wait', ms: 300 }, { do: 'hangUp' }] },
  'opts-out': {
    steps: [...answersSoon(), { do: 'say', text: 'Stop calling me.' }, { do: 'wait', ms: 3000 }],
  },
  declines: {
    steps: [
      { do: 'ring', ms: 50 },
      { do: 'refuse', sipCode: 603 },
    ],
  },
}

function answersSoon(): unknown[] {
  return [{ do: 'ring', ms: 50 }, { do: 'answer' }]
}

/** Starts one process after the other in the same folder and on the same database. */
export interface Beginner {
  start: (place?: string | null) => Promise<Life>
}

export class Installation {
  readonly folder: string
  readonly database: CrashDatabase
  readonly phones: Phones
  readonly receiver: Receiver
  readonly #log: number
  #next: Life
  #life: Life | null = null
  #office: { store: Store; host: string } | null = null
  #lines: Record<Environment, Line> | null = null
  /** The endpoint that is told of every call, in each environment. */
  readonly endpoints: string[] = []

  private constructor(folder: string, database: CrashDatabase, phones: Phones, hook: Receiver) {
    this.folder = folder
    this.database = database
    this.phones = phones
    this.receiver = hook
    this.#log = openSync(join(folder, 'server.log'), 'a')
    this.#next = Life.load(this.#log)
  }

  /** `moody`: the customer's receiver of webhooks is not always well. */
  static async open(kind: DatabaseKind, moody: boolean): Promise<Installation> {
    const folder = await mkdtemp(join(tmpdir(), 'saperly-crash-'))
    const [phones, receiver] = [await Phones.open(), await Receiver.open(moody)]
    const database = await CrashDatabase.open(kind, folder)
    const installation = new Installation(folder, database, phones, receiver)
    await installation.#configure()
    return installation
  }

  get life(): Life {
    if (!this.#life) throw new Error('no server was started')
    return this.#life
  }

  /** As customers reach it now. */
  get platform(): Platform {
    const { url, token } = this.life
    return { test: new ApiClient(url, token), live: new ApiClient(url, ROOT_KEY) }
  }

  line(environment: Environment): Line {
    if (!this.#lines) throw new Error('the installation has no lines yet')
    return this.#lines[environment]
  }

  /**
   * A server that is ready. One that can't start while its database is away is started again, as whoever runs it would.
   * @throws when none does within three minutes
   */
  async begin(): Promise<void> {
    const deadline = performance.now() + BEGIN_LIMIT_MS
    while (!(await this.start())) {
      if (performance.now() > deadline) throw new Error(`no server starts in ${this.folder}`)
    }
  }

  /** Resolves with whether a server is ready; false when it died before that, at `place` or of what is in its way. */
  async start(place: string | null = null): Promise<boolean> {
    const life = this.#next
    this.#life = life
    this.#next = Life.load(this.#log)
    return life.start({ ...this.#beginning(), place })
  }

  /** A process that begins in an empty folder, on an empty database of the same PostgreSQL. */
  async beginAnew(name: string): Promise<Beginner> {
    const folder = join(this.folder, name)
    await mkdir(folder)
    await this.database.rows(`create database ${name}`)
    const environment = {
      ...this.#beginning().environment,
      DATABASE_URL: await this.database.url(name),
      DATA_DIR: folder,
    }
    return {
      start: async (place = null) => {
        const life = this.#next
        this.#next = Life.load(this.#log)
        await life.start({ environment, directory: this.folder, place })
        return life
      },
    }
  }

  /** Lines, funds, endpoints, consents: what there is before anything goes wrong. */
  async furnish(): Promise<void> {
    const office = await this.office()
    for (const environment of ['test', 'live'] as const) {
      const tenant = { workspaceId: WORKSPACE, environment }
      await office.tables.ledger.topUp(tenant, FUNDS_CENTS, 'funds', Date.now())
      const api = this.platform[environment]
      const endpoint = await api.post('/webhooks', {
        url: this.receiver.hookUrl,
        events: ['call.received', 'call.answered', 'call.completed', 'call.failed'],
      })
      this.endpoints.push(endpoint.body.id)
    }
    this.#lines = { test: await this.#furnishTest(), live: await this.#furnishLive(office) }
  }

  /** The books, past the server, and the operator's top-ups. */
  async office(): Promise<Store> {
    const address = await this.database.address()
    if (this.#office?.host === address.host) return this.#office.store
    await this.#closeOffice()
    const random = systemRandom
    const key = await openKey({ fromEnvironment: null, dataDir: this.#dataDir, random })
    const clock = new SystemClock()
    const store = await openStore({ address, clock, log: silentLog, auditKey: auditKey(key) })
    this.#office = { store, host: address.host }
    return store
  }

  async #closeOffice(): Promise<void> {
    const office = this.#office
    this.#office = null
    await office?.store.close()
  }

  /** The server ends in order; the places that it passed since its last report. */
  async end(): Promise<string[]> {
    await this.#closeOffice()
    await this.database.leave()
    return (await this.#life?.close()) ?? []
  }

  /** `keep`: leaves the data where it is, for somebody to look at. */
  async close(keep = false): Promise<void> {
    await this.end()
    await this.#next.kill()
    await this.database.stop()
    await this.phones.close()
    await this.receiver.close()
    closeSync(this.#log)
    if (!keep) await rm(this.folder, { recursive: true, force: true })
  }

  get #dataDir(): string {
    return this.folder
  }

  #beginning(): Beginning {
    const environment = {
      ...this.database.environment,
      DATA_DIR: this.#dataDir,
      PORT: '0',
      SIP_PORT: '0',
      RTP_WORKERS: '1',
      SPEECH_ENGINE: 'tone',
      SANDBOX_SCRIPTS: join(this.folder, 'scripts'),
      SAPERLY_ROOT_KEY: ROOT_KEY,
      ALLOW_PRIVATE_NETWORKS: 'all',
      LOG_LEVEL: 'warn',
    }
    return { environment, directory: this.folder }
  }

  async #configure(): Promise<void> {
    const scripts = join(this.folder, 'scripts')
    await mkdir(scripts)
    for (const [name, script] of Object.entries(SCRIPTS)) {
      const text = JSON.stringify({ about: 'Does it at once.', ...script })
      await writeFile(join(scripts, `${name}.json`), text)
    }
    const config = {
      trunks: [{ name: 'phones', address: this.phones.address }],
      rates: [{ prefix: '+1', manualCentsPerMin: 13, hostedCentsPerMin: 26 }],
      limits: { requestsPerSec: 100_000, burst: 100_000, liveCalls: 1000 },
    }
    await writeFile(join(this.folder, 'saperly.config.json'), JSON.stringify(config))
  }

  async #connection(environment: Environment): Promise<string> {
    const { body } = await this.platform[environment].post('/connections', {
      name: 'the line',
      mode: 'manual',
      manualWebhookUrl: this.receiver.brainUrl,
      recordingEnabled: true,
      disclosure: 'I am an AI.',
    })
    return body.id
  }

  async #furnishTest(): Promise<Line> {
    const { test } = this.platform
    const connectionId = await this.#connection('test')
    const { id: numberId } = (await test.post('/numbers', {})).body
    await test.post(`/numbers/${numberId}/connection`, { connectionId })
    for (const phone of Object.values(SANDBOX)) await test.consent(numberId, phone)
    return { environment: 'test', numberId, connectionId }
  }

  async #furnishLive({ tables }: Store): Promise<Line> {
    const connectionId = await this.#connection('live')
    const numberId = new Ids(new SystemClock(), systemRandom).next('num')
    await tables.numbers.insert({
      workspaceId: WORKSPACE,
      environment: 'live',
      id: numberId,
      phoneNumber: LIVE_NUMBER,
      connectionId,
      webhookUrl: null,
      smsSenderId: null,
      callerIdName: null,
      country: 'US',
      numberType: 'local',
      monthlyPriceCents: 0,
      nextChargeAt: null,
      releasedAt: null,
      createdAt: Date.now(),
    })
    for (const phone of LIVE_PHONES) await this.platform.live.consent(numberId, phone)
    return { environment: 'live', numberId, connectionId }
  }
}

/** Phones on the trunk. */
export const LIVE_PHONES: readonly string[] = Array.from(
  { length: 5 },
  (_, index) => `+1555000111${index}`,
)
