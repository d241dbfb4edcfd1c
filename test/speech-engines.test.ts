// Calls that hear and speak through vendors' engines: any words, words that were heard, and what happens when they die.
import { mkdtemp, mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '@saperly/kernel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FakeCartesia, FakeDeepgram } from '../packages/network/src/speech/testing-vendors.ts'
import { openWorld, SocketBrain, type World } from './world.ts'

const EARS_KEY = 'dg-key-that-nobody-may-see'
const MOUTH_KEY = 'ct-key-that-nobody-may-see'
const VOICE = { id: 'v-1', name: 'One', gender: 'female', language: 'en-US' }
const UNHEARD_OF = 'My zebra Griselda is orange.'
const LONG = 'Nobody expected a zebra of that colour in the middle of the night, least of all we.'

/** A phone that talks, and one that goes on talking while engines die. */
const SCRIPTS = {
  talker: [
    { do: 'hear', timeoutSec: 15 },
    { do: 'say', text: UNHEARD_OF },
    { do: 'interrupt', afterMs: 3_000, text: 'Wait a minute.' },
    { do: 'wait', ms: 30_000 },
  ],
  stayer: [
    { do: 'hear', timeoutSec: 15 },
    { do: 'say', text: 'First words.' },
    { do: 'hear', timeoutSec: 15 },
    { do: 'say', text: 'Second words.' },
    { do: 'hear', timeoutSec: 15 },
    { do: 'say', text: 'Third words.' },
    { do: 'hear', timeoutSec: 15 },
    { do: 'say', text: 'Fourth words.' },
    { do: 'wait', ms: 30_000 },
  ],
}

/** Of all worlds. */
const logged: string[] = []
let ears: FakeDeepgram
let spareEars: FakeDeepgram
let mouth: FakeCartesia
let world: World

// Vendors die here, and circuits open: each test, and each second try of one, gets a world of its own.
beforeEach(async () => {
  ears = new FakeDeepgram()
  spareEars = new FakeDeepgram()
  mouth = new FakeCartesia()
  const dataDir = await mkdtemp(join(tmpdir(), 'saperly-engines-'))
  const scripts = join(dataDir, 'scripts')
  await mkdir(scripts)
  for (const [name, steps] of Object.entries(SCRIPTS)) {
    const script = { about: 'Talks.', steps: [{ do: 'answer' }, ...steps] }
    await writeFile(join(scripts, `${name}.json`), JSON.stringify(script))
  }
  world = await openWorld({
    dataDir,
    environment: { SANDBOX_SCRIPTS: scripts },
    adapters: { log: keeping() },
    config: {
      speech: {
        engines: {
          ears: { kind: 'deepgram', apiKey: EARS_KEY, url: `${await ears.listen()}/v2/listen` },
          'spare-ears': { kind: 'deepgram', apiKey: EARS_KEY, url: await spareEars.listen() },
          mouth: {
            kind: 'cartesia',
            apiKey: MOUTH_KEY,
            url: await mouth.listen(),
            voices: [VOICE],
          },
        },
        fallback: { hear: ['spare-ears'], speak: [] },
      },
    },
  })
})
afterEach(async () => {
  await world.close()
  for (const vendor of [ears, spareEars, mouth]) await vendor.close()
})

/** A log that keeps every line, errors included. */
function keeping(): Log {
  const line = (event: string, fields: object = {}, cause?: unknown): void => {
    const error = cause instanceof Error ? `${cause.message} ${cause.stack}` : ''
    logged.push(`${event} ${JSON.stringify(fields)} ${error}`)
  }
  return { debug: line, info: line, warn: line, error: line, child: () => keeping() }
}

interface Spoken {
  callId: string
  brain: SocketBrain
}

/** A sandbox phone calls a line that hears and speaks through the vendors. */
async function callIn(
  script: keyof typeof SCRIPTS,
  answer: Parameters<typeof SocketBrain.connect>[2],
): Promise<Spoken> {
  const { api } = world
  const line = await api.line({ stt: { engine: 'ears' }, tts: { voiceId: 'mouth:v-1' } })
  const brain = await SocketBrain.connect(world.url, line, answer)
  const from = '+15555550100'
  const placed = await api.post('/sandbox/calls', { from, toNumberId: line.numberId, script })
  expect(placed.status).toBe(201)
  return { callId: placed.body.id, brain }
}

const timeline = async (callId: string): Promise<{ type: string; data: object }[]> =>
  (await world.api.get(`/calls/${callId}/events`)).body

test('voices and engines are offered by name, and others are refused', async () => {
  const { api } = world
  const { body: voices } = await api.get('/voices')
  expect(voices).toContainEqual({ ...VOICE, id: 'mouth:v-1' })
  const make = (
    settings: object,
  ): Promise<{ status: number; body: { _tag?: string; recognizer?: string } }> =>
    api.post('/connections', { name: 'x', mode: 'manual', ...settings })
  expect((await make({ stt: { engine: 'tone' } })).status).toBe(201)
  expect((await make({ stt: { engine: 'ears' } })).body.recognizer).toBe('free')
  expect((await make({ stt: { engine: 'mouth' } })).body._tag).toBe('ValidationError')
  expect((await make({ tts: { voiceId: 'mouth:v-2' } })).body._tag).toBe('UnsupportedVoice')
})

test('a call hears any words, speaks with the vendor’s voice, and knows the words that were heard', async () => {
  const { callId, brain } = await callIn('talker', (event) => {
    if (event.type === 'inbound_call') return [{ type: 'speak', text: 'Tell me.' }]
    if (event.type === 'turn' && event.text === UNHEARD_OF) return [{ type: 'speak', text: LONG }]
    return []
  })
  await world.until('the interruption', async () => brain.of('interrupted').length > 0)
  await world.until('both turns', async () => brain.of('turn').length > 1)
  const [interrupted] = brain.of('interrupted')
  expect(interrupted).toMatchObject({ basis: 'exact' })
  expect(interrupted.heard).toMatch(/^Nobody expected a /)
  expect(LONG.startsWith(interrupted.heard) && interrupted.heard.length < LONG.length).toBe(true)
  const turns = brain.of('turn')
  expect(turns.map(({ text }) => text)).toEqual([UNHEARD_OF, 'Wait a minute.'])
  expect(turns.every(({ recognizer, noMatch }) => recognizer === 'free' && !noMatch)).toBe(true)
  expect(turns[0].confidence).toBeCloseTo(0.9)
  expect(turns[1].interrupted).toEqual({ heard: interrupted.heard })
  const { body: call } = await world.api.post(`/calls/${callId}/end`)
  expect(call).toMatchObject({ status: 'completed', recognizer: 'free' })
  expect(mouth.generations.map(({ transcript }) => transcript).join(' ')).toContain(LONG)
  // The rest of the answer is not paid for: what was not spoken yet is cancelled at the vendor, or never asked for.
  expect(ears.connections).toBe(1)
  expect((await timeline(callId)).map(({ type }) => type)).not.toContain('speech')
  await brain.close()
})

test('a call outlives its vendors, and tells every change of engine', async () => {
  const deaths: Record<string, () => void> = {
    'First words.': () => {
      ears.die()
      mouth.die()
    },
    'Second words.': () => spareEars.die(),
    '': () => void (ears.manner = 'good'),
  }
  const { callId, brain } = await callIn('stayer', (event) => {
    if (event.type === 'turn') deaths[event.text]?.()
    return event.type === 'ready' ? [] : [{ type: 'speak', text: `Noted, ${event.type}.` }]
  })
  await world.until('the last turn', async () => brain.of('turn').length === 4)
  const heard = brain.of('turn').map(({ text, noMatch }) => [text, noMatch])
  expect(heard).toEqual([
    ['First words.', false],
    ['Second words.', false],
    ['', true],
    ['Fourth words.', false],
  ])
  expect(brain.of('turn').map(({ recognizer }) => recognizer)).toEqual([
    'free',
    'free',
    'free',
    'free',
  ])
  const changes = (await timeline(callId)).filter(({ type }) => type === 'speech')
  expect(changes.map(({ data }) => data)).toEqual([
    { part: 'speak', from: 'mouth', to: 'tone', reason: expect.any(String) },
    { part: 'hear', from: 'ears', to: 'spare-ears', reason: 'refused_503' },
    { part: 'hear', from: 'spare-ears', to: 'ears', reason: 'refused_503' },
    { part: 'hear', from: 'ears', to: null, reason: 'refused_503' },
    { part: 'hear', from: null, to: 'ears', reason: 'recovered' },
  ])
  const { body: call } = await world.api.post(`/calls/${callId}/end`)
  expect(call).toMatchObject({ status: 'completed', recognizer: 'free' })
  await brain.close()
})

test('neither keys nor words reach the log', () => {
  const all = logged.join('\n')
  expect(all).toContain('speech.switched')
  for (const secret of [EARS_KEY, MOUTH_KEY, 'zebra', 'words']) expect(all).not.toContain(secret)
})
