// The media of one leg: opened, connected and closed once each, as seen from the signalling side.
import type { Clock, Log } from '@saperly/kernel'
import type {
  MediaAgreement,
  MediaEvent,
  MediaPlane,
  MediaQuality,
  RecordingFile,
} from '../media/port.ts'
import { Timers } from '../sip/machine.ts'
import type { TalkCommand, TalkEvent, TalkOptions } from '../talk/port.ts'

/** A media plane that answers nothing for so long is taken for gone, milliseconds. */
export const MEDIA_ANSWER_LIMIT_MS = 10_000

export interface LegMediaOwner {
  onTalk(event: TalkEvent): void
  /** Keys for the peer that the signalling sends; `digitsSignalled` answers. Only where the agreement says so. */
  onSignalDigits?(digits: string): void
  /** How the leg sounds; not everybody asks. */
  onQuality?(quality: MediaQuality): void
  /** Nothing is heard from the peer any more, or the media plane lost the leg. */
  onLost(reason: string): void
}

export interface OpenedMedia {
  port: number
  recognizer: 'phrases' | 'free'
}

/** `aborting`: closed before the plane had answered the opening. */
type State = 'idle' | 'opening' | 'open' | 'aborting' | 'closing' | 'closed'

export class LegMedia {
  readonly #plane: MediaPlane
  readonly #log: Log
  readonly #legId: string
  readonly #owner: LegMediaOwner
  readonly #timers: Timers<'answer'>
  readonly #unsubscribe: () => void
  #state: State = 'idle'
  #recording: RecordingFile | null = null
  #onOpened: (opened: OpenedMedia | null) => void = () => {}
  #onClosed: (recording: RecordingFile | null) => void = () => {}

  constructor(
    deps: { plane: MediaPlane; clock: Clock; log: Log },
    legId: string,
    owner: LegMediaOwner,
  ) {
    this.#plane = deps.plane
    this.#log = deps.log
    this.#legId = legId
    this.#owner = owner
    this.#timers = new Timers(deps.clock)
    this.#unsubscribe = deps.plane.subscribe(legId, (event) => this.#onEvent(event))
  }

  /** Binds the ports; `onOpened` hears null when there are none, and nothing at all when closed before. */
  open(
    options: {
      address: string
      talk: TalkOptions | null
      recordTo: string | null
      beside?: string | null
    },
    onOpened: (opened: OpenedMedia | null) => void,
  ): void {
    this.#state = 'opening'
    this.#onOpened = onOpened
    this.#timers.start('answer', MEDIA_ANSWER_LIMIT_MS, () => this.#onUnanswered())
    this.#plane.post({ type: 'open', legId: this.#legId, ...options })
  }

  /** `early`: before the answer (see the port). */
  connect(agreement: MediaAgreement, early = false): void {
    if (this.#state === 'open') {
      this.#plane.post({ type: 'connect', legId: this.#legId, agreement, early })
    }
  }

  /** The peer's signalling tells of a key. */
  digit(digit: string): void {
    if (this.#state === 'open') this.#plane.post({ type: 'digit', legId: this.#legId, digit })
  }

  /** The keys that were asked for first have been sent. */
  digitsSignalled(): void {
    if (this.#state === 'open') this.#plane.post({ type: 'digitsSignalled', legId: this.#legId })
  }

  talk(command: TalkCommand): void {
    if (this.#state === 'open') this.#plane.post({ type: 'talk', legId: this.#legId, command })
  }

  /** Lets the peer hear how the target rings, or joins the two for good. */
  bridge(targetLegId: string, stage: 'ringing' | 'joined'): void {
    if (this.#state !== 'open') return
    this.#plane.post({ type: 'bridge', legId: this.#legId, targetLegId, stage })
  }

  /** The target did not answer. */
  unbridge(): void {
    if (this.#state === 'open') this.#plane.post({ type: 'unbridge', legId: this.#legId })
  }

  /** Ends the media; `onClosed` is called once, with what was recorded. To be called once. */
  close(onClosed: (recording: RecordingFile | null) => void): void {
    this.#onClosed = onClosed
    // Later in every case, so that a leg never ends inside the call that ends it.
    if (this.#state === 'idle' || this.#state === 'closed') {
      return queueMicrotask(() => this.#settle())
    }
    this.#state = this.#state === 'opening' ? 'aborting' : 'closing'
    this.#timers.start('answer', MEDIA_ANSWER_LIMIT_MS, () => this.#onUnanswered())
    this.#plane.post({ type: 'close', legId: this.#legId })
  }

  #onEvent(event: MediaEvent): void {
    switch (event.type) {
      case 'opened':
        if (this.#state !== 'opening') return
        this.#state = 'open'
        this.#timers.stopAll()
        return this.#onOpened({ port: event.port, recognizer: event.recognizer })
      case 'failed':
        return this.#onFailed(event.reason)
      case 'talk':
        return this.#owner.onTalk(event.event)
      case 'signalDigits':
        return this.#owner.onSignalDigits?.(event.digits)
      case 'mediaLost':
        if (this.#state === 'open') this.#owner.onLost('nothing was heard from the peer')
        return
      case 'quality':
        return this.#owner.onQuality?.(event.quality)
      case 'closed':
        if (event.quality) this.#owner.onQuality?.(event.quality)
        this.#recording = event.recording
        return this.#settle()
    }
  }

  #onFailed(reason: string): void {
    this.#log.warn('leg.media_failed', { legId: this.#legId, reason })
    if (this.#state === 'opening') {
      this.#state = 'closed'
      this.#timers.stopAll()
      return this.#onOpened(null)
    }
    // An open leg that fails is closed by the plane itself; a `closed` with its recording follows.
    if (this.#state === 'open') this.#owner.onLost('the media plane failed')
    else if (this.#state === 'aborting') this.#settle()
  }

  #onUnanswered(): void {
    this.#log.error('leg.media_silent', { legId: this.#legId, state: this.#state })
    if (this.#state === 'opening') this.#onFailed('no answer')
    else this.#settle()
  }

  #settle(): void {
    this.#state = 'closed'
    this.#timers.stopAll()
    this.#unsubscribe()
    this.#onClosed(this.#recording)
  }
}
