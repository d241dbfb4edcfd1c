// Signatures: the published vectors, and that nothing but the genuine request passes.
import { readFileSync } from 'node:fs'
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mintToken } from '../secrets/tokens.ts'
import { signature, signedHeaders, verify } from './sign.ts'

interface Vectors {
  toleranceSec: number
  sign: {
    name: string
    secrets: string[]
    timestamp: number
    deliveryId: string
    attempt: number
    body: string
    headers: Record<string, string>
  }[]
  verify: {
    name: string
    secrets: string[]
    nowSec: number
    headers: Record<string, string>
    body: string
    outcome: string
  }[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../../docs/spec/webhook-vectors.json', import.meta.url), 'utf8'),
) as Vectors

describe('the published vectors', () => {
  test.each(vectors.sign)('sign: $name', (vector) => {
    const what = { body: vector.body, deliveryId: vector.deliveryId, attempt: vector.attempt }
    const headers = signedHeaders(what, vector.secrets, vector.timestamp * 1000)
    expect(headers).toEqual(vector.headers)
  })

  test.each(vectors.verify)('verify: $name', (vector) => {
    const verdict = verify(
      { headers: vector.headers, body: vector.body },
      vector.secrets,
      vector.nowSec * 1000,
      vectors.toleranceSec,
    )
    expect(verdict.ok ? 'genuine' : verdict.failure).toBe(vector.outcome)
  })
})

const secret = fc.string({ minLength: 1 }).map((text) => `whsec_${text}`)
const nowMs = fc.integer({ min: 1_000_000, max: 4_000_000_000 }).map((sec) => sec * 1000)
const body = fc.string({ unit: 'binary' }).map((text) => Buffer.from(text, 'utf8').toString('utf8'))

describe('for every body', () => {
  test('what is signed verifies, by either secret of a rotation', () => {
    fc.assert(
      fc.property(body, secret, secret, nowMs, (text, current, previous, at) => {
        const what = { body: text, deliveryId: 'dlv_1', attempt: 1 }
        const request = { headers: signedHeaders(what, [current, previous], at), body: text }
        for (const known of [current, previous]) {
          expect(verify(request, [known], at)).toEqual({ ok: true, value: { deliveryId: 'dlv_1' } })
        }
      }),
    )
  })

  test('a changed body, secret or time does not', () => {
    fc.assert(
      fc.property(body, body, secret, secret, nowMs, (text, otherText, right, wrong, at) => {
        const what = { body: text, deliveryId: 'dlv_1', attempt: 1 }
        const headers = signedHeaders(what, [right], at)
        if (otherText !== text)
          expect(verify({ headers, body: otherText }, [right], at).ok).toBe(false)
        if (wrong !== right) expect(verify({ headers, body: text }, [wrong], at).ok).toBe(false)
        const moved = { ...headers, 'x-saperly-timestamp': String(at / 1000 + 1) }
        expect(verify({ headers: moved, body: text }, [right], at).ok).toBe(false)
      }),
    )
  })

  test('the set of Standard Webhooks alone verifies as well, and nothing that was changed', () => {
    const minted = fc.integer().map((seed) => mintToken('whsec', seededRandom(seed)))
    fc.assert(
      fc.property(body, body, minted, minted, nowMs, (text, otherText, right, old, at) => {
        const what = { body: text, deliveryId: 'dlv_1', attempt: 1 }
        const all = Object.entries(signedHeaders(what, [right, old], at))
        const headers = Object.fromEntries(all.filter(([name]) => name.startsWith('webhook-')))
        for (const known of [right, old])
          expect(verify({ headers, body: text }, [known], at).ok).toBe(true)
        if (otherText !== text)
          expect(verify({ headers, body: otherText }, [right], at).ok).toBe(false)
        const renamed = { ...headers, 'webhook-id': 'dlv_2' }
        expect(verify({ headers: renamed, body: text }, [right], at).ok).toBe(false)
      }),
    )
  })

  test('no header makes it throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (timestamp, given) => {
        const headers = {
          'x-saperly-timestamp': timestamp,
          'x-saperly-delivery-id': 'dlv_1',
          'x-saperly-signature': given,
        }
        expect(verify({ headers, body: '' }, ['whsec_a'], 0).ok).toBe(false)
      }),
    )
  })

  test('dots cannot be moved between timestamp and body', () => {
    const given = signature('whsec_a', 1, '2.x')
    const headers = {
      'x-saperly-timestamp': '1.2',
      'x-saperly-delivery-id': 'd',
      'x-saperly-signature': given,
    }
    expect(verify({ headers, body: 'x' }, ['whsec_a'], 1000)).toEqual({
      ok: false,
      failure: 'bad_timestamp',
    })
  })
})
