// Placements a second, request to 201 with consent, hold, SIP and sandbox phone, beside bare durable commits.
import { load, openServer, percentile, table } from './measure.mjs'

const CALLS = 200
const CONCURRENCY = 8
/** Rings until the ring timeout: what is measured is the placing. */
const PEER = '+15555550102'

export default async function place() {
  const { server, api, close } = await openServer(
    {},
    { limits: { requestsPerSec: 100_000, burst: 1_000_000, liveCalls: 10_000 } },
  )
  const { store } = server
  const tenant = { workspaceId: 'ws_default', environment: 'test' }
  await store.tables.ledger.topUp(tenant, 1_000_000, 'bench', Date.now())
  const fromNumberId = server.first.demoNumberId
  await api.post('/consent', {
    numberId: fromNumberId,
    peerNumber: PEER,
    consentType: 'explicit_outbound',
    source: 'bench',
  })
  const ids = []
  const one = async () => {
    const placed = await api.post('/calls', { fromNumberId, to: PEER, ringTimeoutSec: 120 })
    if (placed.status !== 201) throw new Error(`placing answered ${placed.status}`)
    ids.push(placed.body.id)
  }
  const commit = () =>
    store.tables.audit.append({
      id: `aud_bench_${process.hrtime.bigint()}`,
      ...tenant,
      eventType: 'bench',
      targetType: 'call',
      targetId: 'bench',
      actor: 'platform',
      data: {},
      createdAt: Date.now(),
    })
  // Warm both paths, and end what was placed, so that neither run pays for the other.
  await load(20, CONCURRENCY, one)
  await load(200, CONCURRENCY, commit)
  const placed = await load(CALLS, CONCURRENCY, one)
  const commits = await load(CALLS * 10, CONCURRENCY, commit)
  await load(ids.length, 32, (index) => api.post(`/calls/${ids[index]}/end`))
  const row = (what, run) => ({
    what,
    'per second': run.perSec,
    'CPU ms each (this process)': run.cpuMsEach,
    'p50 ms': percentile(run.latencies, 0.5),
    'p99 ms': percentile(run.latencies, 0.99),
  })
  table([row(`placement, ${CONCURRENCY} at once`, placed), row('bare durable commit', commits)])
  console.log(
    `one placement costs as much as ${(commits.perSec / placed.perSec).toFixed(1)} bare commits in time`,
  )
  await close()
}
