// What a SIP call tells its owner: one union, in the order in which a call meets it.
import type { DialogRecord } from '../port.ts'
import type { Reason } from './header.ts'
import type { ReferOutcome } from './refer.ts'

/** Why a call of ours never came to be. */
export type FailureCause = 'refused' | 'timeout' | 'cancelled' | 'transport'

/** How an established call ended. `lost`: the dialog is gone at the far side, or the ACK never came. */
export type EndedBy = 'local' | 'remote' | 'lost'

/**
 * Events of an established call, whoever placed it; `reoffer`, `reinvited` and `info` may come before the answer as
 * well. After `ended` nothing more comes.
 */
export type SessionEvent =
  /** The caller's ACK arrived; `sdp` when it carries the answer to our offer. Callee side only. */
  | { type: 'confirmed'; sdp: string | null }
  /** The peer changes the media. Exactly one of the two must be called, now or later; null asks us for an offer. */
  | {
      type: 'reoffer'
      sdp: string | null
      answer: (sdp: string) => void
      refuse: (sipCode: number) => void
    }
  /**
   * An offer of ours in the dialog came out: the answer, or the refusal (`sdp` null). `sipCode` is null when it was
   * answered in a PRACK, or not at all.
   */
  | { type: 'reinvited'; sdp: string | null; sipCode: number | null }
  /** What recovery needs has changed. */
  | { type: 'dialog'; dialog: DialogRecord }
  | { type: 'info'; contentType: string; body: string }
  | { type: 'referAccepted' }
  | { type: 'referProgress'; sipCode: number }
  | { type: 'referDone'; outcome: ReferOutcome }
  /**
   * The peer asks us to call somebody else. Unless taken while this event is delivered, it is declined (603). Accepted
   * without reports, not even the first one is sent.
   */
  | { type: 'referRequested'; target: string; accept: (reports?: boolean) => ReferReport }
  | {
      type: 'ended'
      by: EndedBy
      sipCode: number | null
      reason: Reason
      /** Monotonic milliseconds of the hang-up itself, which a transfer under way may report later. */
      atMs: number
    }

/** Gives the answer to an offer; only the first one counts. */
export type Reply = (sdp: string) => void

/** Tells the one who asked for a transfer how it goes; nothing is sent after a final code. */
export type ReferReport = (sipCode: number) => void

export type CallEvent =
  /** First response of any kind to the INVITE. */
  | { type: 'trying' }
  /** No response at all within `silenceMs`. The INVITE lives on until cancelled or timed out. */
  | { type: 'silent' }
  /**
   * 101-199, of any branch. `sdp` is early media. When our INVITE offered nothing and this does (reliably), `answer`
   * must be called.
   */
  | { type: 'progress'; sipCode: number; sdp: string | null; answer: Reply | null }
  /**
   * `sdp`: what counts of the branch that answered, its 2xx's or what came before. When our INVITE offered nothing and
   * the 2xx does, `answer` must be called, and the ACK waits for it.
   */
  | { type: 'answered'; sdp: string | null; dialog: DialogRecord; answer: Reply | null }
  /** Last event of a call of ours that was never answered. */
  | { type: 'failed'; cause: FailureCause; sipCode: number | null; reason: Reason }
  /** Last event of an incoming call that its caller gave up before the answer. */
  | { type: 'cancelled'; reason: Reason }
  | SessionEvent

export const NO_REASON: Reason = { q850: null, sipCode: null, text: null }
