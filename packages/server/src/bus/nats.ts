// The bus over NATS: one connection that is made again for ever, with what is listened to.
import { connect } from '@nats-io/transport-node'
import { Cancelled, type Clock, type Log } from '@saperly/kernel'
import { type Bus, type BusMessage, MAX_MESSAGE_BYTES } from './port.ts'

type Connection = Awaited<ReturnType<typeof connect>>
type Options = NonNullable<Parameters<typeof connect>[0]>

/** A server that answers no ping for about three of these is given up, milliseconds. */
const PING_INTERVAL_MS = 1_000
const MAX_PINGS_OUT = 2
/** How long a server may take to greet us. */
const CONNECT_LIMIT_MS = 2_000
/** Between two tries, and as much again by chance, so that a thousand processes don't come at once. */
const RECONNECT_WAIT_MS = 250
/** What the server answers in its own name when nobody listens. */
const NO_RESPONDERS = 503

export interface NatsOptions {
  /** `nats://` or `tls://`, with user and password or a token where the server wants them. */
  urls: readonly string[]
  clock: Clock
  log: Log
}

interface Listening {
  subject: string
  handler: (message: BusMessage) => void
}

export class NatsBus implements Bus {
  readonly #options: NatsOptions
  readonly #stop = new AbortController()
  readonly #listening = new Set<Listening>()
  /** How to end what is listened to on the present connection. */
  readonly #endings = new Map<Listening, () => void>()
  readonly #watchers = new Set<(up: boolean) => void>()
  readonly #running: Promise<void>
  #connection: Connection | null = null
  #up = false

  /** Connects in the background: a bus that is away keeps nobody from starting. */
  constructor(options: NatsOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  get up(): boolean {
    return this.#up
  }

  publish(subject: string, text: string, replyTo?: string): boolean {
    if (!this.#up || !this.#connection || Buffer.byteLength(text) > MAX_MESSAGE_BYTES) return false
    this.#connection.publish(subject, text, replyTo === undefined ? {} : { reply: replyTo })
    return true
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): () => void {
    const listening = { subject, handler }
    this.#listening.add(listening)
    if (this.#connection) this.#listen(this.#connection, listening)
    return () => {
      this.#listening.delete(listening)
      this.#endings.get(listening)?.()
      this.#endings.delete(listening)
    }
  }

  watch(listener: (up: boolean) => void): () => void {
    this.#watchers.add(listener)
    return () => void this.#watchers.delete(listener)
  }

  async close(): Promise<void> {
    this.#stop.abort(new Cancelled('shutdown'))
    if (this.#up) await this.#connection?.flush().catch(() => undefined)
    await this.#connection?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, log, urls } = this.#options
    while (!this.#stop.signal.aborted) {
      try {
        const connection = await connect(optionsOf(urls))
        if (this.#stop.signal.aborted) return await connection.close()
        await this.#serve(connection)
      } catch (error) {
        log.warn('bus.unreachable', { reason: (error as Error).name })
      }
      await clock.sleep(RECONNECT_WAIT_MS, this.#stop.signal).catch(() => undefined)
    }
  }

  /** Until the client gives the connection up for good, which it does only when we close it, or by a fault of its own. */
  async #serve(connection: Connection): Promise<void> {
    this.#connection = connection
    for (const listening of this.#listening) this.#listen(connection, listening)
    this.#turn(true)
    try {
      for await (const { type } of connection.status()) {
        if (type === 'disconnect' || type === 'staleConnection') this.#turn(false)
        if (type === 'reconnect') this.#turn(true)
      }
    } finally {
      this.#turn(false)
      this.#connection = null
      this.#endings.clear()
      await connection.close()
    }
  }

  #listen(connection: Connection, listening: Listening): void {
    const subscription = connection.subscribe(listening.subject, {
      callback: (error, message) => {
        if (error) return this.#options.log.warn('bus.refused', { reason: error.name })
        listening.handler({
          subject: message.subject,
          text: message.string(),
          replyTo: message.reply || null,
          nobody: message.headers?.code === NO_RESPONDERS,
        })
      },
    })
    this.#endings.set(listening, () => subscription.unsubscribe())
  }

  #turn(up: boolean): void {
    if (this.#up === up) return
    this.#up = up
    this.#options.log.info(up ? 'bus.up' : 'bus.away')
    for (const watcher of this.#watchers) watcher(up)
  }
}

function optionsOf(urls: readonly string[]): Options {
  const parsed = urls.map((url) => new URL(url))
  const [first] = parsed
  return {
    name: 'saperly',
    servers: parsed.map(({ host }) => host),
    ...(parsed.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {}),
    ...(first && credentialsOf(first)),
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_OUT,
    timeout: CONNECT_LIMIT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_WAIT_MS,
    reconnectJitterTLS: RECONNECT_WAIT_MS,
    ignoreAuthErrorAbort: true,
  }
}

/** A user without a password is a token, as NATS' own tools read it. */
function credentialsOf({ username, password }: URL): Options {
  const user = decodeURIComponent(username)
  if (user === '') return {}
  return password === '' ? { token: user } : { user, pass: decodeURIComponent(password) }
}
