// The answer to an outbound request: its head, and a body that is read in bounded pieces.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { DialError, type Watch } from './watch.ts'

/** Body bytes that are worth reading to keep a connection whose answer nobody wants. */
const DISCARD_BYTES = 16 * 1024

export class OutboundResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly #incoming: IncomingMessage
  readonly #maxBytes: number
  readonly #watch: Watch
  #restIsShort = false

  constructor(incoming: IncomingMessage, maxBytes: number, watch: Watch) {
    this.status = incoming.statusCode ?? 0
    this.headers = incoming.headers
    this.#incoming = incoming
    this.#maxBytes = maxBytes
    this.#watch = watch
    // A break while nobody is reading must not bring the process down; a reader sees it all the same.
    incoming.on('error', () => undefined)
  }

  /** The media type without its parameters, in lower case. */
  get contentType(): string {
    return (this.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  }

  /** The head says that this is a stream: it may take `wholeMs` from now, as long as it does not pause too long. */
  extend(wholeMs: number): void {
    this.#watch.extend(wholeMs)
  }

  /** Nothing of interest follows: whoever leaves `chunks` early from now on does not break the connection off. */
  keepRest(): void {
    this.#restIsShort = true
  }

  /**
   * The body as it arrives. Leaving the loop early breaks the request off.
   * @throws DialError, Cancelled
   */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    let size = 0
    let whole = false
    try {
      for await (const chunk of this.#incoming.iterator({ destroyOnReturn: false })) {
        const bytes = chunk as Buffer
        this.#watch.heard()
        size += bytes.length
        if (size > this.#maxBytes) {
          throw new DialError('too_large', `the response is over ${this.#maxBytes} bytes`)
        }
        yield bytes
      }
      whole = true
    } catch (error) {
      throw this.#watch.explain(error)
    } finally {
      if (!whole) this.#leave()
    }
  }

  #leave(): void {
    if (!this.#restIsShort) this.#incoming.destroy()
    else void this.discard()
  }

  /** The whole body as UTF-8. */
  async text(): Promise<string> {
    const parts: Uint8Array[] = []
    for await (const chunk of this.chunks()) parts.push(chunk)
    return Buffer.concat(parts).toString('utf8')
  }

  /**
   * For an answer whose status says everything: reads what little may follow, so that the connection can be used
   * again, and breaks off what is long. A break on the way concerns nobody. Never throws.
   */
  async discard(): Promise<void> {
    let size = 0
    this.#restIsShort = false
    try {
      for await (const chunk of this.chunks()) {
        size += chunk.length
        if (size > DISCARD_BYTES) return
      }
    } catch {
      return
    }
  }
}
