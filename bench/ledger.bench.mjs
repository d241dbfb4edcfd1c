// Durable reserves and settles a second, by clients and workspaces, beside a bare group-commit loop of the same rows.
import { execFile } from 'node:child_process'
import { loadavg } from 'node:os'
import { promisify } from 'node:util'
import { openBare } from './ledger/bare.mjs'
import { connectionOf, openDatabase, openServers } from './ledger/places.mjs'
import { percentile, table } from './measure.mjs'

const CLIENTS = [1, 8, 32, 128, 512]
const WORKSPACES = [1, 100]
const PGBENCH_CLIENTS = [1, 8, 32]
const PGBENCH_SCALE = 10
const SLICE_CENTS = 13
const COST_CENTS = 7
const DEFAULT_SEC = 1.5

/** `npm run bench -- ledger [seconds for each cell] [clients …]` */
export default async function ledger([sec, ...clients]) {
  const cellMs = (Number(sec) || DEFAULT_SEC) * 1000
  const counts = clients.length > 0 ? clients.map(Number) : CLIENTS
  const servers = await openServers()
  for (const server of servers) await measureServer(server, counts, cellMs)
  for (const server of servers) await server.close()
}

async function measureServer(server, counts, cellMs) {
  const loadBefore = loadavg()[0].toFixed(1)
  const database = await openDatabase(server)
  const bare = await openBare(connectionOf(database.address))
  const ways = {
    ledger: overStore(database.store.tables.ledger),
    'one by one': inTransactions(database.store),
    'bare loop': bare,
  }
  // Every way and its statements are warm before the first cell.
  for (const way of Object.values(ways)) await run(way, database.tenants, 8, cellMs / 3)
  await reservesOf(ways.ledger, database.tenants, 8, cellMs / 3)
  const rows = []
  for (const workspaces of WORKSPACES) {
    const tenants = database.tenants.slice(0, workspaces)
    for (const clients of counts) {
      const found = {}
      for (const [name, way] of Object.entries(ways)) {
        found[name] = await run(way, tenants, clients, cellMs)
      }
      found.reserves = await reservesOf(ways.ledger, tenants, clients, cellMs)
      rows.push(rowOf(workspaces, clients, found))
    }
  }
  const problems = await database.store.tables.ledger.verify()
  if (problems.length > 0) throw new Error(`the books are wrong: ${JSON.stringify(problems)}`)
  console.log(
    `\n${server.name}, ${database.about}; load average before it ${loadBefore}; the books were right after it`,
  )
  table(rows)
  await pgbench(database.address)
  await bare.close()
  await database.close()
}

function rowOf(workspaces, clients, found) {
  const { ledger: own, reserves, 'one by one': single, 'bare loop': bare } = found
  return {
    workspaces,
    clients,
    'reserves a second': reserves.perSec,
    'their p99 ms': percentile(reserves.ms, 0.99),
    'pairs a second': own.pairsPerSec,
    'reserve p50 ms': percentile(own.reserveMs, 0.5),
    'reserve p99 ms': percentile(own.reserveMs, 0.99),
    'settle p99 ms': percentile(own.settleMs, 0.99),
    'each in its own transaction: pairs a second': single.pairsPerSec,
    'p99 ms': percentile(single.reserveMs, 0.99),
    'bare loop: pairs a second': bare.pairsPerSec,
    'of the bare loop %': (100 * own.pairsPerSec) / bare.pairsPerSec,
  }
}

const overStore = (moves) => ({
  reserve: (hold) => moves.reserve({ ...hold, at: Date.now() }),
  settle: ({ callId }, costCents) => moves.settle(callId, costCents, Date.now()),
})

/** As a placement does it, and every move did before they were coalesced: a transaction and a commit each. */
const inTransactions = (store) => ({
  reserve: (hold) =>
    store.transaction(({ ledger: moves }) => moves.reserve({ ...hold, at: Date.now() })),
  settle: ({ callId }, costCents) =>
    store.transaction(({ ledger: moves }) => moves.settle(callId, costCents, Date.now())),
})

let calls = 0

/** Each client reserves and settles, one call after the other, until the time is over. */
async function run(way, tenants, clients, cellMs) {
  const reserveMs = []
  const settleMs = []
  const startedMs = performance.now()
  const client = async (_, index) => {
    const { tenant, keyId } = tenants[index % tenants.length]
    while (performance.now() - startedMs < cellMs) {
      const hold = { tenant, callId: `call_bench_${++calls}`, keyId, amountCents: SLICE_CENTS }
      const begunMs = performance.now()
      const reserved = await way.reserve(hold)
      if (reserved && !reserved.ok) throw new Error(`refused: ${JSON.stringify(reserved.refusal)}`)
      const heldMs = performance.now()
      await way.settle(hold, COST_CENTS)
      reserveMs.push(heldMs - begunMs)
      settleMs.push(performance.now() - heldMs)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  const sec = (performance.now() - startedMs) / 1000
  return { pairsPerSec: settleMs.length / sec, reserveMs, settleMs }
}

/** Reserves alone, one after the other for each client; their holds are given back afterwards. */
async function reservesOf(way, tenants, clients, cellMs) {
  const ms = []
  const held = []
  const startedMs = performance.now()
  const client = async (_, index) => {
    const { tenant, keyId } = tenants[index % tenants.length]
    while (performance.now() - startedMs < cellMs) {
      const hold = { tenant, callId: `call_bench_${++calls}`, keyId, amountCents: SLICE_CENTS }
      const begunMs = performance.now()
      const reserved = await way.reserve(hold)
      if (!reserved.ok) throw new Error(`refused: ${JSON.stringify(reserved.refusal)}`)
      ms.push(performance.now() - begunMs)
      held.push(hold)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  const perSec = ms.length / ((performance.now() - startedMs) / 1000)
  const giveBack = async () => {
    for (let hold = held.pop(); hold; hold = held.pop()) await way.settle(hold, 0)
  }
  await Promise.all(Array.from({ length: 256 }, giveBack))
  return { perSec, ms }
}

/** PostgreSQL's own yardstick on the same server, where its program is installed. */
async function pgbench(address) {
  const execute = promisify(execFile)
  const where = address.url
    ? [address.url]
    : ['-h', address.host, '-p', String(address.port), '-U', address.user, address.database]
  const pgbenchWith = (...options) => execute('pgbench', [...options, ...where])
  const initialised = await pgbenchWith('-i', '-q', '-s', String(PGBENCH_SCALE)).catch((error) => {
    if (error.code !== 'ENOENT') throw error
    return null
  })
  if (initialised === null) return console.log('pgbench is not installed: its figures are missing')
  const rows = []
  for (const clients of PGBENCH_CLIENTS) {
    const { stdout } = await pgbenchWith('-N', '-n', '-T', '3', '-j', '2', '-c', String(clients))
    const perSec = Number(/tps = ([\d.]+)/.exec(stdout)?.[1])
    rows.push({ 'pgbench simple-update: clients': clients, 'transactions a second': perSec })
  }
  table(rows)
}
