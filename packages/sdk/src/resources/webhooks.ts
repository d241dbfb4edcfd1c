// Webhook endpoints, their deliveries, and whether a delivery is genuine.
import type { Delivery, Replayed, WebhookEndpoint } from '../generated/answers.ts'
import type { CreateWebhookBody, ReplayDeliveriesBody } from '../generated/bodies.ts'
import type { ListDeliveriesQuery, ListWebhooksQuery } from '../generated/queries.ts'
import type { WebhookEvent } from '../generated/webhook-events.ts'
import { type List, list } from '../list.ts'
import type { RequestOptions, Transport } from '../transport.ts'
import { type IncomingWebhook, verifyWebhook } from '../webhook.ts'

export class Webhooks {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query?: ListWebhooksQuery, options?: RequestOptions): List<WebhookEndpoint> {
    return list(this.#transport, 'listWebhooks', { query: query ?? {} }, options)
  }

  /** The answer shows `signingSecret`, this once. */
  create(body: CreateWebhookBody, options?: RequestOptions): Promise<WebhookEndpoint> {
    return this.#transport.call('createWebhook', { body }, options)
  }

  delete(id: string, options?: RequestOptions): Promise<{ status: 'deleted' }> {
    return this.#transport.call('deleteWebhook', { id }, options)
  }

  /** A new `signingSecret`, shown this once; both sign for 24 hours more. */
  rotateSecret(id: string, options?: RequestOptions): Promise<WebhookEndpoint> {
    return this.#transport.call('rotateWebhookSecret', { id }, options)
  }

  deliveries(id: string, query?: ListDeliveriesQuery, options?: RequestOptions): List<Delivery> {
    return list(this.#transport, 'listDeliveries', { id, query: query ?? {} }, options)
  }

  /** Sends a test event. */
  test(id: string, options?: RequestOptions): Promise<Delivery> {
    return this.#transport.call('testWebhook', { id }, options)
  }

  /** Sends a delivery again. */
  replay(deliveryId: string, options?: RequestOptions): Promise<Delivery> {
    return this.#transport.call('replayDelivery', { id: deliveryId }, options)
  }

  /** Sends what was made in a range of time again: the dead ones, unless `statuses` says otherwise. */
  replayRange(
    id: string,
    range: ReplayDeliveriesBody,
    options?: RequestOptions,
  ): Promise<Replayed> {
    return this.#transport.call('replayDeliveries', { id, body: range }, options)
  }

  /**
   * The event of a genuine delivery: the signature fits the raw body and one of the secrets, and is not old.
   * @throws WebhookVerificationError
   */
  verify(request: IncomingWebhook): Promise<WebhookEvent> {
    return verifyWebhook(request)
  }
}
