// A network in memory, for tests and simulation: delays, reorders, loses and doubles datagrams from a seed.
import { Fault, type Clock, type Random } from '@saperly/kernel'
import type { Datagrams, OnDatagram, Udp } from './udp.ts'

const FIRST_FREE_PORT = 32_768

export interface NetworkWeather {
  minDelayMs: number
  maxDelayMs: number
  /** Probabilities, 0–1. */
  loss: number
  duplication: number
}

export class SimulatedUdp implements Udp {
  readonly #clock: Clock
  readonly #random: Random
  readonly #sockets = new Map<string, OnDatagram>()
  #nextPort = FIRST_FREE_PORT
  /** May be changed while datagrams fly. */
  weather: NetworkWeather

  constructor(clock: Clock, random: Random, weather: NetworkWeather) {
    this.#clock = clock
    this.#random = random
    this.weather = weather
  }

  /** Sockets not closed yet. */
  get open(): number {
    return this.#sockets.size
  }

  async bind(address: string, wanted: number, onDatagram: OnDatagram): Promise<Datagrams> {
    const port = wanted === 0 ? this.#nextPort++ : wanted
    const key = `${address}:${port}`
    if (this.#sockets.has(key)) throw new Fault('port is taken', { retryable: true })
    this.#sockets.set(key, onDatagram)
    return {
      port,
      send: (data, toPort, to) => {
        if (!this.#sockets.has(key)) return
        this.#carry(data, `${to}:${toPort}`, address, port)
      },
      close: async () => void this.#sockets.delete(key),
    }
  }

  #carry(data: Uint8Array, to: string, address: string, port: number): void {
    const { minDelayMs, maxDelayMs, loss, duplication } = this.weather
    if (this.#random.float() < loss) return
    const copies = this.#random.float() < duplication ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = minDelayMs + this.#random.float() * (maxDelayMs - minDelayMs)
      this.#clock.schedule(delayMs, () => this.#deliver(new Uint8Array(data), to, address, port))
    }
  }

  /** As sockets may, it uses the memory again at once. */
  #deliver(data: Uint8Array, to: string, address: string, port: number): void {
    this.#sockets.get(to)?.(data, address, port, 0)
    data.fill(0xa5)
  }
}
