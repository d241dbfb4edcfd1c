// One simulation: a platform, its customers and a carrier, driven by one seed to the end of its last call.
import { assert, Fault, liveScopes, seededRandom, SimClock, silentLog } from '@saperly/kernel'
import { SecretBox, sealedFor } from '../../packages/server/src/secrets/box.ts'
import {
  connectionRow,
  consentRow,
  keyRow,
  numberRow,
  TENANT,
  webhookRow,
} from '../../packages/server/src/store/testing-rows.ts'
import { Chance } from './chance.ts'
import { Checkers } from './checkers.ts'
import { Customers } from './customers.ts'
import { CALM, type FaultRates, weatherOf } from './faults.ts'
import { Journal, type Violation } from './journal.ts'
import { Life, type LifeWorld } from './life.ts'
import { ModelStore } from './model/store.ts'
import type { Plant } from './plants.ts'

export interface Simulation {
  seed: number
  /** How many calls are asked for, placed and received together. */
  calls: number
  plant?: Plant
  rates?: FaultRates | undefined
  /** Processes that share the database; one of several is paused now and then. One by default. */
  processes?: number
}

export interface SimulationResult {
  seed: number
  violations: readonly Violation[]
  lines: readonly string[]
  /** Equal for two runs that went the same way. */
  digest: string
  asked: number
  /** Calls that came to be, by how they ended. */
  ended: Readonly<Record<string, number>>
  crashes: number
  /** Processes that were paused for longer than their lease, and found out. */
  lost: number
  /** Calls without an owner in a process that lived to the end: its successor ended them. */
  orphans: number
  simulatedMs: number
}

const PEERS = Array.from({ length: 14 }, (_, index) => `+155555501${10 + index}`)
/** Simulated time after which a world that has not come to rest is called stuck. */
const LIMIT_MS = 12 * 3_600_000
const RESTART_MS = 1_500
/** How often one of several processes is paused, and for how long: within its lease, and beyond. */
const PAUSE_RATE = 0.06
const PAUSES_MS = [2_000, 6_500, 12_000, 40_000]
/** How often between two calls somebody sets the time of day, in worlds where that happens; and by how much. */
const JUMP_RATE = 0.02
const JUMP_MS = 3_600_000
/** Simulated seconds within which a process must have closed. */
const CLOSING_SEC = 600

export async function simulate({
  seed,
  calls,
  plant = {},
  rates,
  processes = 1,
}: Simulation): Promise<SimulationResult> {
  const world = new SimWorld(seed, plant, rates, processes)
  await world.furnish()
  await world.run(calls)
  return world.result(calls)
}

class SimWorld {
  readonly #seed: number
  readonly #clock = new SimClock()
  readonly #chance: Chance
  readonly #journal: Journal
  readonly #model: ModelStore
  readonly #checkers: Checkers
  readonly #customers: Customers
  readonly #context: LifeWorld
  readonly #lives: (Life | null)[]
  #crashes = 0
  #orphans = 0
  #lost = 0
  /** Scopes of this process that were open before, and those that died open with a simulated one. */
  #scopes = liveScopes()

