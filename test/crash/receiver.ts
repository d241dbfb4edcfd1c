// The customer's own web server, which outlives ours: the receiver of webhooks, sometimes out of order, and the brain.
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { webhookHeaders } from '@saperly/contract'

const ADDRESS = '127.0.0.1'
/** Of a hundred deliveries, how many are refused and how many never answered, the first time that they come. */
const REFUSED_PERCENT = 3
const HANGING_PERCENT = 1

interface WebhookBody {
  eventType: string
  payload: { callId?: string }
}

/** One event as it was delivered, once or again. */
export interface Delivered {
  deliveryId: string
  eventType: string
  callId: string | null
  /** Bodies must not differ. */
  raw: string
  /** Attempts that were answered with 200. */
  taken: number
}

export class Receiver {
  readonly #server: Server
  readonly #moody: boolean
  readonly #delivered = new Map<string, Delivered>()
  /** Those that came with another body than before. */
  readonly changed: string[] = []
  refused = 0
  hung = 0
  repeated = 0

  private constructor(moody: boolean) {
    this.#moody = moody
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const raw = Buffer.concat(chunks).toString('utf8')
        if (request.url === '/brain') return think(raw, response)
        if (request.url === '/refusing') return void response.writeHead(500).end()
        const deliveryId = String(request.headers[webhookHeaders.deliveryId])
        this.#onDelivery(deliveryId, raw, response)
      })
    })
  }

  /** `moody`: it refuses some of what comes for the first time, and leaves some without an answer. */
  static async open(moody: boolean): Promise<Receiver> {
    const receiver = new Receiver(moody)
    await new Promise<void>((resolve) => receiver.#server.listen(0, ADDRESS, resolve))
    return receiver
  }

  get #url(): string {
    return `http://${ADDRESS}:${(this.#server.address() as AddressInfo).port}`
  }

  get hookUrl(): string {
    return `${this.#url}/hook`
  }

  /** What takes nothing at all. */
  get refusingUrl(): string {
    return `${this.#url}/refusing`
  }

  get brainUrl(): string {
    return `${this.#url}/brain`
  }

  /** What was taken, by the id of the delivery. */
  get delivered(): ReadonlyMap<string, Delivered> {
    return this.#delivered
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  #onDelivery(deliveryId: string, raw: string, response: ServerResponse): void {
    const known = this.#delivered.get(deliveryId)
    if (known) return this.#again(known, raw, response)
    const { eventType, payload } = JSON.parse(raw) as WebhookBody
    const first: Delivered = {
      deliveryId,
      eventType,
      callId: payload.callId ?? null,
      raw,
      taken: 0,
    }
    this.#delivered.set(deliveryId, first)
    const luck = this.#moody ? percentOf(deliveryId) : Infinity
    if (luck < HANGING_PERCENT) return void this.hung++
    if (luck < HANGING_PERCENT + REFUSED_PERCENT) {
      this.refused++
      return void response.writeHead(500).end()
    }
    first.taken++
    response.end()
  }

  #again(known: Delivered, raw: string, response: ServerResponse): void {
    if (raw !== known.raw) this.changed.push(known.deliveryId)
    if (known.taken++ > 0) this.repeated++
    response.end()
  }
}

/** The same for the same delivery, in whatever order they come. */
function percentOf(deliveryId: string): number {
  let hash = 7
  for (const letter of deliveryId) hash = (hash * 31 + letter.charCodeAt(0)) % 1_000_003
  return hash % 100
}

/** The brain greets, and has nothing more to say. */
function think(raw: string, response: ServerResponse): void {
  const { type } = JSON.parse(raw) as { type: string }
  const greeting = { type: 'speak', text: 'Hello.' }
  const directives = type.endsWith('bound_call') ? [greeting] : [{ type: 'wait_for_user' }]
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ directives }))
}
