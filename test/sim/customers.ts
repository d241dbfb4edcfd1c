// The customers of a simulated platform: they place calls, steer and end them, and change their minds about consent.
import { type Clock, Fault, type Random, type Result } from '@saperly/kernel'
import { JSON_TYPE } from '../../packages/server/src/api/answer.ts'
import {
  type Pair,
  recordConsent,
  revokeConsent,
} from '../../packages/server/src/consent/consent.ts'
import type { CallRow, KeyRow, Tenant } from '../../packages/server/src/store/port.ts'
import type { PlaceFailure } from '../../packages/server/src/call/port.ts'
import type { Chance } from './chance.ts'
import type { Journal } from './journal.ts'
import { type Life, LifeLost } from './life.ts'

export interface CustomerWorld {
  clock: Clock
  random: Random
  chance: Chance
  journal: Journal
  tenant: Tenant
  keys: readonly KeyRow[]
  numbers: readonly { id: string; phoneNumber: string }[]
  peers: readonly string[]
  /** The process that is there now, or null between two. */
  life: () => Life | null
  /** The customer reported a duration for this call. */
  reported: (callId: string) => void
}

type Registry = NonNullable<Life['calls']>

const TRIES = 4

export class Customers {
  readonly #world: CustomerWorld
  #orders = 0
  /** Requests under way. */
  busy = 0

  constructor(world: CustomerWorld) {
    this.#world = world
  }

  /** One customer with one wish, begun now. */
  begin(): void {
    const { chance } = this.#world
    this.busy++
    const wish = chance.weighted([
      [12, () => this.#order()],
      [3, () => this.#caller()],
    ])
    void wish().finally(() => this.busy--)
  }

  /** What goes on beside the calls: consent comes and goes, money comes. */
  stir(): void {
    this.busy++
    const { chance } = this.#world
    const wish = chance.weighted([
      [6, () => this.#grant()],
      [5, () => this.#revoke()],
      [1, () => this.#topUp()],
    ])
    void wish().finally(() => this.busy--)
  }

  // --- requests -----------------------------------------------------------------------------------------------------

  /** One request to the process that is there; null when it failed for a reason that is no bug. */
  async #ask<T>(what: string, run: (life: Life, calls: Registry) => Promise<T>): Promise<T | null> {
    const life = this.#world.life()
    if (!life?.calls || life.dead) return null
    const { calls } = life
    try {
      return await life.request(() => run(life, calls))
    } catch (error) {
      if (!(error instanceof Fault) && !(error instanceof LifeLost)) throw error
      this.#world.journal.note(`${what}: ${error.constructor.name} ${error.message}`)
      return null
    }
  }

  #pause(ms: number): Promise<void> {
    return this.#world.clock.sleep(ms, new AbortController().signal)
  }

  async #order(): Promise<void> {
    const { chance } = this.#world
    const order = `order ${++this.#orders}`
    const request = {
      key: chance.pick(this.#world.keys),
      fromNumberId: chance.pick(this.#world.numbers).id,
      to: chance.pick(this.#world.peers),
      connectionId: null,
      instructions: null,
      ringTimeoutSec: chance.pick([null, 10, 45]),
      maxDurationSec: chance.pick([null, 30, 90, 200]),
      metadata: { order },
    }
    const place = () =>
      this.#ask(order, (life, calls) =>
        life.idempotency.once({
          key: request.key,
          idempotencyKey: order,
          route: 'POST /calls',
          body: request,
          redact: (body) => body,
          keeps: (tag) => tag === 'CallStartFailed',
          outcomeOf: (callId) => this.#outcomeOf(life, callId),
          run: async () => answerOf(await calls.place({ ...request, idempotencyKey: order })),
        }),
      )
    // Somebody says no while the call is being placed.
    if (chance.hits(0.15)) void this.#changeOfMind(request.fromNumberId, request.to)
    // An impatient customer asks twice at once, a faulty network makes the same of it.
    if (chance.hits(0.15)) void place()
    let callId: string | null = null
    for (let tries = 0; tries < TRIES; tries++) {
      const answer = await place()
      this.#world.journal.note(`${order}: ${String(answer?.body ?? 'no answer')}`)
      callId = answer && JSON.parse(String(answer.body)).callId
      if (answer && answer.status !== 409) break
      await this.#pause(chance.pick([10, 1_000, 130_000]))
    }
    if (callId) await this.#steer(callId)
  }

  async #outcomeOf(life: Life, callId: string) {
    const call = await life.store.tables.calls.get(this.#world.tenant, callId)
    if (!call || call.state === 'queued' || call.state === 'dialing') return null
    return answerOf({ ok: true, value: call }).answer
  }

  /** What a customer does with a call that is there. */
  async #steer(callId: string): Promise<void> {
    const { chance, tenant, peers } = this.#world
    for (let acts = chance.between(0, 3); acts > 0; acts--) {
      await this.#pause(chance.between(0, 40_000))
      const act = chance.pick(['speak', 'digits', 'transfer'] as const)
      await this.#ask(act, async (_, calls): Promise<unknown> => {
        if (act === 'speak') return calls.speak(tenant, callId, 'one more thing', chance.hits(0.5))
        if (act === 'digits') return calls.sendDtmf(tenant, callId, '1')
        return calls.transfer(tenant, callId, chance.pick(peers))
      })
    }
    if (!chance.hits(0.5)) return
    await this.#pause(chance.between(0, 60_000))
    const reportedSec = chance.weighted([
      [8, null],
      [1, 20],
      [1, 400],
    ])
    if (reportedSec !== null) this.#world.reported(callId)
    await this.#ask('end', (_, calls) => calls.end(tenant, callId, reportedSec))
  }

  async #caller(): Promise<void> {
    const { chance, peers, numbers } = this.#world
    const life = this.#world.life()
    if (!life?.calls || life.dead) return
    const from = chance.hits(0.1) ? 'anonymous' : chance.pick(peers)
    life.carrier.ring(life.ids.next('call'), from, chance.pick(numbers).phoneNumber)
  }

