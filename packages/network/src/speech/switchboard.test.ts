// Voices in need, and the joining of engines: who speaks when the voice that was asked for does not.
import { Cancelled, SimClock, silentLog, type Fault } from '@saperly/kernel'
import { beforeEach, describe, expect, it } from 'vitest'
import { Breaker, MAX_FAILURES } from './breaker.ts'
import { EngineFault, type Engine } from './engine.ts'
import { FIRST_AUDIO_LIMIT_MS } from './fallback-mouth.ts'
import type { AudioChunk, Ears, EarsEvent, Mouth, SpeechService } from './port.ts'
import { withCache } from './render-cache.ts'
import type { ConfiguredSpeech } from './settings.ts'
import { Switchboard } from './switchboard.ts'

let clock: SimClock
beforeEach(() => void (clock = new SimClock()))

type Manner = 'good' | 'late' | 'broken' | 'breaks off' | 'never'

/** Speaks two chunks of 100 ms, or as it is told. */
class ScriptedMouth implements Mouth {
  readonly wordTimes: Mouth['wordTimes']
  readonly asked: [text: string, voice: string | null][] = []
  manner: Manner = 'good'
  aborted = 0

  constructor(wordTimes: Mouth['wordTimes'] = 'exact') {
    this.wordTimes = wordTimes
  }

