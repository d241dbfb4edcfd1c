// The adapter to the system's DNS, asked of a server on this machine that speaks the real protocol (RFC 1035).
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { SimClock, fail, ok } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDns } from './dns.ts'
import type { Dns } from './dns.ts'

const TYPES: Record<number, string> = { 1: 'A', 28: 'AAAA', 33: 'SRV', 35: 'NAPTR' }
const NXDOMAIN = 3
const SERVFAIL = 2

function nameBytes(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ])
}

const text = (value: string): Buffer =>
  Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
const words = (...values: number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.from([value >> 8, value & 255])))

const a = (address: string): Buffer => Buffer.from(address.split('.').map(Number))
const srv = (priority: number, weight: number, port: number, target: string): Buffer =>
  Buffer.concat([words(priority, weight, port), nameBytes(target)])
const naptr = (order: number, preference: number, service: string, replacement: string): Buffer =>
  Buffer.concat([
    words(order, preference),
    text('s'),
    text(service),
    text(''),
    nameBytes(replacement),
  ])

interface Answer {
  ttlSec: number
  data: Buffer[]
}

/** A DNS server that knows what it is told; `failing` answers everything with SERVFAIL. */
class Server {
  readonly known = new Map<string, Answer>()
  readonly asked: string[] = []
  failing = false
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (query, from) => socket.send(this.#answer(query), from.port, from.address))
  }

  static async start(): Promise<Server> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new Server(socket)
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  async close(): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }

  #answer(query: Buffer): Buffer {
    let at = 12
    const labels: string[] = []
    while (query[at]! > 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!))
      at += query[at]! + 1
    }
    const question = query.subarray(12, at + 5)
    const key = `${TYPES[query.readUInt16BE(at + 1)]} ${labels.join('.').toLowerCase()}`
    this.asked.push(key)
    const found = this.failing ? undefined : this.known.get(key)
    const code = this.failing ? SERVFAIL : found ? 0 : NXDOMAIN
    const header = Buffer.concat([
      query.subarray(0, 2),
      words(0x8180 | code, 1, found?.data.length ?? 0, 0, 0),
    ])
    const records = (found?.data ?? []).map((data) => {
      const ttl = Buffer.alloc(4)
      ttl.writeUInt32BE(found!.ttlSec)
      return Buffer.concat([
        words(0xc00c),
        question.subarray(-4, -2),
        words(1),
        ttl,
        words(data.length),
        data,
      ])
    })
    return Buffer.concat([header, question, ...records])
  }
}

describe('the DNS', () => {
  let server: Server
  let clock: SimClock
  let dns: Dns

  beforeEach(async () => {
    server = await Server.start()
    clock = new SimClock()
    dns = openDns(clock, [server.address])
  })

  afterEach(() => server.close())

  it('gives services and addresses', async () => {
    server.known.set('NAPTR sip.test', {
      ttlSec: 60,
      data: [naptr(10, 20, 'SIPS+D2T', '_sips._tcp.sip.test')],
    })
    server.known.set('SRV _sips._tcp.sip.test', {
      ttlSec: 60,
      data: [srv(1, 2, 5061, 'a.sip.test')],
    })
    server.known.set('A a.sip.test', { ttlSec: 60, data: [a('192.0.2.1'), a('192.0.2.2')] })
    expect(await dns.naptr('sip.test')).toEqual(
      ok([
        {
          order: 10,
          preference: 20,
          flags: 's',
          service: 'SIPS+D2T',
          regexp: '',
          replacement: '_sips._tcp.sip.test',
        },
      ]),
    )
    expect(await dns.srv('_sips._tcp.sip.test')).toEqual(
      ok([{ priority: 1, weight: 2, port: 5061, target: 'a.sip.test' }]),
    )
    expect(await dns.addresses('a.sip.test', 4)).toEqual(ok(['192.0.2.1', '192.0.2.2']))
    expect(await dns.addresses('a.sip.test', 6)).toEqual(ok([]))
  })

  it('asks again only when the time to live is over', async () => {
    server.known.set('A h.test', { ttlSec: 30, data: [a('192.0.2.1')] })
    await dns.addresses('h.test', 4)
    await clock.advance(29_000)
    await dns.addresses('h.test', 4)
    expect(server.asked).toEqual(['A h.test'])
    server.known.set('A h.test', { ttlSec: 30, data: [a('192.0.2.9')] })
    await clock.advance(1_000)
    expect(await dns.addresses('h.test', 4)).toEqual(ok(['192.0.2.9']))
  })

  it('remembers that there is nothing, but not for long', async () => {
    expect(await dns.srv('_sip._udp.none.test')).toEqual(ok([]))
    expect(await dns.srv('_sip._udp.none.test')).toEqual(ok([]))
    expect(server.asked.length).toBe(1)
    await clock.advance(10_000)
    await dns.srv('_sip._udp.none.test')
    expect(server.asked.length).toBe(2)
  })

  it('tells a failure from nothing, and goes on with what was known', async () => {
    server.known.set('A h.test', { ttlSec: 30, data: [a('192.0.2.1')] })
    await dns.addresses('h.test', 4)
    server.failing = true
    await clock.advance(60_000)
    expect(await dns.addresses('h.test', 4)).toEqual(ok(['192.0.2.1']))
    expect(await dns.addresses('other.test', 4)).toEqual(fail('no_answer'))
    await clock.advance(2 * 3_600_000)
    expect(await dns.addresses('h.test', 4)).toEqual(fail('no_answer'))
  })

  it('knows the hosts file of this machine', async () => {
    const found = await dns.addresses('localhost', 4)
    expect(found).toEqual(ok(expect.arrayContaining(['127.0.0.1'])))
  })
})
