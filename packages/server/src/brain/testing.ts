// For tests: a server with the manual sockets of one connection, real clients for it, and simulated time.
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type Server,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { connectionDefaults, type Directive, type ManualEvent } from '@saperly/contract'
import { assert, drain, Ids, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { WebSocket } from 'ws'
import { addressPolicy } from '../outbound/address.ts'
import { Dialler } from '../outbound/dialler.ts'
import { hashToken, mintToken } from '../secrets/tokens.ts'
import type { ConnectionRow } from '../store/port.ts'
import { ManualBrain } from './manual.ts'
import type { ManualWebhook } from './manual-webhook.ts'
import { ManualSockets } from './manual-socket.ts'
import { Desks } from './desks.ts'
import { Switchboards } from './switchboards.ts'
import type { BrainCall, BrainDirective } from './port.ts'

export const never: AbortSignal = new AbortController().signal
const AT = '2026-01-01T00:00:00.000Z'

/** The turn `hello` as a question. */
export function turn(requestId: string, text = 'hello'): ManualEvent<'turn'> {
  return {
    type: 'turn',
    requestId,
    callId: 'call_1',
    at: AT,
    text,
    startedAt: AT,
    endedAt: AT,
    confidence: 1,
    source: 'speech',
    recognizer: 'phrases',
    noMatch: false,
    interrupted: null,
  }
}

/** The whole answer. */
export async function collect<T extends BrainDirective>(answer: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const directive of answer) all.push(directive)
  return all
}

type Frame = Record<string, unknown>

/** A brain's end of a socket. */
export class TestSocket {
  readonly ws: WebSocket
  readonly frames: Frame[] = []
  /** Resolves with the code. */
  readonly closed: Promise<number>
  #read = 0

  constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (data) => this.frames.push(JSON.parse((data as Buffer).toString()) as Frame))
    ws.on('error', () => undefined)
    this.closed = new Promise((done) => ws.on('close', (code) => done(code)))
  }

  say(frame: unknown): void {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** The next frame of this type that has not been looked at. */
  async next(type: string): Promise<Frame> {
    for (;;) {
      while (this.#read < this.frames.length) {
        const frame = this.frames[this.#read++]!
        if (frame['type'] === type) return frame
      }
      await new Promise<unknown>((done) => this.ws.once('message', done))
    }
  }
}

interface Knock {
  path?: string
  headers?: Record<string, string>
  protocols?: string[]
  autoPong?: boolean
  version?: string
}

export class ManualHouse {
  readonly connectionId = 'conn_1'
  readonly clock = new SimClock()
  readonly secret = mintToken('mc', seededRandom(1))
  readonly desks = new Desks(this.clock)
  readonly boards = new Switchboards({ desks: this.desks, clock: this.clock })
  readonly sockets: ManualSockets
  readonly dialler = new Dialler(addressPolicy([], '127.0.0.1'), this.clock)
  readonly row: ConnectionRow
  readonly deps = { dialler: this.dialler, clock: this.clock, log: silentLog }
  readonly #server: Server
  readonly #clients: TestSocket[] = []
  readonly #brains: ManualBrain[] = []

  static async open(): Promise<ManualHouse> {
    const house = new ManualHouse()
    await new Promise<void>((done) => house.#server.listen(0, '127.0.0.1', done))
    return house
  }

  constructor() {
    this.row = manualConnection(this.connectionId, this.secret)
    this.sockets = new ManualSockets({
      connections: { findById: async (id) => (id === this.connectionId ? this.row : null) },
      boards: this.boards,
      clock: this.clock,
      ids: new Ids(this.clock, seededRandom(2)),
      log: silentLog,
      maxSockets: 100,
    })
    this.#server = createServer()
    this.#server.on('upgrade', (request, socket, head) => {
      assert(this.sockets.handleUpgrade(request, socket, head), 'the path is not ours')
    })
  }

  /** Closes everything, and fails when anything was left. */
  async close(): Promise<void> {
    for (const brain of this.#brains) await brain.close()
    await this.closeSockets()
    await this.dialler.close()
    for (const { ws } of this.#clients) ws.terminate()
    this.#server.closeAllConnections()
    await new Promise<void>((done) => this.#server.close(() => done()))
    assert(this.sockets.open === 0, 'a socket leaked')
    assert(this.clock.pending() === 0, 'a timer leaked')
  }

  /** As when the connection is deleted. */
  disconnect(): void {
    this.sockets.disconnect(this.connectionId)
    this.desks.disconnect(this.connectionId)
  }

  /** As when the server ends. */
  async closeSockets(): Promise<void> {
    this.desks.closeAll()
    await this.sockets.closeAll()
    this.boards.closeAll()
  }

  /** A client that has been let in and has read `ready`. */
  async connect(knock: Knock = {}): Promise<TestSocket> {
    const url = `ws://127.0.0.1:${this.#port}${knock.path ?? `/manual/${this.connectionId}`}`
    const ws = new WebSocket(url, knock.protocols ?? [], {
      headers: knock.headers ?? { authorization: `Bearer ${this.secret}` },
      autoPong: knock.autoPong ?? true,
    })
    const socket = new TestSocket(ws)
    this.#clients.push(socket)
    await new Promise<void>((done, fail) => ws.once('open', done).once('error', fail))
    while (socket.frames.length === 0) await drain()
    return socket
  }

  /** What a client is told that is not let in. */
  refusal(
    knock: Knock = {},
  ): Promise<{ status: number; headers: IncomingHttpHeaders; body: unknown }> {
    return new Promise((done, fail) => {
      const request = httpRequest({
        host: '127.0.0.1',
        port: this.#port,
        path: knock.path ?? `/manual/${this.connectionId}`,
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
          'sec-websocket-version': knock.version ?? '13',
          ...(knock.headers ?? { authorization: `Bearer ${this.secret}` }),
        },
      })
      request.on('upgrade', () => fail(new Error('was let in')))
      request.on('error', fail)
      request.on('response', (response) => {
        let body = ''
        response.on('data', (chunk: Buffer) => (body += chunk.toString()))
        response.on('end', () =>
          done({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: JSON.parse(body) as unknown,
          }),
        )
      })
      request.end()
    })
  }

  /** A brain for one call of the connection. */
  brain(webhooks: readonly ManualWebhook[] = []): {
    brain: ManualBrain
    call: BrainCall
    unasked: Directive[]
  } {
    const unasked: Directive[] = []
    const call: BrainCall = {
      callId: 'call_1',
      tenant: { workspaceId: 'ws_1', environment: 'test' },
      connectionId: this.connectionId,
      numberId: 'num_1',
      direction: 'outbound',
      from: '+15555550199',
      to: '+15555550123',
      instructions: null,
      onDirective: (directive) => unasked.push(directive),
    }
    const routes = {
      findDesk: () => this.desks.find(this.connectionId),
      webhooks,
      control: this.row.settings.callControl,
    }
    const brain = new ManualBrain(call, routes, this.desks.staffed(this.connectionId))
    this.#brains.push(brain)
    return { brain, call, unasked }
  }

  /** The common fields of an event. */
  base(requestId: string): { requestId: string; callId: string; at: string } {
    return { requestId, callId: 'call_1', at: AT }
  }

  rotate(secret: string, until: number): void {
    this.row.previousManualSecretHash = this.row.manualSecretHash
    this.row.previousSecretUntil = until
    this.row.manualSecretHash = hashToken(secret)
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port
  }
}

/** A manual connection that may transfer to +15555550111. */
export function manualConnection(id: string, secret: string): ConnectionRow {
  const transfer = { targets: ['+15555550111'], from: null }
  return {
    workspaceId: 'ws_1',
    environment: 'test',
    id,
    mode: 'manual',
    settings: {
      ...connectionDefaults,
      name: 'brain',
      mode: 'manual',
      callControl: { ...connectionDefaults.callControl, transfer },
    },
    llmApiKey: null,
    mcpTokens: {},
    manualSecretHash: hashToken(secret),
    manualSecret: null,
    previousManualSecretHash: null,
    previousManualSecret: null,
    previousSecretUntil: null,
    createdAt: 0,
    deletedAt: null,
  }
}
