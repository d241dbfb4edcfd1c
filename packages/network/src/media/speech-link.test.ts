// Ears that outlive their engine: what was in progress ends with a fault, what comes after is heard by the new one.
import { expect, test } from 'vitest'
import type { EarsEvent, EarsOptions, SpeechService } from '../speech/port.ts'
import { SpeechLink } from './speech-link.ts'

/** An engine that writes down what is asked of it. */
class Engine implements SpeechService {
  readonly calls: string[] = []
  options: EarsOptions | null = null
  readonly mouth = {
    wordTimes: 'exact' as const,
    speak: async function* (this: void) {
      yield { pcm: new Int16Array(1), words: [] }
    },
  }
  openEars(options: EarsOptions) {
    this.options = options
    const call = (name: string) => () => void this.calls.push(name)
    return {
      recognizer: 'free' as const,
      expect: (expected: { digits?: number }) => void this.calls.push(`expect ${expected.digits}`),
      start: (utterance: number) => void this.calls.push(`start ${utterance}`),
      write: call('write'),
      finish: call('finish'),
      cancel: call('cancel'),
      close: call('close'),
    }
  }
  close = async (): Promise<void> => void this.calls.push('closed')
}

function setUp() {
  const [first, second] = [new Engine(), new Engine()]
  const link = new SpeechLink(first, 'free')
  const events: EarsEvent[] = []
  const ears = link.openEars({ language: 'en', phrases: ['yes'], onEvent: (e) => events.push(e) })
  return { first, second, link, events, ears }
}

const frame = new Int16Array(160)

test('an utterance that waits for its text is told at once that the engine is lost', async () => {
  const { first, second, link, events, ears } = setUp()
  ears.expect({ digits: 4 })
  ears.start(1)
  ears.write(frame)
  ears.finish()
  await link.replace(second)
  expect(events).toEqual([{ type: 'fault', utterance: 1, code: 'engine_lost' }])
  expect(first.calls).toEqual(['expect 4', 'start 1', 'write', 'finish', 'close', 'closed'])
  expect(second.calls).toEqual(['expect 4'])
})

test('an utterance that is open ends with a fault when it is finished; the next is heard', async () => {
  const { second, link, events, ears } = setUp()
  ears.start(1)
  await link.replace(second)
  ears.write(frame)
  expect(events).toEqual([])
  ears.finish()
  expect(events).toEqual([{ type: 'fault', utterance: 1, code: 'engine_lost' }])
  ears.start(2)
  ears.write(frame)
  ears.finish()
  second.options!.onEvent({
    type: 'final',
    utterance: 2,
    text: 'yes',
    noMatch: false,
    confidence: 1,
  })
  expect(second.calls).toEqual(['start 2', 'write', 'finish'])
  expect(events).toHaveLength(2)
})

test('what the old engine still says is not believed, and closed ears do not move', async () => {
  const { first, second, link, events, ears } = setUp()
  ears.start(1)
  await link.replace(second)
  first.options!.onEvent({ type: 'partial', utterance: 1, text: 'ye' })
  ears.cancel()
  expect(events).toEqual([])
  ears.close()
  const third = new Engine()
  await link.replace(third)
  expect(third.options).toBeNull()
  expect(link.mouth.wordTimes).toBe('exact')
})

test('ears are what hears them now, and a new engine worker begins with the one that was asked for', async () => {
  const [first, second] = [new Engine(), new Engine()]
  const free = { recognizer: 'free', endsTurns: true, finalLimitMs: 850 } as const
  const own = { recognizer: 'phrases', endsTurns: false, finalLimitMs: 1000 } as const
  const link = new SpeechLink(first, 'phrases', { cloud: free, embedded: own })
  const events: EarsEvent[] = []
  const ears = link.openEars({
    engine: 'cloud',
    language: 'en',
    phrases: [],
    onEvent: (event) => void events.push(event),
  })
  expect(ears).toMatchObject({ recognizer: 'free', endsTurns: true, finalLimitMs: 850 })
  const change = { from: 'cloud', to: 'embedded', reason: 'dropped' }
  first.options!.onEvent({ type: 'switched', recognizer: 'phrases', ...change })
  expect(ears).toMatchObject({ recognizer: 'phrases', endsTurns: false, finalLimitMs: 1000 })
  await link.replace(second)
  expect(second.options).toMatchObject({ engine: 'cloud' })
  expect(ears).toMatchObject({ recognizer: 'free', endsTurns: true })
  expect(events.map((event) => event.type === 'switched' && [event.from, event.to])).toEqual([
    ['cloud', 'embedded'],
    ['embedded', 'cloud'],
  ])
  const unnamed = link.openEars({ language: 'en', phrases: [], onEvent: () => {} })
  expect(unnamed.recognizer).toBe('phrases')
})
