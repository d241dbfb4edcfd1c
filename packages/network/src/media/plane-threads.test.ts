// The plane and its threads: who gets which leg, what a crash means for the legs, and that nothing stays behind.
// The threads here are small stand-ins that speak the same messages; plane.test.ts runs the real ones.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, SystemClock, systemRandom, type Log } from '@saperly/kernel'
import { expect, test } from 'vitest'
import { readWav, wavHeader } from '../record/wav.ts'
import { createMediaPlane } from './plane.ts'
import type { MediaEvent, MediaPlaneOptions } from './port.ts'
import { liveThreads } from './thread.ts'

const clock = new SystemClock()
const talk = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}
const options: MediaPlaneOptions = {
  workers: 2,
  ports: null,
  engine: 'tone',
  firstPacketTimeoutMs: 30_000,
  packetTimeoutMs: 15_000,
}

/** Opens legs with its own first port (so that tests see which thread it was); `crash` as address kills it. */
const media = `
  import { parentPort, threadId, workerData } from 'node:worker_threads'
  let speech = 0
  const tell = (event) => parentPort.postMessage({ type: 'event', event })
  const load = { legs: 700, loopUse: 0.9, slipP50Ms: 1, slipP99Ms: 2, lateShare: 0 }
  const strain = () => { for (let i = 0; i < 3; i++) parentPort.postMessage({ type: 'load', load }) }
  parentPort.on('message', (message) => {
    if (message.type === 'speech') speech++
    if (message.type === 'close') parentPort.close()
    if (message.type !== 'command') return
    const { type, legId, address } = message.command
    if (address === 'crash') throw new Error('boom')
    if (address === 'speech') tell({ type: 'opened', legId, port: speech, recognizer: 'free' })
    else if (type === 'open') tell({ type: 'opened', legId, port: threadId, recognizer: 'free' })
    if (address === 'strain') strain()
    if (type === 'close') tell({ type: 'closed', legId, recording: null, quality: null })
  })`
const speech = `
  import { parentPort } from 'node:worker_threads'
  parentPort.on('message', ({ type, port }) => type === 'close' ? process.exit() : port.close())`
/** Dies as soon as it is used. */
const brokenSpeech = `
  import { parentPort } from 'node:worker_threads'
  parentPort.once('message', () => { throw new Error('boom') })`

const entry = (source: string): URL => new URL(`data:text/javascript,${encodeURIComponent(source)}`)

function setUp(speechSource = speech, change: Partial<MediaPlaneOptions> = {}) {
  const faults: string[] = []
  const log: Log = { ...silentLog, error: (event) => void faults.push(event) }
  const plane = createMediaPlane(
    { ...options, ...change },
    { clock, random: systemRandom, log },
    { media: entry(media), speech: entry(speechSource) },
  )
  const events: MediaEvent[] = []
  const open = (legId: string, address = '127.0.0.1', recordTo: string | null = null): void => {
    plane.subscribe(legId, (event) => events.push(event))
    plane.post({ type: 'open', legId, address, talk, recordTo })
  }
  const of = (legId: string) => events.filter((event) => event.legId === legId)
  return { plane, faults, open, of }
}

async function until(condition: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  while (!condition()) await clock.sleep(5, signal)
}

test('legs go to the thread with the fewest, and threads end with the plane', async () => {
  const { plane, open, of } = setUp()
  for (const legId of ['a', 'b', 'c', 'd']) {
    open(legId)
    await until(() => of(legId).length > 0)
  }
  const ports = ['a', 'b', 'c', 'd'].map((legId) => {
    const [event] = of(legId)
    return event?.type === 'opened' ? event.port : null
  })
  expect(liveThreads()).toBe(3)
  expect(ports[0]).toBe(ports[2])
  expect(ports[1]).toBe(ports[3])
  expect(ports[0]).not.toBe(ports[1])
  plane.post({ type: 'close', legId: 'a' })
  await until(() => of('a').length === 2)
  expect(plane.sessions).toBe(3)
  await plane.close()
  expect(plane.sessions).toBe(0)
  expect(liveThreads()).toBe(0)
  expect(clock.pending()).toBe(0)
})

test('a thread that crashes loses its legs, saves their recordings, and is replaced', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'saperly-crash-'))
  const path = join(folder, 'a.wav')
  await writeFile(path, Buffer.concat([wavHeader(0), Buffer.alloc(640, 1)]))
  const { plane, faults, open, of } = setUp(speech, { workers: 1 })
  open('a', '127.0.0.1', path)
  await until(() => of('a').length === 1)
  open('b', 'crash')
  await until(() => of('a').length === 3 && of('b').length === 1)
  expect(of('a').slice(1)).toEqual([
    { type: 'failed', legId: 'a', reason: 'media_worker_crashed' },
    {
      type: 'closed',
      legId: 'a',
      recording: { path, durationMs: 20, bytes: 684 },
      quality: null,
    },
  ])
  expect(of('b').map(({ type }) => type)).toEqual(['failed'])
  expect(readWav(await readFile(path))!.left).toHaveLength(160)
  expect(faults).toEqual(['media.worker_crashed'])
  open('c')
  await until(() => of('c').length === 1)
  expect(of('c')[0]!.type).toBe('opened')
  await plane.close()
  await rm(folder, { recursive: true })
})

test('a thread that crashes again and again is given up, and legs are refused', async () => {
  const { plane, faults, open, of } = setUp(speech, { workers: 1 })
  for (let i = 0; i < 6; i++) {
    open(`crash ${i}`, 'crash')
    await until(() => of(`crash ${i}`).length === 1)
  }
  open('a')
  await until(() => of('a').length === 1)
  expect(of('a')).toEqual([{ type: 'failed', legId: 'a', reason: 'media_unavailable' }])
  expect(faults).toHaveLength(6)
  expect(plane.sessions).toBe(0)
  await plane.close()
})

test('when the speech thread crashes the media threads get another, so often and no more', async () => {
  const { plane, faults, open, of } = setUp(brokenSpeech, { workers: 1 })
  await until(() => faults.length === 6)
  open('a', 'speech')
  await until(() => of('a').length === 1)
  expect(of('a')[0]).toMatchObject({ type: 'opened', port: 6 })
  expect(new Set(faults)).toEqual(new Set(['media.speech_crashed']))
  await plane.close()
})

test('a plane is overloaded when each of its threads is, and spares those that are', async () => {
  const { plane, open, of } = setUp()
  open('a', 'strain')
  await until(() => plane.load.workers.length === 1)
  expect(plane.load).toMatchObject({ overloaded: false, workers: [{ loopUse: 0.9 }] })
  // The other thread gets them all, though it has more legs by now.
  const ports: unknown[] = []
  for (const legId of ['b', 'c', 'd']) {
    open(legId)
    await until(() => of(legId).length > 0)
    ports.push(of(legId)[0])
  }
  const [first] = ports as [{ port: number }]
  expect(ports).toMatchObject([first, first, first].map(({ port }) => ({ port })))
  open('e', 'strain')
  await until(() => plane.load.overloaded)
  expect(plane.load.workers).toHaveLength(2)
  await plane.close()
})
