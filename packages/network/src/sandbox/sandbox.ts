// The sandbox: phones for every number, inside this machine, over real SIP and real RTP on loopback.
//
// Each special number is a SIP user agent of its own on a UDP port of its own, and one more is every other number. Each
// call gets its own ears, mouth and script when it comes, and loses them when it ends. The silent carrier is a port that
// takes everything and answers nothing.
import type { Clock, Log, Random } from '@saperly/kernel'
import { isLoopback } from '../address.ts'
import type { MediaPlane } from '../media/port.ts'
import type { SipTimers } from '../sip/machine.ts'
import { udpHop } from '../sip/hop.ts'
import { openUdp } from '../sip/transport.ts'
import type { Endpoint, Transport } from '../sip/transport.ts'
import type { IncomingCall } from '../sip/incoming-call.ts'
import { bareHost, numberOf, parseUri, sipUri } from '../sip/uri.ts'
import { UserAgent } from '../sip/user-agent.ts'
import { ScriptLibrary, SPECIAL_NUMBERS } from './library.ts'
import { Phone } from './phone.ts'
import type { PhoneCall } from './phone.ts'
import { SANDBOX_CALL_HEADER } from './port.ts'
import type { Sandbox, SandboxCall } from './port.ts'
import { callerSteps } from './runner.ts'
import type { Script } from './script.ts'

/** Calls at one time; more are refused with 503. */
const MAX_PHONES = 2000
/** Every number without a phone of its own. */
const ANY_NUMBER = ''

export interface SandboxOptions {
  clock: Clock
  random: Random
  log: Log
  /** The node's own; not closed by the sandbox. */
  media: MediaPlane
  /** Loopback address that phones are bound to. */
  address: string
  /** A directory of scripts beside the bundled ones, or null. */
  scripts: string | null
  timers?: SipTimers
}

/** A sandbox that can be counted. */
export interface OpenSandbox extends Sandbox {
  /** Names that a {@link SandboxCall} may ask for. */
  readonly scripts: readonly string[]
  /** Calls that phones are in; zero after `close`. */
  readonly phones: number
}

/** Reads the scripts and binds the two ports. Rejects with a Fault when a script is wrong or a port can't be had. */
export async function createSandbox(options: SandboxOptions): Promise<OpenSandbox> {
  const library = await ScriptLibrary.load(options.scripts)
  const { address } = options
  const mute = await openUdp({ address, port: 0 })
  const lines = new Map<string, Transport>()
  try {
    for (const number of [ANY_NUMBER, ...SPECIAL_NUMBERS]) {
      lines.set(number, await openUdp({ address, port: 0 }))
    }
  } catch (error) {
    await Promise.all([mute, ...lines.values()].map((transport) => transport.close()))
    throw error
  }
  return new PhoneSandbox(options, library, mute, lines)
}

class PhoneSandbox implements OpenSandbox {
  readonly #options: SandboxOptions
  readonly #library: ScriptLibrary
  readonly #mute: Transport
  /** By number; {@link ANY_NUMBER} stands for all that have no phone of their own. */
  readonly #agents: ReadonlyMap<string, UserAgent>
  readonly #calls = new Set<Promise<void>>()
  readonly #live = new Set<Phone>()
  #count = 0
  #closing: Promise<void> | null = null

  constructor(
    options: SandboxOptions,
    library: ScriptLibrary,
    mute: Transport,
    lines: ReadonlyMap<string, Transport>,
  ) {
    this.#options = options
    this.#library = library
    this.#mute = mute
    const { clock, random, log, timers } = options
    const onCall = (call: IncomingCall): void => this.#onCall(call)
    this.#agents = new Map(
      Array.from(lines, ([number, transport]) => {
        const parts = { transport, clock, random, log, user: 'phone', onCall }
        return [number, new UserAgent({ ...parts, ...(timers && { timers }) })]
      }),
    )
  }

  get scripts(): readonly string[] {
    return this.#library.names
  }

  get phones(): number {
    return this.#live.size
  }

  addressFor(number: string): Endpoint {
    const [first] = this.#library.forNumber(number).steps
    return first?.do === 'silent' ? this.#mute.local : this.#agentOf(number).address
  }

  sourceOf(address: string, port: number): boolean {
    return Array.from(this.#agents.values()).some(
      (agent) => agent.address.address === address && agent.address.port === port,
    )
  }

  #agentOf(number: string): UserAgent {
    return (this.#agents.get(number) ?? this.#agents.get(ANY_NUMBER))!
  }

  call({ callId, from, to, script, node }: SandboxCall): void {
    const named = script === null ? null : this.#library.byName(script)
    if (script !== null && !named) this.#options.log.warn('sandbox.no_such_script', { callId })
    this.#start(named ?? this.#callerScript(from), from, {
      direction: 'out',
      options: {
        to: sipUri(to, node.address, node.port),
        via: udpHop(node),
        from: sipUri(from, this.#options.address, null),
        fields: [[SANDBOX_CALL_HEADER, callId]],
      },
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    for (const phone of this.#live) phone.hangUp()
    await Promise.all(this.#calls)
    await Promise.all(Array.from(this.#agents.values(), (agent) => agent.close()))
    await this.#mute.close()
  }

  #onCall(call: IncomingCall): void {
    const number = numberOf(call.requestUri)
    if (number === null) return call.reject(484)
    if (this.#live.size >= MAX_PHONES || this.#closing) return call.reject(503)
    this.#start(this.#library.forNumber(number), number, { direction: 'in', call })
  }

  /** What the owner of `number` does when it calls: nothing sensible, for one that never answers. */
  #callerScript(number: string): Script {
    const own = this.#library.forNumber(number)
    return callerSteps(own).length > 0 ? own : this.#library.forNumber(ANY_NUMBER)
  }

  #start(script: Script, number: string, call: PhoneCall): void {
    if (this.#closing) return
    const { clock, random, log, media: plane, address } = this.#options
    const id = `phone-${++this.#count}`
    const parts = {
      clock,
      random,
      log,
      plane,
      ua: this.#agentOf(number),
      address,
      transfer: (target: string, report: (sipCode: number) => void) =>
        this.#transfer(target, report),
    }
    const phone = new Phone(parts, id, script)
    this.#live.add(phone)
    const running = phone.run(call).finally(() => {
      this.#live.delete(phone)
      this.#calls.delete(running)
    })
    this.#calls.add(running)
  }

  /** A transferred phone calls the target itself, if it is on this machine. */
  #transfer(target: string, report: (sipCode: number) => void): void {
    const uri = parseUri(target)
    if (!uri || uri.port === null || !isLoopback(bareHost(uri.host))) return report(404)
    this.#start(this.#library.forNumber(ANY_NUMBER), ANY_NUMBER, {
      direction: 'out',
      options: {
        to: target,
        via: udpHop({ address: bareHost(uri.host), port: uri.port }),
        from: sipUri('transferred', this.#options.address, null),
      },
      report,
    })
  }
}