  constructor(seed: number, plant: Plant, rates: FaultRates | undefined, processes: number) {
    this.#lives = Array.from({ length: processes }, () => null)
    this.#seed = seed
    const random = seededRandom(seed)
    const chance = new Chance(seededRandom(seed ^ 0x5bd1e995))
    this.#chance = chance
    const clock = this.#clock
    const journal = new Journal(clock)
    this.#journal = journal
    const model = new ModelStore({ clock, random, auditKey: 'sim', maxLiveCalls: 12 })
    this.#model = model
    this.#checkers = new Checkers(model, journal, clock)
    const numbers = NUMBERS.map(({ id, phoneNumber }) => ({ id, phoneNumber }))
    this.#customers = new Customers({
      clock,
      random,
      chance,
      journal,
      tenant: TENANT,
      keys: KEYS,
      numbers,
      peers: PEERS,
      life: () => this.#answering(),
      reported: (callId) => this.#checkers.reported(callId),
    })
    this.#context = {
      clock,
      random,
      chance,
      journal,
      model,
      plant,
      targets: PEERS.slice(0, 4),
      rates: rates ?? weatherOf(chance),
      box: new SecretBox(new Uint8Array(32).fill(7), random),
      posted: (command) => this.#checkers.onCommand(command),
      // A process that is paused can't hang up: its lease sees to that, and others to its calls.
      ...(processes === 1 && { told: (event) => this.#checkers.onEvent(event) }),
      log: {
        ...silentLog,
        warn: (event) => {
          if (event === 'process.lost') this.#lost++
        },
        error: (event, fields, cause) => {
          const why = cause instanceof Error ? `${cause.name} ${cause.message}` : ''
          const callId = String(fields?.['callId'] ?? '')
          journal.note(`error ${event} ${callId} ${why}`)
          // No outage of the simulated database lasts as long as a call must hold out.
          const short = cause instanceof Fault && cause.retryable
          if (event === 'call.session.failed' && short) {
            journal.broken('a call outlives a short outage', callId)
          }
        },
      },
    }
  }

  async furnish(): Promise<void> {
    const { tables } = this.#model.connect()
    const at = this.#clock.now()
    await tables.workspaces.create({ id: TENANT.workspaceId, name: 'A', createdAt: at })
    for (const key of KEYS) await tables.keys.insert(key)
    await tables.connections.insert(CONNECTION)
    for (const number of NUMBERS) await tables.numbers.insert(number)
    const secret = this.#context.box.seal('whsec', sealedFor.webhook('whk_a'))
    const events = ['call.received', 'call.answered', 'call.completed', 'call.failed']
    await tables.webhooks.insert(webhookRow({ secret, events }))
    for (const [index, { numberId, peerNumber }] of PAIRS.entries()) {
      if (this.#chance.hits(0.85)) {
        const id = `con_${String(index).padStart(3, '0')}`
        await tables.consent.grant(consentRow({ id, numberId, peerNumber, grantedAt: at }))
      }
    }
    await tables.ledger.topUp(TENANT, this.#chance.pick([1, 400, 20_000]), 'start', at)
  }

  async run(calls: number): Promise<void> {
    await this.#live()
    // Chances of its own, so that the worlds which are known by their seeds stay as they were.
    const time = new Chance(seededRandom(this.#seed ^ 0x2545f491))
    const jumpy = time.hits(0.5)
    for (let asked = 0; asked < calls; asked++) {
      this.#customers.begin()
      if (jumpy && time.hits(JUMP_RATE)) this.#jump(time.pick([JUMP_MS, -JUMP_MS]))
      for (let stirs = this.#chance.between(0, 3); stirs > 0; stirs--) this.#customers.stir()
      this.#pauseSome()
      await this.#advance(
        this.#chance.weighted([
          [3, 0],
          [3, 800],
          [2, 9_000],
        ]),
      )
    }
    await this.#rest()
    await this.#closeLast()
    await this.#checkers.atEnd(1)
  }

  #jump(ms: number): void {
    this.#journal.note(`the time of day is set by ${ms} ms`)
    this.#clock.jump(ms)
  }

  result(asked: number): SimulationResult {
    const { violations, lines } = this.#journal
    const ended: Record<string, number> = {}
    for (const { row } of this.#model.rows.calls.rows.values()) {
      const how = `${row.status} ${row.hangupCause}`
      ended[how] = (ended[how] ?? 0) + 1
    }
    return {
      seed: this.#seed,
      violations,
      lines,
      digest: this.#journal.digest(),
      asked,
      ended,
      crashes: this.#crashes,
      lost: this.#lost,
      orphans: this.#orphans,
      simulatedMs: this.#clock.monotonicMs(),
    }
  }

  /** Until nobody wants anything and no call is live. */
  async #rest(): Promise<void> {
    while (this.#customers.busy > 0 || this.#liveCalls() > 0) {
      if (this.#clock.monotonicMs() > LIMIT_MS) {
        const left = `${this.#customers.busy} requests, ${this.#liveCalls()} calls`
        return this.#journal.broken('a call of a living process comes to its end', left)
      }
      await this.#advance(5_000)
    }
  }

  /** The last process gives everything back; another one ends what has lost its owner, and does the same. */
  async #closeLast(): Promise<void> {
    this.#context.rates = CALM
    for (const life of this.#lives) life?.clock.resume()
    for (const life of this.#lives) {
      if (life && !life.dead) await this.#close(life)
      life?.kill()
    }
    this.#orphans = this.#unfinished()
    this.#lives.splice(1)
    await this.#live()
    const [last] = this.#lives
    assert(last, 'a calm world has a process')
    await this.#close(last)
  }

  #unfinished(): number {
    const rows = [...this.#model.rows.calls.rows.values()]
    return rows.filter(({ row }) => row.state !== 'ended').length
  }

  /** Calls that somebody runs; of several processes, those too that nobody runs: some other will. */
  #liveCalls(): number {
    if (this.#lives.length > 1) return this.#unfinished()
    return this.#lives[0]?.calls?.live ?? 1
  }

  /** The process that a customer gets to. */
  #answering(): Life | null {
    if (this.#lives.length === 1) return this.#lives[0] ?? null
    const up = this.#lives.filter((life) => life && !life.dead && !life.clock.paused && life.calls)
    return up.length === 0 ? null : this.#chance.pick(up)
  }

  #pauseSome(): void {
    if (this.#lives.length === 1 || !this.#chance.hits(PAUSE_RATE)) return
    const life = this.#chance.pick(this.#lives)
    if (life && !life.dead && !life.clock.paused) life.pause(this.#chance.pick(PAUSES_MS))
  }

  async #close(life: Life): Promise<void> {
    life.calm()
    let closed = false
    void life.close().then(() => (closed = true))
    for (let waited = 0; !closed && waited < CLOSING_SEC; waited++) await this.#clock.advance(1_000)
    const left = {
      unclosed: Number(!closed),
      timers: life.clock.pending,
      // Scopes and locks are not told apart by process.
      scopes: this.#lives.length > 1 ? 0 : liveScopes() - this.#scopes,
      locks: this.#lives.length > 1 ? 0 : this.#model.database.locks.held,
      legs: life.carrier.live,
    }
    const open = Object.entries(left).filter(([, count]) => count !== 0)
    if (open.length > 0) this.#journal.broken('nothing is left behind', JSON.stringify(left))
  }

  async #advance(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    if (this.#lives.some((life) => life?.dead)) await this.#live()
  }

  /** Processes that take calls, however often they have to be started. */
  async #live(): Promise<void> {
    for (;;) {
      const place = this.#lives.findIndex((life) => !life || life.dead)
      if (place < 0) return
      if (this.#lives[place]) {
        this.#crashes++
        await this.#clock.advance(RESTART_MS)
        // What died open stays open: its code never goes on.
        this.#scopes = liveScopes()
      }
      const life = new Life(this.#context)
      this.#lives[place] = life
      let started: boolean | null = null
      life.start(this.#lives.length === 1).then(
        () => (started = true),
        (error: unknown) => {
          this.#journal.note(`a start failed: ${String(error)}`)
          started = false
        },
      )
      while (started === null) await this.#clock.advance(100)
      if (!started) life.kill()
    }
  }
}

const CONNECTION = connectionRow({
  settings: {
    ...connectionRow().settings,
    callControl: {
      endCall: true,
      sendDtmf: true,
      transfer: { targets: ['+15555550110', '+15555550111', '+15555550112'], from: null },
    },
  },
})

const NUMBERS = [numberRow(), numberRow({ id: 'num_b', phoneNumber: '+15555550198' })]

const KEYS = [
  keyRow(),
  keyRow({ id: 'key_b', hash: 'b', spendLimitCents: 300, spendLimitResetPeriod: 'monthly' }),
  keyRow({ id: 'key_c', hash: 'c', mintedByTokenId: 'key_b', spendLimitCents: 120 }),
]

const PAIRS = NUMBERS.flatMap(({ id: numberId }) =>
  PEERS.map((peerNumber) => ({ numberId, peerNumber })),
)
