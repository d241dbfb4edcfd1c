// The leg to the target of a transfer that the network makes itself: an outgoing leg that nobody talks on.
import type { DialogRecord, Environment, NetworkEvent } from '../port.ts'
import type { Ending, LegParts } from './leg.ts'
import { OutgoingLeg } from './outgoing.ts'
import type { Ways } from './route.ts'

/** What becomes of the target, in this order; `onEnded` is the last, and the only one that always comes. */
export interface TargetOwner {
  /** A carrier has taken the call, as for any placed call. */
  onAccepted(): void
  onAnswered(dialog: DialogRecord, at: number): void
  /** What recovery needs has changed. */
  onDialog(dialog: DialogRecord): void
  onEnded(ending: Ending): void
}

export interface TargetOptions {
  /** Id of the target's media; the leg that it is for is `beside`. */
  legId: string
  beside: string
  environment: Environment
  from: string
  to: string
  callerIdName: string | null
  ringTimeoutMs: number
}

export class TargetLeg {
  readonly legId: string
  readonly #leg: OutgoingLeg

  /** `ways`: to the target, tried one after the other. */
  constructor(parts: LegParts, options: TargetOptions, ways: Ways, owner: TargetOwner) {
    const { legId, ...dial } = options
    this.legId = legId
    this.#leg = new OutgoingLeg(
      { ...parts, emit: (event) => tell(owner, event) },
      { ...dial, callId: legId, talk: null, recordTo: null },
      ways,
      () => {},
    )
  }

  start(): void {
    this.#leg.start()
  }

  /** Ends it in whatever phase it is; `onEnded` follows. */
  hangUp(): void {
    this.#leg.post({ type: 'hangUp', callId: this.legId })
  }
}

function tell(owner: TargetOwner, event: NetworkEvent): void {
  if (event.type === 'accepted') owner.onAccepted()
  else if (event.type === 'answered') owner.onAnswered(event.dialog, event.at)
  else if (event.type === 'dialog') owner.onDialog(event.dialog)
  else if (event.type === 'ended') owner.onEnded(event)
}
