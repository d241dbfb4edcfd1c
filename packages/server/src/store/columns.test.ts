// The mapping between fields and columns: names, instants, and text that PostgreSQL would not take.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  arrayLiteral,
  assignments,
  camelRows,
  insertion,
  instants,
  json,
  typeParsers,
} from './columns.ts'

describe('insertion and assignments', () => {
  it('name columns, quote them, and turn instants and objects into parameters', () => {
    const row = {
      workspaceId: 'w',
      from: 'a\0b',
      q850Cause: 16,
      createdAt: 0,
      data: { a: 1 },
      at: 1,
    }
    expect(
      insertion('t', ['workspaceId', 'from', 'q850Cause', 'createdAt', 'data', 'at'], row),
    ).toEqual({
      text: 'insert into t ("workspace_id", "from", "q850_cause", "created_at", "data", "at") values ($1, $2, $3, $4, $5, $6)',
      values: [
        'w',
        'a\ufffdb',
        16,
        '1970-01-01T00:00:00.000Z',
        '{"a":1}',
        '1970-01-01T00:00:00.001Z',
      ],
    })
  })

  it('leave out what a patch does not have, and keep what it sets to null', () => {
    const patch: { a?: string; b?: string | null; endedAt?: number } = { b: null, endedAt: 0 }
    expect(assignments(['a', 'b', 'endedAt'], patch, 2)).toEqual({
      text: '"b" = $3, "ended_at" = $4',
      values: [null, '1970-01-01T00:00:00.000Z'],
    })
  })
})

describe('arrays', () => {
  it('are written with what must be escaped, and nothing else', () => {
    expect(arrayLiteral(['a', null, 3, '', 'NULL'])).toBe('{"a",NULL,3,"","NULL"}')
    expect(arrayLiteral(['a"b\\c,{d}', 'e\0f'])).toBe('{"a\\"b\\\\c,{d}","e\ufffdf"}')
    expect(arrayLiteral([])).toBe('{}')
  })

  it('of instants have each in its place', () => {
    const [first, second] = ['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.001Z']
    expect(instants([0, 0, 1, 0])).toEqual([first, first, second, first])
  })
})

describe('json', () => {
  it('differs from JSON.stringify only in what PostgreSQL does not store', () => {
    const storable = (text: string): string =>
      Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '\ufffd')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, plain) => {
        expect(JSON.parse(json({ text, plain }))).toEqual({
          text: storable(text),
          plain: storable(plain),
        })
      }),
    )
    expect(JSON.parse(json('\\u0000 \ud800 \0'))).toBe('\\u0000 \ufffd \ufffd')
  })
})

describe('reading', () => {
  const parse = (oid: number, text: string): unknown =>
    (typeParsers.getTypeParser(oid, 'text') as (text: string) => unknown)(text)

  it('gives safe whole numbers and epoch milliseconds, or nothing', () => {
    expect(parse(20, '9007199254740991')).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => parse(20, '9007199254740992')).toThrow('beyond')
    expect(parse(1184, '2026-01-15 12:00:00.123+00')).toBe(Date.UTC(2026, 0, 15, 12, 0, 0, 123))
    expect(parse(1184, '2026-01-15 17:30:00+05:30')).toBe(Date.UTC(2026, 0, 15, 12))
    expect(() => parse(1184, 'infinity')).toThrow('can not be read')
  })

  it('gives fields for columns', () => {
    const names = ['rate_cents_per_min', 'q850_cause', 'to']
    expect(
      camelRows(names, [
        [1, 2, 3],
        [4, null, 'x'],
      ]),
    ).toEqual([
      { rateCentsPerMin: 1, q850Cause: 2, to: 3 },
      { rateCentsPerMin: 4, q850Cause: null, to: 'x' },
    ])
    expect(camelRows(names, [])).toEqual([])
  })
})
