// Ears in need: which engine takes over when, what it is given, and what is told of it.
import { SimClock, silentLog } from '@saperly/kernel'
import { beforeEach, describe, expect, it } from 'vitest'
import { Breaker, MAX_FAILURES, OPEN_MS } from './breaker.ts'
import { FallbackEars, MAX_KEPT_FRAMES, NO_EVENT_LIMIT_MS, type Hearer } from './fallback-ears.ts'
import type { Ears, EarsEvent, EarsOptions } from './port.ts'

const FINAL_LIMIT_MS = 850
const FRAME = new Int16Array(160)

/** Ears that do what the test says, and remember what they were given. */
class Scripted implements Ears {
  readonly recognizer: 'phrases' | 'free'
  readonly calls: string[] = []
  frames: number[] = []
  readonly #options: EarsOptions
  utterance = -1

  constructor(recognizer: 'phrases' | 'free', options: EarsOptions) {
    this.recognizer = recognizer
    this.#options = options
  }

  expect(expected: { phrases?: readonly string[] }): void {
    this.calls.push(`expect ${expected.phrases?.join()}`)
  }
  start(utterance: number): void {
    this.utterance = utterance
    this.frames = []
    this.calls.push(`start ${utterance}`)
  }
  write(frame: Int16Array): void {
    this.frames.push(frame[0]!)
  }
  finish = (): void => void this.calls.push('finish')
  cancel = (): void => void this.calls.push('cancel')
  close = (): void => void this.calls.push('close')

  partial(text: string): void {
    this.#options.onEvent({ type: 'partial', utterance: this.utterance, text })
  }
  final(text: string): void {
    const { utterance } = this
    this.#options.onEvent({ type: 'final', utterance, text, noMatch: false, confidence: 1 })
  }
  fault(code: string): void {
    this.#options.onEvent({ type: 'fault', utterance: this.utterance, code })
  }
}

let clock: SimClock
let events: EarsEvent[]
let opened: Record<string, Scripted[]>
beforeEach(() => {
  clock = new SimClock()
  events = []
  opened = {}
})

function hearer(name: string, more: { partials?: boolean; own?: boolean } = {}): Hearer {
  const recognizer = more.own ? 'phrases' : 'free'
  return {
    name,
    breaker: more.own ? null : new Breaker(clock),
    ears: {
      recognizer,
      endsTurns: false,
      finalLimitMs: FINAL_LIMIT_MS,
      partials: more.partials ?? true,
      open: (options) => {
        const ears = new Scripted(recognizer, options)
        ;(opened[name] ??= []).push(ears)
        return ears
      },
    },
  }
}

function open(chain: Hearer[], phrases: string[] = [], wanted = 'first'): FallbackEars {
  return new FallbackEars(
    { language: 'en-US', phrases, onEvent: (event) => void events.push(event) },
    { chain, wanted, phrases: hearer('embedded', { own: true }), clock, log: silentLog },
  )
}

const last = (name: string): Scripted => opened[name]!.at(-1)!
const told = (): string[] =>
  events.map((event) => {
    if (event.type === 'switched') return `${event.from} > ${event.to}: ${event.reason}`
    return event.type === 'fault'
      ? `fault ${event.code}`
      : `${event.type} ${'text' in event ? event.text : ''}`
  })

/** Frames that can be told from each other. */
function write(ears: FallbackEars, count: number): void {
  for (let i = 0; i < count; i++) ears.write(new Int16Array(160).fill(i))
}

