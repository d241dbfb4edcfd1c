// The transfer of one leg: by REFER where the far side does it, else by a second leg and a bridge of our own.
import type {
  DialogRecord,
  Environment,
  NetworkCause,
  NetworkCommand,
  NetworkEvent,
} from '../port.ts'
import { Machine } from '../sip/machine.ts'
import type { Table } from '../sip/machine.ts'
import type { ReferOutcome } from '../sip/refer.ts'
import type { Ending, LegParts } from './leg.ts'
import type { LegMedia } from './media.ts'
import type { Ways } from './route.ts'
import { TargetLeg } from './target.ts'

/**
 * `referring`: asked; `following`: taken, and reported on; `dialing`, `ringing`: we call the target ourselves; `leaving`:
 * the leg is being ended because the transfer is over; `closing`: the leg has ended and the target is about to.
 */
type State =
  | 'idle'
  | 'referring'
  | 'following'
  | 'dialing'
  | 'ringing'
  | 'bridged'
  | 'leaving'
  | 'closing'
  | 'done'

/**
 * `unaided`: a transfer is asked for where there is no REFER; `unable`: the far side refused, or took it and fell silent;
 * `lost`: the transfer failed by itself, at the target or with the call.
 */
type Event =
  | 'refer'
  | 'unaided'
  | 'taken'
  | 'transferred'
  | 'unable'
  | 'lost'
  | 'bridge'
  | 'accepted'
  | 'answered'
  | 'targetEnded'
  | 'legEnded'

type Action =
  | 'refuse'
  | 'wantBridge'
  | 'tellAccepted'
  | 'tellTransferred'
  | 'tellFailed'
  | 'dial'
  | 'ring'
  | 'unring'
  | 'join'
  | 'tellUnbridged'
  | 'leave'
  | 'endTarget'
  | 'endLeg'

/** RFC 3515 for the first three states. What a far side reports after it counted as silent is ignored. */
export const TRANSFER_TABLE: Table<State, Event, Action> = {
  idle: {
    refer: ['referring'],
    unaided: ['idle', 'wantBridge'],
    taken: 'ignored',
    transferred: 'ignored',
    unable: 'ignored',
    lost: 'ignored',
    bridge: ['dialing', 'dial'],
    accepted: 'impossible',
    answered: 'impossible',
    targetEnded: 'impossible',
    legEnded: ['done', 'endLeg'],
  },
  referring: {
    refer: ['referring', 'refuse'],
    unaided: ['referring', 'refuse'],
    taken: ['following', 'tellAccepted'],
    transferred: 'impossible',
    unable: ['idle', 'wantBridge'],
    lost: ['idle', 'tellFailed'],
    bridge: ['referring', 'refuse'],
    accepted: 'impossible',
    answered: 'impossible',
    targetEnded: 'impossible',
    legEnded: ['done', 'tellFailed', 'endLeg'],
  },
  following: {
    refer: ['following', 'refuse'],
    unaided: ['following', 'refuse'],
    taken: 'ignored',
    transferred: ['leaving', 'tellTransferred', 'leave'],
    unable: ['idle', 'wantBridge'],
    lost: ['idle', 'tellFailed'],
    bridge: ['following', 'refuse'],
    accepted: 'impossible',
    answered: 'impossible',
    targetEnded: 'impossible',
    legEnded: ['done', 'tellFailed', 'endLeg'],
  },
  dialing: {
    refer: ['dialing', 'refuse'],
    unaided: ['dialing', 'refuse'],
    taken: 'ignored',
    transferred: 'ignored',
    unable: 'ignored',
    lost: 'ignored',
    bridge: ['dialing', 'refuse'],
    accepted: ['ringing', 'tellAccepted', 'ring'],
    answered: 'impossible',
    targetEnded: ['idle', 'tellFailed'],
    legEnded: ['closing', 'tellFailed', 'endTarget'],
  },
  ringing: {
    refer: ['ringing', 'refuse'],
    unaided: ['ringing', 'refuse'],
    taken: 'ignored',
    transferred: 'ignored',
    unable: 'ignored',
    lost: 'ignored',
    bridge: ['ringing', 'refuse'],
    accepted: 'impossible',
    answered: ['bridged', 'join'],
    targetEnded: ['idle', 'unring', 'tellFailed'],
    legEnded: ['closing', 'tellFailed', 'endTarget'],
  },
  bridged: {
    refer: ['bridged', 'refuse'],
    unaided: ['bridged', 'refuse'],
    taken: 'ignored',
    transferred: 'ignored',
    unable: 'ignored',
    lost: 'ignored',
    bridge: ['bridged', 'refuse'],
    accepted: 'impossible',
    answered: 'impossible',
    targetEnded: ['leaving', 'tellUnbridged', 'leave'],
    legEnded: ['closing', 'endTarget'],
  },
  leaving: {
    refer: ['leaving', 'refuse'],
    unaided: ['leaving', 'refuse'],
    taken: 'ignored',
    transferred: 'ignored',
    unable: 'ignored',
    lost: 'ignored',
    bridge: ['leaving', 'refuse'],
    accepted: 'impossible',
    answered: 'impossible',
    targetEnded: 'impossible',
    legEnded: ['done', 'endLeg'],
  },
  closing: {
    refer: 'ignored',
    unaided: 'ignored',
    taken: 'ignored',
    transferred: 'ignored',
    unable: 'ignored',
    lost: 'ignored',
    bridge: 'ignored',
    accepted: 'ignored',
    answered: 'ignored',
    targetEnded: ['done', 'tellUnbridged', 'endLeg'],
    legEnded: 'impossible',
  },
  done: {
    refer: 'ignored',
    unaided: 'ignored',
    taken: 'ignored',
    transferred: 'ignored',
    unable: 'ignored',
    lost: 'ignored',
    bridge: 'ignored',
    accepted: 'impossible',
    answered: 'impossible',
    targetEnded: 'impossible',
    legEnded: 'impossible',
  },
}

