// Every route of the table: each declared error is brought about, and strangers are refused alike everywhere.
import { failures, failureSchemas, retryAfterSec, type EndpointName } from '@saperly/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answered } from '../../packages/server/src/api/testing.ts'
import { recipeOf } from './recipes.ts'
import { NOTHING, openConformance, samples, table, type Conformance, type Things } from './world.ts'

let world: Conformance

beforeAll(async () => {
  world = await openConformance()
})
afterAll(() => world.close())

describe.each(table)('%s', (name, endpoint) => {
  it.each([...endpoint.errors])('%s', async (tag) => {
    const recipe = recipeOf(name, tag)
    if (!recipe) throw new Error(`${name} declares ${tag}, and no recipe brings it about`)
    const answer = await recipe(world, name, endpoint)
    expect(answer.body).toMatchObject({ _tag: tag })
    expect(answer.status).toBe(failures[tag].status)
    expect(failureSchemas[tag].safeParse(answer.body).success).toBe(true)
    expect(answer.headers['x-request-id']).toMatch(/^req_/)
    if (tag in retryAfterSec) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  })
})

/** Routes that name something which belongs to somebody. */
const named = table.filter(([name]) => JSON.stringify(samples[name](NOTHING)).includes('_missing'))

/** Connections and keys belong to the workspace as a whole, so an allow-list of numbers hides none of the former. */
const NOT_OF_A_NUMBER: readonly EndpointName[] = [
  'getConnection',
  'updateConnection',
  'deleteConnection',
  'rotateConnectionSecret',
]

describe('strangers', () => {
  const as = async (token: string, name: EndpointName, things: Things): Promise<Answered> => {
    const { line, body } = samples[name](things)
    return world.api.request(line, { token, body })
  }
  /** The answer without what the request itself named. */
  const plain = (answer: Answered, things: Things): string => {
    let text = `${answer.status} ${answer.raw}`
    for (const kind of Object.keys(things) as (keyof Things)[])
      text = text.replaceAll(things[kind], kind)
    return text
  }

  it.each(named)('%s: what is another’s is answered like what is not there', async (name) => {
    const { things, strangers } = world
    for (const [who, token] of Object.entries(strangers)) {
      if (who === 'outsideAllowList' && NOT_OF_A_NUMBER.includes(name)) continue
      const real = await as(token, name, things)
      const none = await as(token, name, NOTHING)
      expect([who, plain(real, things)]).toEqual([who, plain(none, NOTHING)])
      const refusedAnyway = name === 'placeSandboxCall' && who === 'otherEnvironment'
      expect([who, real.status]).toEqual([who, refusedAnyway ? 403 : 404])
    }
  })

  const lists = table.filter(([, { success }]) => success.kind === 'page')

  it.each(lists)('%s: lists show nothing of another’s', async (name) => {
    const { things, strangers } = world
    for (const [who, token] of Object.entries(strangers)) {
      if (who === 'outsideAllowList' && name === 'listConnections') continue
      const answer = await as(token, name, NOTHING)
      if (answer.status === 404) continue
      expect([who, answer.status]).toEqual([who, 200])
      if (who === 'outsideAllowList' && name === 'listTransactions') continue
      const shown = Object.values(things).filter((id) => answer.raw.includes(id))
      expect([who, shown]).toEqual([who, []])
    }
  })

  it.each(table.filter(([, { scope }]) => scope !== 'none'))(
    '%s: without a key, and with a revoked one, the same 401',
    async (name) => {
      const { line, body } = samples[name](world.things)
      const revoked = await world.api.key()
      await world.api.store.tables.keys.revokeTree(revoked.row, revoked.row.id, 1)
      const bare = await world.api.request(line, { body })
      const late = await world.api.request(line, { token: revoked.token, body })
      expect(bare.status).toBe(401)
      expect(late.raw).toBe(bare.raw)
    },
  )
})
