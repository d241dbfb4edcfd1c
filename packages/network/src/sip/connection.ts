// One TCP or TLS connection that carries SIP: framing, keepalive, and an end that every waiting message hears of.
import type { Socket } from 'node:net'
import { Fault } from '@saperly/kernel'
import type { Clock } from '@saperly/kernel'
import { Framer } from './framing.ts'
import type { Hop } from './hop.ts'
import { Machine, Timers } from './machine.ts'
import type { Table } from './machine.ts'

/**
 * How long a connection may take to come up, TLS handshake included, milliseconds: less than the silence after which
 * a carrier is passed over, so that a large request still has time to go over UDP.
 */
export const CONNECT_LIMIT_MS = 2_500
/** How often a connection looks at itself, milliseconds: what follows is late by no more than this. */
const LOOK_EVERY_MS = 5_000
/** A connection of ours that nothing came over for so long is pinged, milliseconds. */
export const PING_AFTER_MS = 30_000
/** A peer that answers pings has to answer within this (RFC 5626 section 4.4.1), milliseconds. */
export const PONG_LIMIT_MS = 10_000
/** A connection that carried no message for so long is closed, milliseconds; the next message opens another. */
export const IDLE_LIMIT_MS = 30 * 60_000
/** A stranger's connection has to bring its first message within this, milliseconds. */
export const FIRST_MESSAGE_LIMIT_MS = 10_000
/** A message that has begun has to be whole within this, milliseconds. */
export const PARTIAL_LIMIT_MS = 10_000
/** Bytes that may wait for a slow peer; a message beyond is refused. */
export const MAX_QUEUED_BYTES = 1024 * 1024
/** Messages whose fate is unknown until the peer says something; beyond it the oldest is taken for delivered. */
const MAX_UNCONFIRMED = 1_000
/** A closing connection may take so long to send what it has, milliseconds. */
const CLOSE_LIMIT_MS = 500
/** The system's own probes find a peer that is gone without a word, milliseconds. */
const PROBE_AFTER_MS = 60_000

const EMPTY_LINE = Buffer.from('\r\n')
const PING = Buffer.from('\r\n\r\n')

type State = 'opening' | 'open' | 'closing' | 'closed'
type Event = 'opened' | 'broken' | 'close' | 'gone'
type Action = 'flush' | 'watch' | 'drop' | 'finish' | 'report'

/** `broken`: it is of no use any more; `close`: we want no more of it; `gone`: the system has given the socket back. */
export const CONNECTION: Table<State, Event, Action> = {
  opening: {
    opened: ['open', 'watch', 'flush'],
    broken: ['closing', 'drop', 'report'],
    close: ['closing', 'drop', 'report'],
    gone: ['closed', 'drop', 'report'],
  },
  open: {
    opened: 'impossible',
    broken: ['closing', 'drop', 'report'],
    close: ['closing', 'finish', 'report'],
    gone: ['closed', 'drop', 'report'],
  },
  closing: { opened: 'ignored', broken: 'ignored', close: 'ignored', gone: ['closed', 'drop'] },
  closed: { opened: 'ignored', broken: 'ignored', close: 'ignored', gone: 'ignored' },
}

export interface ConnectionOwner {
  onMessage(data: Buffer, connection: Connection): void
  /** It takes no more messages; called once. `why` says it in words. */
  onLost(connection: Connection, why: string): void
}

interface Waiting {
  data: Buffer
  failed: (error: Error) => void
}

export class Connection {
  /** The other end. */
  readonly hop: Hop
  /** Who opened it: a connection of ours is pinged. */
  readonly ours: boolean
  /** Resolves when the system has given the socket back. */
  readonly gone: Promise<void>
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #timers: Timers<'open' | 'look' | 'close'>
  readonly #machine: Machine<State, Event, Action>
  readonly #framer: Framer
  readonly #queue: Waiting[] = []
  #queuedBytes = 0
  /** Sent, and nothing has come since. */
  #unconfirmed: ((error: Error) => void)[] = []
  #why = 'the connection was closed'
  #wasOpen = false
  #openedMs: number
  #readMs: number
  /** When the last whole message came or went; null before the first. */
  #messageMs: number | null = null
  #partialSinceMs: number | null = null
  #pingedMs: number | null = null
  #answersPings = false
  #emptyLines = 0

