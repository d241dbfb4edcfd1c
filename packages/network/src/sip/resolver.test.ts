// From host to hops: NAPTR, SRV by priority and weight, addresses, bounds, and what happens when the DNS is silent.
import { SimClock, fail, ok, seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Dns, DnsAnswer, NaptrRecord, SrvRecord } from './dns.ts'
import { formatHop } from './hop.ts'
import type { Protocol } from './hop.ts'
import { MAX_HOPS, RESOLVE_LIMIT_MS, Resolver, orderServers, parseTarget } from './resolver.ts'

interface Zone {
  naptr?: Record<string, NaptrRecord[]>
  srv?: Record<string, SrvRecord[]>
  a?: Record<string, string[]>
  aaaa?: Record<string, string[]>
}

/** A DNS that knows a zone, and remembers what it was asked. Names in `dead` get no answer. */
function scripted(zone: Zone, dead: readonly string[] = []): Dns & { asked: string[] } {
  const asked: string[] = []
  const answer = <T>(
    kind: string,
    name: string,
    known?: Record<string, T[]>,
  ): Promise<DnsAnswer<T>> => {
    asked.push(`${kind} ${name}`)
    return Promise.resolve(dead.includes(name) ? fail('no_answer') : ok(known?.[name] ?? []))
  }
  return {
    asked,
    naptr: (name) => answer('NAPTR', name, zone.naptr),
    srv: (name) => answer('SRV', name, zone.srv),
    addresses: (name, family) =>
      family === 4 ? answer('A', name, zone.a) : answer('AAAA', name, zone.aaaa),
  }
}

const ALL: Protocol[] = ['UDP', 'TCP', 'TLS']

async function hops(
  dns: Dns,
  text: string,
  protocol: Protocol | null = null,
  protocols = ALL,
  families: (4 | 6)[] = [4],
): Promise<string[] | string> {
  const resolver = new Resolver({
    dns,
    clock: new SimClock(),
    random: seededRandom(3),
    protocols,
    families,
  })
  const found = await resolver.resolve(parseTarget(text, protocol)!)
  return found.ok ? found.value.map(formatHop) : found.failure
}

const naptr = (
  order: number,
  preference: number,
  service: string,
  replacement: string,
): NaptrRecord => ({ order, preference, flags: 's', service, replacement })
const srv = (priority: number, weight: number, target: string, port = 5060): SrvRecord => ({
  priority,
  weight,
  target,
  port,
})

describe('without the DNS', () => {
  it.each([
    ['192.0.2.1', null, ['192.0.2.1:5060']],
    ['192.0.2.1:5080', 'TCP', ['TCP 192.0.2.1:5080']],
    ['192.0.2.1', 'TLS', ['TLS 192.0.2.1:5061']],
    ['2001:db8::1', null, ['[2001:db8::1]:5060']],
    ['[2001:db8::1]:5080', 'TLS', ['TLS [2001:db8::1]:5080']],
  ] as const)('%s by %s', async (text, protocol, expected) => {
    const dns = scripted({})
    expect([await hops(dns, text, protocol), dns.asked]).toEqual([expected, []])
  })

  it.each([
    '',
    'a b',
    'host:0',
    'host:70000',
    '1.2.3',
    '300.1.1.1',
    '[::1',
    '-x',
    'sip:host',
    'x'.repeat(300),
  ])('%j is no target', (text) => {
    expect(parseTarget(text, null)).toBeNull()
  })
})

