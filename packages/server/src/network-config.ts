// The machine of the phone network that a config asks for.
import { isIPv6 } from 'node:net'
import { cpus } from 'node:os'
import type { Clock, Ids, Log, Random } from '@saperly/kernel'
import {
  type ConfiguredSpeech,
  createMediaPlane,
  createNode,
  createSandbox,
  hearings,
  type Network,
  recognizerOf,
  voices,
} from '@saperly/network'
import type { Config } from './config.ts'

/** Where the sandbox's phones live: on this machine, as sockets that are bound to `address` reach it. */
function loopbackFor(address: string): string {
  return isIPv6(address) && address !== '::' ? '::1' : '127.0.0.1'
}

export async function openNetwork(
  config: Config,
  speech: ConfiguredSpeech,
  deps: { clock: Clock; random: Random; ids: Ids; log: Log },
): Promise<Network> {
  const media = createMediaPlane(
    {
      workers: config.rtp.workers ?? Math.max(1, cpus().length - 1),
      ports: config.rtp.ports,
      engine: config.speechEngine,
      speech,
      firstPacketTimeoutMs: 30_000,
      packetTimeoutMs: 15_000,
      opusComplexity: config.opusComplexity,
    },
    deps,
  )
  const { host: address, port, publicHost: publicAddress } = config.sip
  return createNode({
    ...deps,
    media,
    sip: { address, port, publicAddress, tls: tlsOf(config.sip) },
    trunks: config.trunks,
    sandbox: await createSandbox({
      ...deps,
      media,
      address: loopbackFor(address),
      scripts: config.sandboxScripts,
    }),
    voices: voices(config.speechEngine, speech),
    hearings: hearings(config.speechEngine, speech),
    recognizer: recognizerOf(config.speechEngine),
  })
}

/** What the node shows over TLS. */
function tlsOf({
  tls,
}: Config['sip']): NonNullable<Parameters<typeof createNode>[0]['sip']['tls']> | null {
  if (!tls) return null
  const { port, certificate, key, clientCa } = tls
  return { port, server: { certificate, key, clientCa, minVersion: 'TLSv1.2' } }
}
