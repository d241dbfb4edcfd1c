// The real media plane, threads and all: a sentence said on one leg is heard as text on another, over UDP.
// Runs the built workers (`npm run build` first).
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, SystemClock, systemRandom } from '@saperly/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readWav } from '../record/wav.ts'
import type { TalkEvent } from '../talk/port.ts'
import { createMediaPlane } from './plane.ts'
import type { MediaEvent, MediaPlane } from './port.ts'
import { liveThreads } from './thread.ts'

const SENTENCE = 'Grüße! The code is 4711, and 9 is for "no".'
const clock = new SystemClock()
const talk = {
  language: 'en-US',
  voice: null,
  phrases: [],
  endpointingMs: null,
  interruptible: true,
}

let folder = ''
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'saperly-plane-'))))
afterEach(() => rm(folder, { recursive: true }))

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
    const agreement = {
      remote: { address: '127.0.0.1', port },
      codec: 'PCMU' as const,
      payloadType: 0,
      dtmfPayloadType: 101,
      direction: 'sendrecv' as const,
    }
    this.#plane.post({ type: 'connect', legId, agreement })
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

test('carries a sentence from leg to leg as sound, and leaves nothing behind', async () => {
  const timeouts = { firstPacketTimeoutMs: 30_000, packetTimeoutMs: 15_000 }
  const plane = createMediaPlane(
    { workers: 2, ports: null, engine: 'tone', ...timeouts },
    { clock, random: systemRandom, log: silentLog },
  )
  const [agent, caller] = [new Leg(plane, 'agent'), new Leg(plane, 'caller')]
  const path = join(folder, 'agent.wav')
  const [agentPort, callerPort] = [await agent.open(path), await caller.open(null)]
  agent.connect(callerPort)
  caller.connect(agentPort)
  agent.speak(SENTENCE)

  const turn = await caller.talk('turn')
  expect(turn).toMatchObject({ text: SENTENCE, noMatch: false, recognizer: 'free' })
  const spoke = await agent.talk('spoke')
  expect(spoke).toMatchObject({ outcome: 'played', heard: SENTENCE })
  expect((await agent.talk('speaking')).wireMs).toBeGreaterThanOrEqual(0)

  const closed = await agent.close()
  expect(closed.stats.packetsSent).toBeGreaterThan(50)
  const { left, right } = readWav(await readFile(path))!
  expect(left.length).toBe(right.length)
  expect(closed.recording).toMatchObject({ path, durationMs: right.length / 8 })
  expect(right.some((sample) => Math.abs(sample) > 1000)).toBe(true)
  await plane.close()
  expect(plane.sessions).toBe(0)
  expect(liveThreads()).toBe(0)
  expect(clock.pending()).toBe(0)
})
