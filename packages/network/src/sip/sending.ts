// How one request leaves: its Via, the protocol that its size asks for, and what is tried when that is refused.
import { Fault } from '@saperly/kernel'
import { formatEndpoint, isReliable } from './hop.ts'
import type { Endpoint, Hop, Protocol } from './hop.ts'
import { serialise } from './message.ts'
import type { SipRequest } from './message.ts'
import type { Transport } from './transport.ts'

/** A request beyond this would not fit into one packet everywhere, so it goes over TCP (RFC 3261 section 18.1.1), bytes. */
export const MAX_UDP_REQUEST_BYTES = 1300
/** Peers that are remembered to refuse TCP; beyond it the oldest is asked again. */
const MAX_REFUSERS = 1_000

export interface SendingContext {
  transport: Transport
  /** What Via says we are reached at by that protocol. */
  sentBy: (protocol: Protocol) => Endpoint
  /** Peers that refused TCP when a request was too large, as `host:port`. */
  refusers: Set<string>
}

/** Writes the one Via of a request of ours. Peers that know RFC 5923 may send over the same connection. */
export function stampVia(request: SipRequest, branch: string, at: Endpoint, hop: Hop): void {
  const alias = isReliable(hop) ? ';alias' : ''
  const via = `SIP/2.0/${hop.protocol} ${formatEndpoint(at)};branch=${branch};rport${alias}`
  request.headers.setAll('via', [via])
}

export class Sending {
  readonly request: SipRequest
  readonly #branch: string
  readonly #context: SendingContext
  #hop: Hop
  #bytes: Buffer
  /** Where it goes when TCP is refused. */
  #udp: Hop | null = null
  #repeated = false

  /** Puts the Via on top. */
  constructor(request: SipRequest, to: Hop, branch: string, context: SendingContext) {
    this.request = request
    this.#branch = branch
    this.#context = context
    this.#hop = to
    this.#bytes = this.#stamp()
    if (this.#bytes.length > MAX_UDP_REQUEST_BYTES && this.#mayGrow()) {
      this.#udp = to
      this.#hop = { ...to, protocol: 'TCP' }
      this.#bytes = this.#stamp()
    }
  }

  /** Where it goes, as far as is known by now. */
  get hop(): Hop {
    return this.#hop
  }

  transmit(failed: (error: Error) => void): void {
    this.#context.transport.send(this.#bytes, this.#hop, failed)
  }

  /** Whether it is worth sending again at once after that error: elsewhere, or over a new connection. */
  divert(error: Error): boolean {
    if (this.#udp) {
      this.#refuse(this.#udp)
      this.#hop = this.#udp
      this.#udp = null
      this.#bytes = this.#stamp()
      return true
    }
    const again = error instanceof Fault && error.retryable && !this.#repeated
    this.#repeated = true
    return again && isReliable(this.#hop)
  }

  #stamp(): Buffer {
    stampVia(this.request, this.#branch, this.#context.sentBy(this.#hop.protocol), this.#hop)
    return serialise(this.request)
  }

  #mayGrow(): boolean {
    const { transport, refusers } = this.#context
    if (this.#hop.protocol !== 'UDP' || transport.at('TCP') === null) return false
    return !refusers.has(formatEndpoint(this.#hop))
  }

  #refuse(hop: Hop): void {
    const { refusers } = this.#context
    refusers.add(formatEndpoint(hop))
    if (refusers.size <= MAX_REFUSERS) return
    const [oldest] = refusers
    refusers.delete(oldest!)
  }
}