describe('fallback ears', () => {
  it('stay out of the way of an engine that works', async () => {
    const ears = open([hearer('first'), hearer('second')])
    ears.expect({ phrases: ['x'] })
    ears.start(1)
    write(ears, 3)
    last('first').partial('he')
    ears.finish()
    last('first').final('hello')
    await clock.advance(60_000)
    expect(told()).toEqual(['partial he', 'final hello'])
    expect(opened['second']).toBeUndefined()
    expect(last('first').calls).toEqual(['expect x', 'start 1', 'finish'])
    ears.close()
  })

  it('replay the utterance to the next engine, which then keeps the call', () => {
    const ears = open([hearer('first'), hearer('second')])
    ears.expect({ phrases: ['x'] })
    ears.start(7)
    write(ears, 5)
    last('first').fault('dropped')
    write(ears, 2)
    ears.finish()
    last('second').final('all of it')
    expect(told()).toEqual(['first > second: dropped', 'final all of it'])
    expect(last('second').frames).toEqual([0, 1, 2, 3, 4, 0, 1])
    expect(last('second').calls).toEqual(['expect x', 'start 7', 'finish'])
    expect(last('first').calls.at(-1)).toBe('close')
    ears.start(8)
    ears.finish()
    last('second').final('more')
    expect(opened['first']).toHaveLength(1)
    expect(told()).toHaveLength(3)
  })

  it('give up an engine that says nothing while the peer speaks', async () => {
    const ears = open([hearer('first'), hearer('second')])
    ears.start(1)
    await clock.advance(NO_EVENT_LIMIT_MS)
    expect(told()).toEqual(['first > second: no_event'])
    last('second').partial('')
    await clock.advance(NO_EVENT_LIMIT_MS)
    expect(told()).toEqual(['first > second: no_event', 'partial '])
    ears.close()
  })

  it('wait longer for one that never says anything before the end', async () => {
    const ears = open([hearer('first', { partials: false }), hearer('second')])
    ears.start(1)
    await clock.advance(20_000)
    expect(events).toEqual([])
    ears.close()
  })

  it('give up an engine whose final text is late, and finish with the next', async () => {
    const ears = open([hearer('first'), hearer('second')])
    ears.start(1)
    write(ears, 2)
    last('first').partial('he')
    ears.finish()
    await clock.advance(FINAL_LIMIT_MS)
    expect(told()).toEqual(['partial he', 'first > second: final_late'])
    expect(last('second').calls).toEqual(['start 1', 'finish'])
    last('first').final('too late')
    last('second').final('in time')
    expect(told().at(-1)).toBe('final in time')
  })

  it('never fall to a recogniser of phrases that was given none', async () => {
    const ears = open([hearer('first')])
    ears.start(1)
    write(ears, 2)
    last('first').fault('dropped')
    expect(ears.recognizer).toBe('free')
    ears.finish()
    expect(told()).toEqual(['first > null: dropped', 'fault no_engine'])
    expect(opened['embedded']).toBeUndefined()
    // The next utterance tries again, and that is told, too.
    ears.start(2)
    ears.finish()
    last('first').final('here again')
    expect(told().slice(2)).toEqual(['null > first: recovered', 'final here again'])
  })

  it('take phrases where the agent gave some, say so, and go back to any words', () => {
    const ears = open([hearer('first')], ['yes please'])
    ears.start(1)
    write(ears, 2)
    last('first').fault('dropped')
    expect(ears.recognizer).toBe('phrases')
    expect(events[0]).toMatchObject({ type: 'switched', to: 'embedded', recognizer: 'phrases' })
    ears.finish()
    last('embedded').final('yes please')
    ears.start(2)
    expect(ears.recognizer).toBe('free')
    expect(told()).toEqual([
      'first > embedded: dropped',
      'final yes please',
      'embedded > first: recovered',
    ])
    ears.close()
  })

  it('take phrases that are expected now, and not those of a question before', () => {
    const ears = open([hearer('first')])
    ears.expect({ phrases: ['blue'] })
    ears.expect({})
    ears.start(1)
    last('first').fault('dropped')
    expect(told()).toEqual(['first > null: dropped'])
    ears.cancel()
    ears.expect({ phrases: ['red'] })
    ears.start(2)
    last('first').fault('dropped')
    expect(told().slice(1)).toEqual(['null > first: recovered', 'first > embedded: dropped'])
    expect(last('embedded').calls).toEqual(['expect red', 'start 2'])
  })

  it('leave an engine alone that failed often, for all calls, and try it once after a rest', async () => {
    const [first, second] = [hearer('first'), hearer('second')]
    for (let i = 0; i < MAX_FAILURES; i++) first.breaker!.failed()
    const ears = open([first, second])
    expect(opened['first']).toBeUndefined()
    ears.start(1)
    expect(told()).toEqual(['first > second: circuit_open'])
    ears.close()
    await clock.advance(OPEN_MS)
    events = []
    const [one, two] = [open([first, second]), open([first, second])]
    one.start(1)
    two.start(1)
    expect(told()).toEqual(['first > second: circuit_open'])
    one.finish()
    last('first').final('works')
    expect(first.breaker!.state).toBe('closed')
    two.close()
  })

  it('use what there is when the wanted engine is not configured any more', () => {
    const ears = open([hearer('second')], [], 'gone')
    ears.start(1)
    ears.finish()
    last('second').final('heard')
    expect(told()).toEqual(['gone > second: not_configured', 'final heard'])
  })

  it('keep no more audio than the bound, and none of an utterance that is over', () => {
    const ears = open([hearer('first'), hearer('second')])
    ears.start(1)
    write(ears, MAX_KEPT_FRAMES + 30)
    last('first').fault('dropped')
    expect(last('second').frames).toHaveLength(MAX_KEPT_FRAMES)
    expect(last('second').frames[0]).toBe(30)
    ears.cancel()
    ears.start(2)
    ears.write(FRAME)
    last('second').fault('dropped')
    expect(last('first').frames).toEqual([0])
    ears.close()
  })

  it('tell nothing of a cancelled utterance, and hold no timer when closed', async () => {
    const ears = open([hearer('first')])
    ears.start(1)
    ears.cancel()
    last('first').fault('dropped')
    ears.start(2)
    ears.close()
    last('first').final('nobody listens')
    await clock.advance(60_000)
    expect(events).toEqual([])
    expect(clock.pending()).toBe(0)
  })
})
