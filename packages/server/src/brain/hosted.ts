// The platform's own way to run a brain: a language model behind an OpenAI-compatible endpoint, spoken as it writes.
import type { ManualEvent } from '@saperly/contract'
import { Cancelled, cancelledBy, type Log } from '@saperly/kernel'
import type { Dialler } from '../outbound/dialler.ts'
import { complete, type Delta, type Model, ModelFailed, type ToolCall } from './completions.ts'
import type { CallControl } from './control.ts'
import { type Answer, History } from './history.ts'
import { type Brain, type BrainCall, type BrainDirective, BrainLost } from './port.ts'
import { inWords, systemPrompt } from './prompt.ts'
import { Sentences } from './sentences.ts'
import { carryOut, endsCall, type Recognizer, toolsFor } from './tools.ts'

/** How often a model may be asked for one answer: again when its tools went wrong, or it did nothing but prepare. */
const MAX_ROUNDS = 3
/** Characters of one answer; nobody listens to more. */
const MAX_ANSWER = 8_000
/** What a model reads of a tool that was carried out. */
const DONE = 'Done.'

export interface HostedSettings {
  model: Model
  control: CallControl
  /** BCP-47. */
  language: string
}

export class HostedBrain implements Brain {
  readonly kind = 'hosted'
  readonly #deps: { dialler: Dialler; log: Log }
  readonly #call: BrainCall
  readonly #settings: HostedSettings
  readonly #history = new History()
  readonly #stop = new AbortController()
  #recognizer: Recognizer = 'unknown'

  constructor(deps: { dialler: Dialler; log: Log }, call: BrainCall, settings: HostedSettings) {
    this.#deps = deps
    this.#call = call
    this.#settings = settings
  }

  async *ask(
    event: ManualEvent,
    given: AbortSignal,
  ): AsyncGenerator<BrainDirective, void, undefined> {
    const signal = AbortSignal.any([given, this.#stop.signal])
    this.#learn(event)
    try {
      for (let round = 1; round <= MAX_ROUNDS; round++) {
        const over = yield* this.#round(this.#history.answer(event.requestId), signal)
        if (over) return
      }
    } catch (error) {
      if (signal.aborted) throw cancelledBy(signal)
      if (!(error instanceof ModelFailed)) throw error
      this.#deps.log.warn('model_failed', { callId: this.#call.callId, reason: error.message })
      throw new BrainLost(error.message)
    }
  }

  tell(event: ManualEvent): void {
    this.#learn(event)
  }

  async close(): Promise<void> {
    this.#stop.abort(new Cancelled('ended'))
  }

  /** One completion, spoken as it comes, its tools carried out after. True when the answer is over with it. */
  async *#round(
    answer: Answer,
    signal: AbortSignal,
  ): AsyncGenerator<BrainDirective, boolean, undefined> {
    const sentences = new Sentences()
    const calls: ToolCall[] = []
    let written = 0
    for await (const delta of this.#deltas(signal)) {
      if (delta.type === 'call') {
        calls.push(delta.call)
        continue
      }
      written += delta.text.length
      for (const piece of sentences.push(delta.text)) yield speaks(answer, piece, true)
      if (written > MAX_ANSWER) break
    }
    const rest = sentences.end()
    for (const [at, piece] of rest.entries()) {
      yield speaks(answer, piece, at < rest.length - 1 || calls.length > 0)
    }
    return yield* this.#carryOut(answer, calls, written > 0)
  }

  /** Does what the tools stand for. True when the model need not be asked again. */
  async *#carryOut(
    answer: Answer,
    calls: readonly ToolCall[],
    spoke: boolean,
  ): AsyncGenerator<BrainDirective, boolean, undefined> {
    let over = spoke || calls.length === 0
    for (const call of calls) {
      const wanted = carryOut(call, this.#settings.control)
      answer.called(call, wanted.ok ? DONE : wanted.failure)
      if (!wanted.ok) {
        over = false
        continue
      }
      yield wanted.value
      if (endsCall(wanted.value)) return true
      // Pressing keys needs no words; announcing what may be replied does.
      if (wanted.value.type === 'send_dtmf') over = true
    }
    return over
  }

  /** The model's answer; asked once more when the connection failed before anything came. */
  async *#deltas(signal: AbortSignal): AsyncGenerator<Delta, void, undefined> {
    const { control, language, model } = this.#settings
    const system = systemPrompt(this.#call.instructions, language, this.#recognizer)
    const request = {
      messages: [{ role: 'system' as const, content: system }, ...this.#history.messages()],
      tools: toolsFor(control, this.#recognizer),
      environment: this.#call.tenant.environment,
    }
    try {
      yield* complete(this.#deps.dialler, model, request, signal)
    } catch (error) {
      if (!(error instanceof ModelFailed) || !error.retryable) throw error
      yield* complete(this.#deps.dialler, model, request, signal)
    }
  }

  #learn(event: ManualEvent): void {
    if (event.type === 'interrupted') this.#history.interrupted(event.answering, event.heard)
    if (event.type === 'cancelled') this.#history.dropped(event.superseded)
    if (event.type === 'turn') {
      this.#recognizer = event.recognizer
      if (event.interrupted) this.#history.interrupted(null, event.interrupted.heard)
    }
    const words = inWords(event)
    if (words !== null) this.#history.heard(words)
  }
}

function speaks(answer: Answer, text: string, more: boolean): BrainDirective {
  answer.says(text)
  return more ? { type: 'speak', text, more } : { type: 'speak', text }
}
