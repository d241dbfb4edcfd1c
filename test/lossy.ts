// A network whose node loses SIP messages, each way, by a seeded dice: production code on a bad line.
import {
  type Clock,
  Ids,
  type Random,
  seededRandom,
  silentLog,
  systemRandom,
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

export interface LossyNetwork {
  network: NetworkNode
  /** Phones of the sandbox that are in a call. */
  phones: () => number
  /** Messages that were lost, and that got through. */
  lost: { out: number; in: number }
  passed: { out: number; in: number }
}

/** `lossRate`: the part of the messages that is lost in each direction. `t1Ms`: RFC 3261's T1, for quick repetition. */
export async function openLossyNetwork(
  clock: Clock,
  options: { lossRate: number; t1Ms: number; seed: number },
): Promise<LossyNetwork> {
  const deps = { clock, random: systemRandom, log: silentLog, ids: new Ids(clock, systemRandom) }
  const timers = { t1Ms: options.t1Ms, t2Ms: 8 * options.t1Ms, t4Ms: 10 * options.t1Ms }
  const media = createMediaPlane(PLANE, deps)
  const sandbox = await createSandbox({ ...deps, media, address: ADDRESS, scripts: null, timers })
  const counts = { lost: { out: 0, in: 0 }, passed: { out: 0, in: 0 } }
  const dice = seededRandom(options.seed)
  const udp = await openUdp({ address: ADDRESS, port: 0 })
  const network = await createNode({
    ...deps,
    media,
    sip: { ...udp.local, timers },
    trunks: [],
    sandbox,
    voices: voices(PLANE.engine),
    recognizer: 'free',
    transport: lossy(udp, dice, options.lossRate, counts),
  })
  return { network, phones: () => sandbox.phones, ...counts }
}

/** The same transport, but for what it loses. */
function lossy(
  udp: Transport,
  dice: Random,
  lossRate: number,
  { lost, passed }: Pick<LossyNetwork, 'lost' | 'passed'>,
): Transport {
  const drops = (way: 'in' | 'out'): boolean => {
    const dropped = dice.float() < lossRate
    ;(dropped ? lost : passed)[way]++
    return dropped
  }
  return {
    protocol: udp.protocol,
    reliable: udp.reliable,
    local: udp.local,
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
