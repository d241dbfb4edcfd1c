// The client: one object for everything that the API can do.
import { SaperlyError } from './errors.ts'
import { Brain, type BrainOptions } from './manual/brain.ts'
import type { WebSocketConstructor } from './manual/line.ts'
import { Audit, Consent, Events, Keys, OptOuts, Transactions, Usage } from './resources/account.ts'
import { Calls, Sandbox } from './resources/calls.ts'
import { Connections } from './resources/connections.ts'
import { Languages, Numbers, Pricing, Voices } from './resources/numbers.ts'
import { Webhooks } from './resources/webhooks.ts'
import { DEFAULT_MAX_RETRIES } from './retry.ts'
import { type Fetch, Transport } from './transport.ts'
import { type IncomingWebhook, verifyManualEvent } from './webhook.ts'
import type { ManualEvent } from './generated/manual.ts'

/** Where `saperly start` listens. */
export const DEFAULT_BASE_URL = 'http://127.0.0.1:8080'
/** Placing a call may take as long as several carriers stay silent. */
export const DEFAULT_TIMEOUT_MS = 30_000

export interface SaperlyOptions {
  /** `sk_live_…` or `sk_test_…`. */
  apiKey: string
  /** Default `http://127.0.0.1:8080`. */
  baseUrl?: string | undefined
  /** For each attempt at a request; default 30,000. */
  timeoutMs?: number | undefined
  /** Attempts after the first, where that is safe; default 2. */
  maxRetries?: number | undefined
  /** Default: the runtime's own. */
  fetch?: Fetch | undefined
  /** Default: the runtime's own. */
  WebSocket?: WebSocketConstructor | undefined
}

export class Saperly {
  readonly calls: Calls
  readonly numbers: Numbers
  readonly connections: Connections
  readonly consent: Consent
  readonly optOuts: OptOuts
  readonly events: Events
  readonly usage: Usage
  readonly transactions: Transactions
  readonly keys: Keys
  readonly webhooks: Webhooks
  readonly audit: Audit
  readonly pricing: Pricing
  readonly voices: Voices
  readonly languages: Languages
  readonly sandbox: Sandbox
  readonly manual: Manual

  constructor(options: SaperlyOptions) {
    const { apiKey, timeoutMs = DEFAULT_TIMEOUT_MS, maxRetries = DEFAULT_MAX_RETRIES } = options
    if (typeof apiKey !== 'string' || apiKey === '') throw new SaperlyError('apiKey is required')
    const baseUrl = baseUrlOf(options.baseUrl ?? DEFAULT_BASE_URL)
    const fetch = fetchOf(options)
    const transport = new Transport({ apiKey, baseUrl, timeoutMs, maxRetries, fetch })
    this.calls = new Calls(transport)
    this.numbers = new Numbers(transport)
    this.connections = new Connections(transport)
    this.consent = new Consent(transport)
    this.optOuts = new OptOuts(transport)
    this.events = new Events(transport)
    this.usage = new Usage(transport)
    this.transactions = new Transactions(transport)
    this.keys = new Keys(transport)
    this.webhooks = new Webhooks(transport)
    this.audit = new Audit(transport)
    this.pricing = new Pricing(transport)
    this.voices = new Voices(transport)
    this.languages = new Languages(transport)
    this.sandbox = new Sandbox(transport)
    this.manual = new Manual({ baseUrl, maxRetries, WebSocket: options.WebSocket })
  }
}

/** Manual mode: your own brain talks. */
export class Manual {
  readonly #settings: {
    baseUrl: string
    maxRetries: number
    WebSocket: WebSocketConstructor | undefined
  }

  constructor(settings: {
    baseUrl: string
    maxRetries: number
    WebSocket: WebSocketConstructor | undefined
  }) {
    this.#settings = settings
  }

  /** Runs a brain over the socket. Resolves when it is ready to take calls. */
  connect(options: BrainOptions): Promise<Brain> {
    const { baseUrl, maxRetries } = this.#settings
    const WebSocket = options.WebSocket ?? this.#settings.WebSocket ?? globalWebSocket()
    const url = `${baseUrl.replace(/^http/, 'ws')}/manual/${encodeURIComponent(options.connectionId)}`
    return Brain.connect(options, { url, WebSocket, maxRetries })
  }

  /**
   * The event that the platform POSTed to the webhook of a manual connection; `secret` is the connection's.
   * @throws WebhookVerificationError
   */
  verify(request: IncomingWebhook): Promise<ManualEvent> {
    return verifyManualEvent(request)
  }
}

function baseUrlOf(text: string): string {
  if (!/^https?:\/\/[^\s/?#]+[^\s?#]*$/.test(text)) {
    throw new SaperlyError('baseUrl must be an http:// or https:// address')
  }
  return text.replace(/\/+$/, '')
}

function fetchOf({ fetch }: SaperlyOptions): Fetch {
  if (fetch) return fetch
  // Called as a function of its own: a browser's fetch refuses any other `this`.
  if (typeof globalThis.fetch === 'function') return (url, init) => globalThis.fetch(url, init)
  throw new SaperlyError('this runtime has no fetch: pass one as `fetch`')
}

function globalWebSocket(): WebSocketConstructor {
  const found = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket
  if (found) return found
  throw new SaperlyError(
    'this runtime has no WebSocket: pass one as `WebSocket`, such as that of ws',
  )
}
