// TCP and TLS on real sockets of this machine: reuse both ways, reconnection, keepalive, bounds, and who is trusted.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Fault, SimClock, SystemClock, silentLog } from '@saperly/kernel'
import { afterEach, describe, expect, it } from 'vitest'
import { CA, STRANGER_CA, certificate } from '../../../../test/sip/certificates.ts'
import {
  FIRST_MESSAGE_LIMIT_MS,
  IDLE_LIMIT_MS,
  MAX_QUEUED_BYTES,
  PARTIAL_LIMIT_MS,
  PING_AFTER_MS,
  PONG_LIMIT_MS,
} from './connection.ts'
import type { Hop, Protocol } from './hop.ts'
import { MAX_INBOUND, MAX_OUTBOUND } from './stream-transport.ts'
import { DEFAULT_TLS_CLIENT } from './tls.ts'
import type { TlsClientSettings, TlsServerSettings } from './tls.ts'
import { openTransports } from './transports.ts'
import type { TransportsOptions } from './transports.ts'
import type { Transport } from './transport.ts'

const LOOPBACKS = ['127.0.0.1', '::1']
const NAME = 'carrier.example'
const TRUSTING: TlsClientSettings = { ...DEFAULT_TLS_CLIENT, ca: CA }
const CARRIER: TlsServerSettings = {
  ...certificate('carrier'),
  clientCa: null,
  minVersion: 'TLSv1.2',
}

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Received {
  text: string
  from: Hop
}

/** A transport and what it receives, in order. */
class Side {
  readonly transport: Transport
  readonly #received: Received[] = []
  #waiting: (() => void) | null = null

  constructor(transport: Transport) {
    this.transport = transport
    transport.receive((data, from) => {
      this.#received.push({ text: data.toString(), from })
      this.#waiting?.()
    })
  }