/** The leg that is transferred. */
export interface TransferredLeg {
  callId: string
  environment: Environment
  media: LegMedia
  tell(event: NetworkEvent): void
  /** Asks the far side; false when its dialog can't be asked now. */
  refer(uri: string): boolean
  /** Ends the leg; `legEnded` follows. */
  hangUp(cause: NetworkCause, reason: string | null): void
}

type BridgeCommand = Extract<NetworkCommand, { type: 'bridge' }>
type Failure = { reason: string; sipCode: number | null }

export class Transfer {
  readonly #parts: LegParts
  readonly #leg: TransferredLeg
  readonly #machine: Machine<State, Event, Action>
  #failure: Failure = { reason: 'the call ended', sipCode: null }
  #sipCode = 200
  #bridge: { command: BridgeCommand; ways: Ways } | null = null
  #target: TargetLeg | null = null
  #targets = 0
  #ending: Ending | null = null
  #onOver: () => void = () => {}

  constructor(parts: LegParts, leg: TransferredLeg) {
    const { callId } = leg
    this.#parts = parts
    this.#leg = leg
    this.#machine = new Machine<State, Event, Action>(TRANSFER_TABLE, 'idle', {
      refuse: () => this.#tellFailed({ reason: 'another transfer is under way', sipCode: null }),
      wantBridge: () => leg.tell({ callId, type: 'bridgeWanted', ...this.#failure }),
      tellAccepted: () => leg.tell({ callId, type: 'transferAccepted' }),
      tellTransferred: () => leg.tell({ callId, type: 'transferred', sipCode: this.#sipCode }),
      tellFailed: () => this.#tellFailed(this.#failure),
      dial: () => this.#dial(),
      ring: () => leg.media.bridge(this.#target!.legId, 'ringing'),
      unring: () => leg.media.unbridge(),
      join: () => leg.media.bridge(this.#target!.legId, 'joined'),
      tellUnbridged: () => this.#tellUnbridged(),
      leave: () => this.#leave(),
      endTarget: () => this.#target?.hangUp(),
      endLeg: () => this.#onOver(),
    })
  }

  /** Whether the leg ends because of its transfer, whoever hangs up first. */
  get bridged(): boolean {
    return this.#machine.state === 'bridged'
  }

  /** Transfers the leg to a SIP URI; null: the target is not allowed there. `aided`: the far side may be asked. */
  ask(uri: string | null, aided: boolean): void {
    if (uri === null) {
      return this.#tellFailed({ reason: 'the target is not allowed here', sipCode: null })
    }
    if (!aided) return this.#fail('unaided', { reason: 'this trunk takes no REFER', sipCode: null })
    const { state } = this.#machine
    if (state === 'idle' && !this.#leg.refer(uri)) {
      return this.#fail('unaided', { reason: 'the far side can not be asked', sipCode: null })
    }
    this.#machine.step('refer')
  }

  /** The far side has taken the REFER. */
  onTaken(): void {
    this.#machine.step('taken')
  }

  /** How the REFER came out. */
  onReferred(outcome: ReferOutcome): void {
    if (outcome.transferred) {
      this.#sipCode = outcome.sipCode
      return this.#machine.step('transferred')
    }
    const { why, reason, sipCode } = outcome
    this.#fail(why === 'unable' ? 'unable' : 'lost', { reason, sipCode })
  }

  /** Calls the target ourselves, by the first of `ways` that takes it. */
  bridge(command: BridgeCommand, ways: Ways): void {
    if (this.#machine.state === 'idle') this.#bridge = { command, ways }
    this.#machine.step('bridge')
  }

  /** The leg has ended; `onOver` is called once when the target has, too. */
  legEnded(onOver: () => void): void {
    this.#onOver = onOver
    this.#fail('legEnded', { reason: 'the call ended', sipCode: null })
  }

  #fail(event: Event, failure: Failure): void {
    this.#failure = failure
    this.#machine.step(event)
  }

  #tellFailed(failure: Failure): void {
    this.#leg.tell({ callId: this.#leg.callId, type: 'transferFailed', ...failure })
  }

  #dial(): void {
    const { callId, environment } = this.#leg
    const { command, ways } = this.#bridge!
    const { from, to, callerIdName, ringTimeoutMs } = command
    const legId = `${callId}.${++this.#targets}`
    const about = { from, to, callerIdName, ringTimeoutMs }
    const options = { legId, beside: callId, environment, ...about }
    this.#target = new TargetLeg(this.#parts, options, ways, {
      onAccepted: () => this.#machine.step('accepted'),
      onAnswered: (dialog, at) => this.#onAnswered(dialog, at),
      onDialog: (dialog) => this.#leg.tell({ callId, type: 'targetDialog', dialog }),
      onEnded: (ending) => this.#onTargetEnded(ending),
    })
    this.#target.start()
  }

