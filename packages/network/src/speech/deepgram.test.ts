// Deepgram's wire against a fake of it: what is sent, what is heard, and what becomes of a vendor that misbehaves.
import { assert, drain, SimClock, silentLog } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DeepgramEars } from './deepgram.ts'
import { FRAME_SAMPLES } from './pcm.ts'
import type { EarsEvent } from './port.ts'
import { eventually, FakeDeepgram, type Manner } from './testing-vendors.ts'
import { renderTones } from './tone.ts'
import { CONNECT_LIMIT_MS } from './vendor-socket.ts'

const KEY = 'dg-secret-key'
const TEXT = 'The blue boat is mine.'

let vendor: FakeDeepgram
let url: string
let clock: SimClock
let events: EarsEvent[]
const opened: DeepgramEars[] = []

beforeEach(async () => {
  vendor = new FakeDeepgram()
  url = `${await vendor.listen()}/v2/listen`
  clock = new SimClock()
  events = []
})
afterEach(async () => {
  for (const ears of opened.splice(0)) ears.close()
  assert(clock.pending() === 0, 'a timer was left')
  await vendor.close()
})

function open(phrases: string[] = []): DeepgramEars {
  const settings = { kind: 'deepgram', apiKey: KEY, url, model: 'flux-general-en' } as const
  const ears = new DeepgramEars(
    settings,
    { language: 'en-US', phrases, onEvent: (event) => void events.push(event) },
    { clock, log: silentLog },
  )
  opened.push(ears)
  return ears
}

/** An utterance with silence behind it, as the listener gives it. */
function say(ears: DeepgramEars, text: string, silenceMs = 0): void {
  const { pcm } = renderTones(text)
  const padded = new Int16Array(pcm.length + silenceMs * 8)
  padded.set(pcm)
  for (let at = 0; at < padded.length; at += FRAME_SAMPLES) {
    ears.write(padded.slice(at, at + FRAME_SAMPLES))
  }
}

const conclusion = (): Promise<EarsEvent> =>
  eventually('a conclusion', () => events.find(({ type }) => type === 'final' || type === 'fault'))

