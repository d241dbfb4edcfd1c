// Phone numbers, and the catalogues: what they cost, which voices and languages there are.
import type { Language, PhoneNumber, Quote, Voice } from '../generated/answers.ts'
import type {
  BindConnectionBody,
  ProvisionNumberBody,
  SetCallerIdBody,
  SetNumberWebhookBody,
  SetSmsSenderBody,
} from '../generated/bodies.ts'
import type { GetQuoteQuery, ListNumbersQuery, ListVoicesQuery } from '../generated/queries.ts'
import { type List, list } from '../list.ts'
import type { RequestOptions, Transport } from '../transport.ts'

export class Numbers {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query?: ListNumbersQuery, options?: RequestOptions): List<PhoneNumber> {
    return list(this.#transport, 'listNumbers', { query: query ?? {} }, options)
  }

  get(id: string, options?: RequestOptions): Promise<PhoneNumber> {
    return this.#transport.call('getNumber', { id }, options)
  }

  /** Gets a number; with a test key a sandbox number, at once and for nothing. */
  provision(body?: ProvisionNumberBody | null, options?: RequestOptions): Promise<PhoneNumber> {
    return this.#transport.call('provisionNumber', { body }, options)
  }

  /** Gives the number back. */
  release(id: string, options?: RequestOptions): Promise<{ status: 'released' }> {
    return this.#transport.call('releaseNumber', { id }, options)
  }

  /** Says who talks on this number; `connectionId: null` unbinds. */
  bindConnection(
    id: string,
    body: BindConnectionBody,
    options?: RequestOptions,
  ): Promise<PhoneNumber> {
    return this.#transport.call('bindConnection', { id, body }, options)
  }

  setWebhook(
    id: string,
    body: SetNumberWebhookBody,
    options?: RequestOptions,
  ): Promise<PhoneNumber> {
    return this.#transport.call('setNumberWebhook', { id, body }, options)
  }

  setCallerId(id: string, body: SetCallerIdBody, options?: RequestOptions): Promise<PhoneNumber> {
    return this.#transport.call('setCallerId', { id, body }, options)
  }

  setSmsSender(id: string, body: SetSmsSenderBody, options?: RequestOptions): Promise<PhoneNumber> {
    return this.#transport.call('setSmsSender', { id, body }, options)
  }
}

export class Pricing {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** What a number of this kind would cost. */
  quote(query?: GetQuoteQuery, options?: RequestOptions): Promise<Quote> {
    return this.#transport.call('getQuote', { query: query ?? {} }, options)
  }
}

export class Voices {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query?: ListVoicesQuery, options?: RequestOptions): Promise<readonly Voice[]> {
    return this.#transport.call('listVoices', { query: query ?? {} }, options)
  }
}

export class Languages {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(options?: RequestOptions): Promise<readonly Language[]> {
    return this.#transport.call('listLanguages', {}, options)
  }
}
