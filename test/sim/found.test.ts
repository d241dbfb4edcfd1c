// What the simulator has found in the control plane, each once more by hand: one call, one moment, one thing that goes wrong.
import { Fault, seededRandom, SimClock, silentLog } from '@saperly/kernel'
import type { NetworkCommand, NetworkEvent } from '@saperly/network'
import { expect, test } from 'vitest'
import type { Brains } from '../../packages/server/src/brain/port.ts'
import { SecretBox } from '../../packages/server/src/secrets/box.ts'
import type { CallRow, Store } from '../../packages/server/src/store/port.ts'
import {
  consentRow,
  furnish,
  keyRow,
  NOW,
  numberRow,
  TENANT,
} from '../../packages/server/src/store/testing-rows.ts'
import { Chance } from './chance.ts'
import { CALM } from './faults.ts'
import { Journal } from './journal.ts'
import { Life } from './life.ts'
import { away, ModelStore, surround, unknownOutcome } from './model/store.ts'

const PEER = '+15555550123'
const DIALOG = { callId: 'x', localTag: 'a', remoteTag: 'b', localUri: '', remoteUri: '' }

/** A brain that is there, and never answers. */
const silent: Brains = {
  available: () => Promise.resolve(true),
  attach: () =>
    Promise.resolve({
      kind: 'manual_socket',
      async *ask(_, signal) {
        yield { type: 'wait_for_user' } as const
        await new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
        })
      },
      tell: () => {},
      close: () => Promise.resolve(),
    }),
}

class Bench {
  readonly clock = new SimClock(NOW)
  readonly model: ModelStore
  readonly life: Life
  readonly commands: NetworkCommand[] = []
  /** The answer to the next commit that changes a call in this way is lost. */
  losesCommit: ((row: CallRow) => boolean) | null = null
  /** The database refuses every commit of such a call, for ever. */
  refusesCommit: ((row: CallRow) => boolean) | null = null
  /** The answer to the next statement of this name is lost. */
  losesAnswer: string | null = null
  /** The database is away. */
  away = false
  #tell: (event: NetworkEvent) => void = () => {}

  constructor() {
    const { clock } = this
    this.model = new ModelStore({ clock, random: seededRandom(1), auditKey: 'k', maxLiveCalls: 10 })
    this.life = this.another()
  }

  /** A process on the same database. */
  another(): Life {
    const { clock } = this
    const random = seededRandom(3)
    return new Life({
      clock,
      random,
      model: this.model,
      chance: new Chance(seededRandom(2)),
      journal: new Journal(clock),
      box: new SecretBox(new Uint8Array(32), random),
      rates: CALM,
      targets: [],
      posted: () => {},
      log: silentLog,
      plant: {
        brains: silent,
        store: (store) => this.#faulty(store),
        network: (network) =>
          new Proxy(network, {
            get: (target, name: keyof typeof network) => {
              if (name === 'post') return (command: NetworkCommand) => this.commands.push(command)
              if (name === 'subscribe') {
                return (listener: (event: NetworkEvent) => void) => (this.#tell = listener)
              }
              const member: unknown = target[name]
              return typeof member === 'function' ? (member.bind(target) as unknown) : member
            },
          }),
      },
    })
  }

  static async open(): Promise<Bench> {
    const bench = new Bench()
    const store = bench.model.connect()
    await furnish(store)
    await store.tables.consent.grant(consentRow())
    await bench.life.start()
    return bench
  }

  tell(event: NetworkEvent): void {
    this.#tell(event)
  }

  /** A call that somebody has answered. */
  async talking(): Promise<string> {
    const placing = this.life.calls!.place({
      key: keyRow(),
      fromNumberId: 'num_a',
      to: PEER,
      connectionId: null,
      instructions: null,
      ringTimeoutSec: null,
      maxDurationSec: null,
      metadata: {},
      idempotencyKey: null,
    })
    await this.clock.advance(10)
    const callId = this.commands.find(({ type }) => type === 'dial')!.callId
    const dialog = { ...DIALOG, remoteTarget: '', routeSet: [], localCSeq: 1, remoteAddress: '' }
    this.tell({ callId, type: 'accepted', sipCode: 180 })
    this.tell({
      callId,
      type: 'answered',
      dialog: { ...dialog, trunk: null },
      recognizer: 'free',
      at: this.clock.now(),
    })
    await this.clock.advance(1_000)
    if (!(await placing).ok) throw new Error('the call was not placed')
    return callId
  }

  row(callId: string): CallRow {
    return this.model.rows.calls.rows.get(callId)!.row
  }

  /** Kinds of the call's postings, in order. */
  postings(callId: string): string[] {
    const { rows, groups } = this.model.rows.transfers
    return [...(groups.get(callId) ?? [])].map((id) => {
      const { type, hold } = rows.get(id)!.row
      return `${type} ${hold}`
    })
  }

  #faulty(store: Store): Store {
    return {
      tables: surround(store.tables, async (name, _args, run) => {
        if (this.away) throw away()
        const value = await run()
        if (name !== this.losesAnswer) return value
        this.losesAnswer = null
        throw Object.assign(unknownOutcome(), { retryable: true })
      }),
      transaction: async (body) => {
        if (this.away) throw away()
        const loses = this.losesCommit
        let lost = false
        const watch = ({
          changes,
        }: {
          changes: readonly { table: string; row: object | null }[]
        }) =>
          (lost ||= changes.some(
            ({ table, row }) => table === 'call' && loses?.(row as CallRow) === true,
          ))
        const value = await store.transaction(async (tables) => {
          const answer = await body(tables)
          const row = answer as CallRow | null
          if (row && this.refusesCommit?.(row)) throw new Fault('refused', { retryable: false })
          this.model.database.watchers.push(watch)
          return answer
        })
        this.model.database.watchers.splice(this.model.database.watchers.indexOf(watch), 1)
        if (!lost) return value
        this.losesCommit = null
        throw unknownOutcome()
      },
      close: () => store.close(),
    }
  }
}

