// A speech service that outlives the engine behind it: when the speech worker is replaced, open ears move to the new one.
import type { Ears, EarsEvent, EarsOptions, Hearing, Mouth, SpeechService } from '../speech/port.ts'
import type { Expect } from '../talk/port.ts'

/** What an utterance in progress is told when its engine has gone. */
const ENGINE_LOST = 'engine_lost'

export class SpeechLink implements SpeechService {
  readonly mouth: Mouth
  readonly #ears = new Set<LinkedEars>()
  readonly #recognizer: 'phrases' | 'free'
  readonly #hearings: Readonly<Record<string, Hearing>>
  #service: SpeechService

  /**
   * @param recognizer what the node's own engine hears; told here because a worker just started has not said it yet.
   * @param hearings the same of the engines that legs may name.
   */
  constructor(
    service: SpeechService,
    recognizer: 'phrases' | 'free',
    hearings: Readonly<Record<string, Hearing>> = {},
  ) {
    this.#service = service
    this.#recognizer = recognizer
    this.#hearings = hearings
    const current = (): Mouth => this.#service.mouth
    this.mouth = {
      get wordTimes() {
        return current().wordTimes
      },
      speak: (...asked) => current().speak(...asked),
    }
  }

  openEars(options: EarsOptions): Ears {
    const ears = new LinkedEars(options, {
      service: this.#service,
      recognizer: this.#recognizer,
      hearings: this.#hearings,
      onClose: () => this.#ears.delete(ears),
    })
    this.#ears.add(ears)
    return ears
  }

  /** Uses `service` from now on; utterances in progress end with a fault. Resolves when the old one is closed. */
  async replace(service: SpeechService): Promise<void> {
    const old = this.#service
    this.#service = service
    for (const ears of this.#ears) ears.moveTo(service)
    await old.close()
  }

  async close(): Promise<void> {
    await this.#service.close()
  }
}

/** `orphaned`: the utterance was begun at an engine that has gone; it ends with a fault when it is finished. */
type Utterance = 'none' | 'open' | 'finishing' | 'orphaned'

interface LinkedEarsDeps {
  service: SpeechService
  recognizer: 'phrases' | 'free'
  hearings: Readonly<Record<string, Hearing>>
  onClose: () => void
}

class LinkedEars implements Ears {
  readonly #link: LinkedEarsDeps
  readonly #options: EarsOptions
  /** The engine that hears now: a name, or null for none. */
  #engine: string | null
  #recognizer: 'phrases' | 'free'
  readonly #onClose: () => void
  #inner: Ears
  #expect: Expect | null = null
  #state: Utterance = 'none'
  #utterance = 0

  constructor(options: EarsOptions, link: LinkedEarsDeps) {
    this.#options = options
    this.#onClose = link.onClose
    this.#link = link
    this.#engine = options.engine ?? null
    this.#recognizer = this.#wanted
    this.#inner = this.#openAt(link.service)
  }

  get recognizer(): 'phrases' | 'free' {
    return this.#recognizer
  }

  get endsTurns(): boolean {
    return this.#hearing?.endsTurns ?? false
  }

  get finalLimitMs(): number {
    return this.#hearing?.finalLimitMs ?? 0
  }

  get #hearing(): Hearing | null {
    return this.#engine === null ? null : (this.#link.hearings[this.#engine] ?? null)
  }

  /** What the leg's engine hears. An engine that is not configured (any more) was asked to hear any words. */
  get #wanted(): 'phrases' | 'free' {
    const { engine } = this.#options
    if (!engine) return this.#link.recognizer
    return this.#link.hearings[engine]?.recognizer ?? 'free'
  }

  expect(expect: Expect): void {
    this.#expect = expect
    this.#inner.expect(expect)
  }

  start(utterance: number): void {
    this.#utterance = utterance
    this.#state = 'open'
    this.#inner.start(utterance)
  }

  write(frame: Int16Array): void {
    if (this.#state === 'open') this.#inner.write(frame)
  }

  finish(): void {
    if (this.#state === 'orphaned') return this.#reportLost()
    if (this.#state !== 'open') return
    this.#state = 'finishing'
    this.#inner.finish()
  }

  cancel(): void {
    if (this.#state !== 'orphaned') this.#inner.cancel()
    this.#state = 'none'
  }

  close(): void {
    this.#onClose()
    this.#inner.close()
  }

  moveTo(service: SpeechService): void {
    this.#inner.close()
    this.#inner = this.#openAt(service)
    if (this.#expect) this.#inner.expect(this.#expect)
    if (this.#state === 'open') this.#state = 'orphaned'
    if (this.#state === 'finishing') this.#reportLost()
    this.#backToWanted()
  }

  /** A new worker begins with the engine that the leg asked for, whatever had taken its place before. */
  #backToWanted(): void {
    const [from, to] = [this.#engine, this.#options.engine ?? null]
    if (from === to) return
    this.#engine = to
    this.#recognizer = this.#wanted
    const { recognizer } = this
    this.#options.onEvent({ type: 'switched', from, to, reason: ENGINE_LOST, recognizer })
  }

  #openAt(service: SpeechService): Ears {
    const inner: Ears = service.openEars({
      ...this.#options,
      onEvent: (event) => {
        // What the old engine still says after the move would be about an utterance already given up.
        if (inner === this.#inner) this.#pass(event)
      },
    })
    return inner
  }

  #pass(event: EarsEvent): void {
    if (event.type === 'switched') {
      this.#engine = event.to
      this.#recognizer = event.recognizer
      return this.#options.onEvent(event)
    }
    const last = event.type === 'final' || event.type === 'fault'
    const ends = last && event.utterance === this.#utterance
    // A fault in the middle of an utterance leaves nothing to be finished.
    if (ends) this.#state = 'none'
    this.#options.onEvent(event)
  }

  #reportLost(): void {
    this.#state = 'none'
    this.#options.onEvent({ type: 'fault', utterance: this.#utterance, code: ENGINE_LOST })
  }
}
