// Digest as a server: our own client is let in, others are not, old nonces are stale, and nothing is remembered.
import { SimClock, seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DigestServer, NONCE_LIFE_MS } from './digest-server.ts'
import { DigestClient } from './digest.ts'
import type { Credentials } from './digest.ts'
import { Headers } from './headers.ts'
import type { SipRequest, SipResponse } from './message.ts'

const HERE = '192.0.2.1'
const GOOD: Credentials = { username: 'peer', password: 'open sesame' }

function invite(callId = 'a@x', uri = 'sip:+15555550123@us'): SipRequest {
  const headers = new Headers().add('call-id', callId)
  return { kind: 'request', method: 'INVITE', uri, headers, body: '' }
}

function setUp() {
  const clock = new SimClock()
  const server = new DigestServer('saperly', clock, seededRandom(1))
  /** Challenges `request`, and puts the answer of a client with `credentials` on `onto`. */
  const answer = (
    credentials: Credentials,
    onto = invite(),
    asked = onto,
    address = HERE,
    only: 'MD5' | 'SHA-256' | null = null,
  ): SipRequest => {
    const headers = new Headers()
    for (const [name, value] of server.challenge(asked, address, false)) {
      if (only === null || value.endsWith(`algorithm=${only}`)) headers.add(name, value)
    }
    const refusal: SipResponse = { kind: 'response', status: 401, reason: '', headers, body: '' }
    const client = new DigestClient(credentials, seededRandom(2))
    expect(client.learn(refusal)).toBe(true)
    client.authorise(onto)
    return onto
  }
  return { clock, server, answer }
}

describe('the digest of a server', () => {
  it('offers SHA-256 and MD5, and takes either', () => {
    const { server, answer } = setUp()
    for (const only of ['SHA-256', 'MD5', null] as const) {
      const request = answer(GOOD, invite(), invite(), HERE, only)
      expect(server.check(request, HERE, GOOD)).toBe('right')
      const used = only ?? 'SHA-256'
      expect(request.headers.get('authorization')).toContain(`algorithm=${used}`)
    }
  })

  it('knows credentials that are missing from those that are wrong', () => {
    const { server, answer } = setUp()
    expect(server.check(invite(), HERE, GOOD)).toBe('absent')
    const elsewhere = invite()
    elsewhere.headers.add('authorization', 'Digest realm="another", username="peer"')
    expect(server.check(elsewhere, HERE, GOOD)).toBe('absent')
    const wrong = { ...GOOD, password: 'sesame' }
    expect(server.check(answer(wrong), HERE, GOOD)).toBe('wrong')
    const other = { ...GOOD, username: 'pear' }
    expect(server.check(answer(other), HERE, GOOD)).toBe('wrong')
    expect(server.userOf(answer(other))).toBe('pear')
  })

  it('takes only what was asked for', () => {
    const { server, answer } = setUp()
    const request = answer(GOOD, invite(), invite(), HERE, 'MD5')
    expect(server.check(request, HERE, GOOD, ['MD5'])).toBe('right')
    expect(server.check(request, HERE, GOOD, ['SHA-256'])).toBe('wrong')
    expect(server.challenge(request, HERE, false, ['MD5'])).toHaveLength(1)
  })

  it('a nonce that has aged is stale when the credentials are right, and only then', async () => {
    const { clock, server, answer } = setUp()
    const right = answer(GOOD)
    const wrong = answer({ ...GOOD, password: 'no' })
    await clock.advance(NONCE_LIFE_MS)
    expect(server.check(right, HERE, GOOD)).toBe('right')
    await clock.advance(1)
    expect(server.check(right, HERE, GOOD)).toBe('stale')
    expect(server.check(wrong, HERE, GOOD)).toBe('wrong')
    expect(server.challenge(right, HERE, true)[0]![1]).toContain('stale=true')
  })

  it('a nonce serves one call from one address', () => {
    const { server, answer } = setUp()
    const first = invite('a@x')
    expect(server.check(answer(GOOD, invite('b@x'), first), HERE, GOOD)).toBe('stale')
    expect(server.check(answer(GOOD), '192.0.2.2', GOOD)).toBe('stale')
    expect(
      new DigestServer('saperly', new SimClock(), seededRandom(9)).check(answer(GOOD), HERE, GOOD),
    ).toBe('stale')
  })

  it('what was signed for one number is no good for another', () => {
    const { server, answer } = setUp()
    const { headers } = answer(GOOD)
    const moved = { ...invite('a@x', 'sip:+19005550123@us'), headers }
    expect(server.check(moved, HERE, GOOD)).toBe('wrong')
    const rewritten = { ...invite('a@x', 'sip:+15555550123@10.0.0.1:5070'), headers }
    expect(server.check(rewritten, HERE, GOOD)).toBe('right')
  })

  it('the form without qop is not taken', () => {
    const { server, answer } = setUp()
    const request = answer(GOOD)
    const text = request.headers.get('authorization')!.replace(/, qop=auth, nc=\w+/, '')
    request.headers.set('authorization', text)
    expect(server.check(request, HERE, GOOD)).toBe('wrong')
  })

  it('whatever is sent, nobody gets in without the password', () => {
    const { server, answer } = setUp()
    const good = answer(GOOD).headers.get('authorization')!
    const mangled = fc.tuple(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 3 }))
    fc.assert(
      fc.property(mangled, fc.string(), ([at, text], noise) => {
        const changed = `${good.slice(0, at)}${text}${good.slice(at + text.length)}`
        for (const value of [changed, `Digest ${noise}`, noise]) {
          const request = invite()
          request.headers.add('authorization', value)
          // A change that leaves every value in place (a space, a letter's case in a name) is no attack.
          if (server.check(request, HERE, GOOD) === 'right') {
            const client = /response="([0-9a-f]{64})"/i.exec(value)?.[1]?.toLowerCase()
            expect(client).toBe(/response="([0-9a-f]{64})"/.exec(good)![1])
          }
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('credentials for one realm', () => {
  it('are not given to another', () => {
    const { server } = setUp()
    const [field] = server.challenge(invite(), HERE, false)
    const headers = new Headers().add(...field!)
    const refusal: SipResponse = { kind: 'response', status: 401, reason: '', headers, body: '' }
    const learn = (realm: string): boolean =>
      new DigestClient({ ...GOOD, realm }, seededRandom(2)).learn(refusal)
    expect([learn('saperly'), learn('carrier')]).toEqual([true, false])
  })
})
