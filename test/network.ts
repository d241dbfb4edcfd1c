// The network plane as in production, but on a line that is slow or loses SIP messages, and impatient.
import {
  type Clock,
  Ids,
  type Random,
  seededRandom,
  silentLog,
  systemRandom,
  type Timer,
} from '@saperly/kernel'
import {
  createMediaPlane,
  createNode,
  createSandbox,
  type NetworkNode,
  voices,
} from '@saperly/network'
import { openUdp, type Transport } from '../packages/network/src/sip/transport.ts'

const ADDRESS = '127.0.0.1'
const PLANE = {
  workers: 1,
  ports: null,
  engine: 'tone',
  firstPacketTimeoutMs: 30_000,
  packetTimeoutMs: 15_000,
} as const

export interface TestNetwork {
  network: NetworkNode
  /** Phones of the sandbox that are in a call. */
  phones: () => number
  /** Messages that were lost, and that got through. */
  lost: { out: number; in: number }
  passed: { out: number; in: number }
  /** INVITEs whose 200 came in when their CANCEL was out already. */
  crossed: () => number
}

export interface TestNetworkOptions {
  /** The part of the messages that is lost in each direction. */
  lossRate: number
  seed: number
  /** How long a message to the node is under way. */
  delayMs: number
  /** A directory of scripts beside the bundled ones. */
  scripts: string | null
}

/** RFC 3261's timers, five times as fast: what is lost is sent again sooner, and what is over is forgotten in 7 s. */
const TIMERS = { t1Ms: 100, t2Ms: 800, t4Ms: 1000 }

/** Opens a node, its media plane and its sandbox on one clock; closing the node closes all of it. */
export async function openTestNetwork(
  clock: Clock,
  options: TestNetworkOptions,
): Promise<TestNetwork> {
  const deps = { clock, random: systemRandom, log: silentLog, ids: new Ids(clock, systemRandom) }
  const timers = TIMERS
  const { lossRate, seed, delayMs, scripts } = options
  const media = createMediaPlane(PLANE, deps)
  const sandbox = await createSandbox({ ...deps, media, address: ADDRESS, scripts, timers })
  const counts = { lost: { out: 0, in: 0 }, passed: { out: 0, in: 0 } }
  const dice = seededRandom(seed)
  const udp = await openUdp({ address: ADDRESS, port: 0 })
  const crossings = new Crossings()
  const late = slow(udp, clock, delayMs, crossings)
  const network = await createNode({
    ...deps,
    media,
    sip: { ...udp.local, timers },
    trunks: [],
    sandbox,
    voices: voices(PLANE.engine),
    recognizer: 'free',
    transport: lossy(late, dice, lossRate, counts),
  })
  return { network, phones: () => sandbox.phones, crossed: () => crossings.count, ...counts }
}

/** The same transport, but for what it loses. */
function lossy(
  udp: Transport,
  dice: Random,
  lossRate: number,
  { lost, passed }: Pick<TestNetwork, 'lost' | 'passed'>,
): Transport {
  const drops = (way: 'in' | 'out'): boolean => {
    const dropped = dice.float() < lossRate
    ;(dropped ? lost : passed)[way]++
    return dropped
  }
  return {
    local: udp.local,
    at: (protocol) => udp.at(protocol),
    holds: (hop) => udp.holds(hop),
    send: (data, to, failed) => {
      if (!drops('out')) udp.send(data, to, failed)
    },
    receive: (receiver) =>
      udp.receive((data, from) => {
        if (!drops('in')) receiver(data, from)
      }),
    close: () => udp.close(),
  }
}

/** The same transport, but what comes in takes its time. */
function slow(udp: Transport, clock: Clock, delayMs: number, crossings: Crossings): Transport {
  const flying = new Set<Timer>()
  return {
    local: udp.local,
    at: (protocol) => udp.at(protocol),
    holds: (hop) => udp.holds(hop),
    send: (data, to, failed) => {
      crossings.sent(data)
      udp.send(data, to, failed)
    },
    receive: (receiver) =>
      udp.receive((data, from) => {
        const timer = clock.schedule(delayMs, () => {
          flying.delete(timer)
          crossings.received(data)
          receiver(data, from)
        })
        flying.add(timer)
      }),
    close: () => {
      for (const timer of flying) timer.cancel()
      return udp.close()
    },
  }
}

/** Counts the calls whose CANCEL crossed a 200 (RFC 3261 section 9.1). */
class Crossings {
  readonly #cancelled = new Set<string>()
  readonly #crossed = new Set<string>()

  get count(): number {
    return this.#crossed.size
  }

  sent(data: Buffer): void {
    const text = data.toString('latin1')
    if (text.startsWith('CANCEL ')) this.#cancelled.add(callIdOf(text))
  }

  received(data: Buffer): void {
    const text = data.toString('latin1')
    if (!text.startsWith('SIP/2.0 200') || !/^cseq: \d+ INVITE/im.test(text)) return
    if (this.#cancelled.has(callIdOf(text))) this.#crossed.add(callIdOf(text))
  }
}

function callIdOf(text: string): string {
  return /^call-id: (.*)$/im.exec(text)?.[1] ?? ''
}