  async next(): Promise<Received> {
    while (this.#received.length === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
    return this.#received.shift()!
  }

  hop(protocol: Protocol, serverName: string | null = null): Hop {
    return { ...this.transport.at(protocol)!, protocol, serverName }
  }

  /** Sends, and gives the failure when there is one. */
  send(text: string, to: Hop): Promise<Error> {
    return new Promise((resolve) => this.transport.send(Buffer.from(text), to, resolve))
  }
}

async function open(more: Partial<TransportsOptions> = {}, address = '127.0.0.1'): Promise<Side> {
  const bind = { address, port: 0 }
  const made = await openTransports({ bind, clock: new SystemClock(), log: silentLog, ...more })
  closers.push(() => made.close())
  return new Side(made)
}

const openTls = (
  server: TlsServerSettings | null,
  client: TlsClientSettings,
  address?: string,
): Promise<Side> => open({ tls: { port: 0, server, client: () => client } }, address)

function message(body: string): string {
  return `OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

describe.each(LOOPBACKS)('at %s', (address) => {
  it.each(['UDP', 'TCP'] as const)(
    '%s carries messages, and answers go back the same way',
    async (protocol) => {
      const [a, b] = [await open({}, address), await open({}, address)]
      void a.send(message('one'), b.hop(protocol))
      void a.send(message('two'), b.hop(protocol))
      const first = await b.next()
      expect(first).toMatchObject({ text: message('one'), from: { address, protocol } })
      expect((await b.next()).from).toEqual(first.from)
      void b.send(message('back'), first.from)
      expect(await a.next()).toEqual({ text: message('back'), from: b.hop(protocol) })
      expect(b.transport.holds(first.from)).toBe(true)
    },
  )

  it('TLS as well, by the name on the certificate', async () => {
    const b = await openTls(CARRIER, TRUSTING, address)
    const a = await openTls(null, TRUSTING, address)
    void a.send(message('one'), b.hop('TLS', NAME))
    const { from } = await b.next()
    expect(from).toMatchObject({ address, protocol: 'TLS', serverName: null })
    void b.send(message('back'), from)
    expect((await a.next()).from).toEqual(b.hop('TLS', NAME))
  })
})

describe('TLS', () => {
  const failure = async (
    server: TlsServerSettings,
    client: TlsClientSettings,
    name: string | null,
  ): Promise<string> => {
    const b = await openTls(server, TRUSTING)
    const a = await openTls(null, client)
    const error = await a.send(message('x'), b.hop('TLS', name))
    expect(error).toBeInstanceOf(Fault)
    expect(a.transport.holds(b.hop('TLS', name))).toBe(false)
    return error.message
  }

  it('refuses a certificate for another name', async () => {
    expect(await failure(CARRIER, TRUSTING, 'other.example')).toBe(
      'the peer’s certificate is not for other.example',
    )
  })

  it('without a name asks for the address on the certificate', async () => {
    expect(await failure(CARRIER, TRUSTING, null)).toBe(
      'the peer’s certificate is not for 127.0.0.1',
    )
    const node = { ...CARRIER, ...certificate('node') }
    const [a, b] = [await openTls(null, TRUSTING), await openTls(node, TRUSTING)]
    void a.send(message('x'), b.hop('TLS'))
    expect((await b.next()).text).toBe(message('x'))
  })

  it.each([
    ['of a CA that we do not know', { ...CARRIER, ...certificate('stranger') }, TRUSTING],
    ['of a private CA that was not configured', CARRIER, DEFAULT_TLS_CLIENT],
    ['of another CA than the configured', CARRIER, { ...TRUSTING, ca: STRANGER_CA }],
  ])('refuses a certificate %s', async (_, server, client) => {
    expect(await failure(server, client, NAME)).toBe(
      'the peer’s certificate is signed by nobody whom we trust',
    )
  })

  it('refuses a version that is too old', async () => {
    const [old, strict] = [{ ...TRUSTING, minVersion: 'TLSv1.3' as const }, CARRIER]
    const b = await openTls({ ...strict, minVersion: 'TLSv1.3' }, TRUSTING)
    const a = await openTls(null, old)
    void a.send(message('x'), b.hop('TLS', NAME))
    expect((await b.next()).text).toBe(message('x'))
    const { port } = b.transport.at('TLS')!
    const { connect: connectTls } = await import('node:tls')
    const past = connectTls({
      port,
      host: '127.0.0.1',
      maxVersion: 'TLSv1.2',
      ca: CA,
      servername: NAME,
    })
    const [error] = (await once(past, 'error')) as [Error]
    expect(error.message).toMatch(/alert|version/i)
  })

  it('hears only those who show a certificate, where it asks for one', async () => {
    const b = await openTls({ ...CARRIER, clientCa: CA }, TRUSTING)
    const bare = await openTls(null, TRUSTING)
    expect((await bare.send(message('x'), b.hop('TLS', NAME))).message).toMatch(/TLS|closed|reset/)
    const stranger = await openTls(null, { ...TRUSTING, ...certificate('stranger') })
    expect((await stranger.send(message('x'), b.hop('TLS', NAME))).message).toMatch(
      /TLS|closed|reset/,
    )
    const known = await openTls(null, { ...TRUSTING, ...certificate('node') })
    void known.send(message('known'), b.hop('TLS', NAME))
    expect((await b.next()).text).toBe(message('known'))
  })

  it('says when its own certificate can’t be used', async () => {
    const tls = { port: 0, server: { ...CARRIER, key: 'nonsense' } }
    const opening = openTransports({
      bind: { address: '127.0.0.1', port: 0 },
      clock: new SystemClock(),
      log: silentLog,
      tls,
    })
    await expect(opening).rejects.toBeInstanceOf(Fault)
  })
})

/** A listener without manners, for what no transport of ours does. */
async function rawServer(onSocket: (socket: Socket) => void): Promise<Hop> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { address: '127.0.0.1', port, protocol: 'TCP', serverName: null }
}

async function rawClient(to: Hop): Promise<Socket> {
  const socket = connect(to.port, to.address)
  socket.on('error', () => {})
  closers.push(() => Promise.resolve(socket.destroy()))
  await once(socket, 'connect')
  return socket
}

async function read(socket: Socket): Promise<string> {
  const [data] = (await once(socket, 'data')) as [Buffer]
  return data.toString()
}

describe('a connection', () => {
  it('that is refused fails what waits for it, and that is no reason to try again', async () => {
    const hop = await rawServer(() => {})
    for (const close of closers.splice(0)) await close()
    const a = await open()
    const failures = await Promise.all([a.send(message('1'), hop), a.send(message('2'), hop)])
    expect(failures).toMatchObject([
      { message: 'the peer refused the connection', retryable: false },
      { message: 'the peer refused the connection', retryable: false },
    ])
  })

  it('that is lost fails what was not answered, and the next message opens another', async () => {
    const sockets: Socket[] = []
    const hop = await rawServer((socket) => sockets.push(socket))
    const a = await open()
    const failed = a.send(message('1'), hop)
    while (sockets.length < 1) await new Promise((resolve) => setImmediate(resolve))
    await once(sockets[0]!, 'data')
    sockets[0]!.resetAndDestroy()
    expect(await failed).toMatchObject({ retryable: true })
    void a.send(message('2'), hop)
    while (sockets.length < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(await read(sockets[1]!)).toBe(message('2'))
  })

  it('answers a ping, also in halves, and takes messages around it', async () => {
    const b = await open()
    const peer = await rawClient(b.hop('TCP'))
    peer.write(`${message('1')}\r\n`)
    expect((await b.next()).text).toBe(message('1'))
    const pong = read(peer)
    peer.write(`\r\n${message('2')}`)
    expect(await pong).toBe('\r\n')
    expect((await b.next()).text).toBe(message('2'))
  })

  it('ends when the peer speaks something else', async () => {
    const b = await open()
    const peer = await rawClient(b.hop('TCP'))
    peer.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(peer, 'close')
    expect(peer.bytesRead).toBe(0)
  })

  it.each(['TCP', 'TLS'] as const)(
    'by %s of an address that is not welcome ends without a word',
    async (protocol) => {
      const tls = { port: 0, server: CARRIER }
      const b = await open({ accepts: () => false, tls })
      const peer = await rawClient(b.hop(protocol))
      await once(peer.resume(), 'close')
      expect(peer.bytesRead).toBe(0)
      const a = await openTls(null, TRUSTING)
      expect(await a.send(message('x'), b.hop(protocol, NAME))).toBeInstanceOf(Fault)
    },
  )

  it('to a peer that does not read holds no more than its bound', async () => {
    const hop = await rawServer((socket) => socket.pause())
    const a = await open()
    const large = message('x'.repeat(60_000))
    let refused: Error | null = null
    // The system's own buffers take some megabytes before ours begins to fill.
    for (let sent = 0; sent < 64 * MAX_QUEUED_BYTES && !refused; sent += large.length) {
      a.transport.send(Buffer.from(large), hop, (error) => {
        refused = error
      })
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(refused).toMatchObject({ message: 'the peer reads too slowly' })
  })
})

describe('connections', () => {
  it('of others are refused beyond a bound, and those that are there stay', async () => {
    const b = await open()
    const first = await rawClient(b.hop('TCP'))
    for (let count = 1; count < MAX_INBOUND; count++) await rawClient(b.hop('TCP'))
    const refused = await rawClient(b.hop('TCP'))
    if (!refused.closed) await once(refused, 'close')
    first.write(message('still here'))
    expect((await b.next()).text).toBe(message('still here'))
  })

  it('of ours make room: the one that was idle the longest goes', async () => {
    let live = 0
    let onOpened = (): void => {}
    const hop = await rawServer((socket) => {
      live++
      socket.resume().on('close', () => live--)
      onOpened()
    })
    const a = await open()
    // One listener under many names: to a transport these are different peers.
    const hops = Array.from({ length: MAX_OUTBOUND + 1 }, (_, i) => ({
      ...hop,
      serverName: `peer${i}`,
    }))
    for (const to of hops) {
      const opened = new Promise<void>((resolve) => {
        onOpened = resolve
      })
      a.transport.send(Buffer.from(message('x')), to, () => {})
      await opened
    }
    expect(a.transport.holds(hops[0]!)).toBe(false)
    expect(hops.slice(1).every((to) => a.transport.holds(to))).toBe(true)
    while (live > MAX_OUTBOUND) await new Promise((resolve) => setImmediate(resolve))
    expect(live).toBe(MAX_OUTBOUND)
  })
})

describe('a connection, as time goes by', () => {
  /** Time passes, and what it brings about reaches the other end. */
  async function pass(clock: SimClock, delayMs: number): Promise<void> {
    await clock.advance(delayMs)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  }

  async function toPeer(
    onData: (socket: Socket, text: string) => void,
  ): Promise<{ clock: SimClock; a: Side; hop: Hop; pings: () => number; closed: () => boolean }> {
    let [pings, closed] = [0, false]
    const clock = new SimClock()
    const hop = await rawServer((socket) => {
      socket.on('data', (data) => {
        if (data.toString() === '\r\n\r\n') pings++
        onData(socket, data.toString())
      })
      socket.on('close', () => {
        closed = true
      })
    })
    const a = await open({ clock })
    void a.send(message('1'), hop)
    while (!a.transport.holds(hop)) await pass(clock, 0)
    await pass(clock, 0)
    return { clock, a, hop, pings: () => pings, closed: () => closed }
  }

  it('of ours is pinged while it is idle, and ends when a peer that answered does not any more', async () => {
    let answers = true
    const c = await toPeer((socket, text) => {
      if (text === '\r\n\r\n' && answers) socket.write('\r\n')
    })
    for (let turn = 0; turn < 3; turn++) await pass(c.clock, PING_AFTER_MS + 5_000)
    expect(c.pings()).toBe(3)
    answers = false
    await pass(c.clock, PING_AFTER_MS + 5_000)
    expect(c.closed()).toBe(false)
    await pass(c.clock, PONG_LIMIT_MS + 5_000)
    expect([c.closed(), c.a.transport.holds(c.hop)]).toEqual([true, false])
  })

  it('of ours lives on with a peer that never answers pings, until it was idle for too long', async () => {
    const c = await toPeer(() => {})
    for (let passedMs = 0; passedMs < IDLE_LIMIT_MS - 60_000; passedMs += 30_000) {
      await pass(c.clock, 30_000)
    }
    expect(c.closed()).toBe(false)
    expect(c.pings()).toBeGreaterThan(20)
    await pass(c.clock, 70_000)
    expect(c.closed()).toBe(true)
    await pass(c.clock, 1_000)
    expect(c.clock.pending()).toBe(0)
  })

  it.each([
    ['says nothing', '', FIRST_MESSAGE_LIMIT_MS],
    ['does not finish a message', message('1').slice(0, 30), PARTIAL_LIMIT_MS],
  ])('of a peer that %s ends', async (_, text, limitMs) => {
    const clock = new SimClock()
    const b = await open({ clock })
    const peer = await rawClient(b.hop('TCP'))
    let closed = false
    peer.on('close', () => {
      closed = true
    })
    peer.resume().write(text)
    await pass(clock, 0)
    await pass(clock, limitMs - 1_000)
    expect(closed).toBe(false)
    await pass(clock, 10_000)
    expect(closed).toBe(true)
  })
})
