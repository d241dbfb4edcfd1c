// The transaction layer: finds the transaction of each message (RFC 3261 sections 17.1.3 and 17.2.3), makes new ones.
import type { Log, Random } from '@saperly/kernel'
import { randomHex } from '@saperly/kernel'
import { InviteClient, PlainClient } from './client-transaction.ts'
import type { ClientOwner, ClientTransaction, TransactionContext } from './client-transaction.ts'
import { parseVia } from './header.ts'
import type { Via } from './header.ts'
import { cseqOf, parseMessage, serialise, topVia } from './message.ts'
import type { SipRequest, SipResponse } from './message.ts'
import { answerBroken, answerPort, salvage } from './refuse.ts'
import { InviteServer, PlainServer } from './server-transaction.ts'
import type { ServerTransaction } from './server-transaction.ts'
import { Sending, stampVia } from './sending.ts'
import { DEFAULT_PORTS, isReliable } from './hop.ts'
import type { Endpoint, Hop, Protocol } from './transport.ts'
import { bareHost } from './uri.ts'

/** How many server transactions may live at once; a request beyond it is dropped, and its sender tries again. */
export const MAX_SERVER_TRANSACTIONS = 50_000

const MAGIC = 'z9hG4bK'

/** What the layer hands up. */
export interface TransactionUser {
  /** Whether such a method exists, ours or another's: a broken request gets 400 for it, else 501. */
  knows(method: string): boolean
  /** A source we don't talk to is dropped before anything is kept of it. */
  admits(request: SipRequest, source: Hop): boolean
  onInvite(transaction: InviteServer): void
  onRequest(transaction: PlainServer): void
  /** CANCEL of a live INVITE; the CANCEL itself has been answered by the user through its own transaction. */
  onCancel(transaction: PlainServer, invite: InviteServer | null): void
  /** ACK of a 2xx. */
  onAck(request: SipRequest, source: Hop): void
  /** A 2xx of an INVITE whose transaction is gone. */
  onStray(response: SipResponse, source: Hop): void
}

export class TransactionLayer {
  readonly #context: TransactionContext
  readonly #random: Random
  readonly #user: TransactionUser
  readonly #clients = new Map<string, ClientTransaction>()
  readonly #servers = new Map<string, ServerTransaction>()
  #malformed = 0

