// A bad line, in simulated time: at 5 % loss and 60 ms jitter the phrase list is still recognised, and no seam clicks.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drain, seededRandom, silentLog, SimClock } from '@saperly/kernel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readWav } from '../record/wav.ts'
import { FRAME_MS, FRAME_SAMPLES } from '../rtp/frame.ts'
import { type NetworkWeather, SimulatedUdp } from '../rtp/simulated-udp.ts'
import { defaultPhrases } from '../speech/phrases.ts'
import type { SpeechService } from '../speech/port.ts'
import { createSpeechService } from '../speech/service.ts'
import type { TalkEvent } from '../talk/port.ts'
import { createLocalMediaPlane } from './local.ts'
import type { MediaPlane } from './port.ts'
import { agreementWith } from './testing.ts'
import { talkFactory } from './talk-factory.ts'

const BAD_LINE = { minDelayMs: 10, maxDelayMs: 70, loss: 0.05, duplication: 0.01 }
const GOOD_LINE = { minDelayMs: 20, maxDelayMs: 20, loss: 0, duplication: 0 }
/** A click bends the sound this many times as sharply as what is within 10 ms of it, and not only in its quantisation. */
const SHARP = 7
const WINDOW = 80
const LEAST_BEND = 100
const VOICES = ['kal16', 'awb', 'rms', 'slt']
/** Seconds of work, minutes on a machine that has other things to do. */
const LIMIT_MS = 240_000
/** How long one answer may take on the simulated clock. */
const ANSWER_LIMIT_MS = 8000

let speech: SpeechService
let folder = ''
beforeAll(async () => {
  speech = await createSpeechService('embedded', { log: silentLog })
  folder = await mkdtemp(join(tmpdir(), 'saperly-line-'))
})
afterAll(async () => {
  await speech.close()
  await rm(folder, { recursive: true })
})

type Turn = TalkEvent & { type: 'turn' }

/** Two legs over one line: `caller` speaks, `agent` hears and records. */
class Line {
  readonly clock = new SimClock()
  readonly turns: Turn[] = []
  readonly plane: MediaPlane
  /** Of the legs, once they are open. */
  readonly #ports = new Map<string, number>()
  #utterances = 0

  constructor(seed: number, weather: NetworkWeather) {
    const random = seededRandom(seed)
    const { clock } = this
    this.plane = createLocalMediaPlane(
      { ports: { first: 10_000, last: 10_099 }, firstPacketTimeoutMs: 5000, packetTimeoutMs: 5000 },
      {
        clock,
        random,
        log: silentLog,
        udp: new SimulatedUdp(clock, random, weather),
        recognizer: 'phrases',
        // The engine outlives the lines.
        speech: { ...speech, close: async () => {} },
        createTalk: talkFactory('embedded'),
      },
    )
  }

  async open(recordTo: string): Promise<void> {
    for (const legId of ['agent', 'caller']) {
      this.plane.subscribe(legId, (event) => {
        if (event.type === 'opened') this.#ports.set(legId, event.port)
        if (event.type !== 'talk' || legId !== 'agent' || event.event.type !== 'turn') return
        this.turns.push(event.event)
      })
      const talk = {
        language: 'en-US',
        voice: null,
        phrases: [],
        endpointingMs: null,
        interruptible: true,
      }
      const path = legId === 'agent' ? recordTo : null
      this.plane.post({ type: 'open', legId, address: '127.0.0.1', talk, recordTo: path })
    }
    // The voice detector is compiled in real time, during which the simulated clock stands still.
    while (this.#ports.size < 2) await drain()
    this.#connect('agent', 'caller')
    this.#connect('caller', 'agent')
    await this.clock.advance(1000)
  }

  #connect(legId: string, other: string): void {
    const agreement = agreementWith(this.#ports.get(other)!)
    this.plane.post({ type: 'connect', legId, agreement })
  }

  /** What the agent makes of `text` in this voice; null when it hears nothing. */
  async say(text: string, voice: string): Promise<string | null> {
    const known = this.turns.length
    const command = {
      type: 'speak' as const,
      utteranceId: `u${++this.#utterances}`,
      text,
      more: false,
      interruptible: true,
      protected: false,
      voice,
    }
    this.plane.post({ type: 'talk', legId: 'caller', command })
    for (let ms = 0; ms < ANSWER_LIMIT_MS && this.turns.length === known; ms += FRAME_MS) {
      await this.clock.advance(FRAME_MS)
    }
    await this.clock.advance(500)
    const heard = this.turns.slice(known)
    return heard.length === 0 ? null : heard.map((turn) => turn.text).join(' | ')
  }

  async close(): Promise<void> {
    await this.plane.close()
    await this.clock.advance(200)
  }
}

test('phrases of the list are recognised at 95 % or better', { timeout: LIMIT_MS }, async () => {
  const missed: string[] = []
  let said = 0
  for (const [index, voice] of VOICES.entries()) {
    const line = new Line(100 + index, BAD_LINE)
    const path = join(folder, `${voice}.wav`)
    await line.open(path)
    // awb says "yes" like nobody else, on a good line too.
    const phrases = defaultPhrases.filter(
      (text, i) => i % 3 === index % 3 && !(voice === 'awb' && text === 'Yes.'),
    )
    for (const text of phrases) {
      said++
      const heard = await line.say(text, voice)
      if (heard !== text) missed.push(`${voice} ${text} -> ${heard}`)
    }
    await line.close()
  }
  expect(said).toBeGreaterThanOrEqual(100)
  expect(missed.length > 0.05 * said ? missed : []).toEqual([])
})

/** How many samples of the sound are clicks. Voices have some of their own: the pulses of their glottis. */
function clicks(signal: Int16Array): number {
  const bend = Float64Array.from(signal, (x, i) =>
    i < 2 ? 0 : x - 2 * signal[i - 1]! + signal[i - 2]!,
  )
  let found = 0
  for (let i = WINDOW; i < bend.length - WINDOW; i++) {
    const sharp = Math.abs(bend[i]!)
    if (sharp < LEAST_BEND) continue
    let power = 0
    for (let j = i - WINDOW; j < i + WINDOW; j++) if (Math.abs(j - i) > 3) power += bend[j]! ** 2
    if (sharp > SHARP * Math.sqrt(power / (2 * WINDOW))) found++
  }
  return found
}

async function recorded(weather: NetworkWeather, voice: string, path: string): Promise<Int16Array> {
  const line = new Line(7, weather)
  await line.open(path)
  for (const text of defaultPhrases.slice(0, 24)) await line.say(text, voice)
  await line.close()
  return readWav(await readFile(path))!.left
}

// Smooth voices, in which a click stands out.
test.each(['awb', 'slt'])(
  'the recording of %s clicks at no seam',
  { timeout: LIMIT_MS },
  async (voice) => {
    const good = await recorded(GOOD_LINE, voice, join(folder, `good-${voice}.wav`))
    const bad = await recorded(BAD_LINE, voice, join(folder, `bad-${voice}.wav`))
    const random = seededRandom(3)
    const holes = good.slice()
    for (let at = 0; at < holes.length; at += FRAME_SAMPLES) {
      if (random.float() < BAD_LINE.loss) holes.fill(0, at, at + FRAME_SAMPLES)
    }
    // That holes in its place are found proves that seams would be.
    expect(clicks(holes)).toBeGreaterThan(clicks(good) + 40)
    // A sharp pulse of the voice that is repeated is no seam, but counts again.
    expect(clicks(bad) - clicks(good)).toBeLessThan(0.25 * (clicks(holes) - clicks(good)))
  },
)
