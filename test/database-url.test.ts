// The same platform on a PostgreSQL that the operator brings: DATABASE_URL in place of the embedded one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, SystemClock } from '@saperly/kernel'
import { describe, expect, test } from 'vitest'
import { startEmbedded } from '../packages/server/src/store/embedded/supervisor.ts'
import { debianPostgres } from '../packages/server/src/store/testing.ts'
import { openWorld } from './world.ts'

describe.skipIf(debianPostgres === null)('with DATABASE_URL', () => {
  test('a call is placed, talked and billed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'saperly-postgres-'))
    const server = await startEmbedded({
      dataDir: folder,
      clock: new SystemClock(),
      log: silentLog,
      binDir: debianPostgres!,
    })
    const { address } = server
    if (!('host' in address)) throw new Error('a started server listens on a socket')
    const { host, port, user, database } = address
    const url = `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
    const world = await openWorld({ environment: { DATABASE_URL: url } })
    const { api, numberId } = world
    await api.consent(numberId, '+15555550109')
    const { body: call } = await api.post('/calls', { fromNumberId: numberId, to: '+15555550109' })
    await world.until('the answer', async () => {
      const { body } = await api.get(`/calls/${call.id}`)
      return body.phase === 'connected'
    })
    const ended = await api.post(`/calls/${call.id}/end`, { durationSec: 42 })
    expect(ended.body).toMatchObject({ status: 'completed', durationSec: 42, costCents: 10 })
    expect(await world.server.store.tables.ledger.verify()).toEqual([])
    await world.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
})
