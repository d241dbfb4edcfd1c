// What the process of a sherpa-onnx model and its owner say to each other, and a port over that channel.
import { Fault } from '@saperly/kernel'
import type { LogMessage } from '../media/messages.ts'
import type { SpeechPort } from './messages.ts'
import type { SherpaModel } from './sherpa-manifest.ts'

export type ToSherpa =
  /** The first message: what to load, and with which package. */
  { type: 'model'; model: SherpaModel; module: string } | { type: 'speech'; message: unknown }

export type FromSherpa =
  /** In memory, and has done its work once. */
  { type: 'ready' } | { type: 'speech'; message: unknown } | LogMessage

/** What may wait for a model that is being loaded: some minutes of audio of a few calls. More ends the process. */
const MAX_WAITING = 50_000

/** The `speech` messages of a channel between processes, as a port: what comes before anybody listens waits. */
export class ChannelPort implements SpeechPort {
  readonly #send: (message: { type: 'speech'; message: unknown }) => void
  #listener: ((message: unknown) => void) | null = null
  readonly #waiting: unknown[] = []
  readonly #ends: ((message: unknown) => void)[] = []
  #closed = false

  constructor(send: (message: { type: 'speech'; message: unknown }) => void) {
    this.#send = send
  }

  postMessage(message: unknown): void {
    if (!this.#closed) this.#send({ type: 'speech', message })
  }

  on(event: 'message' | 'close', listener: (message: unknown) => void): void {
    if (event === 'close') return void this.#ends.push(listener)
    this.#listener = listener
    for (const message of this.#waiting.splice(0)) listener(message)
  }

  /** A message has come through the channel. */
  receive(message: unknown): void {
    if (this.#listener) return this.#listener(message)
    this.#waiting.push(message)
    if (this.#waiting.length > MAX_WAITING) {
      throw new Fault('too much waits for a model', { retryable: true })
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const end of this.#ends) end(null)
  }
}
