// Connections: the handlers that talk.
import type { Connection, ConnectionWithSecret } from '../generated/answers.ts'
import type { CreateConnectionBody, UpdateConnectionBody } from '../generated/bodies.ts'
import type { ListConnectionsQuery } from '../generated/queries.ts'
import { type List, list } from '../list.ts'
import type { RequestOptions, Transport } from '../transport.ts'

export class Connections {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query?: ListConnectionsQuery, options?: RequestOptions): List<Connection> {
    return list(this.#transport, 'listConnections', { query: query ?? {} }, options)
  }

  get(id: string, options?: RequestOptions): Promise<Connection> {
    return this.#transport.call('getConnection', { id }, options)
  }

  /** In manual mode the answer shows `manualSecret`, this once. */
  create(body: CreateConnectionBody, options?: RequestOptions): Promise<ConnectionWithSecret> {
    return this.#transport.call('createConnection', { body }, options)
  }

  /** An absent field stays as it is, `null` brings its default back, an object replaces the stored one whole. */
  update(
    id: string,
    body: UpdateConnectionBody,
    options?: RequestOptions,
  ): Promise<ConnectionWithSecret> {
    return this.#transport.call('updateConnection', { id, body }, options)
  }

  delete(id: string, options?: RequestOptions): Promise<{ status: 'deleted' }> {
    return this.#transport.call('deleteConnection', { id }, options)
  }

  /** A new `manualSecret`, shown this once; the old one is good for 24 hours more. */
  rotateSecret(id: string, options?: RequestOptions): Promise<ConnectionWithSecret> {
    return this.#transport.call('rotateConnectionSecret', { id }, options)
  }
}
