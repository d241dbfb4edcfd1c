// The dialler against real servers on loopback: what it sends, what it refuses, and how it ends.
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { Cancelled, SimClock, SystemClock } from '@saperly/kernel'
import { afterEach, describe, expect, test } from 'vitest'
import { addressPolicy } from './address.ts'
import { checkUrl, Dialler, type OutboundRequest } from './dialler.ts'
import { DialError } from './watch.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closing.push(
    () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function dialler(clock = new SystemClock()): Dialler {
  const made = new Dialler(addressPolicy([], '127.0.0.1'), clock)
  closing.push(async () => {
    await made.close()
    expect(made.open).toBe(0)
    expect(clock.pending()).toBe(0)
  })
  return made
}

const never = new AbortController().signal

function get(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return {
    method: 'GET',
    url,
    headers: {},
    body: null,
    environment: 'test',
    signal: never,
    ...more,
  }
}

const kindOf = (kind: DialError['kind']) => expect.objectContaining({ name: 'DialError', kind })

describe('a request', () => {
  test('is sent whole and answered', async () => {
    const url = await serve((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        response.setHeader('content-type', 'Application/JSON; charset=utf-8')
        response.end(JSON.stringify([request.method, request.url, request.headers['x-a'], body]))
      })
    })
    const response = await dialler().request(
      get(`${url}/p?q=1`, { method: 'POST', headers: { 'x-a': 'b' }, body: 'grüße' }),
    )
    expect(response.status).toBe(200)
    expect(response.contentType).toBe('application/json')
    expect(JSON.parse(await response.text())).toEqual(['POST', '/p?q=1', 'b', 'grüße'])
  })

  test('keeps connections for the next one', async () => {
    const ports = new Set<number | undefined>()
    const url = await serve((request, response) => {
      ports.add(request.socket.remotePort)
      response.end('ok')
    })
    const made = dialler()
    for (let i = 0; i < 3; i++) await (await made.request(get(url))).text()
    expect(ports.size).toBe(1)
  })

  test('does not follow a redirect', async () => {
    let hits = 0
    const url = await serve((_, response) => {
      hits++
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    const response = await dialler().request(get(url))
    await response.discard()
    expect([response.status, hits]).toEqual([302, 1])
  })

  test('gives the body as it arrives', async () => {
    let finish = (): void => undefined
    const url = await serve((_, response) => {
      response.write('one')
      finish = () => response.end('two')
    })
    const response = await dialler().request(get(url))
    const seen: string[] = []
    for await (const chunk of response.chunks()) {
      seen.push(Buffer.from(chunk).toString())
      finish()
    }
    expect(seen).toEqual(['one', 'two'])
  })
})

describe('refused', () => {
  test.each([
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:10.0.0.1]/',
    'http://[fe80::1]/',
    'http://0.0.0.0:1/',
    'http://192.168.0.1/',
    'http://0xa9fea9fe/',
    'http://2852039166/',
    'http://user:pass@8.8.8.8/',
    'ftp://8.8.8.8/',
    'file:///etc/passwd',
    'not a url',
  ])('%s', async (url) => {
    await expect(dialler().request(get(url))).rejects.toEqual(kindOf('refused'))
  })

  test.each([
    'http://127.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://localhost:PORT/',
    'https://localhost:PORT/',
  ])('%s from a live key, and nothing arrives there', async (pattern) => {
    let hits = 0
    const port = new URL(await serve((_, response) => response.end(String(hits++)))).port
    const request = get(pattern.replace('PORT', port), { environment: 'live' })
    await expect(dialler().request(request)).rejects.toEqual(kindOf('refused'))
    expect(hits).toBe(0)
  })

  test('a connection kept for a test key is not there for a live one', async () => {
    const made = dialler()
    const { port } = new URL(await serve((_, response) => response.end('ok')))
    const url = `http://localhost:${port}/`
    await (await made.request(get(url))).text()
    await expect(made.request(get(url, { environment: 'live' }))).rejects.toEqual(kindOf('refused'))
  })

  test('says nothing about the address', async () => {
    const error: unknown = await dialler()
      .request(get('http://10.9.8.7/'))
      .catch((reason: unknown) => reason)
    expect(String(error)).not.toContain('10.9.8.7')
  })

  test.each([
    ['https://example.com/hook', null],
    ['http://10.0.0.1:8080/x', null],
    ['example.com', 'must be an absolute URL'],
    ['ws://example.com', 'must begin with https:// or http://'],
    ['https://a:b@example.com', 'must not contain credentials'],
    [`https://example.com/${'x'.repeat(2048)}`, 'must be at most 2048 characters'],
  ])('the syntax of %s', (url, problem) => expect(checkUrl(url)).toBe(problem))
})

