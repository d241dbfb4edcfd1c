// A person or a machine? Follows the first seconds of an answered call, frame by frame, and tells each new verdict.
import type { Activity } from './activity.ts'
import { BeepDetector } from './beep-detector.ts'
import { EchoGuard } from './echo.ts'
import { Greeting } from './greeting.ts'
import { MACHINE_TUNING, type MachineTuning } from './machine-tuning.ts'
import { stepVerdict, type Finding, type Verdict, type VerdictState } from './machine-verdict.ts'

export interface MachineVerdict {
  verdict: Verdict
  ground: Exclude<Finding, 'limit'>
  /** 0 to 1: how often a verdict on these grounds was right (docs/machine-detection.md). */
  confidence: number
  /** Milliseconds of media since the answer. */
  atMs: number
}

export interface MachineParts {
  tuning?: MachineTuning
  beeps?: Pick<BeepDetector, 'sounding' | 'observe'>
  echo?: Pick<EchoGuard, 'sent' | 'isEcho'>
}

/** How often each finding was right on the training half of the synthesised corpus, in steps of 0.05. */
const CONFIDENCE: Readonly<Record<Exclude<Finding, 'limit'>, number>> = {
  short: 0.75,
  long: 0.9,
  silent: 0.9,
  unclear: 0.5,
  unbeeped: 0.45,
  beep: 0.99,
}

/** Driven by the media clock alone: the same frames give the same verdicts. */
export class MachineDetector {
  readonly #tuning: MachineTuning
  readonly #beeps: Pick<BeepDetector, 'sounding' | 'observe'>
  readonly #greeting: Greeting
  readonly #echo: Pick<EchoGuard, 'sent' | 'isEcho'>
  #state: VerdictState = 'listening'

  /** What is not given is the real one; the bench gives what it has found before. */
  constructor({
    tuning = MACHINE_TUNING,
    beeps = new BeepDetector(),
    echo = new EchoGuard(),
  }: MachineParts = {}) {
    this.#tuning = tuning
    this.#beeps = beeps
    this.#echo = echo
    const { onsetMs, blipMs, shortGreetingMs, shortSilenceMs, longSilenceMs } = tuning
    this.#greeting = new Greeting({
      onsetMs,
      blipMs,
      endsAfterMs: (lengthMs) => (lengthMs <= shortGreetingMs ? shortSilenceMs : longSilenceMs),
    })
  }

  /** Nothing will be told any more. */
  get over(): boolean {
    return this.#state === 'over'
  }

  /** The frame that is sent in the same 20 ms as the next one that is heard; null for silence. */
  sent(frame: Int16Array | null): void {
    this.#echo.sent(frame)
  }

  /** The next 20 ms from the peer, and whether a voice was found in them; a verdict that is new. */
  observe(frame: Int16Array, { voiced, lateMs }: Activity): MachineVerdict | null {
    if (this.over) return null
    const beep = this.#beeps.observe(frame)
    const voice = voiced && !this.#beeps.sounding
    const echo = this.#echo.isEcho(frame, voice && this.#greetingMatters)
    this.#greeting.observe(voice && !echo, lateMs)
    for (const finding of this.#findings(beep !== null)) {
      const told = this.#step(finding)
      if (told) return told
    }
    return null
  }

  *#findings(beep: boolean): Iterable<Finding> {
    const { nowMs, stretch, ended, silenceMs } = this.#greeting
    const tuning = this.#tuning
    const watchMs = this.#state === 'human' ? tuning.beepAfterHumanMs : tuning.watchMs
    if (beep) yield 'beep'
    if (!stretch && nowMs >= tuning.silentAfterMs) yield 'silent'
    if (this.#isLong()) yield 'long'
    if (stretch && ended) yield 'short'
    if (ended && silenceMs >= tuning.unbeepedMs) yield 'unbeeped'
    if (nowMs >= tuning.decideByMs) yield 'unclear'
    if (nowMs >= watchMs) yield 'limit'
  }

  /** What is said can still change the verdict. */
  get #greetingMatters(): boolean {
    const { reviseAfterMs, reviseUntilMs } = this.#tuning
    return this.#state !== 'human' || this.#greeting.nowMs <= reviseUntilMs + reviseAfterMs
  }

  #isLong(): boolean {
    const { stretch, lengthMs } = this.#greeting
    if (!stretch) return false
    if (this.#state !== 'human') return lengthMs >= this.#tuning.machineAfterMs
    const { reviseAfterMs, reviseUntilMs } = this.#tuning
    return lengthMs >= reviseAfterMs && stretch.fromMs <= reviseUntilMs
  }

  #step(finding: Finding): MachineVerdict | null {
    const step = stepVerdict(this.#state, finding)
    if (!step) return null
    this.#state = step.to
    if (step.tell === null || finding === 'limit') return null
    return {
      verdict: step.tell,
      ground: finding,
      confidence: CONFIDENCE[finding],
      atMs: this.#greeting.nowMs,
    }
  }
}
