// Two processes that play every role, on one database and one bus: the socket at one, calls at both.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../packages/server/src/store/testing.ts'
import { SocketBrain, until } from '../world.ts'
import { InProcess } from './in-process.ts'

const PEER = '+15555550109'
const TENANT = { workspaceId: 'ws_default', environment: 'test' } as const

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

test('a socket serves the calls of its own process and of the other', async () => {
  house = await InProcess.open(server)
  const [a, b] = [await house.start('all'), await house.start('all')]
  const line = await a.line()
  await a.consent(line.numberId, PEER)
  const brain = await SocketBrain.connect(a.url, line, ({ type, callId }) =>
    type === 'outbound_call' ? [{ type: 'speak', text: `hello ${callId}` }] : [],
  )
  await until('the one to know the other', async () =>
    String((await b.get('/metrics')).body).includes('saperly_cluster_processes 2'),
  )
  const body = { fromNumberId: line.numberId, to: PEER }
  const placed = [await b.post('/calls', body), await b.post('/calls', body)]
  const ids: string[] = placed.map(({ body: call }) => call.id)
  const { tables } = house.books.store
  const rows = await Promise.all(ids.map((id) => tables.calls.get(TENANT, id)))
  expect(new Set(rows.map((row) => row?.processId)).size).toBe(2)
  for (const id of ids) {
    await until('the brain to be heard', async () => {
      const { body: transcript } = await a.get(`/calls/${id}/transcript`)
      return transcript.turns.some(({ text }: { text: string }) => text === `hello ${id}`)
    })
  }
  // A second socket at the other process, and the first goes: both calls go over to it.
  const second = await SocketBrain.connect(b.url, line, () => [])
  await brain.close()
  await until('both calls at the second socket', async () => {
    const owned = second.of('ready').at(-1).calls as { callId: string }[]
    return ids.every((id) => owned.some(({ callId }) => callId === id))
  })
  for (const id of ids) {
    second.send({ callId: id, directives: [{ type: 'hangup' }] })
    expect((await a.final(id)).hangupCause).toBe('agent_hangup')
  }
  await until('the brain to be told', async () => second.of('call_ended').length === 2)
  await second.close()
  expect(await tables.ledger.verify()).toEqual([])
})
