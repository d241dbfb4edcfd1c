// Processes of a cluster that all live in this one, on a real database and a bus that the test may tamper with.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import { readConfig, type RunningRole, startRole } from '@saperly/server'
import { BusHub } from '../../packages/server/src/bus/testing.ts'
import type { TestServer, TestStore } from '../../packages/server/src/store/testing.ts'
import { ApiClient, until } from '../world.ts'
import { databaseUrl } from './cluster.ts'

const TOKEN = 'sk_test_of_the_whole_cluster'

export class InProcess {
  readonly hub: BusHub
  readonly books: TestStore
  readonly #clock: SystemClock
  readonly #folder: string
  readonly #running: RunningRole[] = []

  private constructor(books: TestStore, folder: string) {
    this.books = books
    this.#folder = folder
    this.#clock = new SystemClock()
    this.hub = new BusHub(this.#clock, systemRandom)
  }

  /** On a fresh database of that server. */
  static async open(server: TestServer): Promise<InProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'saperly-processes-'))
    return new InProcess(await server.open(), folder)
  }

  /** A process in that role; how customers reach it. */
  async start(role: 'api' | 'network' | 'all'): Promise<ApiClient> {
    const environment = {
      SAPERLY_ROLE: role,
      NATS_URL: 'nats://replaced.invalid',
      DATABASE_URL: databaseUrl(this.books.address),
      SAPERLY_SECRET_KEY: '5a'.repeat(32),
      SAPERLY_ROOT_KEY: TOKEN,
      DATA_DIR: join(this.#folder, `${role}-${this.#running.length}`),
      RECORDINGS_DIR: join(this.#folder, 'recordings'),
      PORT: '0',
      SPEECH_ENGINE: 'tone',
      RTP_WORKERS: '1',
    }
    const adapters = { clock: this.#clock, log: silentLog, bus: this.hub.member() }
    const running = await startRole(readConfig(environment, this.#folder), adapters)
    this.#running.push(running)
    return new ApiClient(running.url, TOKEN)
  }

  /** Ends the last that began first, and fails when anything of them is left. */
  async close(): Promise<void> {
    for (const running of this.#running.toReversed()) await running.close()
    await until('the last timer to be gone', async () => this.#clock.pending() === 0)
    await this.books.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
