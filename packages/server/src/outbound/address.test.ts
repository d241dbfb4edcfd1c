// The table of addresses that nobody may make this platform reach.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressGuard, addressPolicy, isCidr, kindOf } from './address.ts'

const table: [string, ReturnType<typeof kindOf>][] = [
  ['8.8.8.8', 'public'],
  ['1.1.1.1', 'public'],
  ['172.15.255.255', 'public'],
  ['172.32.0.0', 'public'],
  ['100.63.255.255', 'public'],
  ['100.128.0.0', 'public'],
  ['2606:4700:4700::1111', 'public'],
  ['::ffff:8.8.8.8', 'public'],
  ['64:ff9b::808:808', 'public'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['::ffff:7f00:1', 'loopback'],
  ['64:ff9b::7f00:1', 'loopback'],
  ['0.0.0.0', 'private'],
  ['10.0.0.1', 'private'],
  ['100.64.0.1', 'private'],
  ['100.100.100.200', 'private'],
  ['168.63.129.16', 'private'],
  ['169.254.169.254', 'private'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.0.0.192', 'private'],
  ['192.168.1.1', 'private'],
  ['198.18.0.1', 'private'],
  ['203.0.113.7', 'private'],
  ['224.0.0.1', 'private'],
  ['255.255.255.255', 'private'],
  ['::', 'private'],
  ['::10.0.0.1', 'private'],
  ['::ffff:10.0.0.1', 'private'],
  ['::ffff:a9fe:a9fe', 'private'],
  ['::ffff:0:10.0.0.1', 'private'],
  ['64:ff9b::a00:1', 'private'],
  ['64:ff9b:1::a00:1', 'private'],
  ['100::1', 'private'],
  ['2001::1', 'private'],
  ['2001:db8::1', 'private'],
  ['2002:a00:1::', 'private'],
  ['3fff::1', 'private'],
  ['fc00::1', 'private'],
  ['fd00:ec2::254', 'private'],
  ['fe80::1', 'private'],
  ['fe80::1%lo', 'private'],
  ['fec0::1', 'private'],
  ['ff02::1', 'private'],
]

describe('addresses', () => {
  test.each(table)('%s is %s', (address, kind) => {
    expect(kindOf(address)).toBe(kind)
  })

  test('a mapped or translated address is what it stands for', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(kindOf(`::ffff:${address}`)).toBe(kindOf(address))
        expect(kindOf(`64:ff9b::${address}`)).toBe(kindOf(address))
      }),
    )
  })

  test('nothing outside of 2000::/3 is public in IPv6', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = parseInt(address.split(':')[0] || '0', 16)
        if (kindOf(address) === 'public' && !/^(?:::ffff:|64:ff9b)/i.test(address)) {
          expect(first >> 13 === 1 || first === 0).toBe(true)
        }
      }),
    )
  })
})

describe('policy', () => {
  test('public addresses only, by default', () => {
    const may = addressGuard(addressPolicy([], '0.0.0.0'), 'test')
    expect([may('8.8.8.8'), may('127.0.0.1'), may('10.1.2.3')]).toEqual([true, false, false])
  })

  test.each(['127.0.0.1', 'localhost', '::1'])(
    'on %s test keys reach loopback, live keys do not',
    (host) => {
      const policy = addressPolicy([], host)
      expect(addressGuard(policy, 'test')('127.0.0.1')).toBe(true)
      expect(addressGuard(policy, 'test')('::ffff:127.0.0.1')).toBe(true)
      expect(addressGuard(policy, 'test')('10.0.0.1')).toBe(false)
      expect(addressGuard(policy, 'live')('127.0.0.1')).toBe(false)
    },
  )

  test('networks that the operator names are allowed, also in their mapped form', () => {
    const may = addressGuard(addressPolicy(['10.1.0.0/16', 'fd00::/8'], '0.0.0.0'), 'live')
    expect(['10.1.2.3', '::ffff:10.1.2.3', 'fd12::1'].map(may)).toEqual([true, true, true])
    expect(['10.2.0.1', 'fe80::1', '127.0.0.1', '::1'].map(may)).toEqual([
      false,
      false,
      false,
      false,
    ])
  })

  test('all means all', () => {
    const may = addressGuard(addressPolicy('all', '0.0.0.0'), 'live')
    expect(['10.2.0.1', 'fe80::1', '169.254.169.254'].every(may)).toBe(true)
  })

  test.each(['10.0.0.0', '10.0.0.0/33', '::/129', 'x/8', '10.0.0.0/8/8', '10.0.0.0/-1', ''])(
    '%s is no network',
    (text) => expect(isCidr(text)).toBe(false),
  )
})
