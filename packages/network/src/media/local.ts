// A media plane without threads: the same host in the calling thread, for tests, simulation and small machines.
import type { Clock, Log, Random } from '@saperly/kernel'
import { systemUdp, type Udp } from '../rtp/udp.ts'
import type { SpeechService } from '../speech/port.ts'
import { MediaHost } from './host.ts'
import { LegListeners } from './listeners.ts'
import type { MediaPlane, MediaPlaneOptions } from './port.ts'
import type { TalkFactory } from './talk-factory.ts'

export interface LocalMediaDeps {
  clock: Clock
  random: Random
  log: Log
  /** Closed with the plane. */
  speech: SpeechService
  recognizer: 'phrases' | 'free'
  createTalk: TalkFactory
  /** Default: the system's sockets. */
  udp?: Udp
}

/** `workers` and `engine` have no meaning here: there is one host, and its speech is given. */
export function createLocalMediaPlane(
  options: Omit<MediaPlaneOptions, 'workers' | 'engine'>,
  deps: LocalMediaDeps,
): MediaPlane {
  const listeners = new LegListeners()
  const { clock, random, log, speech, recognizer, createTalk, udp = systemUdp } = deps
  const host = new MediaHost(
    {
      ports: options.ports,
      recognizer,
      timeouts: options,
      opusComplexity: options.opusComplexity,
    },
    {
      clock,
      random,
      log,
      udp,
      speech,
      createTalk,
      // Never inside the call that caused it: what listens may post the next command.
      emit: (event) => queueMicrotask(() => listeners.tell(event)),
    },
  )
  let closed: Promise<void> | null = null
  return {
    post: (command) => host.post(command),
    subscribe: (legId, listener) => listeners.add(legId, listener),
    get sessions() {
      return host.sessions
    },
    /** One thread does everything here, and tells nothing of its event loop. */
    get load() {
      return { workers: [host.load(0)], overloaded: false }
    },
    close: () => (closed ??= host.close().then(() => speech.close())),
  }
}