  constructor(
    context: Omit<TransactionContext, 'refusers'>,
    random: Random,
    log: Log,
    user: TransactionUser,
  ) {
    this.#context = { ...context, refusers: new Set() }
    this.#random = random
    this.#user = user
    context.transport.receive((data, from) => {
      const parsed = parseMessage(data)
      if (!parsed.ok) {
        if (parsed.failure === 'empty') return
        if (++this.#malformed === 1) log.warn('sip.malformed', { why: parsed.failure })
        this.#refuseBroken(data, from)
      } else if (parsed.value.kind === 'request') this.#receiveRequest(parsed.value, from)
      else this.#receiveResponse(parsed.value, from)
    })
  }

  /** Live transactions, of both sides. */
  get size(): number {
    return this.#clients.size + this.#servers.size
  }

  /** Messages that could not be read. */
  get malformed(): number {
    return this.#malformed
  }

  /** Whether a request of ours still waits for its final response. */
  get waiting(): boolean {
    for (const client of this.#clients.values()) {
      if (client instanceof PlainClient && client.pending) return true
    }
    return false
  }

  /** What our Via says by that protocol. */
  sentBy(protocol: Protocol): Endpoint {
    return this.#context.sentBy(protocol)
  }

  /** Sends an INVITE; a Via is put on top. */
  invite(request: SipRequest, to: Hop, owner: ClientOwner): InviteClient {
    const branch = this.#newBranch()
    const key = clientKey(branch, request.method)
    const sending = new Sending(request, to, branch, this.#context)
    const transaction = new InviteClient(key, sending, owner, this.#context, () =>
      this.#clients.delete(key),
    )
    this.#clients.set(key, transaction)
    transaction.start()
    return transaction
  }

  /** Sends any other request but ACK; a Via is put on top. */
  request(request: SipRequest, to: Hop, owner: ClientOwner): void {
    this.#plain(this.#newBranch(), request, to, owner)
  }

  /** Sends the CANCEL of an INVITE: same branch, same destination (section 9.1). */
  cancel(cancel: SipRequest, invite: InviteClient, owner: ClientOwner): void {
    this.#plain(branchOf(topVia(invite.request)), cancel, invite.destination, owner)
  }

  /** Puts a fresh Via on a message that has no transaction (ACK of a 2xx). */
  stampAck(request: SipRequest, to: Hop): void {
    stampVia(request, this.#newBranch(), this.sentBy(to.protocol), to)
  }

  /** Ends every transaction without a word. */
  close(): void {
    for (const client of this.#clients.values()) client.abandon()
    for (const server of this.#servers.values()) server.abandon()
  }

  #plain(branch: string, request: SipRequest, to: Hop, owner: ClientOwner): void {
    const key = clientKey(branch, request.method)
    const sending = new Sending(request, to, branch, this.#context)
    const transaction = new PlainClient(key, sending, owner, this.#context, () =>
      this.#clients.delete(key),
    )
    this.#clients.set(key, transaction)
    transaction.start()
  }

  #newBranch(): string {
    return `${MAGIC}${randomHex(this.#random, 10)}`
  }

  #receiveResponse(response: SipResponse, source: Hop): void {
    const { method } = cseqOf(response)
    const client = this.#clients.get(clientKey(branchOf(topVia(response)), method))
    if (client) client.receive(response)
    else if (method === 'INVITE' && response.status >= 200 && response.status < 300) {
      this.#user.onStray(response, source)
    }
  }

  #receiveRequest(request: SipRequest, source: Hop): void {
    const via = parseVia(topVia(request))
    if (!via) return
    const method = request.method === 'ACK' ? 'INVITE' : request.method
    const key = serverKey(request, via, method)
    const known = this.#servers.get(key)
    if (request.method === 'ACK') {
      // Only the ACK of a failure belongs to the transaction; with an old peer's branch a 2xx's does not either.
      if (known) known.receive(request)
      this.#user.onAck(request, source)
      return
    }
    if (known) return known.receive(request)
    if (this.#servers.size >= MAX_SERVER_TRANSACTIONS || !this.#user.admits(request, source)) return
    this.#open(key, request, via, source)
  }

  /** Answers a request that can't be read, without keeping anything of it. */
  #refuseBroken(data: Buffer, source: Hop): void {
    const broken = salvage(data, (method) => this.#user.knows(method))
    if (!broken || !this.#user.admits(broken.request, source)) return
    const port = isReliable(source) ? source.port : (answerPort(broken) ?? source.port)
    const bytes = serialise(answerBroken(broken))
    this.#context.transport.send(bytes, { ...source, port }, () => {})
  }

  /** RFC 3261 section 18.2.2 with RFC 3581: back through its connection, or to where Via says when that is gone. */
  #replyHop(via: Via, source: Hop): Hop {
    const direct = isReliable(source)
      ? this.#context.transport.holds(source)
      : via.params.has('rport')
    return direct ? source : { ...source, port: via.port ?? DEFAULT_PORTS[source.protocol] }
  }

  #open(key: string, request: SipRequest, via: Via, source: Hop): void {
    markReceived(request, via, source)
    const onEnd = (): void => void this.#servers.delete(key)
    const options = {
      key,
      request,
      source,
      replyTo: () => this.#replyHop(via, source),
      context: this.#context,
      onEnd,
    }
    if (request.method === 'INVITE') {
      const transaction = new InviteServer(options)
      this.#servers.set(key, transaction)
      return this.#user.onInvite(transaction)
    }
    const transaction = new PlainServer(options)
    this.#servers.set(key, transaction)
    if (request.method !== 'CANCEL') return this.#user.onRequest(transaction)
    const invite = this.#servers.get(serverKey(request, via, 'INVITE'))
    this.#user.onCancel(transaction, invite instanceof InviteServer ? invite : null)
  }
}

function branchOf(via: string): string {
  return parseVia(via)?.params.get('branch') ?? ''
}

function clientKey(branch: string, method: string): string {
  return `${branch} ${method}`
}

function serverKey(request: SipRequest, via: Via, method: string): string {
  const branch = via.params.get('branch') ?? ''
  const sentBy = `${via.host.toLowerCase()}:${via.port ?? DEFAULT_PORTS.UDP}`
  if (branch.startsWith(MAGIC) && branch !== MAGIC) return `${branch} ${sentBy} ${method}`
  // RFC 2543 peers, and a branch that is the cookie and nothing else: not unique, so the dialog and the sequence number identify the request.
  const { headers } = request
  return `${headers.get('call-id')} ${headers.get('from')} ${cseqOf(request).number} ${sentBy} ${method}`
}

/** Writes `received` and `rport` into the top Via (RFC 3261 section 18.2.1, RFC 3581 section 4). */
function markReceived(request: SipRequest, via: Via, source: Hop): void {
  const [top, ...rest] = request.headers.list('via')
  let marked = top!.replace(/;\s*rport(?:\s*=[^;]*)?(?=;|$)/i, `;rport=${source.port}`)
  if (bareHost(via.host) !== source.address || via.params.has('rport')) {
    marked = `${marked.replace(/;\s*received\s*=[^;]*/i, '')};received=${source.address}`
  }
  request.headers.setAll('via', [marked, ...rest])
}
