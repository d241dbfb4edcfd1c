// Crypto lines: what is usable, what is not, and that nothing throws.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newCryptoLines, parseCrypto, writeCrypto } from './sdes.ts'

const KEY = 'WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz'
const LONG = 'AES_CM_128_HMAC_SHA1_80'

describe('a crypto line', () => {
  it.each([
    [`a=crypto:1 ${LONG} inline:${KEY}`, 0],
    [`a=crypto:1 ${LONG} inline:${KEY}==`, 0],
    [`a=crypto: 1  ${LONG}  inline:${KEY} `, 0],
    [`a=crypto:1 aes_cm_128_hmac_sha1_80 inline:${KEY}`, 0],
    [`a=crypto:1 ${LONG} inline:${KEY}|2^31`, 0],
    [`a=crypto:1 ${LONG} inline:${KEY}|1048576`, 0],
    [`a=crypto:1 ${LONG} inline:${KEY}|2^20|1:4`, 4],
    [`a=crypto:1 ${LONG} inline:${KEY}|1:32`, 32],
    [`a=crypto:1 ${LONG} inline:${KEY} WSH=128`, 0],
    [`a=crypto:1 ${LONG} inline:${KEY} KDR=0 -X=1`, 0],
  ])('is read: %s', (line, mkiBytes) => {
    const key = Uint8Array.from(Buffer.from(KEY, 'base64'))
    expect(parseCrypto(line)).toEqual({ tag: 1, suite: LONG, key, mkiBytes })
  })

  it.each([
    `a=crypto:1 F8_128_HMAC_SHA1_80 inline:${KEY}`,
    `a=crypto:1 AEAD_AES_128_GCM inline:${KEY}`,
    `a=crypto:1 ${LONG} inline:${KEY.slice(1)}`,
    `a=crypto:1 ${LONG} inline:${KEY}AAAA`,
    `a=crypto:1 ${LONG} inline:${KEY}|2^20|1:400`,
    `a=crypto:1 ${LONG} inline:${KEY}|2^20|1:0`,
    `a=crypto:1 ${LONG} inline:${KEY}|2^20|1:4|x`,
    `a=crypto:1 ${LONG} inline:${KEY}|1:4;inline:${KEY}|2:4`,
    `a=crypto:1 ${LONG} uri:https://example.com/key`,
    `a=crypto:1 ${LONG} inline:${KEY} UNENCRYPTED_SRTP`,
    `a=crypto:1 ${LONG} inline:${KEY} UNAUTHENTICATED_SRTP`,
    `a=crypto:1 ${LONG} inline:${KEY} KDR=4`,
    `a=crypto:1 ${LONG} inline:${KEY} SOMETHING_NEW=1`,
    `a=crypto:1 ${LONG}`,
    `a=crypto:x ${LONG} inline:${KEY}`,
    'a=crypto:',
  ])('is not usable: %s', (line) => {
    expect(parseCrypto(line)).toBeNull()
  })

  it('of ours is read as it was meant, with a key of its own each', () => {
    const lines = newCryptoLines(seededRandom(7))
    expect(lines.map(({ tag, suite }) => [tag, suite])).toEqual([
      [1, LONG],
      [2, 'AES_CM_128_HMAC_SHA1_32'],
    ])
    expect(lines.map((line) => parseCrypto(writeCrypto(line)))).toEqual(lines)
    expect(lines[0]!.key).not.toEqual(lines[1]!.key)
  })

  it('never throws, and what is read can be written', () => {
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom(LONG, `inline:${KEY}`, '|', '2^31', '1:4', ' ', '1', 'WSH=64'),
    )
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const read = parseCrypto(`a=crypto:${parts.join('')}`)
        const again = read && parseCrypto(writeCrypto(read))
        expect(again).toEqual(read && { ...read, mkiBytes: 0 })
      }),
      { numRuns: 1000 },
    )
  })
})
