// What the process of a sherpa-onnx model and its owner say to each other, and a port over that channel.
import type { LogMessage } from '../media/messages.ts'
import type { SpeechPort } from './messages.ts'
import type { SherpaModel } from './sherpa-manifest.ts'

export type ToSherpa =
  /** The first message: what to load. */
  { type: 'model'; model: SherpaModel } | { type: 'speech'; message: unknown }

export type FromSherpa =
  /** In memory, and has done its work once. */
  { type: 'ready' } | { type: 'speech'; message: unknown } | LogMessage

/** The `speech` messages of a channel between processes, as a port. */
export class ChannelPort implements SpeechPort {
  readonly #send: (message: { type: 'speech'; message: unknown }) => void
  readonly #listeners: ((message: unknown) => void)[] = []
  readonly #ends: ((message: unknown) => void)[] = []
  #closed = false

  constructor(send: (message: { type: 'speech'; message: unknown }) => void) {
    this.#send = send
  }

  postMessage(message: unknown): void {
    if (!this.#closed) this.#send({ type: 'speech', message })
  }

  on(event: 'message' | 'close', listener: (message: unknown) => void): void {
    if (event === 'message') this.#listeners.push(listener)
    else this.#ends.push(listener)
  }

  /** A message has come through the channel. */
  receive(message: unknown): void {
    for (const listener of this.#listeners) listener(message)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const end of this.#ends) end(null)
  }
}
