// The life of one dialog of a call, from its first response to the end of its BYE (RFC 3261 sections 12 and 15).
import type { Table } from './machine.ts'

/**
 * `early`: not answered yet; the call that owns it ends it. `closing`: the peer has hung up while a transfer may still
 * be reported. `leaving`: we have, and the BYE is under way or waits for an ACK.
 */
export type SessionState = 'early' | 'live' | 'closing' | 'leaving' | 'gone'

export type SessionEventName =
  | 'establish'
  /** BYE of the peer; `peerGoneInTransfer` while a transfer that we asked for is not reported yet. */
  | 'peerGone'
  | 'peerGoneInTransfer'
  | 'hangUp'
  /** The far side knows nothing of the call any more, the ACK never came, or the session expired. */
  | 'lost'
  | 'transferDone'
  /** Our BYE was answered, or nobody will. */
  | 'left'
  | 'drop'

export type SessionAction = 'watch' | 'finish' | 'leave' | 'cross' | 'forget' | 'tellLeft'

export const SESSION_TABLE: Table<SessionState, SessionEventName, SessionAction> = {
  early: {
    establish: ['live'],
    peerGone: 'ignored',
    peerGoneInTransfer: 'impossible',
    hangUp: 'ignored',
    lost: 'ignored',
    transferDone: 'impossible',
    left: 'impossible',
    drop: ['gone', 'forget'],
  },
  live: {
    establish: 'impossible',
    peerGone: ['gone', 'forget', 'finish'],
    peerGoneInTransfer: ['closing', 'watch'],
    hangUp: ['leaving', 'leave'],
    lost: ['leaving', 'leave'],
    transferDone: 'ignored',
    left: 'impossible',
    drop: ['gone', 'forget'],
  },
  closing: {
    establish: 'impossible',
    peerGone: 'ignored',
    peerGoneInTransfer: 'ignored',
    hangUp: ['gone', 'forget', 'finish'],
    lost: 'ignored',
    transferDone: ['gone', 'forget', 'finish'],
    left: 'impossible',
    drop: ['gone', 'forget'],
  },
  leaving: {
    establish: 'impossible',
    peerGone: ['leaving', 'cross'],
    peerGoneInTransfer: ['leaving', 'cross'],
    hangUp: 'ignored',
    lost: 'ignored',
    transferDone: 'ignored',
    left: ['gone', 'forget', 'tellLeft'],
    drop: ['gone', 'forget'],
  },
  gone: {
    // The 2xx of a branch that was given up already: it is taken, and ended.
    establish: ['live'],
    peerGone: 'ignored',
    peerGoneInTransfer: 'ignored',
    hangUp: 'ignored',
    lost: 'ignored',
    transferDone: 'ignored',
    left: 'ignored',
    drop: 'ignored',
  },
}