  // --- consent and money --------------------------------------------------------------------------------------------

  #pair() {
    const { chance, tenant, numbers, peers, clock } = this.#world
    const at = clock.now()
    return { tenant, numberId: chance.pick(numbers).id, peerNumber: chance.pick(peers), at }
  }

  async #grant(): Promise<void> {
    const { chance } = this.#world
    await this.#ask('grant', ({ store, ids }) =>
      store.transaction((tables) =>
        recordConsent(tables, ids, {
          ...this.#pair(),
          consentType: 'explicit_outbound',
          source: 'form',
          impliedMs: 0,
          afterOptOut: chance.hits(0.7),
          actor: 'platform',
        }),
      ),
    )
  }

  #revoke(): Promise<void> {
    return this.#end(this.#pair(), this.#world.chance.hits(0.15))
  }

  async #changeOfMind(numberId: string, peerNumber: string): Promise<void> {
    const { chance, tenant, clock } = this.#world
    await this.#pause(chance.pick([0, 1, 5, 30, 200]))
    await this.#end({ tenant, numberId, peerNumber, at: clock.now() }, chance.hits(0.3))
  }

  async #end(pair: Pair & { at: number }, optOut: boolean): Promise<void> {
    await this.#ask('revoke', ({ store, ids }) =>
      store.transaction((tables) =>
        revokeConsent(tables, ids, { ...pair, optOut, actor: 'platform' }),
      ),
    )
  }

  async #topUp(): Promise<void> {
    const { chance, tenant, clock } = this.#world
    const cents = chance.between(20, 200)
    await this.#ask('top up', ({ store }) =>
      store.tables.ledger.topUp(tenant, cents, 'top-up', clock.now()),
    )
  }
}

function answerOf(placed: Result<CallRow, PlaceFailure>) {
  const body = placed.ok ? { callId: placed.value.id } : { refused: placed.failure._tag }
  return {
    answer: {
      status: placed.ok ? 201 : 422,
      contentType: JSON_TYPE,
      headers: {},
      body: JSON.stringify(body),
    },
    failure: placed.ok ? null : placed.failure,
  }
}
