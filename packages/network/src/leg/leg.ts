// What every leg has: the parts of its node, its media, and an end that is told exactly once.
import type { Clock, Log, Random } from '@saperly/kernel'
import type { MediaPlane } from '../media/port.ts'
import type { Environment, NetworkCause, NetworkCommand, NetworkEvent } from '../port.ts'
import type { SignallingRecorder } from '../sip/recorder.ts'
import type { UserAgent } from '../sip/user-agent.ts'
import type { TalkCommand } from '../talk/port.ts'
import { LegMedia } from './media.ts'
import type { Ways } from './route.ts'

/** Commands that concern a leg which exists. */
export type LegCommand = Exclude<
  NetworkCommand,
  { type: 'dial' } | { type: 'bye' } | { type: 'sandboxCall' }
>

/** Whom a transferred call is to reach, and who calls. */
export type Target = Pick<
  Extract<NetworkCommand, { type: 'bridge' }>,
  'to' | 'from' | 'toOwnNumber' | 'callerIdName'
>

/** What a leg needs of its node. */
export interface LegParts {
  clock: Clock
  random: Random
  log: Log
  plane: MediaPlane
  ua: UserAgent
  /** Where media is bound, and what the peer is told (the same, unless there is a NAT). */
  media: { bind: string; advertised: string }
  emit: (event: NetworkEvent) => void
  /** Is told which dialogs are a call's. */
  signalling: Pick<SignallingRecorder, 'follow'>
  /** SIP URI that a transfer target stands for; null when it isn't allowed there. */
  transferUri: (to: string, environment: Environment, trunk: string | null) => string | null
  /** Whether calls over that trunk are transferred by REFER. */
  takesRefer: (trunk: string | null) => boolean
  /** The ways to the target of a transfer, for a call that goes over `trunk`. */
  targetWays: (target: Target, environment: Environment, trunk: string | null) => Ways
}

export interface Ending {
  cause: NetworkCause
  sipCode: number | null
  q850Cause: number | null
  reason: string | null
  /** From answer to hang-up; null when never answered. */
  measuredMs: number | null
}

export interface Leg {
  /** Begins; the leg is in its node's table by now. */
  start(): void
  post(command: LegCommand): void
}

/** The media of a leg and its end: `recordingSaved` and `ended` come after the media is closed, once. */
export class LegEnd {
  readonly callId: string
  readonly media: LegMedia
  readonly #emit: (event: NetworkEvent) => void
  readonly #onEnded: () => void
  #state: 'living' | 'ending' | 'ended' = 'living'
  #sendKeys: (digits: string) => void = () => {}

  constructor(
    parts: LegParts,
    callId: string,
    onEnded: () => void,
    onLost: (reason: string) => void,
  ) {
    this.callId = callId
    this.#onEnded = onEnded
    this.#emit = parts.emit
    this.media = new LegMedia(parts, callId, {
      // What is cut off by the end is still told: the last words were heard.
      onTalk: (event) => this.tell({ callId, ...event }),
      onSignalDigits: (digits) => this.#sendKeys(digits),
      onQuality: (quality) => this.tell({ callId, type: 'quality', quality }),
      onLost: (reason) => {
        if (this.living) onLost(reason)
      },
    })
  }

  /** Sets who sends keys by the signalling, where the trunk wants that. */
  sendKeysBy(send: (digits: string) => void): void {
    this.#sendKeys = send
  }

  get living(): boolean {
    return this.#state === 'living'
  }

  /** Reports an event, unless the leg's last one is out. */
  tell(event: NetworkEvent): void {
    if (this.#state !== 'ended') this.#emit(event)
  }

  /** Closes the media, then tells the recording and the end. Only the first call counts. */
  finish(ending: Ending): void {
    if (this.#state !== 'living') return
    this.#state = 'ending'
    const { callId } = this
    this.media.close((recording) => {
      if (recording) {
        const { path, durationMs } = recording
        this.tell({ callId, type: 'recordingSaved', path, durationMs })
      }
      this.tell({ callId, type: 'ended', ...ending })
      this.#state = 'ended'
      this.#onEnded()
    })
  }
}

export function isTalk(command: LegCommand): command is LegCommand & TalkCommand {
  return (
    command.type === 'speak' ||
    command.type === 'stop' ||
    command.type === 'listen' ||
    command.type === 'sendDigits'
  )
}

/** An ending of a leg that was never answered. */
export function unanswered(
  cause: NetworkCause,
  more: Partial<Omit<Ending, 'cause' | 'measuredMs'>> = {},
): Ending {
  return { cause, sipCode: null, q850Cause: null, reason: null, ...more, measuredMs: null }
}
