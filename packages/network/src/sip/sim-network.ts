// An in-memory network of SIP transports for simulation: fixed delay, and a hook that decides what gets lost.
import type { Clock, Timer } from '@saperly/kernel'
import { udpHop } from './hop.ts'
import type { Endpoint, Hop, Transport } from './transport.ts'

/** One datagram on its way; `text` is its content. */
export interface Datagram {
  from: Endpoint
  to: Endpoint
  text: string
}

export class SimNetwork {
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #drops: (datagram: Datagram) => boolean
  readonly #receivers = new Map<string, (data: Buffer, from: Hop) => void>()
  readonly #flying = new Set<Timer>()

  /** `drops` says true for a datagram that is lost. */
  constructor(clock: Clock, delayMs: number, drops: (datagram: Datagram) => boolean) {
    this.#clock = clock
    this.#delayMs = delayMs
    this.#drops = drops
  }

  /** A transport at that address, as UDP would be. */
  open(local: Endpoint): Transport {
    const key = `${local.address}:${local.port}`
    return {
      local,
      at: (protocol) => (protocol === 'UDP' ? local : null),
      holds: ({ protocol }) => protocol === 'UDP',
      send: (data, to) => this.#send(data, local, to),
      receive: (receiver) => void this.#receivers.set(key, receiver),
      close: () => {
        this.#receivers.delete(key)
        return Promise.resolve()
      },
    }
  }

  #send(data: Buffer, from: Endpoint, to: Endpoint): void {
    if (this.#drops({ from, to, text: data.toString('utf8') })) return
    const timer = this.#clock.schedule(this.#delayMs, () => {
      this.#flying.delete(timer)
      this.#receivers.get(`${to.address}:${to.port}`)?.(data, udpHop(from))
    })
    this.#flying.add(timer)
  }
}
