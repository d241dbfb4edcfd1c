// The network of one process, played from a seed: it accepts, refuses, is silent, is late, crosses CANCEL with 200.
import { assert, type Clock, type Timer } from '@saperly/kernel'
import type {
  DialogRecord,
  Network,
  NetworkCause,
  NetworkCommand,
  NetworkEvent,
  PlaneLoad,
} from '@saperly/network'
import type { Chance } from './chance.ts'
import { type LegEvent, TalkingLeg } from './leg.ts'

interface Leg {
  callId: string
  state: 'calling' | 'answered' | 'ended'
  answeredAt: number | null
  bridgedAt: number | null
  hungUp: boolean
  accepted: boolean
  ringTimeoutMs: number
  timers: Set<Timer>
  talking: TalkingLeg | null
}

/** After so long with nothing but a 100 the network takes the call for accepted. */
const MUTE_LIMIT_MS = 8_000

const ENDINGS: readonly (readonly [number, [NetworkCause, number | null]])[] = [
  [3, ['busy', 486]],
  [2, ['declined', 603]],
  [2, ['carrier_refused', 503]],
  [1, ['invalid_number', 404]],
  [1, ['no_trunk', null]],
]

function dialogOf(callId: string, localCSeq: number): DialogRecord {
  return {
    callId: `${callId}@sim`,
    localTag: 'a',
    remoteTag: 'b',
    localUri: 'sip:a@sim',
    remoteUri: 'sip:b@sim',
    remoteTarget: 'sip:b@sim',
    routeSet: [],
    localCSeq,
    remoteAddress: '127.0.0.1:9',
    trunk: null,
  }
}

export class SimCarrier implements Network {
  readonly trunks = []
  readonly recognizer = 'free'
  load: PlaneLoad = { workers: [], overloaded: false }
  readonly #clock: Clock
  readonly #chance: Chance
  readonly #legs = new Map<string, Leg>()
  readonly #watch: (command: NetworkCommand) => void
  readonly #told: (event: NetworkEvent) => void
  #listeners: ((event: NetworkEvent) => void)[] = []

  constructor(
    clock: Clock,
    chance: Chance,
    watch: { posted: (command: NetworkCommand) => void; told: (event: NetworkEvent) => void },
  ) {
    this.#clock = clock
    this.#chance = chance
    this.#watch = watch.posted
    this.#told = watch.told
  }

  /** Legs that have not come to their end. */
  get live(): number {
    return this.#legs.size
  }

  subscribe(listener: (event: NetworkEvent) => void): void {
    this.#listeners.push(listener)
  }

  recognizerOf(): 'free' {
    return this.recognizer
  }

  voices(): [] {
    return []
  }

  trace(): Promise<[]> {
    return Promise.resolve([])
  }

  post(command: NetworkCommand): void {
    this.#watch(command)
    const { callId } = command
    if (command.type === 'dial') return this.#dial(callId, command.ringTimeoutMs)
    const leg = this.#legs.get(callId)
    if (!leg || leg.state === 'ended') return
    const { type } = command
    if (type === 'answer') {
      this.#after(leg, this.#chance.between(0, 200), () => this.#answer(leg))
    } else if (type === 'reject') this.#gone(leg)
    else if (type === 'hangUp') this.#hangUp(leg)
    else if (type === 'transfer') this.#transfer(leg)
    else if (type === 'bridge') this.#bridge(leg)
    else leg.talking?.command(command)
  }

  /** Somebody calls one of our numbers. */
  ring(callId: string, from: string, to: string): void {
    const leg = this.#open(callId, 30_000)
    leg.accepted = true
    this.#tell(leg, { type: 'incoming', environment: 'test', trunk: null, from, to })
    // A caller may give up before we take it.
    if (this.#chance.hits(0.1)) {
      this.#after(leg, this.#chance.between(0, 400), () => this.#end(leg, 'cancelled', 487))
    }
  }

