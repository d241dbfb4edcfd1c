// The audio boundary: of whole conversations, nothing that enters or leaves the server outside of RTP is audio.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NetworkCommand, NetworkEvent } from '@saperly/network'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeG711 } from '../packages/network/src/codec/g711.ts'
import { renderTones } from '../packages/network/src/speech/tone.ts'
import { audioIn } from './audio-scent.ts'
import { type Passage, Tap } from './tap.ts'
import { ApiClient, openWorld, Receiver, SocketBrain, until, type World } from './world.ts'

const PEER = '+15555550100'
/** Some eight seconds of speech each: 40 ms a letter, 80 ms more a word. */
const PEER_SAYS =
  'I would like to know what you have on offer this week, because my neighbour told me that there was something new, and also about the cake.'
const AGENT_SAYS =
  'We have bread and rolls every day, and on Saturdays there is plum cake, which you should order in advance, since it does not last until noon.'
/** The thriftiest speech codec of telephony that anybody would use: 8 kbit/s. */
const AUDIO_BYTES_PER_SEC = 1000
/** While somebody talks for longer than this, nothing at all may cross. */
const QUIET_MS = 4_000

interface Script {
  [name: string]: unknown
}

const talkative: Script = {
  about: 'Says a lot, listens, says goodbye.',
  steps: [
    { do: 'ring', ms: 200 },
    { do: 'answer' },
    { do: 'say', text: PEER_SAYS },
    { do: 'hear', timeoutSec: 60 },
    { do: 'say', text: 'Goodbye.' },
    { do: 'wait', ms: 20_000 },
  ],
}

describe('a conversation, tapped', () => {
  let world: World
  let taps: { api: Tap; hooks: Tap }
  let hooks: Receiver
  const crossed: NetworkEvent[] = []

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'saperly-boundary-'))
    const scripts = join(dataDir, 'scripts')
    await mkdir(scripts)
    await writeFile(join(scripts, 'friendly.json'), JSON.stringify(talkative))
    world = await openWorld({ dataDir, environment: { SANDBOX_SCRIPTS: scripts } })
    world.server.network.subscribe((event) => void crossed.push(event))
    hooks = new Receiver()
    taps = { api: await Tap.open(world.url), hooks: await Tap.open(await hooks.listen()) }
  })
  afterAll(async () => {
    await Promise.all([taps.api.close(), taps.hooks.close()])
    await hooks.close()
    await world.close()
  })

  /** A brain that hears the peer out, says a lot, and ends the call at the next word. */
  const directivesFor = (event: { type: string; text?: string }) => {
    if (event.type !== 'turn') return [{ type: 'wait_for_user' }]
    if (event.text === 'Goodbye.') return [{ type: 'hangup' }]
    return [{ type: 'speak', text: AGENT_SAYS }]
  }

  const bytes = (): number[] =>
    [taps.api, taps.hooks].flatMap((tap) => [tap.bytes('up'), tap.bytes('down')])

  /** Watches all ways for the longest time in which not one byte passes. */
  function longestQuiet(): { stop: () => number } {
    let last = { count: '', at: performance.now() }
    let longestMs = 0
    const look = (): void => {
      const count = bytes().join()
      if (count === last.count) longestMs = Math.max(longestMs, performance.now() - last.at)
      else last = { count, at: performance.now() }
    }
    const timer = setInterval(look, 50)
    return {
      stop: () => {
        clearInterval(timer)
        return longestMs
      },
    }
  }

  test('by socket and by webhook: text alone, and less than any audio', async () => {
    const api = new ApiClient(taps.api.url, world.token)
    const events = ['call.answered', 'call.completed', 'call.transcript.ready'] as const
    await api.post('/webhooks', { url: `${taps.hooks.url}/events`, events })
    hooks.answer = ({ path, body }) =>
      path === '/brain' ? { body: { directives: directivesFor(body) } } : {}
    const byWebhook = await api.line({
      manualWebhookUrl: `${taps.hooks.url}/brain`,
      recordingEnabled: true,
    })
    const bySocket = await api.line({ recordingEnabled: true })
    const brain = await SocketBrain.connect(taps.api.url, bySocket, directivesFor)

    const before = bytes()
    const quiet = longestQuiet()
    const ends = [byWebhook, bySocket].map(async (line) => {
      await api.consent(line.numberId, PEER)
      const placed = await api.post('/calls', { fromNumberId: line.numberId, to: PEER })
      expect(placed.status).toBe(201)
      const stream = await fetch(`${taps.api.url}/calls/${placed.body.id}/events`, {
        headers: { authorization: `Bearer ${world.token}`, accept: 'text/event-stream' },
      })
      expect(await stream.text()).toContain('event: ended')
      return (await api.get(`/calls/${placed.body.id}`)).body
    })
    const calls = await Promise.all(ends)
    await until('the webhooks', async () => hooks.events('call.transcript.ready').length === 2)
    const transcripts = await Promise.all(
      calls.map(async ({ id }) => (await api.get(`/calls/${id}/transcript`)).body.turns),
    )
    const said = bytes().map((count, index) => count - before[index]!)
    const quietMs = quiet.stop()
    await brain.close()

    for (const turns of transcripts) {
      expect(turns.map(({ text }: { text: string }) => text)).toEqual([
        PEER_SAYS,
        AGENT_SAYS,
        'Goodbye.',
      ])
    }
    const talkedSec = calls.reduce((sum, call) => sum + call.durationSec, 0)
    expect(talkedSec).toBeGreaterThan(30)
    expect(quietMs).toBeGreaterThan(QUIET_MS)
    // All ways together, heads, signatures and event streams included, against audio of one side alone.
    const total = said.reduce((sum, count) => sum + count, 0)
    expect(total).toBeLessThan(talkedSec * AUDIO_BYTES_PER_SEC)
    expect(Math.max(...said)).toBeLessThan((talkedSec * AUDIO_BYTES_PER_SEC) / 2)

    const passages = [...taps.api.passages(), ...taps.hooks.passages()]
    for (const kind of ['http', 'events', 'frame'] as const) {
      expect(passages.filter((one) => one.kind === kind).length).toBeGreaterThan(1)
    }
    for (const passage of passages) checkText(passage)

    // What crossed the port between the planes is data, and as small.
    for (const event of crossed) expect(JSON.parse(JSON.stringify(event))).toEqual(event)
    expect(JSON.stringify(crossed).length).toBeLessThan(talkedSec * AUDIO_BYTES_PER_SEC)
    expect(audioIn(Buffer.from(JSON.stringify(crossed)))).toBeNull()
  }, 120_000)

  function checkText({ kind, head, body }: Passage): void {
    expect(audioIn(head)).toBeNull()
    expect(audioIn(body)).toBeNull()
    const text = body.toString('utf8')
    const json =
      kind === 'events'
        ? text.split('\n').flatMap((line) => /^data: (.*)$/.exec(line)?.[1] ?? [])
        : [text]
    for (const one of json.filter((part) => part !== '')) JSON.parse(one)
  }
})

