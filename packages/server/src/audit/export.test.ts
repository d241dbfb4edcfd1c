// Exports of the audit trail: they prove themselves, erased people included, and every tampering is found.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { furnish, NOW, STRANGERS, TENANT } from '../store/testing-rows.ts'
import { startTestServer, type TestServer, type TestStore } from '../store/testing.ts'
import { CHAIN_START, linkHash, type ChainLink } from './chain.ts'
import { exportTrail, verifyExport } from './export.ts'

const KEY = 'audit key of the tests'
/** More than one read gives. */
const ROWS = 520

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

describe('an export of the trail', () => {
  let server: TestServer
  let test: TestStore
  let lines: string[]

  const exported = async (workspaceId: string | null): Promise<string[]> => {
    const found: string[] = []
    for await (const line of exportTrail(test.store.tables.audit, KEY, workspaceId))
      found.push(line)
    return found
  }

  beforeAll(async () => {
    server = await startTestServer()
    test = await server.open({ auditKey: KEY })
    await furnish(test.store)
    await test.store.transaction(async (tables) => {
      for (const tenant of [TENANT, ...STRANGERS])
        for (let n = 1; n <= (tenant === TENANT ? ROWS : 2); n++)
          await tables.audit.append({
            ...tenant,
            id: `aud_${String(n).padStart(4, '0')}`,
            eventType: 'call.placed',
            targetType: 'call',
            targetId: 'call_a',
            actor: 'key:key_a',
            data: { n, to: '+15555550123', nested: { b: [1.5, null], a: 'ü' } },
            createdAt: NOW + n,
          })
    })
    await test.store.tables.audit.chain()
    await test.raw(`update audit_event set data = null, salt = null where id = 'aud_0007'`)
    lines = await exported(null)
  })
  afterAll(async () => {
    await test.close()
    await server.stop()
  })

  const problems = (changed: readonly string[], key = KEY) => verifyExport(each(changed), key)

  it('is whole: every entry of every tenant, in order, erased ones without their data', async () => {
    expect(lines).toHaveLength(1 + ROWS + 1 + 2 * 3 + 1)
    expect(await problems(lines)).toEqual([])
    expect(JSON.parse(lines.find((line) => line.includes('aud_0007'))!)).toMatchObject({
      data: null,
      salt: null,
    })
    expect(JSON.parse(lines[1]!)).toMatchObject({ id: 'aud_0001', workspaceId: 'ws_a' })
  })

  it('holds one workspace alone when asked to', async () => {
    const own = await exported('ws_b')
    expect(own).toHaveLength(1 + 3 + 1)
    expect(await problems(own)).toEqual([])
    expect(await problems(await exported('ws_none'))).toEqual([])
  })

  it('was written with this key, and no other', async () => {
    expect((await problems(lines, 'another')).at(-1)).toMatch(/the seal does not fit/)
  })

  /** Where entry `n` of the test tenant stands: the live environment with its two entries comes first. */
  const at = (n: number): number => 3 + n
  const altered = (place: number, change: (line: string) => string): string[] =>
    lines.map((line, index) => (index === place ? change(line) : line))
  const tamperings: Record<string, [() => string[], RegExp]> = {
    'a changed field': [
      () => altered(at(3), (l) => l.replace('key_a', 'key_b')),
      /line 7: entry aud_0003: was changed/,
    ],
    'changed data': [
      () => altered(at(3), (l) => l.replace('"n":3', '"n":4')),
      /its data was changed/,
    ],
    'a missing entry': [() => lines.toSpliced(at(5), 1), /rows before this one are missing/],
    'entries out of order': [
      () => lines.toSpliced(at(5), 2, lines[at(6)]!, lines[at(5)]!),
      /missing/,
    ],
    'a cut tail of a chain': [() => lines.toSpliced(at(ROWS - 2), 3), /the end of the chain/],
    'a missing end': [() => lines.toSpliced(at(ROWS + 1), 1), /has no end/],
    'a whole chain taken out': [() => lines.toSpliced(at(1), ROWS + 1), /the seal does not fit/],
    'a cut file': [() => lines.slice(0, 100), /ends before its seal/],
    'something added': [() => [...lines, lines[1]!], /after the seal/],
    'no head': [() => lines.slice(1), /no head/],
    'what is no entry': [() => lines.toSpliced(2, 0, '{"id":"x"}', 'no'), /is no entry/],
    'nothing at all': [() => [], /ends before its seal/],
  }
  it.each(Object.entries(tamperings))('shows %s', async (_, [change, what]) => {
    expect((await problems(change())).join('\n')).toMatch(what)
  })

  it('shows a chain that somebody without the key linked anew', async () => {
    let hash = CHAIN_START
    const forged = lines.map((line) => {
      const link = JSON.parse(line) as ChainLink
      if (link.workspaceId !== 'ws_b' || link.position === undefined) return line
      const actor = 'nobody'
      const previousHash = hash
      hash = linkHash(previousHash, { ...link, actor })
      return JSON.stringify({ ...link, actor, previousHash, hash })
    })
    const ends = forged.map((line) => {
      const { end } = JSON.parse(line) as { end?: { workspaceId: string } }
      return end?.workspaceId === 'ws_b' ? JSON.stringify({ end: { ...end, hash } }) : line
    })
    expect(await problems(ends)).toEqual([expect.stringMatching(/the seal does not fit/)])
  })
})
