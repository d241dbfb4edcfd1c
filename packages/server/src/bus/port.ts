// The bus between processes: short messages by subject, at most once, never kept for somebody who is away.
//
// Nothing may rest on a message that arrives: the database is the truth, the bus only makes things fast, or possible
// for those who are there. While it is away nothing is buffered, so that nothing is carried out late.

/** Longest message in UTF-8 bytes; NATS takes 1 MiB by default. */
export const MAX_MESSAGE_BYTES = 512 * 1024

export interface BusMessage {
  subject: string
  text: string
  /** Where an answer goes, or null. */
  replyTo: string | null
  /** The bus itself says to whoever asked: nobody listens to what the question was sent to. */
  nobody: boolean
}

export interface Bus {
  /** False while the bus can't be reached. */
  readonly up: boolean
  /** Sends at once or not at all; false when the bus is away or the message is too long. */
  publish(subject: string, text: string, replyTo?: string): boolean
  /** `subject` may end in `.*`, for any one word. Called in the order in which one sender sent. Returns how to stop. */
  subscribe(subject: string, handler: (message: BusMessage) => void): () => void
  /** Tells when the bus went away and when it is back. Returns how to stop. */
  watch(listener: (up: boolean) => void): () => void
  close(): Promise<void>
}