  async *speak(
    text: string,
    voice: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<AudioChunk> {
    this.asked.push([text, voice])
    signal.addEventListener('abort', () => this.aborted++, { once: true })
    if (this.manner === 'broken') throw new EngineFault('refused_429')
    if (this.manner === 'late') await clock.sleep(FIRST_AUDIO_LIMIT_MS + 200, signal)
    if (this.manner === 'never') await clock.sleep(1_000_000, signal)
    yield { pcm: new Int16Array(800), words: [{ text, fromMs: 0, toMs: 200 }] }
    if (this.manner === 'breaks off') throw new EngineFault('dropped')
    yield { pcm: new Int16Array(800), words: [] }
  }
}

const NO_EARS = (): Ears => {
  throw new Error('no ears here')
}

const VOICE = { id: 'v1', name: 'One', gender: 'neutral', language: 'en-US' } as const
const settings = {
  kind: 'cartesia',
  apiKey: 'k',
  url: 'ws://x',
  version: '2026-03-01',
  model: 'm',
  voices: [VOICE, { ...VOICE, id: 'v2' }],
} as const

function setUp(speak: readonly string[] = ['second:v1']) {
  const mouths = {
    embedded: new ScriptedMouth('aligned'),
    first: new ScriptedMouth(),
    second: new ScriptedMouth('estimated'),
  }
  const closed: string[] = []
  const engine = (name: 'first' | 'second'): Engine => ({
    name,
    breaker: new Breaker(clock),
    ears: null,
    mouth: mouths[name],
    close: async () => void closed.push(name),
  })
  const own: SpeechService = {
    openEars: NO_EARS,
    mouth: mouths.embedded,
    close: async () => void closed.push('embedded'),
  }
  const engines = [engine('first'), engine('second')]
  const configured: ConfiguredSpeech = {
    engines: { first: settings, second: settings },
    fallback: { hear: [], speak },
  }
  const board = new Switchboard({
    own,
    ownName: 'embedded',
    hearing: { recognizer: 'phrases', endsTurns: false, finalLimitMs: 1000 },
    engines,
    configured,
    clock,
    log: silentLog,
  })
  return { board, mouths, engines, closed }
}

type Board = ReturnType<typeof setUp>['board']

interface Said {
  chunks: AudioChunk[]
  fault: string | null
}

async function say(
  board: Board,
  voice: string | null,
  more: { begun?: boolean; signal?: AbortSignal } = {},
): Promise<Said> {
  const { begun = false, signal = new AbortController().signal } = more
  const chunks: AudioChunk[] = []
  try {
    for await (const chunk of board.mouth.speak('Hello.', voice, signal, begun)) chunks.push(chunk)
  } catch (error) {
    if (error instanceof Cancelled) return { chunks, fault: 'cancelled' }
    return { chunks, fault: error instanceof EngineFault ? error.code : (error as Fault).message }
  }
  return { chunks, fault: null }
}

const switches = ({ chunks }: Said): unknown[] => chunks.flatMap(({ switched }) => switched ?? [])

describe('a switchboard', () => {
  it('leaves a voice of the node itself alone', async () => {
    const { board, mouths } = setUp()
    expect((await say(board, null)).chunks).toHaveLength(2)
    await say(board, 'slt')
    expect(mouths.embedded.asked).toEqual([
      ['Hello.', null],
      ['Hello.', 'slt'],
    ])
  })

  it('asks the engine for its own voice, and says how well it knows word times', async () => {
    const { board, mouths } = setUp()
    const said = await say(board, 'first:v2')
    expect(mouths.first.asked).toEqual([['Hello.', 'v2']])
    expect(said.chunks.map(({ basis }) => basis)).toEqual(['exact', 'exact'])
    expect(switches(said)).toEqual([])
  })

  it('goes to the next voice when one fails before its audio, and says so once', async () => {
    const { board, mouths } = setUp()
    mouths.first.manner = 'broken'
    const said = await say(board, 'first:v1')
    expect(said).toMatchObject({ fault: null, chunks: [{ basis: 'estimated' }, {}] })
    expect(switches(said)).toEqual([
      { from: 'first', to: 'second', reason: 'refused_429', voice: 'second:v1' },
    ])
  })

  it('goes to the next voice when one is late, and tells that one to stop', async () => {
    const { board, mouths } = setUp()
    mouths.first.manner = 'late'
    const saying = say(board, 'first:v1')
    await clock.advance(FIRST_AUDIO_LIMIT_MS)
    expect(switches(await saying)).toMatchObject([{ to: 'second', reason: 'first_audio_late' }])
    expect(mouths.first.aborted).toBe(1)
    expect(clock.pending()).toBe(0)
  })

  it('ends with the voice of the node, for which it waits', async () => {
    const { board, mouths } = setUp()
    mouths.first.manner = 'broken'
    mouths.second.manner = 'broken'
    mouths.embedded.manner = 'late'
    const saying = say(board, 'first:v1')
    await clock.advance(2 * FIRST_AUDIO_LIMIT_MS)
    expect(switches(await saying)).toEqual([
      { from: 'first', to: 'embedded', reason: 'refused_429', voice: null },
    ])
  })

  it('never changes the voice within an utterance, nor after its first audio', async () => {
    const { board, mouths } = setUp()
    mouths.first.manner = 'broken'
    expect(await say(board, 'first:v1', { begun: true })).toEqual({
      chunks: [],
      fault: 'refused_429',
    })
    mouths.first.manner = 'breaks off'
    expect(await say(board, 'first:v1')).toMatchObject({ chunks: [{}], fault: 'dropped' })
    expect(mouths.second.asked).toEqual([])
  })

  it('passes over a voice whose engine failed often', async () => {
    const { board, mouths, engines } = setUp()
    mouths.first.manner = 'broken'
    for (let i = 0; i < MAX_FAILURES; i++) await say(board, 'first:v1')
    expect(engines[0]!.breaker.state).toBe('open')
    const asked = mouths.first.asked.length
    expect(switches(await say(board, 'first:v1'))).toMatchObject([{ reason: 'circuit_open' }])
    expect(mouths.first.asked).toHaveLength(asked)
  })

  it('replaces a voice that is not configured any more', async () => {
    const { board, mouths } = setUp()
    expect(switches(await say(board, 'gone:v1'))).toEqual([
      { from: 'gone', to: 'second', reason: 'not_configured', voice: 'second:v1' },
    ])
    await say(board, 'first:nobody')
    expect(mouths.first.asked).toEqual([['Hello.', 'v1']])
  })

  it('counts nothing against an engine that was told to stop', async () => {
    const { board, mouths, engines } = setUp()
    mouths.first.manner = 'never'
    for (let i = 0; i < MAX_FAILURES; i++) {
      const abort = new AbortController()
      const saying = say(board, 'first:v1', { signal: abort.signal })
      await clock.advance(100)
      abort.abort()
      expect((await saying).chunks).toEqual([])
    }
    expect(engines[0]!.breaker.state).toBe('closed')
    expect(mouths.second.asked).toEqual([])
    expect(clock.pending()).toBe(0)
  })

  it('hears nothing for an engine that is not there when no phrases were given, and says so', () => {
    const heard: EarsEvent[] = []
    const { board } = setUp()
    const options = {
      language: 'en-US',
      phrases: ['yes'],
      onEvent: (e: EarsEvent) => void heard.push(e),
    }
    expect(() => board.openEars(options)).toThrow('no ears here')
    const ears = board.openEars({ ...options, engine: 'gone', phrases: [] })
    ears.start(1)
    ears.finish()
    expect(heard).toEqual([
      { type: 'switched', from: 'gone', to: null, reason: 'not_configured', recognizer: 'free' },
      { type: 'fault', utterance: 1, code: 'no_engine' },
    ])
  })

  it('closes every engine', async () => {
    const { board, closed } = setUp()
    await board.close()
    expect(closed).toEqual(['first', 'second', 'embedded'])
  })
})

describe('a render cache', () => {
  it('asks once for what is said again by the same voice', async () => {
    const mouth = new ScriptedMouth()
    const cached = withCache(mouth)
    const all = async (text: string, voice: string): Promise<AudioChunk[]> => {
      const chunks: AudioChunk[] = []
      const { signal } = new AbortController()
      for await (const chunk of cached.speak(text, voice, signal)) chunks.push(chunk)
      return chunks
    }
    const first = await all('Hello.', 'a')
    expect(await all('Hello.', 'a')).toEqual(first)
    await all('Hello.', 'b')
    await all('Bye.', 'a')
    expect(mouth.asked).toEqual([
      ['Hello.', 'a'],
      ['Hello.', 'b'],
      ['Bye.', 'a'],
    ])
  })

  it('keeps nothing that was cut or failed', async () => {
    const mouth = new ScriptedMouth()
    const cached = withCache(mouth)
    const abort = new AbortController()
    for await (const chunk of cached.speak('Hello.', 'a', abort.signal)) {
      expect(chunk.pcm).toHaveLength(800)
      break
    }
    mouth.manner = 'breaks off'
    await expect(
      (async () => {
        for await (const chunk of cached.speak('Hello.', 'a', abort.signal)) void chunk
      })(),
    ).rejects.toThrow(EngineFault)
    mouth.manner = 'good'
    for await (const chunk of cached.speak('Hello.', 'a', abort.signal)) void chunk
    expect(mouth.asked).toHaveLength(3)
  })
})