  /** `openedBy`: the event by which the socket says that it is up; null when it is. */
  constructor(
    socket: Socket,
    hop: Hop,
    openedBy: 'connect' | 'secureConnect' | null,
    clock: Clock,
    owner: ConnectionOwner,
  ) {
    this.#socket = socket
    this.hop = hop
    this.ours = openedBy !== null
    this.#clock = clock
    this.#timers = new Timers(clock)
    this.#openedMs = this.#readMs = clock.monotonicMs()
    this.#framer = new Framer({
      onMessage: (data) => {
        this.#onMessage()
        if (this.usable) owner.onMessage(data, this)
      },
      onEmptyLine: () => this.#onEmptyLine(),
    })
    this.#machine = new Machine(CONNECTION, 'opening', {
      flush: () => this.#flush(),
      watch: () => this.#watch(),
      drop: () => this.#drop(),
      finish: () => this.#finish(),
      report: () => owner.onLost(this, this.#why),
    })
    this.gone = new Promise((resolve) => socket.once('close', () => resolve()))
    this.#listen(openedBy)
    if (openedBy === null) this.#machine.step('opened')
    else this.#timers.start('open', CONNECT_LIMIT_MS, () => this.fail('it did not come up in time'))
  }

  /** Whether messages may be given to it. */
  get usable(): boolean {
    return this.#machine.state === 'opening' || this.#machine.state === 'open'
  }

  /** Milliseconds since the last message; the longest idle one goes first when there are too many. */
  get idleMs(): number {
    return this.#clock.monotonicMs() - (this.#messageMs ?? this.#openedMs)
  }

  /** Sends one message, as soon as it is up. `failed` may be called later, once. */
  send(data: Buffer, failed: (error: Error) => void): void {
    const waiting = this.#queuedBytes + this.#socket.writableLength
    if (!this.usable || waiting + data.length > MAX_QUEUED_BYTES) {
      const message = this.usable ? 'the peer reads too slowly' : this.#why
      return queueMicrotask(() => failed(new Fault(message, { retryable: false })))
    }
    if (this.#machine.state === 'opening') {
      this.#queue.push({ data, failed })
      this.#queuedBytes += data.length
    } else this.#write(data, failed)
  }

  /** It is of no use any more. */
  fail(why: string): void {
    if (this.usable) this.#why = why
    this.#machine.step('broken')
  }

  /** Sends what it has and closes. */
  close(): void {
    this.#machine.step('close')
  }

  #listen(openedBy: 'connect' | 'secureConnect' | null): void {
    const socket = this.#socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, PROBE_AFTER_MS)
    if (openedBy !== null) socket.once(openedBy, () => this.#machine.step('opened'))
    socket.on('error', (error) => this.fail(reasonOf(error, this.hop)))
    socket.on('end', () => this.fail('the peer closed the connection'))
    socket.on('close', () => this.#machine.step('gone'))
    socket.on('drain', () => socket.resume())
    socket.on('data', (data: Buffer) => this.#onData(data))
  }

  #onData(data: Buffer): void {
    if (this.#machine.state !== 'open') return
    this.#readMs = this.#clock.monotonicMs()
    const failure = this.#framer.push(data)
    if (failure !== null) return this.fail(`the peer does not speak SIP (${failure})`)
    if (!this.#framer.partial) this.#partialSinceMs = null
    else this.#partialSinceMs ??= this.#readMs
  }

  #onMessage(): void {
    this.#messageMs = this.#readMs
    this.#partialSinceMs = null
    this.#pingedMs = null
    this.#emptyLines = 0
    this.#unconfirmed = []
  }

  /** One answers our ping; two are a ping of the peer. */
  #onEmptyLine(): void {
    if (this.#pingedMs !== null) {
      this.#pingedMs = null
      this.#answersPings = true
      return
    }
    this.#emptyLines = (this.#emptyLines + 1) % 2
    if (this.#emptyLines === 0 && this.usable) this.#put(EMPTY_LINE)
  }

  #flush(): void {
    this.#timers.stop('open')
    this.#wasOpen = true
    this.#openedMs = this.#readMs = this.#clock.monotonicMs()
    this.#queuedBytes = 0
    for (const { data, failed } of this.#queue.splice(0)) this.#write(data, failed)
  }

  #write(data: Buffer, failed: (error: Error) => void): void {
    this.#messageMs = this.#clock.monotonicMs()
    this.#unconfirmed.push(failed)
    if (this.#unconfirmed.length > MAX_UNCONFIRMED) this.#unconfirmed.shift()
    this.#put(data)
  }

  /** A peer that doesn't read is not read from either. */
  #put(data: Buffer): void {
    if (!this.#socket.write(data)) this.#socket.pause()
  }

  #watch(): void {
    this.#timers.start('look', LOOK_EVERY_MS, () => {
      const why = this.#complaint(this.#clock.monotonicMs())
      if (why !== null) return this.fail(why)
      if (this.#idle(this.#clock.monotonicMs())) return this.close()
      this.#keepAlive(this.#clock.monotonicMs())
      this.#watch()
    })
  }

  /** What is wrong with the peer by now, or null. */
  #complaint(nowMs: number): string | null {
    if (this.#partialSinceMs !== null && nowMs - this.#partialSinceMs >= PARTIAL_LIMIT_MS) {
      return 'the peer did not finish a message'
    }
    const silent = !this.ours && this.#messageMs === null
    if (silent && nowMs - this.#openedMs >= FIRST_MESSAGE_LIMIT_MS) return 'the peer said nothing'
    const overdue = this.#pingedMs !== null && nowMs - this.#pingedMs >= PONG_LIMIT_MS
    return overdue && this.#answersPings ? 'the peer does not answer any more' : null
  }

  #idle(nowMs: number): boolean {
    return nowMs - (this.#messageMs ?? this.#openedMs) >= IDLE_LIMIT_MS
  }

  /** Not every peer answers pings; one that never did is pinged all the same, for the NATs in between. */
  #keepAlive(nowMs: number): void {
    const sinceMs = Math.max(this.#readMs, this.#pingedMs ?? 0)
    if (!this.ours || nowMs - sinceMs < PING_AFTER_MS) return
    this.#pingedMs = nowMs
    this.#put(PING)
  }

  /** Tells all who wait; those whose message may have been read by nobody may try again. */
  #drop(): void {
    this.#timers.stopAll()
    this.#socket.destroy()
    const waiting = [...this.#unconfirmed, ...this.#queue.map(({ failed }) => failed)]
    this.#unconfirmed = []
    this.#queue.length = 0
    const error = new Fault(this.#why, { retryable: this.#wasOpen })
    for (const failed of waiting) failed(error)
  }

  #finish(): void {
    this.#timers.stopAll()
    this.#unconfirmed = []
    this.#socket.resume()
    this.#socket.destroySoon()
    this.#timers.start('close', CLOSE_LIMIT_MS, () => this.#socket.destroy())
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the peer refused the connection',
  ECONNRESET: 'the peer reset the connection',
  EPIPE: 'the peer closed the connection',
  ETIMEDOUT: 'the peer did not answer',
  EHOSTUNREACH: 'the peer can’t be reached',
  ENETUNREACH: 'the peer can’t be reached',
  CERT_HAS_EXPIRED: 'the peer’s certificate has expired',
  CERT_NOT_YET_VALID: 'the peer’s certificate is not valid yet',
  CERT_REVOKED: 'the peer’s certificate was revoked',
}

/** Codes by which the TLS library says that a chain ends at nobody whom we trust. */
const UNTRUSTED =
  /^(?:UNABLE_TO_(?:VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(?:_LOCALLY)?)|(?:DEPTH_ZERO_)?SELF_SIGNED_CERT(?:_IN_CHAIN)?|CERT_UNTRUSTED)$/

/** An error of a socket in words that an operator can act on. */
function reasonOf(error: Error, { serverName, address }: Hop): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the peer’s certificate is not for ${serverName ?? address}`
  }
  if (UNTRUSTED.test(code)) return 'the peer’s certificate is signed by nobody whom we trust'
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') return `the TLS handshake failed (${code})`
  return REASONS[code] ?? `the connection failed (${code})`
}
