// Receipts: every posting of a call once, and sums that are those of the transactions, shortfall and targets included.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../store/port.ts'
import { startTestServer, type TestServer, type TestStore } from '../store/testing.ts'
import { NOW, STRANGERS, TENANT, callRow, furnish } from '../store/testing-rows.ts'
import { receiptOf } from './receipt.ts'

let server: TestServer
let test: TestStore
let store: Store

beforeAll(async () => {
  server = await startTestServer()
  test = await server.open()
  store = test.store
  await furnish(store)
})
afterAll(async () => {
  await test.close()
  await server.stop()
})

describe('a receipt', () => {
  it('has the slices, the shortfall and the targets of a call, and sums to its transactions', async () => {
    const { ledger, receipts } = store.tables
    const callId = 'call_a'
    const reserve = (amountCents: number, hold: number) =>
      ledger.reserve({ tenant: TENANT, callId, hold, keyId: null, amountCents, at: NOW })
    await reserve(100, 0)
    await ledger.extend(callId, 50, NOW + 1)
    await reserve(30, 1)
    await ledger.release(callId, NOW + 2, 1)
    await reserve(60, 2)
    const bridge = {
      hold: 2,
      to: '+15555550199',
      rateCentsPerMin: 60,
      maxDurationSec: 800,
      dialog: null,
      answeredAt: NOW,
    }
    const live = callRow({ id: callId, state: 'connected', rateCentsPerMin: 600, bridge })
    const open = receiptOf(live, await receipts.entries(TENANT, callId))
    expect(open).toMatchObject({ final: false, takenCents: 0, shortfallCents: 0 })
    expect(open.lines.map(({ heldCents, takenCents }) => [heldCents, takenCents])).toEqual([
      [150, null],
      [30, 0],
      [60, null],
    ])

    // 500 cents were there: 45 for the target, and what is left of the 600 that the call costs.
    await ledger.settle(callId, 45, NOW + 3, 2)
    await ledger.settle(callId, 600, NOW + 3, 0)
    const ended = callRow({
      ...live,
      state: 'ended',
      durationSec: 60,
      bridge: { ...bridge, billedSec: 45 },
    })
    const entries = await receipts.entries(TENANT, callId)
    const receipt = receiptOf(ended, entries)
    expect(receipt).toMatchObject({ final: true, takenCents: 500, shortfallCents: 145 })
    expect(receipt.lines).toMatchObject([
      {
        leg: 'call',
        to: live.to,
        billedSec: 60,
        priceCents: 600,
        heldCents: 150,
        takenCents: 455,
        shortfallCents: 145,
      },
      { leg: 'target', to: null, billedSec: null, heldCents: 30, takenCents: 0 },
      {
        leg: 'target',
        to: bridge.to,
        billedSec: 45,
        priceCents: 45,
        heldCents: 60,
        takenCents: 45,
      },
    ])
    const own = (await ledger.list(TENANT, { limit: 100, cursor: null })).filter(
      (row) => row.callId === callId,
    )
    expect(entries.map(({ id }) => id).toSorted()).toEqual(own.map(({ id }) => id).toSorted())
    expect(own.reduce((sum, { amountCents }) => sum + amountCents, 0)).toBe(-receipt.takenCents)
    for (const line of receipt.lines) {
      const change = line.entries.reduce((sum, { amountCents }) => sum + amountCents, 0)
      expect(0 - change).toBe(line.takenCents)
    }
    for (const stranger of STRANGERS) expect(await receipts.entries(stranger, callId)).toEqual([])
  })

  it('of a call that was refused before anything was held is final, and nothing', () => {
    const refused = receiptOf(callRow({ state: 'ended', durationSec: 0 }), [])
    expect(refused).toMatchObject({ final: true, takenCents: 0, shortfallCents: 0 })
    expect(refused.lines).toHaveLength(1)
  })
})
