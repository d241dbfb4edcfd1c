// Consent on a real store: what is recorded, what ends it, and what the trail says of it.
import { Ids, SimClock, systemRandom } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../store/port.ts'
import { startTestServer, type TestServer } from '../store/testing.ts'
import { IMPLIED_CONSENT_MS, mayCall, recordConsent, revokeConsent } from './consent.ts'
import { liftOptOut, optOut } from './opt-out.ts'

const tenant = { workspaceId: 'ws_a', environment: 'test' } as const
const clock = new SimClock()
const ids = new Ids(clock, systemRandom)
let server: TestServer
let store: Store
let peers = 100

beforeAll(async () => {
  server = await startTestServer()
  store = (await server.open({ clock })).store
  await store.tables.workspaces.create({ id: 'ws_a', name: 'Acme', createdAt: clock.now() })
  for (const [id, phoneNumber] of [
    ['num_a', '+15556000001'],
    ['num_b', '+15556000002'],
  ] as const)
    await store.tables.numbers.insert({
      ...tenant,
      id,
      phoneNumber,
      connectionId: null,
      webhookUrl: null,
      smsSenderId: null,
      callerIdName: null,
      country: 'US',
      numberType: 'local',
      monthlyPriceCents: 0,
      nextChargeAt: null,
      releasedAt: null,
      createdAt: clock.now(),
    })
})
afterAll(async () => {
  await store.close()
  await server.stop()
})

const peer = (): string => `+1555555${peers++}00`.slice(0, 12)

const grant = (
  peerNumber: string,
  more: { consentType?: 'implied_inbound'; afterOptOut?: boolean; numberId?: string } = {},
) =>
  store.transaction((tables) =>
    recordConsent(tables, ids, {
      tenant,
      numberId: 'num_a',
      peerNumber,
      consentType: 'explicit_outbound',
      source: 'form',
      afterOptOut: false,
      impliedMs: IMPLIED_CONSENT_MS,
      actor: 'key:key_a',
      at: clock.now(),
      ...more,
    }),
  )

const answer = async (peerNumber: string, numberId = 'num_a'): Promise<string> => {
  const may = await mayCall(store.tables, { tenant, numberId, peerNumber, at: clock.now() })
  return may.ok ? 'yes' : may.failure._tag
}

const optOutChange = (peerNumber: string) =>
  ({ tenant, peerNumber, source: 'speech', actor: 'peer', at: clock.now() }) as const

describe('mayCall', () => {
  it('asks for consent of this very pair', async () => {
    const to = peer()
    expect(await answer(to)).toBe('ConsentRequired')
    await grant(to)
    expect(await answer(to)).toBe('yes')
    expect(await answer(to, 'num_b')).toBe('ConsentRequired')
  })

  it('lets implied consent lapse', async () => {
    const to = peer()
    await grant(to, { consentType: 'implied_inbound' })
    expect(await answer(to)).toBe('yes')
    await clock.advance(IMPLIED_CONSENT_MS)
    expect(await answer(to)).toBe('ConsentRequired')
  })

  it('blocks the next call at once after a revoke', async () => {
    const to = peer()
    await grant(to)
    const end = { tenant, numberId: 'num_a', peerNumber: to, optOut: false, at: clock.now() }
    const ended = await store.transaction((tables) =>
      revokeConsent(tables, ids, { ...end, actor: 'key:key_a' }),
    )
    expect(ended?.revokedAt).toBe(clock.now())
    expect(await answer(to)).toBe('ConsentRequired')
  })

  it('puts an opt-out before everything, on every number', async () => {
    const to = peer()
    await grant(to)
    await grant(to, { numberId: 'num_b' })
    await optOut(store.tables, ids, optOutChange(to))
    expect(await answer(to)).toBe('RecipientOptedOut')
    expect(await answer(to, 'num_b')).toBe('RecipientOptedOut')
    await grant(to, { consentType: 'implied_inbound', afterOptOut: true })
    expect(await answer(to)).toBe('RecipientOptedOut')
    await grant(to, { afterOptOut: true })
    expect(await answer(to)).toBe('yes')
  })

  it('is lifted by the peer', async () => {
    const to = peer()
    await grant(to)
    expect(await liftOptOut(store.tables, ids, optOutChange(to))).toBe(false)
    await optOut(store.tables, ids, optOutChange(to))
    expect(await liftOptOut(store.tables, ids, optOutChange(to))).toBe(true)
    expect(await answer(to)).toBe('yes')
  })
})

describe('the trail', () => {
  it('is written in the transaction that it describes', async () => {
    const to = peer()
    const broken = store.transaction(async (tables) => {
      await optOut(tables, ids, optOutChange(to))
      throw new Error('rolled back')
    })
    await expect(broken).rejects.toThrow('rolled back')
    const rows = await store.tables.audit.list(tenant, { limit: 100, cursor: null })
    expect(rows.filter((row) => row.targetId === to)).toEqual([])
    expect(await answer(to)).toBe('ConsentRequired')
  })
})