  close(): Promise<void> {
    for (const leg of this.#legs.values()) this.#gone(leg)
    return Promise.resolve()
  }

  // --- calling ------------------------------------------------------------------------------------------------------

  #open(callId: string, ringTimeoutMs: number): Leg {
    assert(!this.#legs.has(callId), 'a call is dialled once')
    const leg: Leg = {
      callId,
      state: 'calling',
      answeredAt: null,
      bridgedAt: null,
      hungUp: false,
      accepted: false,
      ringTimeoutMs,
      timers: new Set(),
      talking: null,
    }
    this.#legs.set(callId, leg)
    return leg
  }

  #dial(callId: string, ringTimeoutMs: number): void {
    const leg = this.#open(callId, ringTimeoutMs)
    const soon = this.#chance.between(0, 3_000)
    const fate = this.#chance.weighted([
      [12, 'answers'],
      [4, 'refuses'],
      [2, 'rings'],
      [1, 'silent'],
      [1, 'mute'],
    ] as const)
    if (fate === 'refuses') {
      const [cause, sipCode] = this.#chance.weighted(ENDINGS)
      return void this.#after(leg, soon, () => this.#end(leg, cause, sipCode))
    }
    if (fate === 'silent') {
      return void this.#after(leg, 32_000, () => this.#end(leg, 'carrier_silent', null))
    }
    // A mute carrier says that it is trying, and nothing more.
    const heard = fate === 'mute' ? MUTE_LIMIT_MS : soon
    this.#after(leg, heard, () => this.#accept(leg, fate === 'mute' ? null : 180))
    if (fate === 'rings' || fate === 'mute') {
      return void this.#after(leg, heard + ringTimeoutMs, () => this.#end(leg, 'no_answer', 487))
    }
    this.#after(leg, soon + this.#chance.between(0, 20_000), () => this.#answer(leg))
  }

  #accept(leg: Leg, sipCode: number | null): void {
    if (!leg.accepted) {
      leg.accepted = true
      this.#tell(leg, { type: 'accepted', sipCode })
    }
    if (sipCode === null) return
    for (let again = this.#chance.between(0, 2); again > 0; again--) {
      this.#tell(leg, { type: 'ringing', sipCode })
    }
  }

  #answer(leg: Leg): void {
    if (leg.state !== 'calling') return
    if (!leg.accepted) this.#accept(leg, 200)
    leg.state = 'answered'
    leg.answeredAt = this.#clock.now()
    const dialog = dialogOf(leg.callId, 1)
    this.#tell(leg, { type: 'answered', dialog, recognizer: 'free', at: leg.answeredAt })
    leg.talking = new TalkingLeg(this.#clock, this.#chance, (event) => this.#tell(leg, event))
    if (this.#chance.hits(0.2)) {
      this.#after(leg, 2_000, () =>
        this.#tell(leg, { type: 'dialog', dialog: dialogOf(leg.callId, 2) }),
      )
    }
    const talks = this.#chance.weighted([
      [1, 50],
      [4, 20_000],
      [4, 90_000],
      [1, 2_000_000],
    ])
    const cause = this.#chance.weighted<NetworkCause>([
      [9, 'peer_hangup'],
      [1, 'media_lost'],
    ])
    this.#after(leg, this.#chance.between(0, talks), () => this.#end(leg, cause, null))
  }

  #hangUp(leg: Leg): void {
    if (leg.hungUp) return
    leg.hungUp = true
    const crossed = leg.state === 'calling' && this.#chance.hits(0.3)
    // A 200 that was on its way when CANCEL was sent: answered, and ended at once.
    if (crossed) this.#after(leg, 10, () => this.#answer(leg))
    if (this.#chance.hits(0.02)) return
    const cause = leg.state === 'calling' && !crossed ? 'cancelled' : 'local_hangup'
    this.#after(leg, this.#chance.between(20, 900), () => this.#end(leg, cause, null))
  }

  #end(leg: Leg, cause: NetworkCause, sipCode: number | null): void {
    if (leg.state === 'ended') return
    const at = this.#clock.now()
    leg.talking?.end()
    if (leg.bridgedAt !== null) {
      this.#tell(leg, { type: 'unbridged', measuredMs: at - leg.bridgedAt })
    }
    const measuredMs = leg.answeredAt === null ? null : at - leg.answeredAt
    const rest = { sipCode, q850Cause: null, reason: null, measuredMs }
    this.#tell(leg, { type: 'ended', cause, ...rest })
    this.#gone(leg)
  }

  #gone(leg: Leg): void {
    leg.talking?.end()
    leg.state = 'ended'
    for (const timer of leg.timers) timer.cancel()
    leg.timers.clear()
    this.#legs.delete(leg.callId)
  }

  // --- transfers ----------------------------------------------------------------------------------------------------

  #transfer(leg: Leg): void {
    const soon = this.#chance.between(10, 2_000)
    const fate = this.#chance.pick(['refer', 'fails', 'bridge', 'bridge', 'late bridge'] as const)
    if (fate === 'fails') {
      const refused = { type: 'transferFailed', reason: 'declined', sipCode: 603 } as const
      return void this.#after(leg, soon, () => this.#tell(leg, refused))
    }
    if (fate === 'bridge') {
      const wanted = { type: 'bridgeWanted', reason: 'no REFER', sipCode: 405 } as const
      return void this.#after(leg, soon, () => this.#tell(leg, wanted))
    }
    this.#after(leg, soon, () => this.#tell(leg, { type: 'transferAccepted' }))
    if (fate === 'late bridge') {
      const wanted = { type: 'bridgeWanted', reason: 'no notice', sipCode: null } as const
      return void this.#after(leg, soon + 32_000, () => this.#tell(leg, wanted))
    }
    this.#after(leg, soon + 500, () => {
      this.#tell(leg, { type: 'transferred', sipCode: 200 })
      this.#after(leg, 50, () => this.#end(leg, 'transferred', null))
    })
  }

  #bridge(leg: Leg): void {
    const soon = this.#chance.between(10, 8_000)
    if (this.#chance.hits(0.4)) {
      const busy = { type: 'transferFailed', reason: 'busy', sipCode: 486 } as const
      return void this.#after(leg, soon, () => this.#tell(leg, busy))
    }
    this.#after(leg, soon >> 1, () => this.#tell(leg, { type: 'transferAccepted' }))
    this.#after(leg, soon, () => {
      leg.bridgedAt = this.#clock.now()
      const dialog = dialogOf(`${leg.callId}-target`, 1)
      this.#tell(leg, { type: 'bridged', dialog, at: leg.bridgedAt })
      const talks = this.#chance.pick([500, 60_000, 300_000])
      this.#after(leg, this.#chance.between(0, talks), () => this.#end(leg, 'peer_hangup', null))
    })
  }

  // --- telling ------------------------------------------------------------------------------------------------------

  #after(leg: Leg, delayMs: number, run: () => void): Timer {
    const timer = this.#clock.schedule(delayMs, () => {
      leg.timers.delete(timer)
      if (leg.state !== 'ended') run()
    })
    leg.timers.add(timer)
    return timer
  }

  #tell(leg: Leg, event: LegEvent): void {
    if (leg.state === 'ended') return
    const whole = { ...event, callId: leg.callId } as NetworkEvent
    this.#told(whole)
    for (const listener of this.#listeners) listener(whole)
  }
}