test('the taster of audio tastes it, however it is wrapped', () => {
  const pcm = renderTones('Hello there, how are you?').pcm.subarray(2000, 4000)
  const law = Buffer.from(encodeG711('PCMU', pcm))
  const inJson = (value: unknown): Buffer => Buffer.from(JSON.stringify({ value }))
  const wrapped = [
    law,
    Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength),
    inJson(law.toString('base64')),
    inJson(law.toString('base64url')),
    inJson(law.toString('hex')),
    inJson([...pcm]),
    inJson('UklGRiQAAAA'),
    Buffer.from('RIFF'),
  ]
  for (const one of wrapped) expect(audioIn(one)).not.toBeNull()
  expect(audioIn(inJson(`${PEER_SAYS} – “ça va?” 日本語`))).toBeNull()
})

// --- the same, for the compiler ------------------------------------------------------------------------------------

type Carrier =
  | ArrayBufferLike
  | ArrayBufferView
  | Blob
  | ReadableStream
  | NodeJS.ReadableStream
  | readonly number[]
  | ((...args: never[]) => unknown)

/** Every part of a message that could carry audio; never, for a message that can't. */
type AudioIn<T> = T extends string | number | boolean | null | undefined
  ? never
  : T extends Carrier
    ? T
    : T extends readonly (infer Element)[]
      ? AudioIn<Element>
      : T extends object
        ? { [Key in keyof T]-?: AudioIn<T[Key]> }[keyof T]
        : T

type Verdict<T> = [AudioIn<T>] extends [never] ? 'text' : 'audio'

test('no message between the planes has a place for audio', () => {
  const commands: Verdict<NetworkCommand> = 'text'
  const events: Verdict<NetworkEvent> = 'text'
  // @ts-expect-error -- samples deep inside of a message
  const planted: Verdict<NetworkEvent | { parts: { pcm?: Int16Array }[] }> = 'text'
  // @ts-expect-error -- samples as plain numbers
  const numbers: Verdict<{ type: 'frame'; samples: readonly number[] }> = 'text'
  // @ts-expect-error -- a way to fetch them
  const fetched: Verdict<{ type: 'frame'; read: () => string }> = 'text'
  // @ts-expect-error -- anything at all
  const anything: Verdict<{ type: 'frame'; payload: unknown }> = 'text'
  expect([commands, events, planted, numbers, fetched, anything]).toHaveLength(6)
})
