// The server that has a bad day: a process of its own with its log, its figures, and its books when it is over.
// oxlint-disable vitest/no-standalone-expect -- checks that many tests share
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { ApiClient, Receiver, until } from '../world.ts'

const MAIN = new URL('../server-process.mjs', import.meta.url).pathname
const COMMAND = new URL('../../packages/cli/dist/main.js', import.meta.url).pathname
const TERMINAL = ['call.completed', 'call.failed']
const run = promisify(execFile)

/** A line of the server's log. */
export type LogLine = Record<string, unknown> & { msg: string }

export interface SubjectOptions {
  environment?: Record<string, string>
  /** What stands in the config file. */
  config?: Record<string, unknown>
  /** The command that runs it, given its data folder and the command without it. */
  wrap?: (dataDir: string, command: readonly string[]) => readonly string[]
}

export class Subject {
  readonly dataDir: string
  readonly url: string
  readonly api: ApiClient
  readonly log: LogLine[]
  readonly receiver = new Receiver()
  readonly #child: ChildProcess
  readonly #placed: string[] = []

  private constructor(
    child: ChildProcess,
    about: { dataDir: string; url: string; token: string; log: LogLine[] },
  ) {
    this.#child = child
    this.dataDir = about.dataDir
    this.url = about.url
    this.log = about.log
    this.api = new ApiClient(about.url, about.token)
  }

  /** Starts one, with a receiver that is told the end of every call. */
  static async start(options: SubjectOptions = {}): Promise<Subject> {
    const dataDir = await mkdtemp(join(tmpdir(), 'saperly-bad-day-'))
    if (options.config) {
      await writeFile(join(dataDir, 'saperly.config.json'), JSON.stringify(options.config))
    }
    const command = [process.execPath, MAIN]
    const [file = '', ...args] = options.wrap?.(dataDir, command) ?? command
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: dataDir,
      env: {
        ...process.env,
        DATA_DIR: dataDir,
        PORT: '0',
        SPEECH_ENGINE: 'tone',
        RTP_WORKERS: '1',
        LOG_LEVEL: 'info',
        ALLOW_PRIVATE_NETWORKS: '127.0.0.0/8',
        ...options.environment,
      },
    })
    const log: LogLine[] = []
    createInterface({ input: child.stderr }).on('line', (line) => log.push(lineOf(line)))
    const first = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>,
      once(child, 'exit').then(() => null),
    ])
    if (first === null) throw new Error(`the server did not start: ${JSON.stringify(log)}`)
    const where = JSON.parse(first[0]) as { url: string; token: string }
    const subject = new Subject(child, { dataDir, log, ...where })
    const url = await subject.receiver.listen()
    const made = await subject.api.post('/webhooks', { url, events: TERMINAL })
    expect(made.status).toBe(201)
    return subject
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Places a call that must succeed; its end is looked for when the day is over. */
  async place(body: Record<string, unknown>): Promise<string> {
    const placed = await this.api.post('/calls', body)
    expect(placed).toMatchObject({ status: 201, body: { status: 'initiated' } })
    this.#placed.push(placed.body.id)
    return placed.body.id as string
  }

  logged(msg: string): LogLine[] {
    return this.log.filter((line) => line.msg === msg)
  }

  /** A figure of `/metrics`, without its prefix. */
  async figure(name: string): Promise<number> {
    const { body } = await this.api.get('/metrics')
    const line = String(body).match(new RegExp(`^saperly_${name} (\\S+)$`, 'm'))
    return Number(line?.[1] ?? NaN)
  }

  /** Resolves when it says itself that it can take calls. */
  ready(): Promise<true> {
    return until('the server to be ready', async () => {
      return (await this.api.get('/ready')).status === 200
    })
  }

  /** Processes of its embedded database, the first one first. */
  async databasePids(): Promise<number[]> {
    const cluster = `/proc/${this.pid}/root${this.dataDir}/postgres/cluster`
    const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8')
    const pid = Number(text.split('\n')[0])
    const { stdout } = await run('pgrep', ['-P', String(pid)]).catch(() => ({ stdout: '' }))
    return [pid, ...stdout.split('\n').filter(Boolean).map(Number)]
  }

  /** Every call that was placed is final, its hold resolved once, its end told once; the books add up. */
  async settled(): Promise<void> {
    const calls = await Promise.all(this.#placed.map((id) => this.api.final(id)))
    const { body: postings } = await this.api.get('/transactions?limit=1000')
    for (const { id } of calls) {
      const own = postings.filter(({ callId }: { callId: string }) => callId === id)
      const ends = own.filter(({ type }: { type: string }) => /^(settle|release)$/.test(type))
      expect([id, ends.length]).toEqual([id, 1])
    }
    await until('the end of every call to be told', async () =>
      this.#placed.every((id) => this.told(id).length > 0),
    )
    for (const id of this.#placed) expect([id, this.told(id).length]).toEqual([id, 1])
  }

  /** The different events that told of the end of a call; a delivery may come twice. */
  told(callId: string): string[] {
    const its = this.receiver.received.filter(({ body }) => body.payload.callId === callId)
    return [...new Set(its.map(({ body }) => body.deliveryId as string))]
  }

  /** Closes in order, and has the operator's command look at the books. `verify` is false where they went with a disk. */
  async close({ verify = true } = {}): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    expect((await exited)[0]).toBe(0)
    if (verify) {
      for (const books of ['ledger', 'audit']) {
        const env = { ...process.env, DATA_DIR: this.dataDir, LOG_LEVEL: 'error' }
        const { stdout } = await run(process.execPath, [COMMAND, books, 'verify'], { env })
        expect(stdout).not.toBe('')
      }
    }
    await this.receiver.close()
    await rm(this.dataDir, { recursive: true, force: true })
  }
}

function lineOf(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine
  } catch {
    return { msg: text }
  }
}
