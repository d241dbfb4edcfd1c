// For tests: user agents and peers that are driven by hand, on a simulated network, with all that crossed the wire.
import { SimClock, assert, seededRandom, silentLog } from '@saperly/kernel'
import type { CallEvent } from './call-event.ts'
import { composeResponse, sdpBody } from './compose.ts'
import type { Field } from './compose.ts'
import { udpHop } from './hop.ts'
import type { Hop } from './hop.ts'
import type { IncomingCall } from './incoming-call.ts'
import { cseqOf, parseMessage, serialise } from './message.ts'
import type { SipMessage, SipRequest } from './message.ts'
import type { CallOptions, OutgoingCall } from './outgoing-call.ts'
import { SimNetwork } from './sim-network.ts'
import type { Datagram } from './sim-network.ts'
import type { Transport } from './transport.ts'
import { UserAgent } from './user-agent.ts'
import type { UserAgentOptions } from './user-agent.ts'

export const ALICE: Hop = udpHop({ address: '10.0.0.1', port: 5060 })
export const BOB: Hop = udpHop({ address: '10.0.0.2', port: 5060 })
/** One way over the simulated network, milliseconds. */
export const DELAY_MS = 10

/** A description that says which one it is. */
export function sdp(name: string): string {
  return `v=0\r\ns=${name}\r\n`
}

export const types = (events: readonly CallEvent[]): string[] => events.map(({ type }) => type)

/** Events of that type, narrowed. */
export function only<T extends CallEvent['type']>(
  events: readonly CallEvent[],
  type: T,
): Extract<CallEvent, { type: T }>[] {
  return events.filter((event): event is Extract<CallEvent, { type: T }> => event.type === type)
}

export interface Dialled {
  call: OutgoingCall
  heard: CallEvent[]
}

/** A network, a clock, and whoever is opened on it. `settle` proves that nothing is left behind. */
export class SipWorld {
  readonly clock = new SimClock()
  /** Every message sent, in order, lost ones included. */
  readonly wire: { from: string; text: string; atMs: number }[] = []
  readonly #network: SimNetwork
  readonly #agents: UserAgent[] = []

  constructor(drops: (datagram: Datagram) => boolean = () => false) {
    this.#network = new SimNetwork(this.clock, DELAY_MS, (datagram) => {
      const { from, text } = datagram
      this.wire.push({ from: from.address, text, atMs: this.clock.monotonicMs() })
      return drops(datagram)
    })
  }

  agent(
    local: Hop,
    onCall: (call: IncomingCall) => void = (call) => call.reject(480),
    more: Partial<UserAgentOptions> = {},
  ): UserAgent {
    const agent = new UserAgent({
      transport: this.#network.open(local),
      clock: this.clock,
      random: seededRandom(this.#agents.length + 1),
      log: silentLog,
      onCall,
      ...more,
    })
    this.#agents.push(agent)
    return agent
  }

  /** A peer that speaks to `target` only. */
  peer(
    local: Hop,
    onRequest: (request: SipRequest, peer: HandDriven) => void,
    target: Hop = ALICE,
  ): HandDriven {
    return new HandDriven(this.#network.open(local), target, onRequest)
  }

  /** A call from that agent to bob, with whatever it says. */
  dial(
    from: UserAgent,
    more: Partial<CallOptions> = {},
    onEvent: (event: CallEvent) => void = () => {},
  ): Dialled {
    const heard: CallEvent[] = []
    const call = from.call(
      { to: 'sip:bob@10.0.0.2', via: BOB, from: 'sip:alice@10.0.0.1', sdp: sdp('offer'), ...more },
      (event) => {
        heard.push(event)
        onEvent(event)
      },
    )
    return { call, heard }
  }

  /** First lines of what went by that match, with the time of each. */
  seen(pattern: RegExp): string[] {
    return this.wire.filter(({ text }) => pattern.test(text)).map(({ text }) => text)
  }

  /** When messages that match were sent, milliseconds. */
  times(pattern: RegExp): number[] {
    return this.wire.filter(({ text }) => pattern.test(text)).map(({ atMs }) => atMs)
  }

  /** Lets everything run out; throws when an agent or the clock still holds something. */
  async settle(): Promise<void> {
    await this.clock.advance(200_000)
    const left = this.#agents.map(({ transactions, dialogs }) => [transactions, dialogs])
    assert(
      left.flat().every((count) => count === 0),
      `left behind: ${JSON.stringify(left)}`,
    )
    assert(this.clock.pending() === 0, `${this.clock.pending()} timers left behind`)
  }
}

interface ReplyParts {
  tag?: string
  fields?: readonly Field[]
  sdp?: string
}

/** A peer without a mind of its own. */
export class HandDriven {
  readonly requests: SipRequest[] = []
  readonly responses: string[] = []
  readonly #transport: Transport
  readonly #target: Hop
  #branches = 0

  constructor(
    transport: Transport,
    target: Hop,
    onRequest: (request: SipRequest, peer: HandDriven) => void,
  ) {
    this.#transport = transport
    this.#target = target
    transport.receive((data) => {
      const message = parseMessage(data)
      assert(message.ok, 'our own agents write what can be read')
      if (message.value.kind === 'response') {
        return void this.responses.push(`${message.value.status} ${cseqOf(message.value).method}`)
      }
      this.requests.push(message.value)
      onRequest(message.value, this)
    })
  }

  /** The latest request of that method. */
  last(method: string): SipRequest {
    const found = this.requests.findLast((request) => request.method === method)
    assert(found, `no ${method} has come`)
    return found
  }

  count(method: string): number {
    return this.requests.filter((request) => request.method === method).length
  }

  reply(request: SipRequest, status: number, parts: ReplyParts = {}): void {
    const { address, port } = this.#transport.local
    const body = parts.sdp === undefined ? null : sdpBody(parts.sdp)
    this.send(
      composeResponse(request, status, {
        toTag: parts.tag ?? 'b',
        // In a 3xx it would be a target.
        ...(status < 300 && { contact: `sip:bob@${address}:${port}` }),
        fields: parts.fields ?? [],
        body,
      }),
    )
  }

  /** A request inside the dialog that `invite` (of our agent) made. */
  ask(invite: SipRequest, method: string, cseq: number, parts: ReplyParts = {}): void {
    const { headers } = invite
    const body = parts.sdp ?? ''
    const type = body === '' ? '' : 'Content-Type: application/sdp\n'
    const more = (parts.fields ?? []).map(([name, value]) => `${name}: ${value}\n`).join('')
    const to = headers.get('to')!
    const from = /;tag=/.test(to) ? to : `${to};tag=${parts.tag ?? 'b'}`
    const head = `${method} sip:a@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK${++this.#branches}\nFrom: ${from}\nTo: ${headers.get('from')}\nCall-ID: ${headers.get('call-id')}\nCSeq: ${cseq} ${method}\nContact: <sip:bob@10.0.0.2:5060>\n${more}${type}\n`
    this.raw(head.replaceAll('\n', '\r\n') + body)
  }

  send(message: SipMessage): void {
    this.#transport.send(serialise(message), this.#target, () => {})
  }

  raw(text: string): void {
    this.#transport.send(Buffer.from(text), this.#target, () => {})
  }
}
