// Bridges between foreign stacks: two baresips hear each other through us, SIPp refuses the REFER, and a process dies.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, test } from 'vitest'
import { readWav } from '../packages/network/src/record/wav.ts'
import { havePeer } from './peers.ts'
import { Baresip, baresipMissing, shareAt } from './sip/baresip.ts'
import { callee405, sippMissing, startSipp } from './sip/sipp.ts'
import { ApiClient, openWorld, SocketBrain, until, type World } from './world.ts'

const KEY = 'sk_live_0123456789abcdef0123456789abcdef'
const OURS = '+15550009999'
const PEER = '+15550001111'
const TARGET = '+15550002222'
const PEER_HZ = 600
const TARGET_HZ = 1500
const SERVER_PROCESS = new URL('./server-process.mjs', import.meta.url).pathname
const ENVIRONMENT = { SAPERLY_ROOT_KEY: KEY, SIP_PORT: '0' }

const ready = havePeer('test/carrier-bridge.test.ts', baresipMissing)
const sippReady = havePeer('test/carrier-bridge.test.ts', baresipMissing ?? sippMissing)

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function phone(number: string, toneHz: number, ...more: string[]): Promise<Baresip> {
  const started = await Baresip.start({ answer: 'auto', numbers: [number, ...more], toneHz })
  closing.push(() => started.close())
  return started
}

/** A data directory whose server reaches the peer by one trunk and the target by another. */
async function directoryFor(peer: { port: number }, target: { port: number }, refer: boolean) {
  const dataDir = await mkdtemp(join(tmpdir(), 'saperly-bridge-'))
  closing.push(() => rm(dataDir, { recursive: true, force: true }))
  const trunkTo = (name: string, prefix: string, { port }: { port: number }) => {
    return { name, address: `127.0.0.1:${port}`, prefixes: [prefix], codecs: ['PCMU'], refer }
  }
  const config = {
    trunks: [trunkTo('peers', PEER, peer), trunkTo('targets', TARGET, target)],
    rates: [
      { prefix: PEER, manualCentsPerMin: 60, hostedCentsPerMin: 60 },
      { prefix: TARGET, manualCentsPerMin: 120, hostedCentsPerMin: 120 },
    ],
  }
  await writeFile(join(dataDir, 'saperly.config.json'), JSON.stringify(config))
  return dataDir
}

interface Line {
  numberId: string
  connectionId: string
  secret: string
}

/** A number of ours that may call the peer. */
async function lineIn(world: World, api: ApiClient): Promise<Line> {
  const made = await api.post('/connections', {
    name: 'bridges',
    mode: 'manual',
    complianceEnabled: false,
    recordingEnabled: true,
  })
  expect(made).toMatchObject({ status: 201 })
  const { id: connectionId, manualSecret: secret } = made.body
  const numberId = `num_${'0'.repeat(24)}`
  await world.server.store.tables.numbers.insert({
    workspaceId: 'ws_default',
    environment: 'live',
    id: numberId,
    phoneNumber: OURS,
    connectionId,
    webhookUrl: null,
    smsSenderId: null,
    callerIdName: null,
    country: 'US',
    numberType: 'local',
    monthlyPriceCents: 0,
    nextChargeAt: null,
    releasedAt: null,
    createdAt: 0,
  })
  await api.consent(numberId, PEER)
  return { numberId, connectionId, secret }
}

/** Calls the peer and transfers it; the id of the call, once it is bridged. */
async function bridged(api: ApiClient, line: Line, to = TARGET): Promise<string> {
  const brain = await SocketBrain.connect(api.url, line, ({ type }) =>
    type === 'outbound_call' ? [{ type: 'wait_for_user', timeoutSec: 60 }] : null,
  )
  closing.push(() => brain.close())
  const placed = await api.post('/calls', { fromNumberId: line.numberId, to: PEER })
  expect(placed).toMatchObject({ status: 201 })
  const callId: string = placed.body.id
  await until('the answer', async () => {
    return (await api.get(`/calls/${callId}`)).body.phase === 'connected'
  })
  const transferred = await api.post(`/calls/${callId}/transfer`, { to })
  expect(transferred).toMatchObject({ status: 200 })
  await until('the bridge', async () => {
    const { body } = await api.get(`/calls/${callId}/events`)
    return body.some(({ data }: { data: { state?: string } }) => data.state === 'completed')
  })
  return callId
}

async function open(dataDir: string): Promise<{ world: World; api: ApiClient }> {
  const world = await openWorld({ dataDir, keep: true, environment: ENVIRONMENT })
  return { world, api: new ApiClient(world.url, KEY) }
}

