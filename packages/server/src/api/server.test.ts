// The mechanism of every route: key, rate, scope, body, and the framework's own errors in our shape.
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { SimClock } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../store/testing.ts'
import { CLOSE_LIMIT_MS } from './server.ts'
import { openApiWorld, type ApiWorld } from './testing.ts'

let server: TestServer
let world: ApiWorld
let token: string

beforeAll(async () => {
  server = await startTestServer()
  world = await openApiWorld((await server.open()).store)
  token = (await world.key()).token
})
afterAll(async () => {
  await world.close()
  await server.stop()
})

describe('the framework’s errors', () => {
  it.each([
    ['bad JSON', 'POST /connections', '{"a":', {}, 400, 'MalformedRequest'],
    ['bad UTF-8 escapes', 'POST /connections', '"\\ud8', {}, 400, 'MalformedRequest'],
    [
      'content type',
      'POST /connections',
      'x=1',
      { 'content-type': 'text/plain' },
      400,
      'MalformedRequest',
    ],
    ['too large', 'POST /connections', `"${'x'.repeat(1024 * 1024)}"`, {}, 413, 'MalformedRequest'],
    ['unknown route', 'GET /nope?a=1', undefined, {}, 404, 'NotFound'],
    ['wrong method', 'PUT /calls', undefined, {}, 404, 'NotFound'],
    ['bad encoding', 'GET /calls/%E0%A4%A', undefined, {}, 400, 'MalformedRequest'],
    ['NUL in an id', 'GET /calls/%00', undefined, {}, 404, 'CallNotFound'],
    ['long id', `GET /calls/${'x'.repeat(2000)}`, undefined, {}, 404, 'CallNotFound'],
    ['no object', 'POST /connections', '[]', {}, 422, 'ValidationError'],
    ['no body', 'POST /connections', '', {}, 422, 'ValidationError'],
    [
      '__proto__',
      'POST /connections',
      '{"name":"a","__proto__":{"x":1}}',
      {},
      422,
      'ValidationError',
    ],
  ])('%s', async (_name, line, body, headers, status, tag) => {
    const answer = await world.request(line, { token, body, headers })
    expect(answer).toMatchObject({ status, body: { _tag: tag } })
    expect(answer.headers['x-request-id']).toMatch(/^req_/)
  })

  it('takes an empty body for none, whatever its type is said to be', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': '0' }
    expect((await world.request('POST /numbers', { token, headers })).status).toBe(201)
    const filled = await world.request('POST /numbers', { token, headers, body: 'a=1' })
    expect(filled.body['_tag']).toBe('MalformedRequest')
  })

  it('answers what is not HTTP at all', async () => {
    const { port } = await world.api.listen()
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('HELLO\r\n\r\n'))
      let read = ''
      socket.on('data', (chunk) => (read += chunk.toString()))
      socket.on('error', reject)
      socket.on('close', () => resolve(read))
    })
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(text).toContain('{"_tag":"MalformedRequest"')
  })
})

describe('keys', () => {
  it.each([undefined, 'Basic x', 'Bearer', 'Bearer sk_test_unknown', 'Bearer nonsense'])(
    'refuses %s',
    async (authorization) => {
      const headers: Record<string, string> = authorization ? { authorization } : {}
      const answer = await world.request('GET /calls', { headers })
      expect(answer).toMatchObject({ status: 401, body: { _tag: 'Unauthorized' } })
    },
  )

  it('refuses an expired key', async () => {
    const expired = await world.key({ expiresAt: world.clock.now() - 1 })
    expect((await world.request('GET /calls', { token: expired.token })).status).toBe(401)
  })

  it('asks for the scope of the route, and none for routes of any key', async () => {
    const { token: poor } = await world.key({ scopes: ['numbers:read'] })
    const answer = await world.request('POST /connections', { token: poor, body: {} })
    expect(answer).toMatchObject({ status: 403, body: { _tag: 'AuthorizationDenied' } })
    expect((await world.request('GET /calls', { token: poor })).status).toBe(200)
  })

  it('remembers when a key was used', async () => {
    const { token: used, row } = await world.key()
    await world.request('GET /calls', { token: used })
    const at = world.clock.now()
    const stored = await world.store.tables.keys.get(row, row.id, at)
    expect(stored?.lastUsedAt).not.toBeNull()
  })
})

