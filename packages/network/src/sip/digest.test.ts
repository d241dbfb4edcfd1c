// Digest: the vectors of RFC 7616 and RFC 2617, odd challenges, and what is learned from a refusal.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DigestClient, digestResponse, parseChallenge } from './digest.ts'
import { Headers } from './headers.ts'
import type { SipRequest, SipResponse } from './message.ts'

const NONCE = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v'

function answerOf(challenge: string, password: string, cnonce: string, uri: string): string {
  return digestResponse({
    challenge: parseChallenge(challenge)!,
    credentials: { username: 'Mufasa', password },
    method: 'GET',
    uri,
    cnonce,
    nonceCount: 1,
  })
}

describe('digestResponse', () => {
  it.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('RFC 7616 section 3.9.1, %s', (algorithm, expected) => {
    const challenge = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
    const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ'
    expect(answerOf(challenge, 'Circle of Life', cnonce, '/dir/index.html')).toBe(expected)
  })

  it('RFC 2617 section 3.5, no algorithm named', () => {
    const challenge =
      'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    const response = answerOf(challenge, 'Circle Of Life', '0a4f113b', '/dir/index.html')
    expect(response).toBe('6629fae49393a05397450978507c4ef1')
  })
})

describe('parseChallenge', () => {
  it('refuses what we cannot answer', () => {
    expect(parseChallenge('Basic realm="x"')).toBeNull()
    expect(parseChallenge('Digest realm="x"')).toBeNull()
    expect(parseChallenge('Digest realm="x", nonce="n", algorithm=FOO')).toBeNull()
    expect(parseChallenge('Digest realm="x", nonce="n", qop="auth-int"')).toBeNull()
  })

  it('never throws', () => {
    expect(() => {
      fc.assert(fc.property(fc.string(), (text) => void parseChallenge(`Digest ${text}`)))
    }).not.toThrow()
  })
})

function refusal(...challenges: string[]): SipResponse {
  const headers = new Headers()
  for (const challenge of challenges) headers.add('www-authenticate', `Digest ${challenge}`)
  return { kind: 'response', status: 401, reason: '', headers, body: '' }
}

function request(): SipRequest {
  return { kind: 'request', method: 'BYE', uri: 'sip:x@y', headers: new Headers(), body: '' }
}

describe('DigestClient', () => {
  const client = (): DigestClient =>
    new DigestClient({ username: 'u', password: 'p' }, seededRandom(1))

  it('prefers SHA-256 and counts the uses of a nonce', () => {
    const digest = client()
    const sha = 'realm="r", nonce="b", algorithm=SHA-256, qop="auth"'
    expect(digest.learn(refusal('realm="r", nonce="a", qop="auth"', sha))).toBe(true)
    digest.authorise(request())
    const second = request()
    digest.authorise(second)
    expect(second.headers.get('authorization')).toMatch(/nonce="b".*SHA-256.*nc=00000002/)
  })

  it('tries again for a stale nonce, not for a refused one', () => {
    const digest = client()
    digest.learn(refusal('realm="r", nonce="a"'))
    digest.authorise(request())
    expect(digest.learn(refusal('realm="r", nonce="b", stale=TRUE'))).toBe(true)
    digest.authorise(request())
    expect(digest.learn(refusal('realm="r", nonce="c"'))).toBe(false)
  })

  it('answers several realms at once', () => {
    const digest = client()
    digest.learn(refusal('realm="one", nonce="a"', 'realm="two", nonce="b"'))
    const to = request()
    digest.authorise(to)
    expect(to.headers.all('authorization').length).toBe(2)
  })
})
