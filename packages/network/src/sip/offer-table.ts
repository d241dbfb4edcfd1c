// Which offers may be made, taken, or have to wait: one exchange at a time in a dialog (RFC 3264 4, RFC 3311 5, RFC 6337).
import type { Table } from './machine.ts'

/**
 * `offering`: ours is with the peer. `waiting`: ours met the peer's, and is made again in a moment. `considering`: the
 * peer's is with our owner. `awaiting`: ours went out in a response, and the answer comes with its ACK or PRACK.
 */
export type OfferState = 'idle' | 'offering' | 'waiting' | 'considering' | 'awaiting' | 'closed'

export type OfferEvent =
  | 'offer'
  | 'answered'
  | 'refused'
  /** 491, or ours has to let the peer's go first. */
  | 'glare'
  /** The wait is over. */
  | 'again'
  | 'peerOffer'
  /** The peer's offer was answered or refused. */
  | 'reply'
  /** The peer asked for an offer, and has ours. */
  | 'counter'
  | 'withdrawn'
  /** ACK, or PRACK, of a response that carried an offer of ours. */
  | 'ack'
  | 'close'

export type OfferAction =
  | 'send'
  | 'wait'
  | 'pause'
  | 'consider'
  /** 491 to the peer. */
  | 'clash'
  /** 500 with Retry-After to the peer. */
  | 'busy'
  /** Goes on with an offer of ours that waited. */
  | 'resume'
  | 'halt'

export const OFFER_TABLE: Table<OfferState, OfferEvent, OfferAction> = {
  idle: {
    offer: ['offering', 'send'],
    answered: 'ignored',
    refused: 'impossible',
    glare: ['waiting', 'wait'],
    again: 'impossible',
    peerOffer: ['considering', 'consider'],
    reply: 'impossible',
    counter: ['awaiting'],
    withdrawn: 'impossible',
    ack: 'ignored',
    close: ['closed', 'halt'],
  },
  offering: {
    offer: 'impossible',
    answered: ['idle'],
    refused: ['idle'],
    glare: ['waiting', 'wait'],
    again: 'impossible',
    peerOffer: ['offering', 'clash'],
    reply: 'impossible',
    counter: 'impossible',
    withdrawn: 'impossible',
    ack: 'ignored',
    close: ['closed', 'halt'],
  },
  waiting: {
    offer: 'impossible',
    answered: 'ignored',
    refused: 'impossible',
    glare: 'impossible',
    again: ['offering', 'send'],
    peerOffer: ['considering', 'pause', 'consider'],
    reply: 'impossible',
    counter: 'impossible',
    withdrawn: 'impossible',
    ack: 'ignored',
    close: ['closed', 'halt'],
  },
  considering: {
    offer: 'impossible',
    answered: 'ignored',
    refused: 'impossible',
    glare: 'impossible',
    again: 'impossible',
    peerOffer: ['considering', 'busy'],
    reply: ['idle', 'resume'],
    counter: ['awaiting'],
    withdrawn: ['idle', 'resume'],
    ack: 'ignored',
    close: ['closed', 'halt'],
  },
  awaiting: {
    offer: 'impossible',
    answered: 'ignored',
    refused: 'impossible',
    glare: 'impossible',
    again: 'impossible',
    peerOffer: ['awaiting', 'clash'],
    reply: 'impossible',
    counter: 'impossible',
    withdrawn: 'impossible',
    ack: ['idle', 'resume'],
    close: ['closed', 'halt'],
  },
  closed: {
    offer: 'impossible',
    answered: 'ignored',
    refused: 'ignored',
    glare: 'ignored',
    again: 'impossible',
    peerOffer: 'impossible',
    reply: 'ignored',
    counter: 'ignored',
    withdrawn: 'ignored',
    ack: 'ignored',
    close: 'ignored',
  },
}
