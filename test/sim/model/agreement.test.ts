// The model and PostgreSQL, asked the same in the same order, answer the same and end up with the same rows.
import { seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Store, Tables } from '../../../packages/server/src/store/port.ts'
import { type TestServer, startTestServer } from '../../../packages/server/src/store/testing.ts'
import { furnish, NOW, STRANGERS, TENANT } from '../../../packages/server/src/store/testing-rows.ts'
import { randomSteps, type Step } from './steps.ts'
import { ModelStore } from './store.ts'

const SEEDS = [1, 2, 3, 4]
const STEPS = 250
const OPTIONS = { auditKey: 'audit key of the tests', maxLiveCalls: 4 }

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})

afterAll(() => server.stop())

function modelAt(clock: SimClock): Store {
  return new ModelStore({ ...OPTIONS, clock, random: seededRandom(9) }).connect()
}

/** An answer, or the kind of its refusal: words differ, meanings must not. */
async function answerOf(run: () => Promise<unknown>): Promise<unknown> {
  try {
    return withoutIds(await run())
  } catch (error) {
    return `${(error as Error).name}${'retryable' in (error as object) ? ` ${String((error as { retryable: boolean }).retryable)}` : ''}`
  }
}

/** Postings' ids and digests are each store's own; what they say must agree. */
function withoutIds(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value ?? null, (name, field: unknown) =>
      name === 'dataDigest' || name === 'hash' || name === 'previousHash' || name === 'updatedAt'
        ? undefined
        : typeof field === 'string' && /^(txn|opt)_/.test(field)
          ? field.slice(0, 3)
          : sorted(field),
    ),
  )
}

function sorted(field: unknown): unknown {
  if (field === null || typeof field !== 'object' || Array.isArray(field)) return field
  return Object.fromEntries(Object.entries(field).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

class RolledBack extends Error {}

async function play(store: Store, step: Step): Promise<unknown> {
  if (step.kind === 'single') return answerOf(() => step.run(store.tables))
  const answers: unknown[] = []
  const outcome = await answerOf(() =>
    store.transaction(async (tables) => {
      answers.length = 0
      for (const run of step.runs) answers.push(withoutIds(await run(tables)))
      if (step.kind === 'rolledBack') throw new RolledBack('on purpose')
      return 'committed'
    }),
  )
  return { answers, outcome }
}

async function everything({ tables }: Store): Promise<unknown> {
  const page = { limit: 1000, cursor: null }
  const filter = { status: null, numberId: null, numberIds: null, to: null }
  const seen: unknown[] = []
  for (const tenant of [TENANT, ...STRANGERS]) {
    const calls = await tables.calls.list(tenant, { ...filter, since: null, until: null }, page)
    seen.push(
      calls,
      await tables.ledger.list(tenant, page),
      await tables.ledger.balance(tenant),
      await tables.consent.list(
        tenant,
        { numberId: null, peerNumber: null, numberIds: null },
        page,
      ),
      await tables.keys.list(tenant, page, NOW),
      await tables.numbers.list(tenant, null, page),
      await tables.connections.list(tenant, page),
      await tables.webhooks.list(tenant, page),
      await tables.audit.list(tenant, page),
      await tables.outbox.list(tenant, 'whk_a', null, page),
      await tables.calls.usage(tenant, null),
    )
    for (const { id } of calls) {
      seen.push(await tables.events.list(id, null), await tables.transcripts.list(id))
    }
  }
  seen.push(await tables.ledger.verify(), await tables.outbox.nextDueAt())
  return withoutIds(seen)
}

test.each(SEEDS)('seed %i: whatever is asked, both agree', async (seed) => {
  const clock = new SimClock(NOW)
  const real = await server.open({ ...OPTIONS, clock, log: silentLog, random: seededRandom(9) })
  const model = modelAt(clock)
  await furnish(real.store)
  await furnish(model)
  let played = 0
  for (const step of randomSteps(seededRandom(seed), STEPS)) {
    const expected = await play(real.store, step)
    expect(await play(model, step), `step ${played}: ${step.what}`).toEqual(expected)
    played++
  }
  expect(played).toBe(STEPS)
  expect(await everything(model)).toEqual(await everything(real.store))
  await model.tables.audit.chain()
  expect(await model.tables.audit.verify()).toEqual([])
  await real.close()
})

test('two transactions that meet: the second waits, and then sees what the first has done', async () => {
  const clock = new SimClock(NOW)
  const real = await server.open({ ...OPTIONS, clock, log: silentLog })
  for (const store of [real.store, modelAt(clock)]) {
    await furnish(store)
    const seen: string[] = []
    const spend = (name: string) => async (tables: Tables) => {
      const charged = await tables.ledger.charge({
        tenant: TENANT,
        messageId: null,
        keyId: null,
        amountCents: 300,
        note: name,
        at: NOW,
      })
      seen.push(`${name} ${charged.ok}`)
      // Still open: the other must not have got past its lock.
      await store.tables.ledger.balance(TENANT).then((balance) => seen.push(`balance ${balance}`))
      return charged.ok
    }
    const [first, second] = await Promise.all([
      store.transaction(spend('a')),
      store.transaction(spend('b')),
    ])
    expect([first, second].filter(Boolean)).toHaveLength(1)
    // Nobody outside has seen the first one's money gone before its commit.
    expect(seen[1]).toBe('balance 500')
    expect(await store.tables.ledger.balance(TENANT)).toBe(200)
  }
  await real.close()
})
