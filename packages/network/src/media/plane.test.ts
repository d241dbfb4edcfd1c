// The real media plane, threads and all: a sentence said on one leg is heard as text on another, over UDP.
// Runs the built workers (`npm run build` first).
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert, silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readWav } from '../record/wav.ts'
import type { TalkEvent } from '../talk/port.ts'
import { createMediaPlane } from './plane.ts'
import type { MediaEvent, MediaPlane } from './port.ts'
import { agreementWith } from './testing.ts'
import { liveThreads } from './thread.ts'

const SENTENCE = 'Grüße! The code is 4711, and 9 is for "no".'
const PHRASE = 'I would like to book a table'
const clock = new SystemClock()
const talk = {
  language: 'en-US',
  voice: null,
  phrases: [PHRASE],
  endpointingMs: null,
  interruptible: true,
}

let folder = ''
const planes: MediaPlane[] = []
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'saperly-plane-'))))
afterEach(async () => {
  for (const plane of planes.splice(0)) await plane.close()
  await rm(folder, { recursive: true })
})

/** One leg of the plane and everything it tells. */
class Leg {
  readonly events: MediaEvent[] = []
  readonly #plane: MediaPlane
  readonly #legId: string

  constructor(plane: MediaPlane, legId: string) {
    this.#plane = plane
    this.#legId = legId
    plane.subscribe(legId, (event) => this.events.push(event))
  }

  async open(recordTo: string | null): Promise<number> {
    const legId = this.#legId
    this.#plane.post({ type: 'open', legId, address: '127.0.0.1', talk, recordTo })
    return (await this.event('opened')).port
  }

  connect(port: number): void {
    const legId = this.#legId
    this.#plane.post({ type: 'connect', legId, agreement: agreementWith(port) })
  }

  speak(text: string): void {
    this.#plane.post({
      type: 'talk',
      legId: this.#legId,
      command: {
        type: 'speak',
        utteranceId: 'u1',
        text,
        more: false,
        interruptible: true,
        protected: false,
        voice: null,
      },
    })
  }

  async close() {
    this.#plane.post({ type: 'close', legId: this.#legId })
    return this.event('closed')
  }

  async event<T extends MediaEvent['type']>(type: T): Promise<MediaEvent & { type: T }> {
    return this.#until((event) => event.type === type) as Promise<MediaEvent & { type: T }>
  }

  async talk<T extends TalkEvent['type']>(type: T): Promise<TalkEvent & { type: T }> {
    const found = await this.#until((event) => event.type === 'talk' && event.event.type === type)
    return (found as { event: TalkEvent }).event as TalkEvent & { type: T }
  }

  async #until(matches: (event: MediaEvent) => boolean): Promise<MediaEvent> {
    const signal = AbortSignal.timeout(25_000)
    for (;;) {
      const found = this.events.find(matches)
      if (found) return found
      await clock.sleep(5, signal)
    }
  }
}

function planeOf(engine: 'tone' | 'embedded'): MediaPlane {
  const timeouts = { firstPacketTimeoutMs: 30_000, packetTimeoutMs: 15_000 }
  const plane = createMediaPlane(
    { workers: 2, ports: null, engine, ...timeouts },
    { clock, random: systemRandom, log: silentLog },
  )
  planes.push(plane)
  return plane
}

async function connected(plane: MediaPlane, recordTo: string | null) {
  const [agent, caller] = [new Leg(plane, 'agent'), new Leg(plane, 'caller')]
  const [agentPort, callerPort] = [await agent.open(recordTo), await caller.open(null)]
  agent.connect(callerPort)
  caller.connect(agentPort)
  return { agent, caller }
}

async function ended(plane: MediaPlane): Promise<void> {
  await plane.close()
  assert(plane.sessions === 0, 'a leg is left over')
  assert(liveThreads() === 0, 'a thread is left over')
  assert(clock.pending() === 0, 'a timer is left over')
}

test('carries a sentence from leg to leg as sound, and leaves nothing behind', async () => {
  const plane = planeOf('tone')
  const path = join(folder, 'agent.wav')
  const { agent, caller } = await connected(plane, path)
  agent.speak(SENTENCE)

  const turn = await caller.talk('turn')
  const { workers } = plane.load
  expect(workers.map(({ legs }) => legs)).toEqual([1, 1])
  for (const { packetsReceived, loopUse, slipP99Ms } of workers) {
    expect(packetsReceived).toBeGreaterThan(50)
    expect(loopUse).toBeGreaterThan(0)
    expect(slipP99Ms).toBeGreaterThan(0)
  }
  expect(turn).toMatchObject({ text: SENTENCE, noMatch: false, recognizer: 'free' })
  const spoke = await agent.talk('spoke')
  expect(spoke).toMatchObject({ outcome: 'played', heard: SENTENCE })
  expect((await agent.talk('speaking')).wireMs).toBeGreaterThanOrEqual(0)

  const closed = await agent.close()
  expect(closed.quality!.packetsSent).toBeGreaterThan(50)
  const { left, right } = readWav(await readFile(path))!
  expect(left.length).toBe(right.length)
  expect(closed.recording).toMatchObject({ path, durationMs: right.length / 8 })
  expect(right.some((sample) => Math.abs(sample) > 1000)).toBe(true)
  await ended(plane)
})

test('hears what the embedded voice says, as one of the phrases it listens for', async () => {
  const plane = planeOf('embedded')
  const { agent, caller } = await connected(plane, null)
  agent.speak(PHRASE)
  const turn = await caller.talk('turn')
  expect(turn).toMatchObject({ text: PHRASE, noMatch: false, recognizer: 'phrases' })
  expect(await agent.talk('spoke')).toMatchObject({ outcome: 'played' })
  await ended(plane)
})
