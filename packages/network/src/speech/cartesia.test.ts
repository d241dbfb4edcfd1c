// Cartesia's wire against a fake of it: what is asked, what is spoken and when, and every way it can go wrong.
import { assert, drain, Fault, SimClock, silentLog } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CartesiaMouth } from './cartesia.ts'
import { EngineFault } from './engine.ts'
import { FRAME_SAMPLES } from './pcm.ts'
import type { AudioChunk } from './port.ts'
import { eventually, FakeCartesia, type Manner } from './testing-vendors.ts'
import { renderTones } from './tone.ts'
import { ToneDecoder } from './tone-decoder.ts'
import { CONNECT_LIMIT_MS } from './vendor-socket.ts'

const KEY = 'ct-secret-key'
const TEXT = 'Your table is booked for noon.'
const VOICE = { id: 'v-1', name: 'One', gender: 'female', language: 'en-GB' } as const
const OTHER = { id: 'v-2', name: 'Two', gender: 'male', language: 'de-DE' } as const

let vendor: FakeCartesia
let clock: SimClock
let mouth: CartesiaMouth

beforeEach(async () => {
  vendor = new FakeCartesia()
  clock = new SimClock()
  const url = `${await vendor.listen()}/tts/websocket`
  mouth = new CartesiaMouth(
    {
      kind: 'cartesia',
      apiKey: KEY,
      url,
      version: '2026-03-01',
      model: 'sonic-3.5',
      voices: [VOICE, OTHER],
    },
    { clock, log: silentLog },
  )
})
afterEach(async () => {
  mouth.close()
  assert(clock.pending() === 0, 'a timer was left')
  await vendor.close()
})

async function say(text: string, voice: string | null = null): Promise<AudioChunk[]> {
  const chunks: AudioChunk[] = []
  const { signal } = new AbortController()
  for await (const chunk of mouth.speak(text, voice, signal)) chunks.push(chunk)
  return chunks
}

/** What ears would make of the audio. */
function heard(chunks: readonly AudioChunk[]): string {
  const decoder = new ToneDecoder()
  const pcm = Int16Array.from(chunks.flatMap((chunk) => [...chunk.pcm]))
  for (let at = 0; at + FRAME_SAMPLES <= pcm.length; at += FRAME_SAMPLES) {
    decoder.write(pcm.subarray(at, at + FRAME_SAMPLES))
  }
  return decoder.finish().text
}

const fault = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => {
      expect(error).toBeInstanceOf(Fault)
      const { message } = error as Fault
      for (const secret of [KEY, TEXT, vendor.requests[0]?.url ?? '-']) {
        expect(message).not.toContain(secret)
      }
      return error instanceof EngineFault ? error.code : 'other'
    },
  )

describe('cartesia mouth', () => {
  it('asks for µ-law with word times, the key in a header, and speaks what it gets', async () => {
    const chunks = await say(TEXT)
    expect(heard(chunks)).toBe(TEXT)
    const [request] = vendor.requests
    expect(request!.headers['x-api-key']).toBe(KEY)
    expect(request!.url).toBe('/tts/websocket?cartesia_version=2026-03-01')
    expect(vendor.generations).toEqual([
      {
        model_id: 'sonic-3.5',
        transcript: TEXT,
        voice: { mode: 'id', id: 'v-1' },
        language: 'en',
        context_id: expect.any(String) as string,
        output_format: { container: 'raw', encoding: 'pcm_mulaw', sample_rate: 8000 },
        add_timestamps: true,
        continue: false,
      },
    ])
    expect(vendor.cancelled).toEqual([])
  })

  it.each<Manner>(['good', 'reordered'])('knows when each word is spoken (%s)', async (manner) => {
    vendor.manner = manner
    const chunks = await say(TEXT)
    expect(chunks.flatMap(({ words }) => words)).toEqual(renderTones(TEXT).words)
    expect(chunks[0]!.pcm.length).toBeGreaterThan(0)
  })

  it('speaks with the voice that is asked for, in its language, and the first for an unknown one', async () => {
    await say('Hallo.', 'v-2')
    await say('Hello.', 'nobody')
    expect(vendor.generations.map(({ voice, language }) => [voice, language])).toEqual([
      [{ mode: 'id', id: 'v-2' }, 'de'],
      [{ mode: 'id', id: 'v-1' }, 'en'],
    ])
  })

  it('speaks several sentences at once over one connection, each with its own audio', async () => {
    const texts = ['One is here.', 'Two is there.', 'Three is everywhere.']
    const spoken = await Promise.all(texts.map((text) => say(text)))
    expect(spoken.map(heard)).toEqual(texts)
    expect(vendor.connections).toBe(1)
  })

  it('cancels at the vendor what is not wanted any more', async () => {
    vendor.manner = 'neverFinal'
    const abort = new AbortController()
    const chunks: AudioChunk[] = []
    for await (const chunk of mouth.speak(TEXT, null, abort.signal)) {
      chunks.push(chunk)
      abort.abort()
    }
    expect(chunks).toHaveLength(1)
    await eventually('the cancellation', () => vendor.cancelled.length === 1)
    expect(vendor.cancelled[0]).toBe(vendor.generations[0]!.context_id)
  })

  it('connects again after the vendor has let an idle connection go', async () => {
    await say('First.')
    for (const socket of vendor.sockets) socket.close()
    await eventually('the loss', () => vendor.sockets.size === 0)
    for (let i = 0; i < 20; i++) await drain()
    expect(heard(await say('Second.'))).toBe('Second.')
    expect(vendor.connections).toBe(2)
  })

  it.each<[Manner, string]>([
    [{ refuse: 401 }, 'refused_401'],
    [{ refuse: 429 }, 'refused_429'],
    ['drop', 'dropped'],
    ['halfClose', 'dropped'],
    ['garbage', 'garbage'],
    ['malformed', 'malformed'],
    ['error', 'vendor_quota_exceeded'],
  ])('fails with a word and no secret when the vendor’s manner is %o', async (manner, code) => {
    vendor.manner = manner
    expect(await fault(say(TEXT))).toBe(code)
  })

  it('fails when the connection takes too long', async () => {
    vendor.manner = 'mute'
    const failing = fault(say(TEXT))
    await eventually('the request', () => vendor.requests.length === 1)
    await clock.advance(CONNECT_LIMIT_MS)
    expect(await failing).toBe('connect_timeout')
  })

  it('fails what was under way when it is closed', async () => {
    vendor.manner = 'silent'
    const failing = fault(say(TEXT))
    await eventually('the generation', () => vendor.generations.length === 1)
    mouth.close()
    expect(await failing).toBe('closed')
  })
})
