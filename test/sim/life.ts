// One process of the control plane as app.ts joins it, over the simulated ports; it can die at any moment.
import { type Clock, deferred, Ids, type Log, type Random, silentLog } from '@saperly/kernel'
import type { Network, NetworkCommand, NetworkEvent } from '@saperly/network'
import { Idempotency } from '../../packages/server/src/api/idempotency.ts'
import { AuditChainer } from '../../packages/server/src/audit/chainer.ts'
import { CallRegistry } from '../../packages/server/src/call/calls.ts'
import { Lease } from '../../packages/server/src/call/lease.ts'
import { Takeover } from '../../packages/server/src/call/takeover.ts'
import { Timeline } from '../../packages/server/src/call/timeline.ts'
import { RateDeck } from '../../packages/server/src/ledger/rate.ts'
import type { SecretBox } from '../../packages/server/src/secrets/box.ts'
import type { Store } from '../../packages/server/src/store/port.ts'
import { Deliverer } from '../../packages/server/src/webhook/deliver.ts'
import { SimBrains } from './brains.ts'
import { SimCarrier } from './carrier.ts'
import type { Chance } from './chance.ts'
import { type FaultRates, faultyHooks } from './faults.ts'
import type { Journal } from './journal.ts'
import { LifeClock } from './life-clock.ts'
import type { ModelStore } from './model/store.ts'
import type { Plant } from './plants.ts'
import { Receiver } from './receiver.ts'

export interface LifeWorld {
  clock: Clock
  random: Random
  chance: Chance
  journal: Journal
  model: ModelStore
  box: SecretBox
  rates: FaultRates
  plant: Plant
  targets: readonly string[]
  posted: (command: NetworkCommand) => void
  told?: (event: NetworkEvent) => void
  log: Log
}

/** The process has died before it answered. */
export class LifeLost extends Error {}

export class Life {
  readonly clock: LifeClock
  readonly store: Store
  readonly ids: Ids
  readonly carrier: SimCarrier
  readonly idempotency: Idempotency
  /** Null until the process takes calls. */
  calls: CallRegistry | null = null
  readonly #world: LifeWorld
  readonly #connection: ReturnType<ModelStore['connect']>
  readonly #network: Network
  readonly #deliverer: Deliverer
  readonly #chainer: AuditChainer
  #lease: Lease | null = null
  #takeover: Takeover | null = null
  readonly #died = deferred<never>()
  readonly #rates: FaultRates
  dead = false

  constructor(world: LifeWorld) {
    this.#world = world
    const { random, chance, journal, model, plant } = world
    this.clock = new LifeClock(world.clock)
    const clock = plant.clock?.(this.clock, chance) ?? this.clock
    this.#rates = { ...world.rates }
    const crash = (): void => this.kill()
    this.#connection = model.connect(
      faultyHooks({ rates: this.#rates, chance, clock: this.clock, journal, crash }),
    )
    this.store = plant.store?.(this.#connection, chance) ?? this.#connection
    this.ids = new Ids(clock, random)
    const told = (event: NetworkEvent): void => {
      journal.note(`< ${event.callId} ${event.type}`)
      world.told?.(event)
    }
    this.carrier = new SimCarrier(this.clock, chance, { posted: world.posted, told })
    this.#network = plant.network?.(this.carrier) ?? this.carrier
    const { store } = this
    this.idempotency = new Idempotency({ store, clock })
    const dialler = new Receiver(clock, chance)
    const deps = { store, clock, random, log: silentLog }
    this.#deliverer = new Deliverer({ ...deps, dialler, box: world.box })
    this.#chainer = new AuditChainer({ store, clock, log: silentLog })
  }

  /** Finishes what the last process left, and takes calls; `alone`: there is no other. False when the database let it down. */
  async start(alone = true): Promise<boolean> {
    const { chance, log, targets } = this.#world
    const { store, ids } = this
    const clock = this.#world.plant.clock?.(this.clock, chance) ?? this.clock
    const timeline = new Timeline({ store, clock, ids, log })
    this.#lease = new Lease({ store, clock, ids, log }, 'all')
    await this.request(() => this.#lease!.join())
    const deps = {
      process: this.#lease,
      store,
      network: this.#network,
      timeline,
      clock,
      ids,
      log,
      brains: this.#world.plant.brains ?? new SimBrains(clock, chance, targets),
      rates: new RateDeck([{ prefix: '+1555', manualCentsPerMin: 13, hostedCentsPerMin: 26 }]),
      policy: {
        allowedCountries: null,
        impliedConsentMs: 60_000,
        recordingsDir: '/recordings',
      },
      repairRecording: () => Promise.resolve(null),
      committed: () => this.#chainer.wake(),
      emitted: () => {
        this.#deliverer.wake()
        this.#chainer.wake()
      },
    }
    const calls = new CallRegistry(deps)
    const takeover = new Takeover(deps, calls)
    this.#takeover = takeover
    await this.request(() => takeover.begin(alone))
    this.#lease.start({ renewed: () => takeover.wake(), lost: () => calls.abandonAll() })
    this.#world.journal.note('a process starts')
    this.calls = calls
    this.#deliverer.start()
    this.#chainer.start()
    return true
  }

  /** What the process answers. @throws LifeLost when it dies first */
  request<T>(run: () => Promise<T>): Promise<T> {
    return Promise.race([run(), this.#died.promise])
  }

  /** The weather clears for what is left of this life. */
  calm(): void {
    for (const name of Object.keys(this.#rates) as (keyof FaultRates)[]) this.#rates[name] = 0
  }

  /** SIGSTOP, and SIGCONT `ms` later. */
  pause(ms: number): void {
    this.#world.journal.note(`a process is paused for ${ms} ms`)
    this.clock.pause()
    this.#world.clock.schedule(ms, () => this.clock.resume())
  }

  /** kill -9. */
  kill(): void {
    if (this.dead) return
    this.dead = true
    this.#connection.kill()
    this.clock.kill()
    this.#died.reject(new LifeLost())
  }

  /** As app.ts closes: live calls first, then what they were told through. */
  async close(): Promise<void> {
    await this.calls?.close()
    await this.#takeover?.close()
    await this.#lease?.close()
    await this.carrier.close()
    await this.#deliverer.close()
    await this.#chainer.close()
  }
}
