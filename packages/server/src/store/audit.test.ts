// The audit trail: chained in order, and every kind of tampering found by whoever verifies it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CHAIN_START, canonical } from '../audit/chain.ts'
import type { Tables, Tenant } from './port.ts'
import { type TestServer, type TestStore, serversUnderTest, startTestServer } from './testing.ts'
import { NOW, STRANGERS, TENANT, furnish } from './testing-rows.ts'

const PAGE = { limit: 1000, cursor: null }

/** What somebody with the rights of a superuser could do. */
const TAMPERINGS: readonly [string, string, string][] = [
  [
    'a changed field',
    `update audit_event set actor = 'nobody' where id = 'aud_003'`,
    'was changed',
  ],
  [
    'changed data',
    `update audit_event set data = '{"n": 9}' where id = 'aud_003'`,
    'data was changed',
  ],
  ['a deleted row', `delete from audit_event where id = 'aud_003'`, 'missing'],
  ['a cut tail', `delete from audit_event where position > 3`, 'the end of the chain'],
  [
    'two rows that changed places',
    `update audit_event set position = case id when 'aud_003' then 104 else 103 end where id in ('aud_003', 'aud_004');
     update audit_event set position = position - 100 where position > 100`,
    'does not follow',
  ],
  ['a shortened chain', `update audit_event set hash = 'x' where position = 2`, 'was changed'],
]

describe.each(serversUnderTest)('the audit trail on $name', ({ binDir }) => {
  let server: TestServer
  let test: TestStore
  let audit: Tables['audit']

  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())
  beforeEach(async () => {
    test = await server.open()
    audit = test.store.tables.audit
    await furnish(test.store)
  })
  afterEach(() => test.close())

  const append = (n: number, tenant: Tenant = TENANT): Promise<void> =>
    audit.append({
      ...tenant,
      id: `aud_${String(n).padStart(3, '0')}`,
      eventType: 'call.state',
      targetType: 'call',
      targetId: 'call_a',
      actor: 'system',
      data: { n, nested: { b: [1.5, null], a: 'ü' } },
      createdAt: NOW + n,
    })

  it('chains each tenant for itself, oldest first, and only once', async () => {
    for (const n of [1, 2, 3]) await append(n)
    await append(4, STRANGERS[0])
    expect((await audit.list(TENANT, PAGE)).every((row) => row.hash === null)).toBe(true)
    expect(await audit.chain()).toBe(4)
    expect(await audit.chain()).toBe(0)
    await append(5)
    expect(await audit.chain()).toBe(1)
    const rows = (await audit.list(TENANT, PAGE)).toReversed()
    expect(rows.map((row) => row.previousHash)).toEqual([
      CHAIN_START,
      ...rows.slice(0, -1).map((row) => row.hash),
    ])
    const [stranger] = await audit.list(STRANGERS[0]!, PAGE)
    expect(stranger?.previousHash).toBe(CHAIN_START)
    expect(await audit.verify()).toEqual([])
  })

  it('chains a long backlog once, by however many processes', async () => {
    await Promise.all(Array.from({ length: 620 }, (_, n) => append(n)))
    const other = (await test.another()).tables.audit
    const chained = await Promise.all([audit.chain(), other.chain(), audit.chain()])
    expect(chained.reduce((sum, count) => sum + count, 0)).toBe(620)
    expect(await other.verify()).toEqual([])
  })

  it.each(TAMPERINGS)('finds %s', async (_, statement, problem) => {
    for (const n of [1, 2, 3, 4, 5]) await append(n)
    await audit.chain()
    for (const each of statement.split(';')) {
      await test.raw(`begin; set local session_replication_role = replica; ${each}; commit`)
    }
    const problems = await audit.verify()
    expect(problems.map((found) => found.problem).join('; ')).toContain(problem)
    expect(problems[0]!.workspaceId).toBe('ws_a')
  })

  it('knows its rows by the same bytes whatever order their fields come in', () => {
    expect(canonical({ b: 1, a: [{ d: undefined, c: 'x' }] })).toBe('{"a":[{"c":"x"}],"b":1}')
  })
})
