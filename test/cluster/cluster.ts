// A cluster on this machine: real processes in their roles, a real PostgreSQL, a real nats-server.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { auditKey } from '../../packages/server/src/secrets/derive.ts'
import type { DatabaseAddress } from '../../packages/server/src/store/database.ts'
import type { Store, Tenant } from '../../packages/server/src/store/port.ts'
import { debianPostgres, startTestServer } from '../../packages/server/src/store/testing.ts'
import { ApiClient } from '../world.ts'
import { missingNats, NatsServer } from './nats-server.ts'

const PROCESS = new URL('./server.mjs', import.meta.url).pathname
const SECRET_KEY = '5a'.repeat(32)
const TOKEN = 'sk_test_of_the_whole_cluster'
export const TENANT: Tenant = { workspaceId: 'ws_default', environment: 'test' }

/** Why there can be no cluster here, or null. */
export const missingCluster: string | null =
  debianPostgres === null ? 'no PostgreSQL 15' : missingNats

/** The address of a test's database, as DATABASE_URL has it. */
export function databaseUrl(address: DatabaseAddress): string {
  if (!('host' in address)) return address.url
  const { host, port, user, database } = address
  return `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}

export class Member {
  readonly child: ChildProcess
  readonly url: string
  readonly api: ApiClient

  constructor(child: ChildProcess, url: string) {
    this.child = child
    this.url = url
    this.api = new ApiClient(url, TOKEN)
  }

  /** Calls that live in it, by its own figures. */
  live(): Promise<number> {
    return this.#figure('live_calls')
  }

  /** Processes of the cluster that it hears, itself included. */
  known(): Promise<number> {
    return this.#figure('cluster_processes')
  }

  async #figure(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text()
    return Number(new RegExp(`^saperly_${name} (\\d+)$`, 'm').exec(text)?.[1])
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = once(this.child, 'exit')
    this.child.kill(signal)
    await gone
  }
}

export class Cluster {
  readonly nats: NatsServer
  readonly store: Store
  readonly #environment: Record<string, string>
  readonly #folder: string
  readonly #members: Member[] = []
  readonly #closers: (() => Promise<void>)[]
  #started = 0

  private constructor(
    nats: NatsServer,
    store: Store,
    environment: Record<string, string>,
    folder: string,
    closers: (() => Promise<void>)[],
  ) {
    this.nats = nats
    this.store = store
    this.#environment = environment
    this.#folder = folder
    this.#closers = closers
  }

  static async open(): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'saperly-cluster-'))
    const postgres = await startTestServer({ binDir: debianPostgres! })
    const books = await postgres.open({ auditKey: auditKey(Buffer.from(SECRET_KEY, 'hex')) })
    const nats = await NatsServer.start()
    const environment = {
      DATABASE_URL: databaseUrl(books.address),
      NATS_URL: nats.url,
      SAPERLY_SECRET_KEY: SECRET_KEY,
      SAPERLY_ROOT_KEY: TOKEN,
      RECORDINGS_DIR: join(folder, 'recordings'),
      PORT: '0',
      SPEECH_ENGINE: 'tone',
      RTP_WORKERS: '1',
      LOG_LEVEL: 'error',
    }
    return new Cluster(nats, books.store, environment, folder, [
      () => rm(folder, { recursive: true, force: true }),
      () => postgres.stop(),
      () => books.close(),
      () => nats.kill(),
    ])
  }

  async start(role: 'api' | 'network' | 'all'): Promise<Member> {
    const folder = join(this.#folder, `${role}-${++this.#started}`)
    const child = spawn(process.execPath, [PROCESS], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...this.#environment,
        SAPERLY_ROLE: role,
        DATA_DIR: folder,
      },
    })
    const line = await new Promise<string>((said, failed) => {
      createInterface({ input: child.stdout }).once('line', said)
      child.once('exit', () => failed(new Error(`a process in the role ${role} ended`)))
    })
    const member = new Member(child, (JSON.parse(line) as { url: string }).url)
    this.#members.push(member)
    return member
  }

  async close(): Promise<void> {
    this.nats.thaw()
    await Promise.all(this.#members.map((member) => member.end('SIGTERM')))
    for (const close of this.#closers.toReversed()) await close()
  }
}
