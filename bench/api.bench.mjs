// The API under load: placing calls at a carrier that rings at once, and reading lists of up to ten million rows.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { loadavg } from 'node:os'
import pg from '../node_modules/pg/lib/index.js'
import { openBareRoute } from './api/bare.mjs'
import { fill, bytesOf } from './api/rows.mjs'
import { readsOf } from './api/reads.mjs'
import { beside, connectionOf, openServers, statement } from './ledger/places.mjs'
import { load, openServer, percentile, table } from './measure.mjs'

const NAME = 'saperly_bench_api'
const KEY = 'sk_live_0123456789abcdef0123456789abcdef'
/** Servers come and go on one database, and seal their secrets with one key. */
const SECRET_KEY = '0123456789abcdef'.repeat(4)
const OURS = '+15550000001'
const PEER = '+15550001111'
const CONCURRENCY = [1, 8, 32]
const PLACEMENTS = 300
const READS = 200
const SLOW_MS = 500
const SLOW_READS = 3
/** Calls, if the command names no other numbers; other tables have a tenth of them, or a million. */
const ROWS = [10_000, 100_000, 1_000_000]
const OTHERS_MAX = 1_000_000
const LIMITS = { requestsPerSec: 100_000, burst: 1_000_000, liveCalls: 10_000 }

/** `npm run bench -- api [calls in the database …]`, in rising order. */
export default async function api(args) {
  const sizes = args.length > 0 ? args.map(Number) : ROWS
  console.log(`load average before: ${loadavg()[0].toFixed(1)}`)
  const servers = await openServers()
  const { address } = servers.at(-1)
  try {
    await statement(address, `drop database if exists ${NAME}`)
    await statement(address, `create database ${NAME}`)
    const ours = beside(address, NAME)
    await placing(ours)
    await reading(ours, sizes)
    await statement(address, `drop database ${NAME}`)
  } finally {
    for (const server of servers) await server.close()
  }
}

/** As DATABASE_URL, for a server that finds its database there. */
function urlOf({ url, host, port, user, database }) {
  return url ?? `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
}

async function openCarrier() {
  const carrier = spawn(process.execPath, [new URL('api/carrier.mjs', import.meta.url).pathname], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [port] = await once(carrier.stdout, 'data')
  return { port: Number(port), close: () => carrier.kill() }
}

async function openBench(address, carrierPort) {
  const opened = await openServer(
    {
      DATABASE_URL: urlOf(address),
      SAPERLY_ROOT_KEY: KEY,
      SAPERLY_SECRET_KEY: SECRET_KEY,
      SIP_PORT: '0',
    },
    {
      limits: LIMITS,
      rates: [{ prefix: '+1', manualCentsPerMin: 13, hostedCentsPerMin: 26 }],
      ...(carrierPort && { trunks: [{ name: 'carrier', address: `127.0.0.1:${carrierPort}` }] }),
    },
  )
  return { ...opened, request: requester(opened.server.url) }
}

const requester = (url, token = KEY) => ({
  async send(method, path, body) {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const answer = await response.json()
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
    return answer
  },
})

// --- placing ------------------------------------------------------------------------------------------------------

async function placing(address) {
  const carrier = await openCarrier()
  const { server, request, close } = await openBench(address, carrier.port)
  const tenant = { workspaceId: 'ws_default', environment: 'live' }
  await server.store.tables.ledger.topUp(tenant, 10_000_000, 'bench', Date.now())
  const connection = await request.send('POST', '/connections', {
    name: 'bench',
    mode: 'manual',
    complianceEnabled: false,
  })
  const numberId = await ownNumber(server.store, tenant, connection.id)
  await request.send('POST', '/consent', {
    numberId,
    peerNumber: PEER,
    consentType: 'explicit_outbound',
    source: 'bench',
  })
  const bare = await openBareRoute(connectionOf(address))
  const ids = []
  const body = { fromNumberId: numberId, to: PEER, ringTimeoutSec: 120 }
  const place = async () => void ids.push((await request.send('POST', '/calls', body)).id)
  const bareRequest = requester(bare.url)
  const insert = () => bareRequest.send('POST', '/calls', body)
  const endAll = () =>
    load(ids.length, 32, () => request.send('POST', `/calls/${ids.pop()}/end`, {}))
  await load(PLACEMENTS / 3, 8, place)
  await load(PLACEMENTS, 8, insert)
  await endAll()
  const rows = []
  for (const clients of CONCURRENCY) {
    rows.push(rowOf('POST /calls', clients, await load(PLACEMENTS, clients, place)))
    rows.push(rowOf('bare route, one insert', clients, await load(PLACEMENTS * 5, clients, insert)))
    await endAll()
  }
  table(rows)
  await bare.close()
  await close()
  carrier.close()
}

const rowOf = (what, clients, run) => ({
  what,
  clients,
  'per second': run.perSec,
  'p50 ms': percentile(run.latencies, 0.5),
  'p99 ms': percentile(run.latencies, 0.99),
  'CPU ms each (this process)': run.cpuMsEach,
})

async function ownNumber(store, tenant, connectionId) {
  const id = 'num_bench'
  await store.tables.numbers.insert({
    ...tenant,
    id,
    phoneNumber: OURS,
    connectionId,
    // Never asked: nobody answers.
    webhookUrl: 'http://127.0.0.1:9/',
    smsSenderId: null,
    callerIdName: null,
    country: 'US',
    numberType: 'local',
    monthlyPriceCents: 0,
    nextChargeAt: null,
    releasedAt: null,
    createdAt: 0,
  })
  return id
}

// --- reading ------------------------------------------------------------------------------------------------------

/** No server runs while the tables are filled: it would wait for its locks, and give up. */
async function reading(address, sizes) {
  const client = new pg.Client(connectionOf(address))
  await client.connect()
  const { rows: demo } = await client.query(
    `select id as "numberId", connection_id as "connectionId" from phone_number where environment = 'test' limit 1`,
  )
  const rows = new Map()
  let calls = 0
  let others = 0
  for (const size of sizes) {
    await fill(client, 'call', calls, size, demo[0])
    const count = Math.min(size, OTHERS_MAX)
    for (const name of ['transfer', 'consent', 'event_feed']) {
      if (count > others) await fill(client, name, others, count, demo[0])
    }
    calls = size
    others = count
    const gib = (await bytesOf(address, 'call')) / 2 ** 30
    console.log(`${size} calls take ${gib.toPrecision(2)} GiB with their indexes`)
    await readAll(address, { calls, others, ...demo[0] }, rows)
  }
  table([...rows.values()])
  await client.end()
}

/** Every read with these many rows, as two more columns. */
async function readAll(address, about, rows) {
  const { server, close } = await openBench(address)
  const { token } = server.first
  for (const { what, path, key } of await readsOf({ server, token, ...about })) {
    const run = await measure(requester(server.url, key ?? token), path)
    rows.set(what, {
      ...(rows.get(what) ?? { what }),
      [`${about.calls} rows: p50 ms`]: percentile(run.latencies, 0.5),
      [`${about.calls} rows: p99 ms`]: percentile(run.latencies, 0.99),
    })
  }
  await close()
}

/** What takes long is read a few times only. */
async function measure(request, path) {
  const read = () => request.send('GET', path)
  const once = await load(1, 1, read)
  if (once.latencies[0] > SLOW_MS) return load(SLOW_READS, 1, read)
  await load(READS / 10, 1, read)
  return load(READS, 1, read)
}
