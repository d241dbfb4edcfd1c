// The port to the network plane: everything the control plane can ask of a phone network, and everything it can
// learn from it. Plain serialisable messages about text and signalling. No audio type exists here, so none can cross.
import type { PlaneLoad } from './media/load.ts'
import type { MediaQuality } from './media/port.ts'
import type { Voice } from './speech/port.ts'
import type { TalkCommand, TalkEvent, TalkOptions } from './talk/port.ts'

export type { Expect, HeardBasis, TalkCommand, TalkEvent, TalkOptions } from './talk/port.ts'
export type { PlaneLoad, WorkerLoad } from './media/load.ts'
export type { MediaQuality } from './media/port.ts'
export type { Voice } from './speech/port.ts'

export type Environment = 'test' | 'live'

/** Enough of a SIP dialog to end it from another process (RFC 3261 section 12). */
export interface DialogRecord {
  callId: string
  localTag: string
  remoteTag: string
  localUri: string
  remoteUri: string
  /** Remote target (Contact) and route set, in order. */
  remoteTarget: string
  routeSet: readonly string[]
  localCSeq: number
  /** Where the next request goes, host:port, when the route set does not say. */
  remoteAddress: string
  trunk: string | null
}

/** Why a leg ended, as the network knows it. */
export type NetworkCause =
  | 'peer_hangup'
  | 'local_hangup'
  | 'transferred'
  | 'busy'
  | 'declined'
  | 'no_answer'
  | 'cancelled'
  | 'invalid_number'
  | 'carrier_refused'
  | 'carrier_silent'
  | 'no_trunk'
  | 'media_lost'

type Leg = { callId: string }

export type NetworkCommand =
  /** Places a call. `test` goes to the sandbox phones, whatever the number. */
  | (Leg & {
      type: 'dial'
      environment: Environment
      from: string
      to: string
      /** A test call to a number of this platform itself: it comes back in, instead of going to a sandbox phone. */
      toOwnNumber?: boolean
      callerIdName: string | null
      ringTimeoutMs: number
      talk: TalkOptions
      /** Absolute path of the WAV to write, or null for no recording. */
      recordTo: string | null
    })
  /** Answers an incoming call. */
  | (Leg & { type: 'answer'; talk: TalkOptions; recordTo: string | null })
  /** Refuses an incoming call with a SIP final response (e.g. 404, 480, 486, 503, 603). */
  | (Leg & { type: 'reject'; sipCode: number })
  | (Leg & TalkCommand)
  /** Blind transfer to an E.164 number or a `sip:` URI. */
  | (Leg & { type: 'transfer'; to: string })
  /**
   * Answers `bridgeWanted`: the network calls the target itself, and joins the two legs when it answers. From `from`; the
   * same rules for routes as for `dial`, but an address that is no number goes over the trunk of the call.
   */
  | (Leg & {
      type: 'bridge'
      to: string
      from: string
      toOwnNumber?: boolean
      callerIdName: string | null
      ringTimeoutMs: number
    })
  /** BYE once answered, CANCEL before (with its races), 480 for an unanswered incoming call. */
  | (Leg & { type: 'hangUp' })
  /** Ends a dialog that another process left behind; nothing is reported back. */
  | (Leg & { type: 'bye'; dialog: DialogRecord })
  /** A sandbox phone calls one of our numbers. `incoming` follows with this call's id. */
  | (Leg & { type: 'sandboxCall'; from: string; to: string; script: string | null })

export type NetworkEvent =
  /** Somebody calls us; the control plane answers or rejects. The id was made by the network. */
  | (Leg & {
      type: 'incoming'
      environment: Environment
      trunk: string | null
      from: string
      to: string
    })
  /** Once per dialled call: first 18x or 2xx, or 8 s with only a 100. */
  | (Leg & { type: 'accepted'; sipCode: number | null })
  | (Leg & { type: 'ringing'; sipCode: number })
  | (Leg & { type: 'answered'; dialog: DialogRecord; recognizer: 'phrases' | 'free'; at: number })
  /** The dialog changed (CSeq, target): what recovery needs is to be stored anew. */
  | (Leg & { type: 'dialog'; dialog: DialogRecord })
  | (Leg & TalkEvent)
  /**
   * A carrier took the transfer: the REFER, or the call to its target (or both, one after the other). Then exactly one of
   * the next four. On `transferred` the leg then ends by itself.
   */
  | (Leg & { type: 'transferAccepted' })
  | (Leg & { type: 'transferred'; sipCode: number })
  | (Leg & { type: 'transferFailed'; reason: string; sipCode: number | null })
  /** The far side can't transfer the call, for this reason; `bridge` does it. The transfer is over without one. */
  | (Leg & { type: 'bridgeWanted'; reason: string; sipCode: number | null })
  /** The target answered and is joined with the peer: nobody talks on the leg any more, and it ends with either. */
  | (Leg & { type: 'bridged'; dialog: DialogRecord; at: number })
  /** As `dialog`, for the dialog with the target. */
  | (Leg & { type: 'targetDialog'; dialog: DialogRecord })
  /** After `bridged` and before `ended`, once: from the target's answer to its end. */
  | (Leg & { type: 'unbridged'; measuredMs: number })
  /** How the leg sounds: when that has changed noticeably, and before `ended` over the whole call. */
  | (Leg & { type: 'quality'; quality: MediaQuality })
  /** Always before `ended`. */
  | (Leg & { type: 'recordingSaved'; path: string; durationMs: number })
  /** Last event of a call, exactly once. `measuredMs`: from answer to hang-up, null when never answered. */
  | (Leg & {
      type: 'ended'
      cause: NetworkCause
      sipCode: number | null
      q850Cause: number | null
      reason: string | null
      measuredMs: number | null
    })

/** A trunk as it stands. */
export interface TrunkState {
  name: string
  /** False while no host of it answers. */
  up: boolean
  /** Null when it doesn't register. */
  registered: boolean | null
  /** Calls on it now, both ways, and calls that wait for their turn. */
  calls: number
  waiting: number
}

/** One SIP message of a call as it crossed the wire, with its secrets masked. */
export interface TracedMessage {
  at: number
  direction: 'sent' | 'received'
  protocol: 'UDP' | 'TCP' | 'TLS'
  /** Our address and the peer's, `host:port`. */
  ours: string
  theirs: string
  /** One character a byte (latin1). */
  text: string
}

/** One machine of the phone network. */
export interface Network {
  /** Never blocks. Commands for a call that has ended are ignored. */
  post(command: NetworkCommand): void
  subscribe(listener: (event: NetworkEvent) => void): void
  /** Voices of the node's own speech engine, and of the others by `engine:voice`. */
  voices(): readonly Voice[]
  /** What a call would be heard with that names no engine. */
  readonly recognizer: 'phrases' | 'free'
  /** How busy it is; while it is overloaded, new calls are refused. */
  readonly load: PlaneLoad
  /** How each trunk stands; none where there is no carrier. */
  readonly trunks: readonly TrunkState[]
  /** What a call would be heard with that names this engine; null stands for none. */
  recognizerOf(engine: string | null): 'phrases' | 'free'
  /** The signalling of a call, live or ended a while ago, oldest first; empty when nothing is known of it. */
  trace(callId: string): Promise<readonly TracedMessage[]>
  /** Ends every leg and gives back every port, socket, timer and thread. */
  close(): Promise<void>
}
