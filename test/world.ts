// A whole server in a test, with any port replaced; its `close` fails the test when anything was left behind.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, liveScopes, silentLog, SystemClock } from '@saperly/kernel'
import { liveThreads, type Network } from '@saperly/network'
import { type Adapters, readConfig, type Server, startServer } from '@saperly/server'
import { WebSocket } from 'ws'

/** Longest that a test waits for something that must happen. */
const WAIT_LIMIT_MS = 20_000

export interface World {
  server: Server
  url: string
  /** The test key of the default workspace. */
  token: string
  numberId: string
  dataDir: string
  api: ApiClient
  /** Resolves when `check` answers something; asks again whenever the world may have changed. */
  until<T>(what: string, check: () => Promise<T | null | undefined | false>): Promise<T>
  close(): Promise<void>
}

export interface WorldOptions {
  environment?: Record<string, string>
  adapters?: Omit<Adapters, 'network'>
  /** Makes the network of the server, on the world's own clock, so that its timers are counted too. */
  network?: (clock: Clock) => Promise<Network>
  /** What stands in the config file. */
  config?: Record<string, unknown>
  dataDir?: string
  /** Keeps the data directory, for a second life. */
  keep?: boolean
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'saperly-world-')))
  const clock = new SystemClock()
  const before = { scopes: liveScopes(), threads: liveThreads() }
  if (options.config) {
    await writeFile(join(dataDir, 'saperly.config.json'), JSON.stringify(options.config))
  }
  const environment = {
    PORT: '0',
    DATA_DIR: dataDir,
    SPEECH_ENGINE: 'tone',
    RTP_WORKERS: '1',
    LOG_LEVEL: 'silent',
    ...options.environment,
  }
  const server = await startServer(readConfig(environment, dataDir), {
    clock,
    log: silentLog,
    ...(options.network && { network: await options.network(clock) }),
    ...options.adapters,
  })
  const { token, demoNumberId: numberId } = server.first
  return {
    server,
    url: server.url,
    token,
    numberId,
    dataDir,
    api: new ApiClient(server.url, token),
    until,
    close: async () => {
      await server.close()
      if (!options.keep) await rm(dataDir, { recursive: true, force: true })
      const left = {
        timers: clock.pending(),
        scopes: liveScopes() - before.scopes,
        threads: liveThreads() - before.threads,
      }
      if (left.timers > 0 || left.scopes > 0 || left.threads > 0) {
        throw new Error(`the world left something behind: ${JSON.stringify(left)}`)
      }
    },
  }
}

export async function until<T>(
  what: string,
  check: () => Promise<T | null | undefined | false>,
): Promise<T> {
  const deadline = Date.now() + WAIT_LIMIT_MS
  for (;;) {
    const answer = await check()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`waited too long for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export interface Answer {
  status: number
  headers: Headers
  // Tests read what they expect; a wrong shape fails their assertions.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

/** Plain HTTP against the API, as a customer without the SDK would. */
export class ApiClient {
  readonly url: string
  readonly token: string

  constructor(url: string, token: string) {
    this.url = url
    this.token = token
  }

  get(path: string): Promise<Answer> {
    return this.send('GET', path)
  }

  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send('POST', path, body, headers)
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const json = text !== '' && response.headers.get('content-type')?.includes('json')
    return {
      status: response.status,
      headers: response.headers,
      body: json ? JSON.parse(text) : text,
    }
  }

  /** A manual connection bound to a new number; for brains and calls of a test's own. */
  async line(settings: Record<string, unknown> = {}): Promise<{
    connectionId: string
    secret: string
    numberId: string
    phoneNumber: string
  }> {
    const connection = await this.post('/connections', {
      name: 'test line',
      mode: 'manual',
      complianceEnabled: false,
      ...settings,
    })
    if (connection.status !== 201) throw new Error(JSON.stringify(connection.body))
    const number = await this.post('/numbers', {})
    const { id: connectionId, manualSecret: secret } = connection.body
    const { id: numberId, phoneNumber } = number.body
    await this.post(`/numbers/${numberId}/connection`, { connectionId })
    return { connectionId, secret, numberId, phoneNumber }
  }

  consent(numberId: string, peerNumber: string): Promise<Answer> {
    return this.post('/consent', {
      numberId,
      peerNumber,
      consentType: 'explicit_outbound',
      source: 'test',
    })
  }

  /** The call once it is final. */
  final(callId: string): Promise<Answer['body']> {
    return until(`the end of ${callId}`, async () => {
      const { body } = await this.get(`/calls/${callId}`)
      return body.phase === 'ended' ? body : null
    })
  }
}

export interface Received {
  path: string
  headers: IncomingHttpHeaders
  raw: string
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any
}

export interface Reply {
  status?: number
  body?: unknown
}

/** An HTTP server of the customer's: keeps what it received, answers what the test says. */
export class Receiver {
  readonly received: Received[] = []
  readonly #server: HttpServer
  answer: (request: Received) => Reply | Promise<Reply> = () => ({})

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8')
        const received = {
          path: request.url ?? '',
          headers: request.headers,
          raw,
          body: JSON.parse(raw),
        }
        this.received.push(received)
        void Promise.resolve(this.answer(received)).then(({ status = 200, body = {} }) => {
          response.writeHead(status, { 'content-type': 'application/json' })
          response.end(JSON.stringify(body))
        })
      })
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  events(eventType: string): Received['body'][] {
    return this.received.map(({ body }) => body).filter((body) => body.eventType === eventType)
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

/** A brain over the manual socket: the test answers each event with directives. */
export class SocketBrain {
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly events: any[] = []
  readonly raw: string[] = []
  readonly #socket: WebSocket

  private constructor(
    socket: WebSocket,
    // oxlint-disable-next-line typescript/no-explicit-any
    answer: (event: any) => Record<string, unknown>[] | null,
  ) {
    this.#socket = socket
    socket.on('message', (data) => {
      const text = (data as Buffer).toString('utf8')
      this.raw.push(text)
      const event = JSON.parse(text)
      this.events.push(event)
      if (event.type === 'ready' || event.type === 'error') return
      const directives = answer(event)
      if (directives) socket.send(JSON.stringify({ requestId: event.requestId, directives }))
    })
  }

  static async connect(
    url: string,
    line: { connectionId: string; secret: string },
    // oxlint-disable-next-line typescript/no-explicit-any
    answer: (event: any) => Record<string, unknown>[] | null,
  ): Promise<SocketBrain> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/manual/${line.connectionId}`, {
      headers: { authorization: `Bearer ${line.secret}` },
    })
    const brain = new SocketBrain(socket, answer)
    await until('the brain to be ready', async () => {
      if (socket.readyState > WebSocket.OPEN) throw new Error('the socket was refused')
      return brain.of('ready').length > 0
    })
    return brain
  }

  // oxlint-disable-next-line typescript/no-explicit-any
  of(type: string): any[] {
    return this.events.filter((event) => event.type === type)
  }

  get closed(): boolean {
    return this.#socket.readyState === WebSocket.CLOSED
  }

  send(frame: unknown): void {
    this.#socket.send(JSON.stringify(frame))
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()))
    this.#socket.close()
    await closed
  }
}
