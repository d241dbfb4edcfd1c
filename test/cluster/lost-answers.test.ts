// Questions and answers about calls that get lost on the way, between two processes on one real database.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { BusHub } from '../../packages/server/src/bus/testing.ts'
import {
  startTestServer,
  type TestServer,
  type TestStore,
} from '../../packages/server/src/store/testing.ts'
import { type ApiClient, until } from '../world.ts'
import { InProcess } from './in-process.ts'

const PEER = '+15555550109'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

let house: InProcess | null = null
afterEach(async () => {
  await house?.close()
  house = null
})

/** An API process and a node, with a number whose calls to the peer are consented. */
async function open(): Promise<{
  hub: BusHub
  books: TestStore
  api: ApiClient
  numberId: string
}> {
  house = await InProcess.open(server)
  await house.start('network')
  const api = await house.start('api')
  const { numberId } = await api.line()
  await api.consent(numberId, PEER)
  const body = { fromNumberId: numberId, to: '+15555550123' }
  await until('the node', async () => (await api.post('/calls', body)).status === 403)
  return { hub: house.hub, books: house.books, api, numberId }
}

const isReply = ({ subject }: { subject: string }): boolean => subject.includes('.reply.')
const isPlacing = ({ subject }: { subject: string }): boolean => subject.includes('.place.')

describe('what gets lost between an API process and a node', () => {
  test('the answer to a placement: the call was placed once, and the database tells', async () => {
    const { hub, books, api, numberId } = await open()
    hub.loses = isReply
    const headers = { 'idempotency-key': 'once' }
    const body = { fromNumberId: numberId, to: PEER }
    const placed = await api.post('/calls', body, headers)
    hub.loses = () => false
    expect(placed.status).toBe(201)
    const again = await api.post('/calls', body, headers)
    expect([again.status, again.body.id]).toEqual([201, placed.body.id])
    expect((await api.get('/calls')).body).toHaveLength(1)
    const ended = await api.post(`/calls/${placed.body.id}/end`)
    expect(ended.body.phase).toBe('ended')
    expect(await books.store.tables.ledger.verify()).toEqual([])
  })

  test('the question: nothing was placed, nothing will be, and it may be asked again', async () => {
    const { hub, books, api, numberId } = await open()
    hub.loses = isPlacing
    const headers = { 'idempotency-key': 'twice' }
    const body = { fromNumberId: numberId, to: PEER }
    const refused = await api.post('/calls', body, headers)
    expect([refused.status, refused.body._tag]).toEqual([503, 'Unavailable'])
    expect(refused.headers.get('retry-after')).not.toBe(null)
    expect((await api.get('/calls')).body).toEqual([])
    hub.loses = () => false
    const placed = await api.post('/calls', body, headers)
    expect(placed.status).toBe(201)
    await api.post(`/calls/${placed.body.id}/end`)
    expect((await api.get('/calls')).body).toHaveLength(1)
    expect(await books.store.tables.ledger.verify()).toEqual([])
  })

  test('the answer to an end: it is final in the database', async () => {
    const { hub, api, numberId } = await open()
    const { body: call } = await api.post('/calls', { fromNumberId: numberId, to: PEER })
    await until('the answer', async () => {
      const { body } = await api.get(`/calls/${call.id}`)
      return body.phase === 'connected'
    })
    hub.loses = isReply
    const ended = await api.post(`/calls/${call.id}/end`, { durationSec: 61 })
    hub.loses = () => false
    expect(ended).toMatchObject({ status: 200, body: { status: 'completed', durationSec: 61 } })
  })

  test('the whole bus: placing and steering say so at once, reading goes on', async () => {
    const { hub, api, numberId } = await open()
    const { body: call } = await api.post('/calls', { fromNumberId: numberId, to: PEER })
    hub.turn(false)
    const placed = await api.post('/calls', { fromNumberId: numberId, to: PEER })
    const spoken = await api.post(`/calls/${call.id}/speak`, { text: 'hello' })
    const ended = await api.post(`/calls/${call.id}/end`)
    expect([placed.status, spoken.status, ended.status]).toEqual([503, 503, 503])
    expect((await api.get(`/calls/${call.id}`)).body.phase).not.toBe('ended')
    hub.turn(true)
    await until('the end', async () => (await api.post(`/calls/${call.id}/end`)).status === 200)
    expect((await api.get('/calls')).body).toHaveLength(1)
  })
})
