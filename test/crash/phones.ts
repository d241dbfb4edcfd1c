// A carrier with phones that outlive the servers: real SIP over UDP, so that it is seen which of them were hung up on.
import { seededRandom, silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import type { IncomingCall } from '../../packages/network/src/sip/incoming-call.ts'
import { Negotiation } from '../../packages/network/src/sip/negotiation.ts'
import { openUdp } from '../../packages/network/src/sip/transport.ts'
import { UserAgent } from '../../packages/network/src/sip/user-agent.ts'

const ADDRESS = '127.0.0.1'
/** Where the phones say that they hear: nobody does, and nobody has to. */
const MEDIA_PORT = 29_970

/** `ringing`: answered, but nobody has said yet that the answer arrived. */
export type PhoneState = 'ringing' | 'talking' | 'hung up'

export class Phones {
  readonly #agent: UserAgent
  readonly #states = new Map<string, PhoneState>()

  private constructor(transport: Awaited<ReturnType<typeof openUdp>>) {
    const deps = { clock: new SystemClock(), random: systemRandom, log: silentLog }
    this.#agent = new UserAgent({ transport, ...deps, onCall: (call) => this.#onCall(call) })
  }

  static async open(): Promise<Phones> {
    return new Phones(await openUdp({ address: ADDRESS, port: 0 }))
  }

  /** Where a trunk finds them. */
  get address(): string {
    return `${ADDRESS}:${this.#agent.address.port}`
  }

  /** What became of a call, by its SIP Call-ID; undefined when it never reached a phone. */
  state(sipCallId: string): PhoneState | undefined {
    return this.#states.get(sipCallId)
  }

  count(state: PhoneState): number {
    return [...this.#states.values()].filter((one) => one === state).length
  }

  close(): Promise<void> {
    return this.#agent.close()
  }

  #onCall(call: IncomingCall): void {
    const options = { address: ADDRESS, port: MEDIA_PORT, codecs: ['PCMU'] as const }
    const made = new Negotiation({ ...options, random: seededRandom(1) }).answer(call.sdp!)
    if (!made.ok) return call.reject(488)
    this.#states.set(call.callId, 'ringing')
    call.listen((event) => {
      if (event.type === 'confirmed') this.#states.set(call.callId, 'talking')
      if (event.type === 'ended' || event.type === 'failed') {
        this.#states.set(call.callId, 'hung up')
      }
    })
    call.ring()
    call.answer(made.value.sdp)
  }
}