describe('broken off', () => {
  test('when nobody listens', async () => {
    const url = await serve(() => undefined)
    await closing.pop()!()
    await expect(dialler().request(get(url))).rejects.toEqual(kindOf('connection'))
  })

  test('when the other side hangs up in the middle', async () => {
    const url = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => response.destroy())
    })
    const response = await dialler().request(get(url))
    await expect(response.text()).rejects.toEqual(kindOf('connection'))
  })

  test('when the answer is no HTTP', async () => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.resume()
      socket.end('garbage\r\n\r\n')
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    closing.push(() => new Promise((done) => server.close(() => done())))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await expect(dialler().request(get(url))).rejects.toEqual(kindOf('connection'))
  })

  test('when the body is too large', async () => {
    const url = await serve((_, response) => response.end('x'.repeat(2000)))
    const response = await dialler().request(get(url, { limits: { maxBytes: 1000 } }))
    await expect(response.text()).rejects.toEqual(kindOf('too_large'))
  })

  test('when nothing comes for too long', async () => {
    const clock = new SimClock()
    const made = new Dialler(addressPolicy([], '127.0.0.1'), clock)
    let arrived = (): void => undefined
    const arrival = new Promise<void>((done) => (arrived = done))
    const url = await serve(() => arrived())
    const asked = made.request(get(url, { limits: { idleMs: 1000, wholeMs: 5000 } }))
    const refused = asked.catch((error: unknown) => error)
    await arrival
    await clock.advance(1000)
    expect(await refused).toEqual(kindOf('timeout'))
    await made.close()
    expect(clock.pending()).toBe(0)
  })

  test('when the whole takes too long, however busy it is', async () => {
    const clock = new SimClock()
    const made = new Dialler(addressPolicy([], '127.0.0.1'), clock)
    const url = await serve((_, response) => response.write('a'))
    const response = await made.request(get(url, { limits: { idleMs: 1000, wholeMs: 1500 } }))
    const body = response.chunks()
    expect((await body.next()).done).toBe(false)
    const rest = body.next().catch((error: unknown) => error)
    await clock.advance(1500)
    expect(await rest).toEqual(kindOf('timeout'))
    await made.close()
    expect(clock.pending()).toBe(0)
  })

  test('by the caller, before and during the answer', async () => {
    const made = dialler()
    const url = await serve((_, response) => response.write('a'))
    const before = new AbortController()
    before.abort(new Cancelled('early'))
    await expect(made.request(get(url, { signal: before.signal }))).rejects.toThrow('early')
    const during = new AbortController()
    const response = await made.request(get(url, { signal: during.signal }))
    const body = response.chunks()
    await body.next()
    during.abort(new Cancelled('barge-in'))
    await expect(body.next()).rejects.toThrow('barge-in')
  })

  test('by closing the dialler, which waits for every request to end', async () => {
    const made = dialler()
    let arrived = (): void => undefined
    const arrival = new Promise<void>((done) => (arrived = done))
    const url = await serve(() => arrived())
    const asked = made.request(get(url)).catch((error: unknown) => error)
    await arrival
    await made.close()
    expect(await asked).toBeInstanceOf(Cancelled)
    expect(made.open).toBe(0)
    await expect(made.request(get(url))).rejects.toBeInstanceOf(Cancelled)
  })

  test('by a reader who has seen enough', async () => {
    const made = dialler()
    const url = await serve((_, response) => response.write('x'.repeat(64 * 1024)))
    const response = await made.request(get(url))
    await response.discard()
    await expect.poll(() => made.open).toBe(0)
  })
})
