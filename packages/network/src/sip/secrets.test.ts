// What is shown of a message: everything but what must stay secret, at the same length.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { withoutSecrets } from './secrets.ts'

const lines = (...all: string[]): string => all.join('\r\n')

it('hides the proofs of a digest, and keeps who proves what', () => {
  const shown = withoutSecrets(
    lines(
      'INVITE sip:a@b SIP/2.0',
      'Proxy-Authorization: Digest username="agent", realm="carrier", nonce="n0nce",',
      ' uri="sip:a@b", response="0123abcd", cnonce="c0", nc=00000001, qop=auth',
      'WWW-Authenticate: Digest realm="carrier",nonce="abc=",opaque="xyz",algorithm=SHA-256',
      'Authentication-Info: nextnonce="next", rspauth="ff00"',
      '',
      '',
    ),
  )
  for (const secret of ['n0nce', '0123abcd', 'c0"', 'abc=', 'xyz', 'next"', 'ff00']) {
    expect(shown).not.toContain(secret)
  }
  for (const kept of ['username="agent"', 'realm="carrier"', 'uri="sip:a@b"', 'nc=00000001']) {
    expect(shown).toContain(kept)
  }
  expect(shown).toContain('response="********"')
  expect(shown).toContain('algorithm=SHA-256')
})

it('hides all of any other scheme', () => {
  const shown = withoutSecrets(
    'A sip:b SIP/2.0\r\nAuthorization: Bearer eyJ.abc=\r\nauthorization:x\r\n\r\n',
  )
  expect(shown).toBe('A sip:b SIP/2.0\r\nAuthorization: Bearer ********\r\nauthorization:*\r\n\r\n')
})

it('hides keys of media, passwords in addresses, and what was pressed', () => {
  const sdp = lines(
    'INVITE sip:a:s3cret@b SIP/2.0',
    'Content-Type: application/sdp',
    '',
    'v=0',
    'k=clear:hunter2',
    'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVu|2^20',
    'a=ice-pwd:YH75Fviy6338Vbrhrlp8Yh',
    'a=sendrecv',
  )
  const shown = withoutSecrets(sdp)
  for (const secret of ['s3cret', 'hunter2', 'WVNf', '2^20', 'YH75'])
    expect(shown).not.toContain(secret)
  expect(shown).toContain('a=crypto:1 AES_CM_128_HMAC_SHA1_80 *')
  expect(shown).toContain('a=sendrecv')
  const info = (type: string, body: string): string =>
    withoutSecrets(lines('INFO sip:a@b SIP/2.0', `Content-Type: ${type}`, '', body))
  expect(info('application/dtmf-relay', 'Signal=7\r\nDuration=160')).toContain(
    'Signal=*\r\nDuration=160',
  )
  expect(info('application/dtmf', '7')).toMatch(/\r\n\*$/)
})

it('keeps every length, and what has no secret as it is, whatever comes', () => {
  const words = [
    'Authorization: Digest ',
    'nonce="',
    'response=',
    'a=crypto:1 x ',
    'sip:a:b@',
    '\r\n',
  ]
  const text = fc.array(fc.oneof(fc.constantFrom(...words), fc.string()), { maxLength: 40 })
  fc.assert(
    fc.property(text, (parts) => {
      const message = parts.join('')
      const shown = withoutSecrets(message)
      expect(shown.length).toBe(message.length)
      expect(withoutSecrets(shown).length).toBe(message.length)
    }),
  )
  const plain = 'BYE sip:a@b SIP/2.0\r\nCall-ID: 1@2\r\nCSeq: 2 BYE\r\n\r\n'
  expect(withoutSecrets(plain)).toBe(plain)
})

it('takes no time for a message that is made to take some', () => {
  const startedMs = performance.now()
  for (const piece of ['sip:a:', 'Authorization: x\r\n ', 'nonce="\\', ' \t', 'sip:'.repeat(9)]) {
    withoutSecrets(piece.repeat(65_000 / piece.length))
    withoutSecrets(`A\r\n\r\n${piece.repeat(65_000 / piece.length)}`)
  }
  // Exponential would be hours.
  expect(performance.now() - startedMs).toBeLessThan(20_000)
})