  #onAnswered(dialog: DialogRecord, at: number): void {
    this.#machine.step('answered')
    if (!this.bridged) return
    this.#leg.tell({ callId: this.#leg.callId, type: 'bridged', dialog, at })
  }

  #onTargetEnded(ending: Ending): void {
    this.#ending = ending
    this.#fail('targetEnded', { reason: failureText(ending.cause), sipCode: ending.sipCode })
  }

  /** What the target's carrier is owed; nothing, when it was never answered. */
  #tellUnbridged(): void {
    const { measuredMs } = this.#ending!
    if (measuredMs === null) return
    this.#leg.tell({ callId: this.#leg.callId, type: 'unbridged', measuredMs })
  }

  #leave(): void {
    const { cause = 'transferred', reason = null } = this.#ending ?? {}
    this.#leg.hangUp(cause === 'media_lost' ? 'media_lost' : 'transferred', reason)
  }
}

/** As a far side that follows a REFER would say it. */
function failureText(cause: NetworkCause): string {
  switch (cause) {
    case 'no_trunk':
      return 'no trunk reaches the target'
    case 'carrier_silent':
      return 'the carrier of the target is silent'
    case 'carrier_refused':
      return 'the carrier of the target refused'
    case 'media_lost':
      return 'no media could be opened'
    case 'busy':
    case 'declined':
    case 'no_answer':
    case 'cancelled':
    case 'invalid_number':
    case 'peer_hangup':
    case 'local_hangup':
    case 'transferred':
      return 'the target did not answer'
  }
}
