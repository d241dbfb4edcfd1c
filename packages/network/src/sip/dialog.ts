// A SIP dialog: what both ends must remember, and the requests inside it (RFC 3261 section 12).
import type { DialogRecord } from '../port.ts'
import { composeRequest } from './compose.ts'
import type { Body, Field } from './compose.ts'
import { parseNameAddr, tagOf } from './header.ts'
import { cseqOf } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { formatHop, parseHop } from './hop.ts'
import type { Hop } from './hop.ts'
import { parseUri, uriParam } from './uri.ts'
import type { SipUri } from './uri.ts'

/** Routes beyond this are cut off: no real path is that long. */
const MAX_ROUTES = 32

interface DialogState {
  callId: string
  localTag: string
  remoteTag: string
  localUri: string
  remoteUri: string
  remoteTarget: string
  routeSet: readonly string[]
  localCSeq: number
  remoteCSeq: number | null
  /** Where the INVITE went or came from. */
  remote: Hop
}

/** One request to put into a dialog. */
export interface InDialog {
  method: string
  fields?: readonly Field[]
  body?: Body | null
  /** Contact URI; given for requests that refresh the target. */
  contact?: string
}

export class Dialog {
  readonly #state: DialogState

  private constructor(state: DialogState) {
    this.#state = state
  }

  /** Of a caller, from the response that made it; `sentTo` is where the INVITE went. */
  static ofCaller(response: SipResponse, sentTo: Hop): Dialog {
    const { headers } = response
    const from = headers.get('from') ?? ''
    const to = headers.get('to') ?? ''
    return new Dialog({
      callId: headers.get('call-id') ?? '',
      localTag: tagOf(from),
      remoteTag: tagOf(to),
      localUri: uriOf(from),
      remoteUri: uriOf(to),
      remoteTarget: contactOf(response) ?? uriOf(to),
      routeSet: headers.list('record-route').slice(0, MAX_ROUTES).toReversed(),
      localCSeq: cseqOf(response).number,
      remoteCSeq: null,
      remote: sentTo,
    })
  }

  /** Of a callee, from the INVITE; `source` is where it came from. */
  static ofCallee(invite: SipRequest, localTag: string, source: Hop): Dialog {
    const { headers } = invite
    const from = headers.get('from') ?? ''
    return new Dialog({
      callId: headers.get('call-id') ?? '',
      localTag,
      remoteTag: tagOf(from),
      localUri: uriOf(headers.get('to') ?? ''),
      remoteUri: uriOf(from),
      remoteTarget: contactOf(invite) ?? uriOf(from),
      routeSet: headers.list('record-route').slice(0, MAX_ROUTES),
      localCSeq: 0,
      remoteCSeq: cseqOf(invite).number,
      remote: source,
    })
  }

  /** From what another process stored; null when its address can't be read. */
  static ofRecord(record: DialogRecord): Dialog | null {
    const remote = parseHop(record.remoteAddress)
    return remote && new Dialog({ ...record, remoteCSeq: null, remote })
  }

  /** What finds the dialog when a request arrives. */
  get key(): string {
    return dialogKey(this.#state.callId, this.#state.localTag, this.#state.remoteTag)
  }

  get callId(): string {
    return this.#state.callId
  }

  get localTag(): string {
    return this.#state.localTag
  }

  get remoteTag(): string {
    return this.#state.remoteTag
  }

  get localUri(): string {
    return this.#state.localUri
  }

  /** The next request inside the dialog; takes a new CSeq. */
  request(what: InDialog): SipRequest {
    this.#state.localCSeq++
    return this.#compose(what, this.#state.localCSeq)
  }

  /** The ACK of a 2xx: CSeq of its INVITE. */
  ack(cseq: number, fields: readonly Field[], body: Body | null): SipRequest {
    return this.#compose({ method: 'ACK', fields, body }, cseq)
  }

  /** False when a request of the peer is out of order (section 12.2.2); remembers its number otherwise. */
  takeRemoteCSeq(number: number): boolean {
    if (this.#state.remoteCSeq !== null && number <= this.#state.remoteCSeq) return false
    this.#state.remoteCSeq = number
    return true
  }

  /** An early dialog is answered: its 2xx decides about the way there once more (section 13.2.2.4). */
  confirm(response: SipResponse): void {
    const routes = response.headers.list('record-route').slice(0, MAX_ROUTES)
    this.#state.routeSet = routes.toReversed()
    this.refreshTarget(response)
  }

  /** Takes the Contact of a target refresh; true when it changed something. */
  refreshTarget(message: SipRequest | SipResponse): boolean {
    const contact = contactOf(message)
    if (contact === null || contact === this.#state.remoteTarget) return false
    this.#state.remoteTarget = contact
    return true
  }

  /** What leads to the next request's hop: the first route, else the target; null when that can't be read. */
  get nextUri(): SipUri | null {
    const { routeSet, remoteTarget } = this.#state
    const route = routeSet[0]
    return parseUri(route === undefined ? remoteTarget : (parseNameAddr(route)?.uri ?? ''))
  }

  /** Where the INVITE went or came from; its protocol is what our Contact in this dialog names. */
  get remote(): Hop {
    return this.#state.remote
  }

  /** What another process needs to end the dialog. */
  toRecord(trunk: string | null): DialogRecord {
    const { remote, remoteCSeq: _, ...rest } = this.#state
    return { ...rest, remoteAddress: formatHop(remote), trunk }
  }

  #compose(what: InDialog, cseq: number): SipRequest {
    const { remoteTarget, routeSet, localUri, remoteUri, localTag, remoteTag, callId } = this.#state
    const first = routeSet[0] === undefined ? null : parseUri(parseNameAddr(routeSet[0])?.uri ?? '')
    const strict = first !== null && uriParam(first, 'lr') === null
    return composeRequest({
      method: what.method,
      // A strict router (RFC 2543) wants itself as Request-URI and the target as last route.
      uri: strict ? (parseNameAddr(routeSet[0]!)?.uri ?? remoteTarget) : remoteTarget,
      from: `<${localUri}>;tag=${localTag}`,
      to: remoteTag === '' ? `<${remoteUri}>` : `<${remoteUri}>;tag=${remoteTag}`,
      callId,
      cseq,
      contact: what.contact ?? null,
      routes: strict ? [...routeSet.slice(1), `<${remoteTarget}>`] : routeSet,
      fields: what.fields ?? [],
      body: what.body ?? null,
    })
  }
}

export function dialogKey(callId: string, localTag: string, remoteTag: string): string {
  return `${callId} ${localTag} ${remoteTag}`
}

function uriOf(value: string): string {
  return parseNameAddr(value)?.uri ?? ''
}

function contactOf(message: SipRequest | SipResponse): string | null {
  const uri = parseNameAddr(message.headers.list('contact')[0] ?? '')?.uri ?? null
  return uri !== null && parseUri(uri) ? uri : null
}