test('a caller who gives up while the call is being recorded leaves no open hold', async () => {
  const bench = await Bench.open()
  const callId = 'call_early'
  const { phoneNumber: to } = numberRow()
  bench.tell({ callId, type: 'incoming', environment: 'test', trunk: null, from: PEER, to })
  const rest = { sipCode: 487, q850Cause: null, reason: null, measuredMs: null }
  bench.tell({ callId, type: 'ended', cause: 'cancelled', ...rest })
  await bench.clock.advance(1_000)
  expect(bench.row(callId)).toMatchObject({ state: 'ended', hangupCause: 'cancelled' })
  expect(bench.postings(callId)).toEqual(['reserve 0', 'release 0'])
})

test('a target whose commit got no answer has its hold given back all the same', async () => {
  const bench = await Bench.open()
  const callId = await bench.talking()
  void bench.life.calls!.transfer(TENANT, callId, '+15555550124')
  await bench.clock.advance(10)
  bench.losesCommit = ({ bridge }) => bridge !== null
  bench.tell({ callId, type: 'bridgeWanted', reason: 'no REFER', sipCode: 405 })
  await bench.clock.advance(10_000)
  expect(bench.row(callId).state).toBe('ended')
  expect(bench.postings(callId).toSorted()).toEqual([
    'release 1',
    'reserve 0',
    'reserve 1',
    'settle 0',
  ])
})

test('who waits for a transfer is answered when the session fails', async () => {
  const bench = await Bench.open()
  const callId = await bench.talking()
  const transferring = bench.life.calls!.transfer(TENANT, callId, '+15555550124')
  await bench.clock.advance(10)
  bench.refusesCommit = ({ state }) => state === 'ending'
  void bench.life.calls!.end(TENANT, callId, null).catch(() => undefined)
  await bench.clock.advance(10_000)
  expect((await transferring).ok).toBe(false)
})

test('a session that fails gives its call up, though its brain never answers', async () => {
  const bench = await Bench.open()
  const callId = await bench.talking()
  bench.refusesCommit = ({ state }) => state === 'ending'
  void bench.life.calls!.end(TENANT, callId, null).catch(() => undefined)
  await bench.clock.advance(10_000)
  expect(bench.row(callId)).toMatchObject({ state: 'ended', status: 'completed' })
})

test('a line of the timeline whose answer was lost is not written twice, nor the end of its call', async () => {
  const bench = await Bench.open()
  const callId = await bench.talking()
  bench.losesAnswer = 'events.append'
  bench.tell({ callId, type: 'digits', digits: '1' })
  await bench.clock.advance(30_000)
  expect(bench.losesAnswer).toBeNull()
  expect(bench.row(callId).state).toBe('connected')
  const events = await bench.model.connect().tables.events.list(callId, null)
  expect(events.filter(({ type }) => type === 'dtmf')).toHaveLength(1)
})