describe('every route', () => {
  it('answers under /v2 as well', async () => {
    expect((await world.request('GET /v2/calls', { token })).status).toBe(200)
    expect((await world.request('GET /v2/health')).body).toEqual({ status: 'ok' })
  })

  it('allows the configured origins, and shows them the headers', async () => {
    const origin = 'https://app.example.com'
    const answer = await world.request('GET /calls', { token, headers: { origin } })
    expect(answer.headers['access-control-allow-origin']).toBe(origin)
    expect(String(answer.headers['access-control-expose-headers'])).toMatch(
      /Link.*Retry-After.*x-request-id/,
    )
    const other = await world.request('GET /calls', {
      token,
      headers: { origin: 'https://x.test' },
    })
    expect(other.headers['access-control-allow-origin']).not.toBe('https://x.test')
  })

  it('limits the rate of one key, and says when to come back', async () => {
    const slow = await openApiWorld(world.store, {
      config: { requestsPerSec: 0.01, requestBurst: 2 },
    })
    const { token: one } = await slow.key()
    const { token: two } = await slow.key()
    expect((await slow.request('GET /calls', { token: one })).status).toBe(200)
    expect((await slow.request('GET /calls', { token: one })).status).toBe(200)
    const refused = await slow.request('GET /calls', { token: one })
    expect(refused).toMatchObject({ status: 429, body: { _tag: 'RateLimited', bucket: 'key' } })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await slow.request('GET /calls', { token: two })).status).toBe(200)
    await slow.close()
  })

  it('refuses new work while it drains, but lets calls be steered', async () => {
    const draining = await openApiWorld(world.store)
    const { token: key } = await draining.key()
    draining.api.drain()
    const refused = await draining.request('POST /connections', { token: key, body: { name: 'a' } })
    expect(refused).toMatchObject({ status: 503, body: { _tag: 'Unavailable' } })
    expect(refused.headers['retry-after']).toBeDefined()
    expect((await draining.request('GET /ready')).status).toBe(503)
    expect((await draining.request('GET /health')).status).toBe(200)
    expect((await draining.request('POST /calls/call_x/end', { token: key })).status).toBe(404)
    await draining.close()
  })
})

describe('closing', () => {
  it('does not wait for idle connections or for streams', async () => {
    const closing = await openApiWorld(world.store)
    const { token: key } = await closing.key()
    const { numberId } = await closing.line(key)
    const body = { fromNumberId: numberId, to: '+15555550123' }
    const { id } = (await closing.request('POST /calls', { token: key, body })).body
    const { port } = await closing.api.listen()
    const agent = new Agent({ keepAlive: true })
    const open = (accept: string): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const headers = { accept, authorization: `Bearer ${key}` }
        const url = `http://127.0.0.1:${port}/calls/${String(id)}/events`
        get(url, { agent, headers }, resolve).once('error', reject)
      })
    const page = await open('application/json')
    page.resume()
    await once(page, 'end')
    const stream = await open('text/event-stream')
    stream.resume()
    const over = once(stream, 'close')
    await closing.close()
    await over
    agent.destroy()
    expect(stream.headers.connection).toBe('close')
  })

  it('waits for a request that never ends for so long and no longer', async () => {
    const clock = new SimClock()
    const closing = await openApiWorld(world.store, { clock })
    const { token: key } = await closing.key()
    const { port } = await closing.api.listen()
    const slow = connect(port, '127.0.0.1').resume()
    const began = once(closing.api.app.server, 'request')
    slow.write(`POST /numbers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n`)
    slow.write('content-type: application/json\r\ncontent-length: 10\r\n\r\n{')
    await began
    const closed = closing.close()
    const gone = once(slow, 'close')
    await clock.advance(CLOSE_LIMIT_MS)
    await gone
    await closed
    expect(clock.pending()).toBe(0)
  })
})

describe('what needs no key', () => {
  it('serves metrics without a tenant’s labels', async () => {
    const { raw, headers } = await world.request('GET /metrics')
    expect(headers['content-type']).toContain('text/plain')
    expect(raw).toContain('saperly_live_calls 0')
    expect(raw).toContain('saperly_trunks_up 1')
    expect(raw.match(/# TYPE saperly_lines_total counter\n(.+)\n(.+)\n/)?.slice(1)).toEqual([
      'saperly_lines_total{line="0"} 3',
      'saperly_lines_total{line="1"} 4',
    ])
    expect(raw).not.toContain('Not a name')
    expect(raw).not.toMatch(/ws_|key_|\+1555/)
  })

  it('serves the contract as a document and as a page', async () => {
    expect((await world.request('GET /openapi.json')).body).toMatchObject({ openapi: '3.1.0' })
    const page = await world.request('GET /docs')
    expect(page.headers['content-type']).toContain('text/html')
    expect(page.raw).toContain('<html')
  })
})
