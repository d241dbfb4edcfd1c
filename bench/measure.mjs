// What every benchmark needs: a server of its own, workers at a steady concurrency, percentiles, a table.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig, startServer } from '../packages/server/dist/index.js'

/** A server with the tone speech pair, in a directory that goes away with it. */
export async function openServer(environment = {}, file = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'saperly-bench-'))
  const { writeFile } = await import('node:fs/promises')
  await writeFile(join(dataDir, 'saperly.config.json'), JSON.stringify(file))
  const config = readConfig(
    { PORT: '0', DATA_DIR: dataDir, SPEECH_ENGINE: 'tone', LOG_LEVEL: 'error', ...environment },
    dataDir,
  )
  const server = await startServer(config)
  return {
    server,
    api: client(server),
    close: async () => {
      await server.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function client(server) {
  const send = async (method, path, body) => {
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${server.first.token}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: response.status, body: await response.json() }
  }
  return {
    get: (path) => send('GET', path),
    post: (path, body = {}) => send('POST', path, body),
  }
}

/** Runs `work` `total` times, `concurrency` at once. Seconds taken, CPU seconds of this process, each one's latency. */
export async function load(total, concurrency, work) {
  const latencies = []
  const cpuBefore = process.cpuUsage()
  const startedMs = performance.now()
  let next = 0
  const worker = async () => {
    while (next < total) {
      const index = next++
      const begunMs = performance.now()
      await work(index)
      latencies.push(performance.now() - begunMs)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    perSec: total / ((performance.now() - startedMs) / 1000),
    cpuMsEach: (user + system) / 1000 / total,
    latencies,
  }
}

export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function table(rows) {
  const columns = Object.keys(rows[0])
  console.log(`| ${columns.join(' | ')} |`)
  console.log(`| ${columns.map(() => '---').join(' | ')} |`)
  for (const row of rows)
    console.log(`| ${columns.map((column) => show(row[column])).join(' | ')} |`)
}

function show(value) {
  return typeof value === 'number' ? String(Number(value.toPrecision(3))) : value
}
