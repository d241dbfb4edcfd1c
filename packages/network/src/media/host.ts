// The host of media sessions: carries out MediaCommands for a set of legs, in a worker thread or in the main one.
import { Fault, type Clock, type Log, type Random } from '@saperly/kernel'
import { Pacer } from '../rtp/pacer.ts'
import { PortPool, type PortRange } from '../rtp/ports.ts'
import type { Udp } from '../rtp/udp.ts'
import { Bridge } from './bridge.ts'
import { addFigures, NO_TOTALS, workerLoad, type WorkerLoad } from './load.ts'
import type { Hearing, SpeechService } from '../speech/port.ts'
import type { MediaCommand, MediaEvent, MediaPlaneOptions } from './port.ts'
import { MediaSession, type SessionDeps } from './session.ts'
import type { TalkFactory } from './talk-factory.ts'

/** Legs of one host; about twice what one core carries. */
export const MAX_SESSIONS = 1200

export interface HostOptions {
  /** This host's own slice, or null for any free ports of the system. */
  ports: PortRange | null
  recognizer: 'phrases' | 'free'
  /** What each engine hears, by name, where legs may name one. */
  hearings?: Readonly<Record<string, Hearing>>
  timeouts: Pick<MediaPlaneOptions, 'firstPacketTimeoutMs' | 'packetTimeoutMs'>
  opusComplexity?: number | undefined
}

export interface HostDeps {
  clock: Clock
  random: Random
  log: Log
  udp: Udp
  speech: SpeechService
  createTalk: TalkFactory
  emit: (event: MediaEvent) => void
}

/** A leg from `open` to `closed`; `session` is null while its ports are being bound. */
interface Leg {
  session: MediaSession | null
  /** To the target that this leg is being transferred to. */
  bridge: { targetLegId: string; bridge: Bridge } | null
  /** Ends when the leg has been opened or has failed. */
  opening: Promise<void>
  ending: boolean
}

type Open = MediaCommand & { type: 'open' }

export class MediaHost {
  readonly #options: HostOptions
  readonly #deps: HostDeps
  readonly #pacer: Pacer
  readonly #ports: PortPool | null
  readonly #legs = new Map<string, Leg>()
  readonly #ends = new Set<Promise<void>>()
  /** Of the legs that have gone. */
  #past = NO_TOTALS
  #closing = false

  constructor(options: HostOptions, deps: HostDeps) {
    this.#options = options
    this.#deps = deps
    const { clock, random, udp } = deps
    this.#pacer = new Pacer(clock, () => udp.sweep?.())
    this.#ports = options.ports && new PortPool(options.ports, clock, random)
  }

  get sessions(): number {
    return this.#legs.size
  }

  /** Its load since the last time this was asked; `loopUse` is the thread's to know. */
  load(loopUse: number): WorkerLoad {
    let totals = this.#past
    for (const { session } of this.#legs.values()) {
      if (session) totals = addFigures(totals, session.figures)
    }
    return workerLoad(this.#legs.size, loopUse, this.#pacer.slip.window(), totals)
  }

  /** Carries out one command. Commands for a leg that isn't there (any more) are ignored. */
  post(command: MediaCommand): void {
    if (command.type === 'open') return this.#open(command)
    const leg = this.#legs.get(command.legId)
    if (leg === undefined || leg.ending) return
    if (command.type === 'close') return this.#end(command.legId, leg)
    // Before `opened` nothing but `close` is to be expected; what comes anyway waits for it.
    if (leg.session === null) {
      void leg.opening.then(() => this.post(command))
    } else if (command.type === 'connect') {
      leg.session.connect(command.agreement, command.early)
    } else if (command.type === 'digit') {
      leg.session.digit(command.digit, 'signalling')
    } else if (command.type === 'digitsSignalled') {
      leg.session.digitsSignalled()
    } else if (command.type === 'talk') {
      leg.session.command(command.command)
    } else if (command.type === 'bridge') {
      this.#bridge(command, leg, leg.session)
    } else {
      leg.bridge?.bridge.part()
      leg.bridge = null
    }
  }

  /** A target that is gone leaves the leg as it is: who asked is about to hear of that. */
  #bridge(command: MediaCommand & { type: 'bridge' }, leg: Leg, session: MediaSession): void {
    const { targetLegId, stage } = command
    const target = this.#legs.get(targetLegId)
    if (!target?.session || target.ending) return
    if (leg.bridge?.targetLegId !== targetLegId) {
      leg.bridge?.bridge.part()
      leg.bridge = { targetLegId, bridge: new Bridge(session, target.session) }
    }
    if (stage === 'joined') leg.bridge.bridge.join()
    else leg.bridge.bridge.ring()
  }

  /** Ends every leg (each reports `closed`). The speech service is its giver's to close. */
  async close(): Promise<void> {
    this.#closing = true
    for (const [legId, leg] of this.#legs) if (!leg.ending) this.#end(legId, leg)
    await Promise.all(this.#ends)
    await this.#ports?.close()
  }

  #open(command: Open): void {
    const { legId } = command
    if (this.#legs.has(legId)) return this.#fail(legId, 'leg_exists')
    if (this.#closing) return this.#fail(legId, 'media_closing')
    if (this.#legs.size >= MAX_SESSIONS) return this.#fail(legId, 'media_full')
    const leg: Leg = { session: null, bridge: null, opening: Promise.resolve(), ending: false }
    this.#legs.set(legId, leg)
    leg.opening = this.#bind(command, leg)
  }

  async #bind(command: Open, leg: Leg): Promise<void> {
    const { legId } = command
    try {
      leg.session = await MediaSession.open(command, this.#sessionDeps(legId))
      if (leg.ending) return
      const { port } = leg.session
      const recognizer = this.#recognizerOf(command.talk?.engine)
      this.#deps.emit({ type: 'opened', legId, port, recognizer })
    } catch (error) {
      this.#deps.log.error('media.open_failed', { legId }, error)
      this.#legs.delete(legId)
      this.#fail(legId, error instanceof Fault ? error.message : 'media_error')
    }
  }

  #recognizerOf(engine: string | null | undefined): 'phrases' | 'free' {
    const { recognizer, hearings = {} } = this.#options
    return engine ? (hearings[engine]?.recognizer ?? 'free') : recognizer
  }

  #end(legId: string, leg: Leg): void {
    leg.ending = true
    const end = this.#close(legId, leg).finally(() => this.#ends.delete(end))
    this.#ends.add(end)
  }

  async #close(legId: string, leg: Leg): Promise<void> {
    await leg.opening
    // Opening failed: `failed` was this leg's last event.
    if (leg.session === null) return
    const closed = await leg.session.close()
    this.#past = addFigures(this.#past, leg.session.figures)
    this.#legs.delete(legId)
    this.#deps.emit(closed)
  }

  #fail(legId: string, reason: string): void {
    this.#deps.emit({ type: 'failed', legId, reason })
  }

  #sessionDeps(legId: string): SessionDeps {
    const { clock, random, log, udp, speech, createTalk, emit } = this.#deps
    return {
      clock,
      random,
      log,
      udp,
      speech,
      createTalk,
      ports: this.#ports,
      pacer: this.#pacer,
      timeouts: this.#options.timeouts,
      opusComplexity: this.#options.opusComplexity,
      onEvent: emit,
      onError: (error) => {
        log.error('media.turn_failed', { legId }, error)
        this.#fail(legId, 'media_error')
        const leg = this.#legs.get(legId)
        if (leg && !leg.ending) this.#end(legId, leg)
      },
    }
  }
}