async function settlesOf(api: ApiClient, callId: string): Promise<number> {
  const { body } = await api.get('/transactions?limit=1000')
  const own = (body as { type: string; callId: string }[]).filter((row) => row.callId === callId)
  expect(own.filter(({ type }) => type === 'reserve')).toHaveLength(2)
  return own.filter(({ type }) => type === 'settle').length
}

function lastSeconds(samples: Int16Array, seconds: number): Int16Array {
  const end = samples.length - 4000
  return samples.subarray(Math.max(0, end - seconds * 8000), end)
}

describe.skipIf(!ready)('two baresips', () => {
  test('hear each other through the bridge, and both are recorded', async () => {
    const [peer, target] = [await phone(PEER, PEER_HZ), await phone(TARGET, TARGET_HZ)]
    const { world, api } = await open(await directoryFor(peer, target, false))
    closing.push(() => world.close())
    const callId = await bridged(api, await lineIn(world, api))
    await new Promise((resolve) => setTimeout(resolve, 4000))
    await target.command('hangup')
    const call = await api.final(callId)
    expect([call.status, call.hangupCause]).toEqual(['completed', 'transferred'])
    await peer.saw('CALL_CLOSED')

    expect(shareAt(lastSeconds(await peer.heard(), 2), TARGET_HZ)).toBeGreaterThan(0.8)
    expect(shareAt(lastSeconds(await target.heard(), 2), PEER_HZ)).toBeGreaterThan(0.8)
    const link = await api.get(`/calls/${callId}/recording`)
    const bytes = await (await fetch(link.headers.get('location')!)).arrayBuffer()
    const { left, right } = readWav(Buffer.from(bytes))!
    expect(shareAt(lastSeconds(left, 2), PEER_HZ)).toBeGreaterThan(0.8)
    expect(shareAt(lastSeconds(right, 2), TARGET_HZ)).toBeGreaterThan(0.8)
    expect(await settlesOf(api, callId)).toBe(2)
  })

  test('an address that is no number is called by the trunk of the call, at its rate', async () => {
    const peer = await phone(PEER, PEER_HZ, 'desk')
    const { world, api } = await open(await directoryFor(peer, peer, false))
    closing.push(() => world.close())
    const desk = `sip:desk@127.0.0.1:${peer.port}`
    const callId = await bridged(api, await lineIn(world, api), desk)
    await peer.command('hangup')
    const call = await api.final(callId)
    expect([call.status, call.hangupCause]).toEqual(['completed', 'transferred'])
    // A cent a second for each leg; the target's began later.
    expect(call.costCents).toBeGreaterThan(call.durationSec)
    expect(call.costCents).toBeLessThanOrEqual(2 * call.durationSec)
    expect(await settlesOf(api, callId)).toBe(2)
  })

  test('are both released when our process dies, and both legs are billed', async () => {
    const [peer, target] = [await phone(PEER, PEER_HZ), await phone(TARGET, TARGET_HZ)]
    const dataDir = await directoryFor(peer, target, false)
    const first = await open(dataDir)
    const line = await lineIn(first.world, first.api)
    await first.world.close()

    const child: ChildProcess = spawn(process.execPath, [SERVER_PROCESS], {
      cwd: dataDir,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...ENVIRONMENT,
        DATA_DIR: dataDir,
        PORT: '0',
        SPEECH_ENGINE: 'tone',
        LOG_LEVEL: 'error',
      },
    })
    const [started] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
    const { url } = JSON.parse(started) as { url: string }
    const callId = await bridged(new ApiClient(url, KEY), line)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(peer.events.some(({ type }) => type === 'CALL_CLOSED')).toBe(false)

    const { world, api } = await open(dataDir)
    closing.push(() => world.close())
    const call = await api.final(callId)
    expect([call.status, call.hangupCause]).toEqual(['completed', 'process_lost'])
    await Promise.all([peer.saw('CALL_CLOSED'), target.saw('CALL_CLOSED')])
    expect(await settlesOf(api, callId)).toBe(2)
    expect(call.costCents).toBeGreaterThan(call.durationSec)
    expect(await world.server.store.tables.ledger.verify()).toEqual([])
  })
})

describe.skipIf(!sippReady)('SIPp', () => {
  test('refuses the REFER with 405, and is bridged with a baresip until that hangs up', async () => {
    const sipp = await startSipp(callee405(), 1)
    closing.push(() => sipp.close())
    const target = await phone(TARGET, TARGET_HZ)
    const { world, api } = await open(await directoryFor(sipp, target, true))
    closing.push(() => world.close())
    const callId = await bridged(api, await lineIn(world, api))
    await target.command('hangup')
    const call = await api.final(callId)
    expect([call.status, call.hangupCause]).toEqual(['completed', 'transferred'])
    expect(await sipp.done).toBe(0)
    expect(await settlesOf(api, callId)).toBe(2)
  })
})