/** Milliseconds after its answer at which the call is told to hang up. */
async function hungUpAfter(bench: Bench, limitMs: number): Promise<number> {
  const hungUp = (): boolean => bench.commands.some(({ type }) => type === 'hangUp')
  const talkedMs = 1_000
  for (let ms = talkedMs; ms <= limitMs; ms += 100) {
    if (hungUp()) return ms
    await bench.clock.advance(100)
  }
  return Infinity
}

/** The network does as it was told. */
function endOf(bench: Bench, callId: string, measuredMs: number): void {
  const rest = { sipCode: null, q850Cause: null, reason: null }
  bench.tell({ callId, type: 'ended', cause: 'local_hangup', measuredMs, ...rest })
}

test('a database that is away when the next slice is due does not let the call run over', async () => {
  const bench = await Bench.open()
  const callId = await bench.talking()
  await bench.clock.advance(30_000)
  bench.away = true
  // A step that can't be written holds up all that come after it.
  void bench.life.calls!.end(TENANT, callId, null).catch(() => undefined)
  const dialog = { ...DIALOG, remoteTarget: '', routeSet: [], localCSeq: 2, remoteAddress: '' }
  bench.tell({ callId, type: 'dialog', dialog: { ...dialog, trunk: null } })
  const ms = await hungUpAfter(bench, 100_000)
  expect(ms + 30_000).toBeGreaterThan(58_000)
  expect(ms + 30_000).toBeLessThanOrEqual(60_000)
  endOf(bench, callId, 59_500)
  await bench.clock.advance(20_000)
  bench.away = false
  await bench.clock.advance(5_000)
  expect(bench.row(callId)).toMatchObject({
    state: 'ended',
    status: 'completed',
    hangupCause: 'insufficient_funds',
    durationSec: 60,
    costCents: 13,
  })
  expect(bench.postings(callId)).toEqual(['reserve 0', 'settle 0'])
})

test('a call outlives an outage of 30 s, also one that takes the answer of a commit with it', async () => {
  const bench = await Bench.open()
  const callId = await bench.talking()
  await bench.clock.advance(5_000)
  bench.away = true
  await bench.clock.advance(30_000)
  bench.away = false
  await bench.clock.advance(40_000)
  expect(bench.row(callId).state).toBe('connected')
  bench.losesCommit = ({ state }) => state === 'ending'
  const ended = bench.life.calls!.end(TENANT, callId, null)
  await bench.clock.advance(5_000)
  endOf(bench, callId, 80_000)
  await bench.clock.advance(1_000)
  expect(await ended).toMatchObject({ ok: true, value: { hangupCause: 'api_end' } })
  expect(bench.postings(callId)).toEqual(['reserve 0', 'extend 0', 'settle 0'])
})

test('a hold grows once, when nobody heard that it had', async () => {
  const bench = await Bench.open()
  const callId = await bench.talking()
  bench.losesAnswer = 'ledger.extend'
  await bench.clock.advance(80_000)
  expect(bench.losesAnswer).toBe(null)
  expect(bench.postings(callId)).toEqual(['reserve 0', 'extend 0'])
})

test.each([3_600_000, -3_600_000])(
  'a time of day set by %i ms in a call changes neither its slices nor its bill',
  async (jumpMs) => {
    const bench = await Bench.open()
    const callId = await bench.talking()
    await bench.clock.advance(20_000)
    bench.clock.jump(jumpMs)
    await bench.clock.advance(30_000)
    expect(bench.postings(callId)).toEqual(['reserve 0', 'extend 0'])
    // The network owes an end, and does not give one: the session has to know by itself how long they talked.
    const ended = bench.life.calls!.end(TENANT, callId, null)
    await bench.clock.advance(46_000)
    const row = bench.row(callId)
    expect(row).toMatchObject({ state: 'ended', durationSec: 96, costCents: 21 })
    expect(row.endedAt).toBeGreaterThanOrEqual(row.answeredAt!)
    expect((await ended).ok).toBe(true)
  },
)

test.each([3_600_000, -3_600_000])(
  'a call whose process dies after the time of day was set by %i ms is billed for no more than was held',
  async (jumpMs) => {
    const bench = await Bench.open()
    const callId = await bench.talking()
    await bench.clock.advance(20_000)
    bench.clock.jump(jumpMs)
    await bench.clock.advance(6_000)
    bench.life.kill()
    const next = bench.another()
    await next.start()
    await bench.clock.advance(1_000)
    const { state, costCents } = bench.row(callId)
    expect(state).toBe('ended')
    expect(costCents).toBeGreaterThan(0)
    expect(costCents).toBeLessThanOrEqual(13)
  },
)
