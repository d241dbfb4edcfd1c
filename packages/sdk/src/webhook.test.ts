// Webhooks are verified as docs/spec/webhook-vectors.json says, which the server's tests read as well.
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { Saperly, verifySignature, WebhookVerificationError } from './index.ts'

interface Vector {
  name: string
  secrets: string[]
  headers: Record<string, string>
  body: string
}

const path = resolve(import.meta.dirname, '../../../docs/spec/webhook-vectors.json')
const vectors = JSON.parse(readFileSync(path, 'utf8')) as {
  sign: (Vector & { timestamp: number })[]
  verify: (Vector & { nowSec: number; outcome: string })[]
}

const outcomeOf = (verified: Promise<unknown>): Promise<string> =>
  verified.then(
    () => 'genuine',
    (error: unknown) => (error instanceof WebhookVerificationError ? error.reason : 'a fault'),
  )

test.each(vectors.sign)('signed: $name', async ({ secrets, timestamp, ...request }) => {
  const nowMs = timestamp * 1000
  for (const secret of secrets) {
    expect(await outcomeOf(verifySignature({ ...request, secret, nowMs }))).toBe('genuine')
  }
})

test.each(vectors.verify)('verified: $name', async ({ secrets, nowSec, outcome, ...request }) => {
  const nowMs = nowSec * 1000
  expect(await outcomeOf(verifySignature({ ...request, secret: secrets, nowMs }))).toBe(outcome)
})

const saperly = new Saperly({ apiKey: 'k' })

function delivery(body: string) {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const hex = createHmac('sha256', 'whsec_1').update(`${timestamp}.${body}`).digest('hex')
  return {
    body,
    secret: 'whsec_1',
    headers: {
      'X-Saperly-Timestamp': timestamp,
      'X-Saperly-Delivery-Id': 'dlv_1',
      'X-Saperly-Signature': [`v1=${hex}`],
    },
  }
}

test('a genuine delivery gives its event; headers as Node and as fetch have them', async () => {
  const request = delivery('{"eventType":"call.completed"}')
  expect((await saperly.webhooks.verify(request)).eventType).toBe('call.completed')
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value))
  const bytes = new TextEncoder().encode(request.body)
  expect(await saperly.webhooks.verify({ ...request, headers, body: bytes })).toBeTruthy()
})

test('a body that is signed but is no JSON is refused', async () => {
  expect(await outcomeOf(saperly.webhooks.verify(delivery('{')))).toBe('bad_body')
})

test('without WebCrypto the one that is passed is used', async () => {
  const { webcrypto } = await import('node:crypto')
  const request = delivery('{"type":"turn"}')
  expect(await saperly.manual.verify({ ...request, crypto: webcrypto })).toEqual({ type: 'turn' })
})
