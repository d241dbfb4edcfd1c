// What processes say to each other, typed: statements and questions by topic, read strictly where they arrive.
//
// A question may carry the instant until which it may be taken up, in the monotonic clock of whoever is asked: so
// neither a clock that is set wrong nor a message that lay in a socket for a minute makes anything happen late.
import { assert, type Clock, deferred, Fault, type Log } from '@saperly/kernel'
import { z } from 'zod'
import type { Bus, BusMessage } from './port.ts'

/** Questions of this process that wait for their answer; one more finds the bus away. */
const MAX_ASKED = 10_000
/** Questions of others that are being answered; one more is left to the patience of whoever asks. */
const MAX_ANSWERING = 10_000
const WORD = /^[\w-]{1,200}$/

export interface Topic<T> {
  readonly name: string
  readonly schema: z.ZodType<T>
}

export interface Question<Q, A> extends Topic<Q> {
  readonly answer: z.ZodType<A>
}

export type Reply<A> =
  | { kind: 'answer'; value: A }
  /** Nobody listens there: it was not taken up, and won't be. */
  | { kind: 'nobody' }
  /** It came after its time, and was not taken up. */
  | { kind: 'late' }
  /** Not sent at all: the bus is away, or too much is asked. */
  | { kind: 'away' }
  /** Taken up, perhaps: no answer came in time, or the wait was given up. */
  | { kind: 'silent' }
  /** Taken up, and then a part of the other process was away. */
  | { kind: 'fault' }

export interface Asking {
  limitMs: number
  /** By when it must be taken up, in the monotonic clock of whoever is asked. */
  startBy?: number
  /** Gives the wait up. */
  signal?: AbortSignal
}

const envelope = z.object({ startBy: z.number().nullable(), body: z.unknown() })
const replySchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answer'), value: z.unknown() }),
  z.object({ kind: z.literal('late') }),
  z.object({ kind: z.literal('fault') }),
])

export interface MessengerDeps {
  bus: Bus
  /** Keeps installations apart that share a bus. */
  prefix: string
  processId: string
  clock: Clock
  log: Log
}

export class Messenger {
  readonly processId: string
  readonly bus: Bus
  readonly #deps: MessengerDeps
  readonly #asked = new Map<string, (reply: Reply<unknown>) => void>()
  readonly #stop: () => void
  #count = 0
  #answering = 0

  constructor(deps: MessengerDeps) {
    this.#deps = deps
    this.bus = deps.bus
    this.processId = deps.processId
    this.#stop = deps.bus.subscribe(`${this.#inbox}.*`, (message) => this.#onReply(message))
  }

  /** Best effort; false when it was not even sent. `to`: whoever listens under this word. */
  tell<T>(topic: Topic<T>, to: string, message: T): boolean {
    return this.bus.publish(this.#subject(topic, to), JSON.stringify(message))
  }

  hear<T>(topic: Topic<T>, to: string, handler: (message: T) => void): () => void {
    return this.bus.subscribe(this.#subject(topic, to), ({ text }) => {
      const message = this.#read(topic.name, topic.schema, text)
      if (message !== null) handler(message)
    })
  }

  /** Asks one listener, or the first of several that answers. Never throws. */
  async ask<Q, A>(
    question: Question<Q, A>,
    to: string,
    message: Q,
    { limitMs, startBy, signal }: Asking,
  ): Promise<Reply<A>> {
    if (this.#asked.size >= MAX_ASKED) return { kind: 'away' }
    const replied = deferred<Reply<unknown>>()
    const replyTo = `${this.#inbox}.${++this.#count}`
    this.#asked.set(replyTo, (reply) => replied.resolve(reply))
    const giveUp = (): void => replied.resolve({ kind: 'silent' })
    const limit = this.#deps.clock.schedule(limitMs, giveUp)
    signal?.addEventListener('abort', giveUp, { once: true })
    const text = JSON.stringify({ startBy: startBy ?? null, body: message })
    try {
      if (!this.bus.publish(this.#subject(question, to), text, replyTo)) return { kind: 'away' }
      if (signal?.aborted) giveUp()
      const reply = await replied.promise
      if (reply.kind !== 'answer') return reply
      const value = question.answer.safeParse(reply.value)
      if (value.success) return { kind: 'answer', value: value.data }
      this.#deps.log.warn('bus.unreadable', { topic: question.name })
      return { kind: 'fault' }
    } finally {
      this.#asked.delete(replyTo)
      limit.cancel()
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /** Answers questions that are asked under this word. A retryable Fault is told, and anything else is a bug, logged. */
  answer<Q, A>(
    question: Question<Q, A>,
    to: string,
    handler: (message: Q) => Promise<A>,
  ): () => void {
    return this.bus.subscribe(this.#subject(question, to), ({ text, replyTo }) => {
      const asked = this.#read(question.name, envelope, text)
      if (asked === null || replyTo === null || this.#answering >= MAX_ANSWERING) return
      const reply = (value: z.output<typeof replySchema>): void =>
        void this.bus.publish(replyTo, JSON.stringify(value))
      const body = question.schema.safeParse(asked.body)
      if (!body.success) {
        this.#deps.log.warn('bus.unreadable', { topic: question.name })
        return reply({ kind: 'fault' })
      }
      if (asked.startBy !== null && this.#deps.clock.monotonicMs() > asked.startBy) {
        return reply({ kind: 'late' })
      }
      this.#answering++
      void handler(body.data)
        .then(
          (value) => reply({ kind: 'answer', value }),
          (error: unknown) => {
            if (!(error instanceof Fault && error.retryable)) {
              this.#deps.log.error('bus.question.failed', { topic: question.name }, error)
            }
            reply({ kind: 'fault' })
          },
        )
        .finally(() => this.#answering--)
    })
  }

  /** Gives up what is asked; whoever listens stops by itself. */
  close(): void {
    this.#stop()
    for (const give of this.#asked.values()) give({ kind: 'silent' })
  }

  get #inbox(): string {
    return `${this.#deps.prefix}.reply.${this.processId}`
  }

  #subject({ name }: { name: string }, to: string): string {
    assert(WORD.test(to), 'a subject is made of plain words')
    return `${this.#deps.prefix}.${name}.${to}`
  }

  #onReply({ subject, text, nobody }: BusMessage): void {
    const give = this.#asked.get(subject)
    if (!give) return
    if (nobody) return give({ kind: 'nobody' })
    const reply = this.#read('reply', replySchema, text)
    if (reply !== null) give(reply)
  }

  #read<T>(name: string, schema: z.ZodType<T>, text: string): T | null {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      value = undefined
    }
    const read = schema.safeParse(value)
    if (read.success) return read.data
    this.#deps.log.warn('bus.unreadable', { topic: name })
    return null
  }
}