describe('deepgram ears', () => {
  it('send µ-law in pieces of 80 ms, the key in a header, and words to listen for', async () => {
    const ears = open(['Zanzibar'])
    ears.start(1)
    say(ears, TEXT, 400)
    ears.finish()
    expect(await conclusion()).toMatchObject({ type: 'final', utterance: 1, text: TEXT })
    const [request] = vendor.requests
    const asked = new URL(request!.url!, 'ws://x')
    expect(request!.headers.authorization).toBe(`Token ${KEY}`)
    expect(asked.href).not.toContain(KEY)
    expect(asked.pathname).toBe('/v2/listen')
    expect(Object.fromEntries(asked.searchParams)).toEqual({
      model: 'flux-general-en',
      encoding: 'mulaw',
      sample_rate: '8000',
      keyterm: 'Zanzibar',
    })
    const sent = renderTones(TEXT).pcm.length + 400 * 8
    expect(vendor.bytes).toBeGreaterThanOrEqual(sent)
  })

  it('pass the vendor’s end of turn on, and give its text when asked', async () => {
    const ears = open()
    ears.start(1)
    say(ears, TEXT, 400)
    await eventually('the end of the turn', () => events.some(({ type }) => type === 'endOfTurn'))
    const at = events.findIndex(({ type }) => type === 'endOfTurn')
    expect(events[at - 1]).toEqual({ type: 'partial', utterance: 1, text: TEXT })
    ears.finish()
    expect(events.at(-1)).toEqual({
      type: 'final',
      utterance: 1,
      text: TEXT,
      noMatch: false,
      confidence: expect.closeTo(0.9) as number,
    })
    expect(vendor.controls).toEqual([])
  })

  it('force the end of a turn that the vendor leaves open, with all its audio transcribed', async () => {
    vendor.endsTurns = false
    const ears = open()
    ears.start(1)
    say(ears, TEXT)
    ears.finish()
    expect(await conclusion()).toMatchObject({ type: 'final', text: TEXT, noMatch: false })
    expect(vendor.controls).toEqual([{ type: 'ForceEndTurn' }])
  })

  it('say no match when nothing was said, and join what the vendor takes for two turns', async () => {
    const ears = open()
    ears.start(1)
    for (let i = 0; i < 20; i++) ears.write(new Int16Array(FRAME_SAMPLES))
    ears.finish()
    expect(await conclusion()).toMatchObject({ type: 'final', text: '', noMatch: true })
    events.length = 0
    ears.start(2)
    say(ears, 'Yes.', 400)
    say(ears, 'Tomorrow.', 400)
    ears.finish()
    expect(await conclusion()).toMatchObject({ utterance: 2, text: 'Yes. Tomorrow.' })
  })

  it('keep utterances apart on one connection, a cancelled one included', async () => {
    vendor.endsTurns = false
    const ears = open()
    ears.start(1)
    say(ears, 'Forget this.')
    await eventually('life', () => events.length > 0)
    ears.cancel()
    ears.start(2)
    say(ears, TEXT)
    ears.finish()
    expect(await conclusion()).toMatchObject({ type: 'final', utterance: 2, text: TEXT })
    expect(vendor.connections).toBe(1)
  })

  it('tell the vendor what is expected, before and after it is connected', async () => {
    const ears = open()
    ears.expect({ phrases: ['blue'], hints: ['boat'] })
    await eventually('terms', () => vendor.controls.length === 1)
    ears.expect({ phrases: ['blue'], hints: ['boat'] })
    ears.expect({})
    await eventually('no terms', () => vendor.controls.length === 2)
    expect(vendor.controls.map(({ keyterms }) => keyterms)).toEqual([['blue', 'boat'], []])
  })

  it('keep an idle connection with a little silence, and make a new one when it is lost', async () => {
    const ears = open()
    await eventually('a connection', () => vendor.connections === 1)
    await settle()
    await clock.advance(9_000)
    await eventually('silence', () => vendor.bytes === 2 * 4 * FRAME_SAMPLES)
    for (const socket of vendor.sockets) socket.terminate()
    await eventually('the loss', () => vendor.sockets.size === 0)
    await settle()
    ears.start(1)
    say(ears, TEXT, 400)
    ears.finish()
    expect(await conclusion()).toMatchObject({ type: 'final', text: TEXT })
    expect(vendor.connections).toBe(2)
  })

  it('believe the newest news of a turn, whatever comes behind it', async () => {
    vendor.manner = 'reordered'
    const ears = open()
    ears.start(1)
    say(ears, TEXT, 400)
    ears.finish()
    expect(await conclusion()).toMatchObject({ type: 'final', text: TEXT })
    events.length = 0
    ears.start(2)
    say(ears, 'Second.', 400)
    ears.finish()
    expect(await conclusion()).toMatchObject({ utterance: 2, text: 'Second.' })
  })

  it.each<[Manner, string]>([
    [{ refuse: 401 }, 'refused_401'],
    [{ refuse: 429 }, 'refused_429'],
    ['drop', 'dropped'],
    ['halfClose', 'dropped'],
    ['garbage', 'garbage'],
    ['malformed', 'vendor_malformed'],
    ['error', 'vendor_internal_server_error'],
  ])('fault when the vendor’s manner is %o', async (manner, code) => {
    vendor.manner = manner
    const ears = open()
    ears.start(1)
    say(ears, TEXT, 400)
    ears.finish()
    expect(await conclusion()).toEqual({ type: 'fault', utterance: 1, code })
  })

  it('fault when the connection takes too long', async () => {
    vendor.manner = 'mute'
    const ears = open()
    ears.start(1)
    say(ears, TEXT)
    await eventually('the request', () => vendor.requests.length === 1)
    await clock.advance(CONNECT_LIMIT_MS - 1)
    expect(events).toEqual([])
    await clock.advance(1)
    expect(events).toEqual([{ type: 'fault', utterance: 1, code: 'connect_timeout' }])
  })
})

/** Lets what the sockets have in hand arrive. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await drain()
}
