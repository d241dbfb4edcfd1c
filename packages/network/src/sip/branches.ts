// The branches of one INVITE of ours: an early dialog for each To tag, PRACK in order, and the one that answers (RFC 3262).
import type { CallEvent, SessionEvent } from './call-event.ts'
import { sdpBody } from './compose.ts'
import type { Core } from './core.ts'
import { Dialog } from './dialog.ts'
import type { DigestClient } from './digest.ts'
import { tagOf } from './header.ts'
import type { Hop } from './hop.ts'
import { cseqOf, sdpOf } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { Session } from './session.ts'
import type { TimerTerms } from './session-timer.ts'

/** Branches that are kept; a provisional response of one more is heard without a dialog, a 2xx is left to time out. */
export const MAX_BRANCHES = 16

interface Branch {
  session: Session
  /** RSeq of the last reliable response that was taken; null before the first. */
  rseq: number | null
  /** The latest description that came with a response. */
  sdp: string | null
  /** It came reliably, so that it is the answer and no other counts (RFC 3262 section 5). */
  settled: boolean
  answered: boolean
}

export interface BranchParts {
  core: Core
  auth: DigestClient | null
  timer: TimerTerms
  /** Our offer, null when we wait for theirs. */
  offer: string | null
  emit: (event: SessionEvent) => void
}

type Progress = Extract<CallEvent, { type: 'progress' }>

export class Branches {
  readonly #parts: BranchParts
  readonly #sentTo: Hop
  readonly #branches = new Map<string, Branch>()
  #winner: Session | null = null

  /** `sentTo`: where the INVITE went. */
  constructor(parts: BranchParts, sentTo: Hop) {
    this.#parts = parts
    this.#sentTo = sentTo
  }

  /** The branch that is the call; null before the answer. */
  get winner(): Session | null {
    return this.#winner
  }

  /** What a 101-199 says; null when it was heard before or out of order. A reliable one is acknowledged. */
  provisional(response: SipResponse): Progress | null {
    const branch = this.#branchOf(response)
    const sdp = sdpOf(response)
    const plain: Progress = { type: 'progress', sipCode: response.status, sdp, answer: null }
    if (!branch) return plain
    branch.session.noteAllowed(response)
    const rseq = reliableNumber(response)
    if (rseq === null) {
      if (!branch.settled) branch.sdp = sdp ?? branch.sdp
      return plain
    }
    if (branch.rseq !== null && rseq !== branch.rseq + 1) return null
    branch.rseq = rseq
    return this.#acknowledge(branch, response, `${rseq} ${cseqOf(response).number} INVITE`)
  }

  /**
   * A 2xx: acknowledged, unless it brings an offer. The first is the call; other branches are acknowledged and ended.
   * Null when it was heard before, or nobody keeps track of it. `wanted`: the call has not been given up.
   */
  answered(
    invite: SipRequest,
    response: SipResponse,
    wanted: boolean,
  ): Extract<CallEvent, { type: 'answered' }> | null {
    const branch = this.#branchOf(response)
    if (!branch) return null
    const { session } = branch
    if (branch.answered) {
      session.onRepeatedAnswer(response)
      return null
    }
    branch.answered = true
    session.dialog.confirm(response)
    session.establish()
    const sdp = branch.settled ? session.exchange.remote : (sdpOf(response) ?? branch.sdp)
    if (this.#winner || !wanted) {
      session.client.acknowledge(invite, null)
      session.bye()
      return null
    }
    this.#winner = session
    session.onAnswer(response)
    session.exchange.answered(sdp)
    this.#dropEarly()
    const offered = this.#parts.offer === null && !branch.settled && sdp !== null
    if (!offered) session.client.acknowledge(invite, null)
    const answer = offered ? this.#answering(branch, invite, sdp) : null
    return { type: 'answered', sdp, dialog: session.dialog.toRecord(null), answer }
  }

  /** The INVITE came to nothing: its early dialogs are no more. */
  close(): void {
    this.#dropEarly()
  }

  #dropEarly(): void {
    for (const { session, answered } of this.#branches.values()) if (!answered) session.drop()
  }

  /** The branch that a response belongs to, made by its first; null without a tag or beyond the bound. */
  #branchOf(response: SipResponse): Branch | null {
    const tag = tagOf(response.headers.get('to') ?? '')
    const known = this.#branches.get(tag)
    if (known) return known
    const early = response.status < 200
    if ((early && tag === '') || this.#branches.size >= MAX_BRANCHES) return null
    const { core, auth, timer, offer } = this.#parts
    const session: Session = new Session(core, Dialog.ofCaller(response, this.#sentTo), {
      auth,
      timer,
      side: 'caller',
      offer: offer === null ? null : { ours: offer },
      emit: (event) => {
        // Branches that aren't the call are ended without a word.
        if (this.#winner === null || this.#winner === session) this.#parts.emit(event)
      },
    })
    if (early) core.replace(session.dialog.key, session)
    const branch = { session, rseq: null, sdp: null, settled: false, answered: false }
    this.#branches.set(tag, branch)
    return branch
  }

  #acknowledge(branch: Branch, response: SipResponse, rack: string): Progress {
    const { session } = branch
    const sdp = sdpOf(response)
    const prack = (body: string | null): void =>
      session.client.send(
        { method: 'PRACK', fields: [['rack', rack]], body: body === null ? null : sdpBody(body) },
        () => {},
      )
    const offered = this.#parts.offer === null && !branch.settled && sdp !== null
    if (sdp !== null) {
      branch.settled = true
      if (!offered) session.exchange.answered(sdp)
    }
    if (!offered) prack(null)
    return {
      type: 'progress',
      sipCode: response.status,
      sdp,
      answer: offered ? once((answer) => this.#answerEarly(session, answer, sdp, prack)) : null,
    }
  }

  #answerEarly(
    session: Session,
    answer: string,
    offer: string,
    prack: (body: string) => void,
  ): void {
    session.exchange.answeredInAck(answer, offer)
    prack(answer)
  }

  #answering(branch: Branch, invite: SipRequest, offer: string): (answer: string) => void {
    const { exchange, client } = branch.session
    return once((answer) => {
      exchange.answeredInAck(answer, offer)
      client.acknowledge(invite, answer)
    })
  }
}

/** RSeq of a response that asks for PRACK; null when it asks for none. */
function reliableNumber(response: SipResponse): number | null {
  const required = response.headers.list('require').some((name) => name.toLowerCase() === '100rel')
  const found = /^\s*(\d{1,10})\s*$/.exec(response.headers.get('rseq') ?? '')
  return required && found ? Number(found[1]) : null
}

function once(use: (answer: string) => void): (answer: string) => void {
  let used = false
  return (answer) => {
    if (used) return
    used = true
    use(answer)
  }
}
