// Hops as text: what is stored of a dialog is read back as it was.
import { describe, expect, it } from 'vitest'
import { formatEndpoint, formatHop, parseEndpoint, parseHop, udpHop } from './hop.ts'

describe('endpoints', () => {
  it.each(['192.0.2.1:5060', '[2001:db8::1]:5061'])('%s comes back as it was', (text) => {
    expect(formatEndpoint(parseEndpoint(text)!)).toBe(text)
  })

  it.each(['', 'host:5060', '192.0.2.1', '192.0.2.1:0', '192.0.2.1:70000', '[x]:1'])(
    '%s is none',
    (text) => {
      expect(parseEndpoint(text)).toBeNull()
    },
  )
})

describe('hops', () => {
  it('says nothing of UDP, which was there first', () => {
    const endpoint = { address: '192.0.2.1', port: 5060 }
    expect(formatHop(udpHop(endpoint))).toBe('192.0.2.1:5060')
    expect(parseHop('192.0.2.1:5060')).toEqual(udpHop(endpoint))
  })

  it.each([
    'TCP 192.0.2.1:5060',
    'TLS [2001:db8::1]:5061',
    'TLS 192.0.2.1:5061 sip.carrier.example',
  ])('%s comes back as it was', (text) => {
    expect(formatHop(parseHop(text)!)).toBe(text)
  })

  it.each(['SCTP 192.0.2.1:5060', 'TCP', 'TCP nowhere', 'TLS 192.0.2.1:5061 a b', ''])(
    '%s is none',
    (text) => {
      expect(parseHop(text)).toBeNull()
    },
  )
})
