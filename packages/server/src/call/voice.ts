// What a call says: utterances in order, what of them was heard, and what waits for silence to happen.
import type { Ids } from '@saperly/kernel'
import type { TalkCommand, TalkEvent } from '@saperly/network'
import type { CallLog } from './timeline.ts'

type Spoke = Extract<TalkEvent, { type: 'spoke' }>
type Speaking = Extract<TalkEvent, { type: 'speaking' }>

/** Whose words they are: the brain's, the customer's by API, or the platform's own. */
export type Speaker = 'brain' | 'api' | 'disclosure' | 'filler' | 'platform'

/** How long the parts of an answer took, in milliseconds, as far as they are known before it is spoken. */
export interface AnswerTiming {
  endpointingMs: number
  brainMs: number
}

interface Utterance {
  id: string
  /** The event that it answers, or null. */
  answering: string | null
  speaker: Speaker
  text: string
  /** More text of it may follow. */
  open: boolean
  timing: AnswerTiming | null
  started: Speaking | null
  /** Its `speak` event has been written. */
  logged: boolean
}

export interface SayOptions {
  answering: string | null
  speaker: Speaker
  more: boolean
  interruptible: boolean
  voice: string | null
  timing: AnswerTiming | null
}

/** How many utterances one call may have queued; a brain that floods beyond is not listened to. */
export const MAX_QUEUED_UTTERANCES = 200

export class Voice {
  readonly #post: (command: TalkCommand) => void
  readonly #ids: Ids
  readonly #log: CallLog
  readonly #queued = new Map<string, Utterance>()
  #waiting: { answering: string | null; run: () => void }[] = []

  constructor(deps: { post: (command: TalkCommand) => void; ids: Ids; log: CallLog }) {
    this.#post = deps.post
    this.#ids = deps.ids
    this.#log = deps.log
  }

  /** Nothing is being said or waits to be. */
  get idle(): boolean {
    return this.#queued.size === 0
  }

  /** The disclosure is still being said. */
  get disclosing(): boolean {
    return [...this.#queued.values()].some(({ speaker }) => speaker === 'disclosure')
  }

  /** Says `text`, or more of the utterance that the same answer left open. False when too much is queued. */
  say(text: string, options: SayOptions): boolean {
    const open = this.#openOf(options.answering)
    if (!open && this.#queued.size >= MAX_QUEUED_UTTERANCES) return false
    const utterance = open ?? this.#begin(options)
    utterance.text += text
    utterance.open = options.more
    this.#post({
      type: 'speak',
      utteranceId: utterance.id,
      text,
      more: options.more,
      interruptible: options.interruptible && options.speaker !== 'disclosure',
      protected: options.speaker === 'disclosure',
      voice: options.voice,
    })
    this.#report(utterance)
    return true
  }

  /** Says something that no brain and no customer has written. */
  saysPlatform(
    text: string,
    speaker: 'disclosure' | 'filler' | 'platform',
    interruptible = true,
  ): void {
    const whole = { answering: null, more: false, voice: null, timing: null }
    this.say(text, { ...whole, speaker, interruptible })
  }

  /** The answer is complete: an utterance that was left open for more text gets its end. */
  complete(answering: string): void {
    const open = this.#openOf(answering)
    if (!open) return
    open.open = false
    this.#post({
      type: 'speak',
      utteranceId: open.id,
      text: '',
      more: false,
      interruptible: true,
      protected: false,
      voice: null,
    })
    this.#report(open)
  }

  /** Drops all that may be dropped; the network reports each as `stopped`. */
  stop(): void {
    this.#post({ type: 'stop' })
  }

  /** Runs `run` once nothing is being said any more; at once when nothing is. */
  whenIdle(answering: string | null, run: () => void): void {
    if (this.idle) run()
    else this.#waiting.push({ answering, run })
  }

  /** Whether the answer to this event waits to be said, with none of it said yet. */
  isUnbegun(answering: string): boolean {
    const its = [...this.#queued.values()].filter((one) => one.answering === answering)
    return its.length > 0 && its.every(({ started }) => started === null)
  }

  /** Forgets what an interrupted answer wanted to do after speaking. */
  forget(answering: string): void {
    this.#waiting = this.#waiting.filter((wait) => wait.answering !== answering)
  }

  /** Forgets whatever any answer wanted to do after speaking. */
  forgetAll(): void {
    this.#waiting = []
  }

  /** The first packet of an utterance is on its way. */
  onSpeaking(event: Speaking): void {
    const utterance = this.#queued.get(event.utteranceId)
    if (!utterance) return
    utterance.started = event
    this.#report(utterance)
  }

  /** An utterance is over: it goes into the transcript as it was heard. Returns the event it answered. */
  onSpoke(event: Spoke): { answering: string | null; speaker: Speaker } | null {
    const utterance = this.#queued.get(event.utteranceId)
    if (!utterance) return null
    this.#queued.delete(event.utteranceId)
    utterance.open = false
    if (utterance.started) this.#report(utterance)
    if (utterance.speaker !== 'filler' && (utterance.started || event.heard !== '')) {
      this.#log.turn({
        role: utterance.speaker === 'disclosure' ? 'disclosure' : 'agent',
        text: event.text,
        heardText: event.heard,
        startedAt: event.startedAt,
        endedAt: event.endedAt,
        interrupted: event.outcome === 'interrupted',
      })
    }
    if (this.idle) {
      const ready = this.#waiting
      this.#waiting = []
      for (const { run } of ready) run()
    }
    return { answering: utterance.answering, speaker: utterance.speaker }
  }

  #begin(options: SayOptions): Utterance {
    const utterance: Utterance = {
      id: this.#ids.next('req'),
      answering: options.answering,
      speaker: options.speaker,
      text: '',
      open: options.more,
      timing: options.timing,
      started: null,
      logged: false,
    }
    this.#queued.set(utterance.id, utterance)
    return utterance
  }

  #openOf(answering: string | null): Utterance | null {
    if (answering === null) return null
    for (const utterance of this.#queued.values()) {
      if (utterance.answering === answering && utterance.open) return utterance
    }
    return null
  }

  /** Writes the timeline event once: when the whole text is known and its first packet has been sent. */
  #report(utterance: Utterance): void {
    if (utterance.logged || utterance.open || !utterance.started) return
    utterance.logged = true
    const { text, timing, started, speaker } = utterance
    const startedAt = new Date(started.at).toISOString()
    if (speaker === 'disclosure') {
      this.#log.event('disclosure', { text, startedAt, endedAt: null })
      return
    }
    this.#log.event('speak', {
      text,
      heardText: null,
      source: speaker,
      startedAt,
      endedAt: null,
      interrupted: false,
      latencyMs: timing && latencyOf(timing, started),
    })
  }
}

/** Where the time went from the caller's last packet to our first one. */
function latencyOf(timing: AnswerTiming, started: Speaking): Record<string, number> {
  const endpointing = Math.round(timing.endpointingMs)
  const brain = Math.round(timing.brainMs)
  const speech = Math.round(started.speechMs)
  const wire = Math.round(started.wireMs)
  return { endpointing, brain, speech, wire, total: endpointing + brain + speech + wire }
}
