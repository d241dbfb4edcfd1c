// The answer to one event, as it is given: text at once, the rest in order, and an end.
import { SaperlyError } from '../errors.ts'
import type { Directive } from '../generated/manual.ts'

/** Longest text of one directive, in characters. */
const MAX_TEXT = 4000
/** Frames of one answer that are kept, in case a broken socket swallowed its end. */
const MAX_KEPT = 256

export type DirectiveOf<T extends Directive['type']> = Extract<Directive, { type: T }>
export type SayOptions = Pick<DirectiveOf<'speak'>, 'interruptible' | 'voice'>
export type ListenOptions = Omit<DirectiveOf<'wait_for_user'>, 'type'>

/** What can be said: a text, or a text that is still being written, such as the stream of a language model. */
export type Speech = string | AsyncIterable<string> | Iterable<string>

/** The answer is not wanted any more: why. */
export type DropReason = 'interrupted' | 'superseded' | 'call_ended' | 'closed'

/** What the signal of a reply is aborted with. */
export class ReplyDropped extends SaperlyError {
  readonly reason: DropReason

  constructor(reason: DropReason) {
    super(`the answer is not wanted any more: ${reason}`)
    this.reason = reason
  }
}

export class Reply {
  readonly requestId: string
  readonly #send: (directives: readonly Directive[]) => void
  readonly #dropped = new AbortController()
  /** Directives that wait for the next text, or the end. */
  readonly #held: Directive[] = []
  readonly #sent: (readonly Directive[])[] = []
  #spoke = false
  #ended = false

  constructor(requestId: string, send: (directives: readonly Directive[]) => void) {
    this.requestId = requestId
    this.#send = send
  }

  /** Aborted when the caller cut in or went on speaking, or the call ended: pass it on to your model. */
  get signal(): AbortSignal {
    return this.#dropped.signal
  }

  /** True once nothing more can be added. */
  get ended(): boolean {
    return this.#ended
  }

  /**
   * Says a text, or a stream of text piece by piece as it comes.
   * @throws ReplyDropped when the answer is not wanted any more; letting it pass through the handler is fine
   */
  async say(speech: Speech, options: SayOptions = {}): Promise<void> {
    const pieces = typeof speech === 'string' ? [speech] : speech
    // What is said in one answer is one text to the platform: two sentences must not grow together.
    let gap = this.#spoke ? ' ' : ''
    for await (const piece of pieces) {
      for (const text of cut(piece === '' ? '' : gap + piece)) {
        this.#speak({ type: 'speak', text, ...options, more: true })
        gap = ''
      }
    }
  }

  /** Presses digits once what was said before is spoken. */
  sendDtmf(digits: string): void {
    this.#hold({ type: 'send_dtmf', digits })
  }

  /** Ends the answer, and says what the caller is likely to say. */
  listen(options: ListenOptions = {}): void {
    this.#hold({ type: 'wait_for_user', ...options })
    this.end()
  }

  /** Ends the answer, and the call once everything is spoken. */
  hangup(): void {
    this.#hold({ type: 'hangup' })
    this.end()
  }

  /** Ends the answer, and sends the caller on to one of the connection's targets. */
  transfer(to: string): void {
    this.#hold({ type: 'transfer', to })
    this.end()
  }

  /** The answer is whole. Called by itself when the handler returns. */
  end(): void {
    if (this.#ended || this.signal.aborted) return
    this.#ended = true
    this.#give(this.#held.splice(0))
  }

  /** The platform does not want it any more. */
  drop(reason: DropReason): void {
    if (!this.#ended) this.#dropped.abort(new ReplyDropped(reason))
  }

  /** The platform asks again for an answer that had ended: it did not get all of it. */
  repeat(): void {
    for (const directives of this.#sent) this.#send(directives)
  }

  #speak(directive: DirectiveOf<'speak'>): void {
    this.#check()
    this.#spoke = true
    this.#give([...this.#held.splice(0), directive])
  }

  #hold(directive: Directive): void {
    this.#check()
    this.#held.push(directive)
  }

  #check(): void {
    this.signal.throwIfAborted()
    if (this.#ended) throw new SaperlyError('the answer has ended; use the methods of the call')
  }

  #give(directives: readonly Directive[]): void {
    this.#sent.push(directives)
    if (this.#sent.length > MAX_KEPT) this.#sent.shift()
    this.#send(directives)
  }
}

/** Pieces that one directive can carry; none for an empty text. */
export function* cut(text: string): Generator<string, void, undefined> {
  let from = 0
  while (from < text.length) {
    let to = Math.min(text.length, from + MAX_TEXT)
    // Never between the halves of a surrogate pair.
    if (to < text.length && /[\uD800-\uDBFF]/.test(text.charAt(to - 1))) to--
    yield text.slice(from, to)
    from = to
  }
}
