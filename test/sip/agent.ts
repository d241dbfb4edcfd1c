// A user agent of ours for tests with foreign peers: all protocols on loopback, the tests' certificates.
import { SystemClock, silentLog, systemRandom } from '@saperly/kernel'
import type { CallEvent } from '../../packages/network/src/sip/call-event.ts'
import type { Hop, Protocol } from '../../packages/network/src/sip/hop.ts'
import type { IncomingCall } from '../../packages/network/src/sip/incoming-call.ts'
import { Negotiation } from '../../packages/network/src/sip/negotiation.ts'
import type { CallOptions, OutgoingCall } from '../../packages/network/src/sip/outgoing-call.ts'
import { DEFAULT_TLS_CLIENT } from '../../packages/network/src/sip/tls.ts'
import { openTransports } from '../../packages/network/src/sip/transports.ts'
import type { Transport } from '../../packages/network/src/sip/transport.ts'
import { sipUri } from '../../packages/network/src/sip/uri.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'
import { CA, certificate } from './certificates.ts'

export interface AgentOptions {
  address?: string
  /** The CA that it trusts over TLS. */
  ca?: string
  onCall?: (call: IncomingCall) => void
  /** Puts a bad line before the transport. */
  wrap?: (transport: Transport) => Transport
}

/** A user agent, and what it was reached at. */
export class Agent {
  readonly ua: UserAgent
  readonly #transport: Transport

  private constructor(ua: UserAgent, transport: Transport) {
    this.ua = ua
    this.#transport = transport
  }

  static async open(options: AgentOptions = {}): Promise<Agent> {
    const { address = '127.0.0.1', ca = CA, onCall } = options
    const clock = new SystemClock()
    const server = { ...certificate('node'), clientCa: null, minVersion: 'TLSv1.2' } as const
    const client = { ...DEFAULT_TLS_CLIENT, ...certificate('node'), ca }
    const sockets = await openTransports({
      bind: { address, port: 0 },
      clock,
      log: silentLog,
      tls: { port: 0, server, client: () => client },
    })
    const transport = options.wrap?.(sockets) ?? sockets
    const parts = { transport, clock, random: systemRandom, log: silentLog }
    return new Agent(new UserAgent({ ...parts, ...(onCall && { onCall }) }), transport)
  }

  hop(protocol: Protocol): Hop {
    return { ...this.#transport.at(protocol)!, protocol, serverName: null }
  }

  /** Places a call, and gives its events when it is over. `onEvent` hears them as they come. */
  call(
    options: Omit<CallOptions, 'from' | 'sdp'> & { sdp?: string | null },
    onEvent: (event: CallEvent, call: OutgoingCall) => void = () => {},
  ): Promise<CallEvent[]> {
    const from = sipUri('+15555550001', this.ua.address.address, null)
    const events: CallEvent[] = []
    return new Promise((resolve) => {
      const call: OutgoingCall = this.ua.call({ from, sdp: offer(), ...options }, (event) => {
        events.push(event)
        onEvent(event, call)
        if (event.type === 'ended' || event.type === 'failed') resolve(events)
      })
    })
  }

  close(): Promise<void> {
    return this.ua.close()
  }
}

/** A side of a call that nobody listens to. */
export function side(): Negotiation {
  const at = { address: '127.0.0.1', port: 29_990, codecs: ['PCMU'] as const }
  return new Negotiation({ ...at, random: systemRandom })
}

function offer(): string {
  return side().offer()
}

/** Rings, answers, and tells what happens to the call. */
export function answering(
  onEvent: (event: CallEvent, call: IncomingCall) => void,
): (call: IncomingCall) => void {
  return (call) => {
    call.listen((event) => onEvent(event, call))
    call.ring()
    const answer = call.sdp === null ? null : side().answer(call.sdp)
    if (answer?.ok) call.answer(answer.value.sdp)
    else call.reject(488)
  }
}
