// Thousands of clients that say little or nothing, as bare sockets: what they were told, and who of them is still there.
import { connect, type Socket } from 'node:net'

/** Connections that are being made at once. */
const AT_ONCE = 200

export class Crowd {
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  /** First lines of what came back, with how often each came. */
  readonly said = new Map<string, number>()

  constructor(url: string) {
    this.#port = Number(new URL(url).port)
  }

  /** Sockets that are open on this side. */
  get open(): number {
    return this.#sockets.size
  }

  /** Connects `count` more, each of which says `words` and falls silent. */
  async grow(count: number, words: (index: number) => string | null): Promise<void> {
    for (let made = 0; made < count; made += AT_ONCE) {
      const some = Math.min(AT_ONCE, count - made)
      await Promise.all(Array.from({ length: some }, (_, i) => this.#join(words(made + i))))
    }
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(words: string | null): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1')
      this.#sockets.add(socket)
      // Whoever is sent away before it has said a word may hear of it as an error: gone is gone.
      socket.on('error', () => resolve())
      socket.once('close', () => {
        this.#sockets.delete(socket)
        resolve()
      })
      socket.once('data', (data) => {
        const [line = ''] = data.toString('latin1').split('\r\n')
        this.said.set(line, (this.said.get(line) ?? 0) + 1)
      })
      socket.resume()
      socket.once('connect', () => {
        if (words !== null) socket.write(words)
        resolve()
      })
    })
  }
}
