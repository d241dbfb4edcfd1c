// The little HTTP of a process that only carries calls: alive, ready or not and why, figures, and nothing else.
import { Fault, silentLog } from '@saperly/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createHealth, type HealthServer } from './health-server.ts'

let server: HealthServer
let url: string
let closed: string | null
let away: boolean

beforeEach(async () => {
  closed = null
  away = false
  server = createHealth({
    host: '127.0.0.1',
    port: 0,
    closed: () => closed,
    askDatabase: async () => {
      if (away) throw new Fault('the database is away', { retryable: true })
    },
    figures: () => ({ live_calls: 3 }),
    log: silentLog,
  })
  const { host, port } = await server.listen()
  url = `http://${host}:${port}`
})
afterEach(() => server.close())

async function get(
  path: string,
): Promise<{ status: number; retryAfter: string | null; text: string }> {
  const response = await fetch(`${url}${path}`)
  const text = await response.text()
  return { status: response.status, retryAfter: response.headers.get('retry-after'), text }
}

test('alive, and its figures', async () => {
  expect(await get('/health')).toMatchObject({ status: 200, text: '{"status":"ok"}' })
  expect((await get('/v2/metrics')).text).toContain('saperly_live_calls 3')
})

test('ready; or not, and why', async () => {
  expect(await get('/ready?x=1')).toMatchObject({ status: 200, text: '{"status":"ready"}' })
  closed = 'draining'
  expect(await get('/ready')).toEqual({
    status: 503,
    retryAfter: '2',
    text: '{"_tag":"Unavailable","reason":"draining"}',
  })
  closed = null
  away = true
  expect((await get('/ready')).status).toBe(503)
})

test('nothing of the API', async () => {
  expect(await get('/calls')).toMatchObject({
    status: 404,
    text: '{"_tag":"NotFound","path":"/calls"}',
  })
})
