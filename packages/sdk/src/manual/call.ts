// One live call, as a brain sees it: its events, and what the brain does without being asked.
import {
  type AnswerableEventType,
  answerableEventTypes,
  type Directive,
  type ManualEvent,
  type ManualEvents,
  type ManualEventType,
  type ReadyFrame,
} from '../generated/manual.ts'
import { cut, type DropReason, Reply, ReplyDropped, type SayOptions } from './reply.ts'

/** An event that wants an answer comes with the means to give it; the answer ends when the handler returns. */
export type Handler<T extends ManualEventType> = T extends AnswerableEventType
  ? (event: ManualEvents[T], reply: Reply) => unknown
  : (event: ManualEvents[T]) => unknown

type AnyHandler = (event: ManualEvent, reply: Reply) => unknown

/** Answers that are remembered after they ended. */
const MAX_ANSWERED = 32

type Parties = ReadyFrame['calls'][number]

export interface CallContext {
  answer: (requestId: string, directives: readonly Directive[]) => void
  act: (directives: readonly Directive[]) => void
  onError: (error: unknown) => void
}

export class ManualCall {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly direction: 'inbound' | 'outbound'
  /** The per-call or stored prompt of an outbound call; null where there is none, or the call was taken over. */
  readonly instructions: string | null
  readonly topic: string | null
  /** It was answered before: another socket of the connection had it, or this program before it was started again. */
  readonly takenOver: boolean
  readonly #context: CallContext
  readonly #handlers = new Map<ManualEventType, AnyHandler[]>()
  readonly #replies = new Map<string, Reply>()
  readonly #ended = new AbortController()
  #opened: Promise<unknown> = Promise.resolve()

  constructor(
    call: Parties,
    opening: ManualEvents['inbound_call' | 'outbound_call'] | null,
    context: CallContext,
  ) {
    this.id = call.callId
    this.from = call.from
    this.to = call.to
    this.direction = call.direction
    this.instructions = opening?.instructions ?? null
    this.topic = opening?.topic ?? null
    this.takenOver = opening === null
    this.#context = context
  }

  /** Aborted when the call has ended. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Handles one type of event. An event that wants an answer and has no handler is answered by listening on. */
  on<T extends ManualEventType>(type: T, handler: Handler<T>): this {
    const handlers = this.#handlers.get(type) ?? []
    this.#handlers.set(type, [...handlers, handler as AnyHandler])
    return this
  }

  /** Says something without being asked. */
  say(text: string, options: SayOptions = {}): void {
    for (const piece of cut(text)) this.#act({ type: 'speak', text: piece, ...options })
  }

  sendDtmf(digits: string): void {
    this.#act({ type: 'send_dtmf', digits })
  }

  /** Sends the caller on to one of the connection's targets. */
  transfer(to: string): void {
    this.#act({ type: 'transfer', to })
  }

  /** Ends the call once everything is spoken. */
  hangup(): void {
    this.#act({ type: 'hangup' })
  }

  /** Events are handed over once `opened` has settled: then every handler is in its place. */
  openWith(opened: Promise<unknown>): void {
    this.#opened = opened
  }

  /** Takes an event from the line. */
  handle(event: ManualEvent): void {
    if (event.type === 'interrupted') this.#drop(event.answering, 'interrupted')
    if (event.type === 'cancelled') this.#drop(event.superseded, 'superseded')
    if (event.type === 'call_ended') this.dropAll('call_ended')
    if (!wantsAnswer(event)) return this.#run(event, silent(event))
    const known = this.#replies.get(event.requestId)
    // Sent again after a broken socket: an answer still being given simply goes on.
    if (known) return known.ended ? known.repeat() : undefined
    const reply = new Reply(event.requestId, (given) =>
      this.#context.answer(event.requestId, given),
    )
    this.#remember(reply)
    this.#run(event, reply)
  }

  dropAll(reason: DropReason): void {
    for (const reply of this.#replies.values()) reply.drop(reason)
    this.#ended.abort(new ReplyDropped(reason))
  }

  isDropped(requestId: string): boolean {
    return this.#replies.get(requestId)?.signal.aborted ?? false
  }

  /** Hands an event to its handlers, one after the other, and ends the answer. */
  #run(event: ManualEvent, reply: Reply): void {
    const work = async (): Promise<void> => {
      try {
        await this.#opened
        for (const handler of this.#handlers.get(event.type) ?? []) await handler(event, reply)
      } catch (error) {
        // Whatever a handler throws once its answer is not wanted any more comes of that.
        if (!reply.signal.aborted) this.#context.onError(error)
      } finally {
        reply.end()
      }
    }
    void work()
  }

  #act(directive: Directive): void {
    this.signal.throwIfAborted()
    this.#context.act([directive])
  }

  #drop(requestId: string | null, reason: DropReason): void {
    if (requestId !== null) this.#replies.get(requestId)?.drop(reason)
  }

  #remember(reply: Reply): void {
    this.#replies.set(reply.requestId, reply)
    for (const [id, { ended, signal }] of this.#replies) {
      if (this.#replies.size <= MAX_ANSWERED) return
      if (ended || signal.aborted) this.#replies.delete(id)
    }
  }
}

function wantsAnswer(event: ManualEvent): event is ManualEvents[AnswerableEventType] {
  return answerableEventTypes.some((type) => type === event.type)
}

/** For events that want no answer: nothing goes out. */
function silent(event: ManualEvent): Reply {
  return new Reply(event.requestId, () => undefined)
}
