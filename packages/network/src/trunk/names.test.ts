// What a trunk's INVITE says: the number as it is sent, who calls, and what is kept from the callee.
import { describe, expect, it } from 'vitest'
import type { TrunkSettings } from './settings.ts'
import { TrunkNames, hostOf } from './names.ts'
import { SourceList } from './sources.ts'

const OURS = '198.51.100.1'
const NUMBER = '+15555550001'

function names(more: Partial<TrunkSettings> = {}): TrunkNames {
  const settings: TrunkSettings = {
    name: 'a',
    address: 'sip.example.com',
    transport: 'udp',
    username: 'acme',
    password: 'secret',
    prefixes: ['+', '+1', '+1555'],
    codecs: ['PCMU'],
    ...more,
  }
  return new TrunkNames(settings, OURS)
}

describe('the address of a trunk', () => {
  it.each([
    ['sip.example.com', 'sip.example.com', null],
    ['sip.example.com:5080', 'sip.example.com', 5080],
    ['192.0.2.1:5070', '192.0.2.1', 5070],
    ['[2001:db8::1]', '2001:db8::1', null],
    ['[2001:db8::1]:5062', '2001:db8::1', 5062],
  ])('%s', (address, host, port) => {
    expect(hostOf(address)).toEqual({ host, port })
    expect(names({ address }).uriOf('+1')).toBe(`sip:+1@${address}`)
  })
})

describe('who calls', () => {
  it('is the number, at our own address, and nothing more', () => {
    expect(names().identityOf(NUMBER, 'Acme')).toEqual({
      from: `sip:${NUMBER}@${OURS}`,
      displayName: 'Acme',
      fields: [],
    })
  })

  it('may lose its plus, be another number, be asserted, and bring fixed fields', () => {
    const { from, fields } = names({
      stripPlus: true,
      callerId: '+15555559999',
      identity: 'p-asserted-identity' as const,
      headers: { 'X-Telnyx-Token': 'abc' },
    }).identityOf(NUMBER, 'A "b"')
    expect(from).toBe(`sip:15555559999@${OURS}`)
    expect(fields).toEqual([
      ['x-telnyx-token', 'abc'],
      ['p-asserted-identity', `"A \\"b\\"" <sip:15555559999@${OURS}>`],
    ])
  })

  it('is kept from the callee, but not from the carrier', () => {
    const settings = { privacy: 'id' as const, identity: 'p-asserted-identity' as const }
    const identity = names(settings).identityOf(NUMBER, null)
    expect(identity).toEqual({
      from: 'sip:anonymous@anonymous.invalid',
      displayName: 'Anonymous',
      fields: [
        ['p-asserted-identity', `<sip:${NUMBER}@${OURS}>`],
        ['privacy', 'id'],
      ],
    })
    expect(JSON.stringify(names({ privacy: 'id' }).identityOf(NUMBER, 'Acme'))).not.toMatch(
      /15555550001|Acme/,
    )
  })

  it('is at home at the registrar where the trunk registers', () => {
    const register = { registrar: null, expiresSec: 600, aor: null }
    const plain = names({ register })
    expect(plain.registered).toEqual({ user: 'acme', uri: 'sip:acme@sip.example.com' })
    expect(plain.identityOf(NUMBER, null).from).toBe(`sip:${NUMBER}@sip.example.com`)
    const named = names({
      register: { ...register, registrar: 'r.example.com:5070', aor: '100@pbx' },
    })
    expect(named.registered).toEqual({ user: '100', uri: 'sip:100@pbx' })
    expect(names().registered).toBeNull()
  })
})

describe('a redirect', () => {
  it('is followed to the hosts of the trunk and those that are listed', () => {
    const trunk = names({ redirectHosts: ['Other.example.com', '192.0.2.77'] })
    const may = (uri: string): boolean =>
      trunk.mayRedirectTo(uri, (address) => address === '192.0.2.1')
    const allowed = [
      'sip.example.com',
      'SIP.example.com:5090',
      '192.0.2.1',
      'other.example.com',
      '192.0.2.77',
    ]
    for (const host of allowed) expect(may(`sip:+1@${host}`)).toBe(true)
    for (const uri of ['sip:+1@evil.example.com', 'sip:+1@192.0.2.2', 'tel:+1900', '']) {
      expect(may(uri)).toBe(false)
    }
  })
})

describe('the sources of a trunk', () => {
  const list = new SourceList(['192.0.2.0/24', '198.51.100.7', '2001:db8::/32', '::1'])

  it.each(['192.0.2.255', '198.51.100.7', '2001:db8:ffff::1', '::1', '::ffff:192.0.2.1'])(
    '%s is in',
    (address) => expect(list.has(address)).toBe(true),
  )

  it.each(['192.0.3.0', '198.51.100.8', '2001:db9::1', '::2', '::ffff:192.0.3.1', '', 'x'])(
    '%s is out',
    (address) => expect(list.has(address)).toBe(false),
  )
})
