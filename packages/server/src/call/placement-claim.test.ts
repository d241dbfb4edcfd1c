// A placement between two processes: the one that carries it and the one that gave it up can't both win.
import { deferred } from '@saperly/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '../store/port.ts'
import { serversUnderTest, startTestServer, type TestServer } from '../store/testing.ts'
import { keyRow, NOW, TENANT } from '../store/testing-rows.ts'
import { claimPlacement } from './placement-claim.ts'

const claim = (callId: string) => ({ tenant: TENANT, keyId: 'key_a', callId, at: NOW })

describe.each(serversUnderTest)('on $name', ({ binDir }) => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ binDir })
  })
  afterAll(() => server.stop())

  async function open(): Promise<{ node: Store; asker: Store; close: () => Promise<void> }> {
    const opened = await server.open()
    const { tables } = opened.store
    await tables.workspaces.create({ id: TENANT.workspaceId, name: 'A', createdAt: NOW })
    await tables.keys.insert(keyRow())
    return { node: opened.store, asker: await opened.another(), close: () => opened.close() }
  }

  test('who withdraws waits for the transaction that places, and finds what it made', async () => {
    const { node, asker, close } = await open()
    const claimed = deferred<void>()
    const commit = deferred<void>()
    const placed = node.transaction(async (tables) => {
      const ours = await claimPlacement(tables, claim('call_1'))
      claimed.resolve()
      await commit.promise
      return ours
    })
    await claimed.promise
    let withdrawn: boolean | null = null
    const withdrawal = claimPlacement(asker.tables, claim('call_1')).then(
      (won) => (withdrawn = won),
    )
    // Something that takes longer than the withdrawal would, if that did not wait.
    for (let i = 0; i < 20; i++) await asker.tables.workspaces.get(TENANT.workspaceId)
    expect(withdrawn).toBe(null)
    commit.resolve()
    expect([await placed, await withdrawal]).toEqual([true, false])
    await close()
  })

  test('a placement that was withdrawn, and one whose transaction fails, is free for the other', async () => {
    const { node, asker, close } = await open()
    expect(await claimPlacement(asker.tables, claim('call_2'))).toBe(true)
    expect(await node.transaction((tables) => claimPlacement(tables, claim('call_2')))).toBe(false)
    const failed = node.transaction(async (tables) => {
      await claimPlacement(tables, claim('call_3'))
      throw new Error('no money')
    })
    await expect(failed).rejects.toThrow('no money')
    expect(await claimPlacement(asker.tables, claim('call_3'))).toBe(true)
    await close()
  })
})
