// Lists: one page when awaited, everything when iterated over, and nothing before either.
import { expect, test } from 'vitest'
import { Saperly } from './index.ts'
import { nextLink } from './list.ts'
import { fakeFetch, json, type Scripted } from './testing.ts'

function client(...script: Scripted[]) {
  const { fetch, asked } = fakeFetch(...script)
  return { asked, saperly: new Saperly({ apiKey: 'k', baseUrl: 'http://host.test', fetch }) }
}

const link = (cursor: string) => ({
  link: `<http://other.test/numbers?limit=2&cursor=${cursor}>; rel="next"`,
})
const pages = () => [
  json(200, [{ id: 'a' }, { id: 'b' }], link('b')),
  json(200, [{ id: 'c' }], link('c')),
  json(200, []),
]

test('awaited it is the first page, which knows the next', async () => {
  const { saperly, asked } = client(...pages())
  const page = await saperly.numbers.list({ limit: 2 })
  expect(page.map(({ id }) => id)).toEqual(['a', 'b'])
  expect([Array.isArray(page), page.length, page.hasNext]).toEqual([true, 2, true])
  expect(asked).toHaveLength(1)
  const next = await page.next()
  expect(next?.[0]?.id).toBe('c')
  expect(await (await next?.next())?.next()).toBeNull()
})

test('iterated over it is everything, and the key stays with the configured host', async () => {
  const { saperly, asked } = client(...pages())
  const ids: string[] = []
  for await (const { id } of saperly.numbers.list({ limit: 2 })) ids.push(id)
  expect(ids).toEqual(['a', 'b', 'c'])
  expect(asked.map(({ url }) => url)).toEqual([
    'http://host.test/numbers?limit=2',
    'http://host.test/numbers?limit=2&cursor=b',
    'http://host.test/numbers?limit=2&cursor=c',
  ])
})

test('nothing is asked before it is wanted; a refusal can be caught', async () => {
  const { saperly, asked } = client(json(401, { _tag: 'Unauthorized', message: 'no' }))
  const list = saperly.numbers.list()
  expect(asked).toHaveLength(0)
  expect(await list.catch((error: Error) => error.name)).toBe('Unauthorized')
})

test('a next page that is this one again is no page', async () => {
  const { saperly } = client(
    json(200, [{ id: 'a' }], { link: '<http://host.test/numbers>; rel=next' }),
  )
  await expect(Promise.resolve(saperly.numbers.list())).rejects.toThrow('the next page is this one')
})

test('Link headers are read as RFC 8288 has them', () => {
  expect(nextLink('<a>; rel="prev", <b>; rel="next"')).toBe('b')
  expect(nextLink('<b>; title="x"; rel=next')).toBe('b')
  expect(nextLink('<b>; rel="nextish"')).toBeNull()
  expect(nextLink(null)).toBeNull()
})
