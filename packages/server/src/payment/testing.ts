// A Stripe for tests: as much of the Payment Intents API as is used, over real HTTP, with the troubles that it can have.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const STRIPE_KEY = 'sk_test_0123456789abcdef'
export const CUSTOMER = 'cus_1'

/**
 * What becomes of one request to charge. `broken`: a 500 before anything was done, of which the key keeps nothing.
 * `brokenAfter`: charged, and a 500 that the key keeps. `lost`: charged, and the connection breaks. `held`: charged, and
 * the answer waits for `release`.
 */
export type Trouble =
  | 'none'
  | 'broken'
  | 'brokenAfter'
  | 'lost'
  | 'held'
  | 'rateLimited'
  | 'processing'
  | 'requires_action'
  | { declineCode: string }

export interface FakeIntent {
  id: string
  object: 'payment_intent'
  amount: number
  currency: string
  customer: string
  payment_method: string
  status: string
  metadata: Record<string, string>
  created: number
  last_payment_error: object | null
}

interface Answer {
  status: number
  body: object
}

interface Kept {
  form: string
  /** Null while the first request is under way. */
  answer: Answer | null
}

const error = (status: number, fields: object): Answer => ({ status, body: { error: fields } })

export class FakeStripe {
  readonly intents: FakeIntent[] = []
  /** The headers and forms of requests to charge. */
  readonly asked: { headers: IncomingMessage['headers']; form: URLSearchParams }[] = []
  /** What becomes of the next requests to charge, one each; then all are paid. */
  readonly troubles: Trouble[] = []
  readonly #kept = new Map<string, Kept>()
  readonly #now: () => number
  readonly #server: Server
  #release: (() => void)[] = []

  constructor(now: () => number) {
    this.#now = now
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')))
      request.on('end', () => this.#answer(request, response, body))
    })
  }

  get paid(): FakeIntent[] {
    return this.intents.filter(({ status }) => status === 'succeeded')
  }

  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Lets the held answers go. */
  release(): void {
    for (const go of this.#release.splice(0)) go()
  }

  close(): Promise<void> {
    this.release()
    this.#server.closeAllConnections()
    return new Promise((done) => this.#server.close(() => done()))
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const send = ({ status, body: json }: Answer): void => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(json))
    }
    const url = new URL(request.url!, 'http://stripe')
    const form = new URLSearchParams(body)
    if (request.headers.authorization !== `Bearer ${STRIPE_KEY}`) {
      return send(error(401, { type: 'invalid_request_error', message: 'Invalid API Key' }))
    }
    const cancelled = /^\/v1\/payment_intents\/(\w+)\/cancel$/.exec(url.pathname)
    if (cancelled) return send(this.#cancel(cancelled[1]!))
    if (request.method === 'GET') return send(this.#list(url.searchParams))
    this.asked.push({ headers: request.headers, form })
    this.#charge(request, response, form, send)
  }

  #charge(
    request: IncomingMessage,
    response: ServerResponse,
    form: URLSearchParams,
    send: (answer: Answer) => void,
  ): void {
    const key = String(request.headers['idempotency-key'])
    const kept = this.#kept.get(key)
    if (kept && kept.form !== form.toString()) {
      return send(error(400, { type: 'idempotency_error', message: 'other parameters' }))
    }
    if (kept?.answer) return send(kept.answer)
    if (kept) {
      return send(error(409, { type: 'idempotency_error', code: 'idempotency_key_in_use' }))
    }
    const trouble = this.troubles.shift() ?? 'none'
    if (trouble === 'broken') return send(error(500, { type: 'api_error' }))
    if (trouble === 'rateLimited') return send(error(429, { code: 'rate_limit' }))
    if (form.get('customer') !== CUSTOMER) {
      const missing = { type: 'invalid_request_error', code: 'resource_missing', param: 'customer' }
      return send(error(400, missing))
    }
    const entry: Kept = { form: form.toString(), answer: null }
    this.#kept.set(key, entry)
    const made = this.#make(form, trouble)
    const answer = trouble === 'brokenAfter' ? error(500, { type: 'api_error' }) : made
    const finish = (): void => {
      entry.answer = answer
      if (trouble === 'lost') response.destroy()
      else send(answer)
    }
    if (trouble === 'held') this.#release.push(finish)
    else finish()
  }

  #make(form: URLSearchParams, trouble: Trouble): Answer {
    const intent: FakeIntent = {
      id: `pi_${this.intents.length + 1}`,
      object: 'payment_intent',
      amount: Number(form.get('amount')),
      currency: form.get('currency')!,
      customer: form.get('customer')!,
      payment_method: form.get('payment_method')!,
      status: trouble === 'processing' || trouble === 'requires_action' ? trouble : 'succeeded',
      metadata: metadataIn(form),
      created: Math.floor(this.#now() / 1000),
      last_payment_error: null,
    }
    this.intents.push(intent)
    if (typeof trouble === 'string') return { status: 200, body: intent }
    const declined = {
      type: 'card_error',
      code: 'card_declined',
      decline_code: trouble.declineCode,
    }
    intent.status = 'requires_payment_method'
    intent.last_payment_error = declined
    return error(402, { ...declined, payment_intent: intent })
  }

  /** Newest first, like the real one's. */
  #list(query: URLSearchParams): Answer {
    if (query.get('customer') !== CUSTOMER) {
      return error(400, { type: 'invalid_request_error', code: 'resource_missing' })
    }
    const since = Number(query.get('created[gte]'))
    const newest = this.intents.filter(({ created }) => created >= since).toReversed()
    const after = newest.findIndex(({ id }) => id === query.get('starting_after')) + 1
    const data = newest.slice(after, after + Number(query.get('limit')))
    const more = newest.length > after + data.length
    return { status: 200, body: { object: 'list', data, has_more: more } }
  }

  #cancel(id: string): Answer {
    const intent = this.intents.find((each) => each.id === id)!
    if (['succeeded', 'canceled', 'processing'].includes(intent.status)) {
      const code = 'payment_intent_unexpected_state'
      return error(400, { type: 'invalid_request_error', code })
    }
    intent.status = 'canceled'
    return { status: 200, body: intent }
  }
}

function metadataIn(form: URLSearchParams): Record<string, string> {
  const fields = [...form].flatMap(([name, value]) => {
    const field = /^metadata\[(\w+)\]$/.exec(name)?.[1]
    return field === undefined ? [] : [[field, value] as const]
  })
  return Object.fromEntries(fields)
}