describe('a host', () => {
  it('with a port is asked for addresses only', async () => {
    const dns = scripted({
      a: { 'sip.example': ['192.0.2.1', '192.0.2.2'] },
      aaaa: { 'sip.example': ['2001:db8::1'] },
    })
    expect(await hops(dns, 'sip.example:5080', 'TCP', ALL, [6, 4])).toEqual([
      'TCP [2001:db8::1]:5080',
      'TCP 192.0.2.1:5080',
      'TCP 192.0.2.2:5080',
    ])
    expect(dns.asked).toEqual(['AAAA sip.example', 'A sip.example'])
  })

  it('with a protocol is asked for that service, and the name to prove stays the one that was configured', async () => {
    const dns = scripted({
      srv: {
        '_sips._tcp.sip.example': [srv(2, 0, 'b.example', 5071), srv(1, 0, 'a.example', 5070)],
      },
      a: { 'a.example': ['192.0.2.1'], 'b.example': ['192.0.2.2'] },
    })
    expect(await hops(dns, 'sip.example', 'TLS')).toEqual([
      'TLS 192.0.2.1:5070 sip.example',
      'TLS 192.0.2.2:5071 sip.example',
    ])
    expect(dns.asked[0]).toBe('SRV _sips._tcp.sip.example')
  })

  it('without a service is tried itself, at the usual port', async () => {
    const dns = scripted({ a: { 'sip.example': ['192.0.2.1'] } })
    expect(await hops(dns, 'SIP.example.')).toEqual(['192.0.2.1:5060'])
    expect(await hops(dns, 'sip.example', 'TLS')).toEqual(['TLS 192.0.2.1:5061 sip.example'])
  })

  it('says by NAPTR which protocols it prefers; those that we do not speak are left out', async () => {
    const zone: Zone = {
      naptr: {
        'sip.example': [
          naptr(20, 0, 'SIP+D2U', 'udp.sip.example'),
          naptr(10, 20, 'SIP+D2T', 'tcp.sip.example'),
          naptr(10, 10, 'SIPS+D2T', 'tls.sip.example'),
          naptr(5, 0, 'SIP+D2S', 'sctp.sip.example'),
          { ...naptr(1, 0, 'SIP+D2U', 'x'), flags: 'u' },
        ],
      },
      srv: {
        'udp.sip.example': [srv(0, 0, 'h')],
        'tcp.sip.example': [srv(0, 0, 'h')],
        'tls.sip.example': [srv(0, 0, 'h', 5061)],
      },
      a: { h: ['192.0.2.1'] },
    }
    expect(await hops(scripted(zone), 'sip.example')).toEqual([
      'TLS 192.0.2.1:5061 sip.example',
      'TCP 192.0.2.1:5060',
      '192.0.2.1:5060',
    ])
    expect(await hops(scripted(zone), 'sip.example', null, ['UDP'])).toEqual(['192.0.2.1:5060'])
  })

  it('without NAPTR is asked for every service that we speak, in our order', async () => {
    const dns = scripted({
      srv: { '_sip._tcp.sip.example': [srv(0, 0, 'h')] },
      a: { h: ['192.0.2.1'] },
    })
    expect(await hops(dns, 'sip.example')).toEqual(['TCP 192.0.2.1:5060'])
    expect(dns.asked).toContain('SRV _sip._udp.sip.example')
  })

  it('that says "not here" by a dot is tried itself', async () => {
    const dns = scripted({
      srv: { '_sip._udp.sip.example': [srv(0, 0, '.')] },
      a: { 'sip.example': ['192.0.2.1'] },
    })
    expect(await hops(dns, 'sip.example', 'UDP')).toEqual(['192.0.2.1:5060'])
  })

  it('that nobody knows is none, and one that nobody answers for is another thing', async () => {
    expect(await hops(scripted({}), 'sip.example')).toBe('no_such_host')
    expect(await hops(scripted({}, ['sip.example']), 'sip.example')).toBe('no_answer')
    const half = scripted(
      {
        srv: { '_sip._udp.sip.example': [srv(0, 0, 'dead'), srv(1, 0, 'h')] },
        a: { h: ['192.0.2.1'] },
      },
      ['dead'],
    )
    expect(await hops(half, 'sip.example', 'UDP')).toEqual(['192.0.2.1:5060'])
  })

  it('is given up when the DNS is silent for too long', async () => {
    const clock = new SimClock()
    const never = new Promise<never>(() => {})
    const dns: Dns = { naptr: () => never, srv: () => never, addresses: () => never }
    const resolver = new Resolver({
      dns,
      clock,
      random: seededRandom(1),
      protocols: ALL,
      families: [4],
    })
    const found = resolver.resolve(parseTarget('sip.example', null)!)
    await clock.advance(RESOLVE_LIMIT_MS)
    expect(await found).toEqual(fail('no_answer'))
    expect(clock.pending()).toBe(0)
  })

  it('has no more hops than anybody would try', async () => {
    const many = Array.from({ length: 40 }, (_, i) => srv(i, 0, `h${i}`))
    const a = Object.fromEntries(
      many.map(({ target }, i) => [target, [`192.0.2.${i}`, `198.51.100.${i}`]]),
    )
    const dns = scripted({ srv: { '_sip._udp.sip.example': many }, a })
    expect((await hops(dns, 'sip.example', 'UDP')).length).toBe(MAX_HOPS)
    expect(dns.asked.length).toBeLessThan(20)
  })
})

describe('the order of SRV records', () => {
  const records = fc.array(
    fc.record({
      priority: fc.nat({ max: 3 }),
      weight: fc.nat({ max: 100 }),
      target: fc.string(),
      port: fc.nat({ max: 65_535 }),
    }),
    { maxLength: 20 },
  )

  it('loses and doubles nothing, and never goes against priority', () => {
    fc.assert(
      fc.property(records, fc.integer(), (given, seed) => {
        const ordered = orderServers(given, seededRandom(seed))
        expect(ordered.length).toBe(given.length)
        expect(new Set(ordered)).toEqual(new Set(given))
        const priorities = ordered.map(({ priority }) => priority)
        expect(priorities).toEqual(priorities.toSorted((a, b) => a - b))
      }),
    )
  })

  it('puts each first in proportion to its weight, and a weight of 0 rarely', () => {
    const random = seededRandom(2782)
    const given = [srv(1, 60, 'a'), srv(1, 30, 'b'), srv(1, 10, 'c'), srv(1, 0, 'd')]
    const draws = 20_000
    const first: Record<string, number> = { a: 0, b: 0, c: 0, d: 0 }
    const second: Record<string, number> = { b: 0, c: 0 }
    for (let i = 0; i < draws; i++) {
      const [one, two] = orderServers(given, random)
      first[one!.target]!++
      if (one!.target === 'a' && two!.target in second) second[two!.target]!++
    }
    // Drawn from 0 to the sum of the weights, both included: a of 60, b of 30, c of 10 and d of 1 in 101.
    for (const [target, share] of [
      ['a', 60],
      ['b', 30],
      ['c', 10],
      ['d', 1],
    ] as const) {
      const expected = share / 101
      // Four standard deviations of a binomial count.
      const tolerance = 4 * Math.sqrt((expected * (1 - expected)) / draws)
      expect(Math.abs(first[target]! / draws - expected)).toBeLessThan(tolerance)
    }
    expect(second['b']! / second['c']!).toBeGreaterThan(2.6)
    expect(second['b']! / second['c']!).toBeLessThan(3.4)
  })
})
