// The one way out: every HTTP request that the platform makes to an address somebody else chose goes through here.
import { lookup as resolve, type LookupAddress } from 'node:dns'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { Cancelled, cancelledBy, type Clock } from '@saperly/kernel'
import type { Environment } from '@saperly/network'
import { addressGuard, type AddressPolicy } from './address.ts'
import { OutboundResponse } from './response.ts'
import { DEFAULT_LIMITS, DialError, Watch, type DialLimits } from './watch.ts'

/** Longest URL that is accepted anywhere. */
export const MAX_URL_LENGTH = 2048
/** How long an idle connection is kept: over the pause between two turns of a call, under what servers allow. */
const KEEP_ALIVE_MS = 30_000
const MAX_SOCKETS_PER_HOST = 64
const MAX_IDLE_SOCKETS = 256
const MAX_RESPONSE_HEAD_BYTES = 16 * 1024

export interface OutboundRequest {
  method: 'GET' | 'POST' | 'DELETE'
  url: string
  headers: Readonly<Record<string, string>>
  body: string | null
  /** On whose behalf: decides which addresses may be reached. */
  environment: Environment
  limits?: Partial<DialLimits>
  signal: AbortSignal
}

/** What is wrong with a URL that a customer wants the platform to call, or null when it may be stored. */
export function checkUrl(text: string): string | null {
  if (text.length > MAX_URL_LENGTH) return `must be at most ${MAX_URL_LENGTH} characters`
  if (!URL.canParse(text)) return 'must be an absolute URL'
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return 'must begin with https:// or http://'
  if (url.username !== '' || url.password !== '') return 'must not contain credentials'
  if (url.hostname === '') return 'must name a host'
  return null
}

interface Agents {
  http: HttpAgent
  https: HttpsAgent
  mayReach: (address: string) => boolean
}

export class Dialler {
  readonly #clock: Clock
  /** One pool per environment, because they may reach different addresses. */
  readonly #agents: Record<Environment, Agents>
  readonly #open = new Map<ClientRequest, Watch>()
  #closed = false
  #whenIdle: (() => void) | null = null

  constructor(policy: AddressPolicy, clock: Clock) {
    this.#clock = clock
    this.#agents = { test: agentsFor(policy, 'test'), live: agentsFor(policy, 'live') }
  }

  /** Requests whose response has not ended. */
  get open(): number {
    return this.#open.size
  }

  /**
   * Sends one request and resolves with the head of the response. Redirects are answers like any other. The body must
   * be read to its end or discarded.
   * @throws DialError, or Cancelled when `signal` aborts or the dialler is closed
   */
  async request(request: OutboundRequest): Promise<OutboundResponse> {
    if (this.#closed) throw new Cancelled('shutdown')
    if (request.signal.aborted) throw cancelledBy(request.signal)
    const problem = checkUrl(request.url)
    if (problem !== null) throw new DialError('refused', `the URL ${problem}`)
    const url = new URL(request.url)
    const agents = this.#agents[request.environment]
    const host = url.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) !== 0 && !agents.mayReach(host)) throw refusedAddress()
    return this.#send(url, agents, request)
  }

  /** Breaks off what is under way, closes kept connections, and resolves when every request has ended. */
  async close(): Promise<void> {
    this.#closed = true
    for (const watch of this.#open.values()) watch.breakOff(new Cancelled('shutdown'))
    for (const { http, https } of Object.values(this.#agents)) {
      http.destroy()
      https.destroy()
    }
    if (this.#open.size > 0) await new Promise<void>((done) => (this.#whenIdle = done))
  }

  #send(url: URL, agents: Agents, request: OutboundRequest): Promise<OutboundResponse> {
    const limits = { ...DEFAULT_LIMITS, ...request.limits }
    const secure = url.protocol === 'https:'
    const outgoing = (secure ? httpsRequest : httpRequest)(url, {
      method: request.method,
      agent: secure ? agents.https : agents.http,
      headers: headersOf(request),
      maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
    })
    const watch = new Watch(this.#clock, limits, outgoing, request.signal)
    this.#open.set(outgoing, watch)
    outgoing.once('close', () => {
      watch.end()
      this.#open.delete(outgoing)
      if (this.#open.size === 0) this.#whenIdle?.()
    })
    return new Promise((done, fail) => {
      outgoing.on('error', (error) => fail(watch.explain(error)))
      outgoing.once('response', (incoming: IncomingMessage) => {
        watch.answered(incoming)
        done(new OutboundResponse(incoming, limits.maxBytes, watch))
      })
      outgoing.once('socket', (socket) => {
        if (!socket.connecting) return watch.connected()
        socket.once(secure ? 'secureConnect' : 'connect', () => watch.connected())
      })
      outgoing.end(request.body ?? undefined)
    })
  }
}

function headersOf(request: OutboundRequest): Record<string, string> {
  const headers: Record<string, string> = {
    'user-agent': 'saperly',
    'accept-encoding': 'identity',
    ...request.headers,
  }
  if (request.body !== null) headers['content-length'] = String(Buffer.byteLength(request.body))
  return headers
}

function refusedAddress(): DialError {
  return new DialError('refused', 'the address is not allowed')
}

function agentsFor(policy: AddressPolicy, environment: Environment): Agents {
  const mayReach = addressGuard(policy, environment)
  const options = {
    keepAlive: true,
    timeout: KEEP_ALIVE_MS,
    maxSockets: MAX_SOCKETS_PER_HOST,
    maxFreeSockets: MAX_IDLE_SOCKETS,
    lookup: guardedLookup(mayReach),
  }
  return { http: new HttpAgent(options), https: new HttpsAgent(options), mayReach }
}

/**
 * Resolves a name to those of its addresses that may be reached. The socket connects to exactly these, so a name that
 * answers differently the second time gains nothing.
 */
function guardedLookup(mayReach: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, '', 0)
      const allowed = addresses.filter(({ address }) => mayReach(address))
      const [first] = allowed
      if (!first) return callback(refusedAddress(), '', 0)
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
