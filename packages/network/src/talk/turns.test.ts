// The peer's turns on simulated media time: when they end, what they say, and what comes of silence and keys.
import { describe, expect, it } from 'vitest'
import { MAX_PART_MS } from './listener.ts'
import { Leg } from './testing.ts'

describe('a turn', () => {
  it('is told once, after the wait of its rule, with its times', async () => {
    const leg = new Leg()
    await leg.quiet(200)
    await leg.says('hello there')
    const [turn] = leg.of('turn')
    expect(leg.types()).toEqual(['turn'])
    expect(turn).toEqual({
      type: 'turn',
      text: 'hello there',
      noMatch: false,
      confidence: 0.9,
      recognizer: 'free',
      startedAt: leg.startedAt + 200,
      endedAt: leg.startedAt + 800,
      endpointingMs: 800,
      waitMs: 800,
    })
  })

  it('counts the recogniser into endpointing, not into the wait', async () => {
    const leg = new Leg({ endpointingMs: 200 })
    leg.ears.delayMs = 130
    await leg.says('yes')
    expect(leg.of('turn')).toMatchObject([{ waitMs: 200, endpointingMs: 330 }])
  })

  it('gives the recogniser the audio before the onset', async () => {
    const leg = new Leg()
    await leg.quiet(400)
    await leg.voice(60)
    expect(leg.ears.calls).toEqual(['start 1'])
    expect(leg.ears.frames).toBe(15)
  })

  it('waits for the pause of an unfinished partial', async () => {
    const leg = new Leg()
    leg.ears.next.push('I would like and then some')
    await leg.voice(600)
    leg.ears.partial('I would like and')
    await leg.quiet(1_400)
    expect(leg.events).toEqual([])
    await leg.quiet(200)
    expect(leg.of('turn')).toMatchObject([{ waitMs: 1_500 }])
  })

  it('ends at once when the expected digits were spoken, and swallows the rest of that voice', async () => {
    const leg = new Leg({ recognizer: 'phrases' })
    leg.listen({ digits: 4 })
    leg.ears.next.push('one two three four')
    await leg.voice(900)
    leg.ears.partial('one two three four')
    expect(leg.of('turn')).toMatchObject([{ text: 'one two three four', waitMs: 0 }])
    await leg.voice(100)
    await leg.quiet(2_000)
    expect(leg.of('turn')).toHaveLength(1)
  })

  it('comes as noMatch when the recogniser understood nothing', async () => {
    const leg = new Leg({ recognizer: 'phrases' })
    await leg.says('')
    expect(leg.of('turn')).toMatchObject([
      { text: '', noMatch: true, confidence: 0, recognizer: 'phrases', waitMs: 500 },
    ])
  })

  it('comes as noMatch when the recogniser is silent for a second or gone', async () => {
    const late = new Leg({ endpointingMs: 200 })
    late.ears.delayMs = null
    await late.voice(400)
    await late.quiet(1_160)
    expect(late.events).toEqual([])
    await late.quiet(60)
    expect(late.of('turn')).toMatchObject([{ noMatch: true, endpointingMs: 1_200 }])

    const gone = new Leg({ endpointingMs: 200 })
    await gone.voice(300)
    gone.ears.fault()
    await gone.quiet(300)
    expect(gone.of('turn')).toMatchObject([{ noMatch: true }])
    expect(gone.ears.calls).toEqual(['start 1', 'cancel 1'])
  })

  it('keeps a text that came too late for the turn that follows soon', async () => {
    const leg = new Leg({ endpointingMs: 200 })
    leg.ears.delayMs = null
    await leg.voice(400)
    await leg.quiet(1_300)
    leg.ears.final(1, 'my name')
    leg.ears.delayMs = 0
    await leg.says('is Ann')
    expect(leg.of('turn').map(({ text }) => text)).toEqual(['', 'my name is Ann'])
  })

  it('is one when the peer goes on before its text is known', async () => {
    const leg = new Leg({ endpointingMs: 200 })
    leg.ears.delayMs = 300
    leg.ears.next.push('I would like', 'a table')
    await leg.voice(400)
    await leg.quiet(240)
    await leg.voice(400)
    await leg.quiet(800)
    expect(leg.types()).toEqual(['turn'])
    expect(leg.of('turn')).toMatchObject([
      { text: 'I would like a table', startedAt: leg.startedAt, endedAt: leg.startedAt + 1_040 },
    ])
  })

  it('is not made by a click', async () => {
    const leg = new Leg()
    await leg.voice(60)
    await leg.quiet(2_000)
    expect(leg.ears.calls).toEqual(['start 1', 'cancel 1'])
    await leg.voice(100)
    await leg.quiet(2_000)
    expect(leg.ears.calls.slice(2)).toEqual(['start 2', 'finish 2'])
    expect(leg.events).toEqual([])
  })

  it('may be a faint voice, if a word is recognised in it', async () => {
    const leg = new Leg()
    await leg.says('stop', 100)
    expect(leg.of('turn')).toMatchObject([{ text: 'stop' }])
  })

  it('is cut at its greatest length, and the next one is not lost', async () => {
    const leg = new Leg()
    leg.ears.next.push('a long story', 'goes on')
    await leg.voice(MAX_PART_MS + 2_000)
    leg.ears.partial('goes on')
    await leg.quiet(1_000)
    expect(leg.of('turn').map(({ text }) => text)).toEqual(['a long story', 'goes on'])
  }, 60_000)

  it('is heard by both the detector and the gate', async () => {
    let speechlike = false
    const modes: number[] = []
    let closed = 0
    const vad = {
      process: () => speechlike,
      setMode: (mode: 2 | 3) => void modes.push(mode),
      close: () => void closed++,
    }
    const leg = new Leg({ vad })
    await leg.voice(100)
    expect(leg.ears.calls).toEqual([])
    speechlike = true
    await leg.quiet(100)
    expect(leg.ears.calls).toEqual([])
    await leg.voice(60)
    expect(leg.ears.calls).toEqual(['start 1'])
    leg.talk.close()
    leg.talk.close()
    expect(modes[0]).toBe(3)
    expect(closed).toBe(1)
  })
})

describe('resumed', () => {
  it('is told when the peer goes on before anything was played, and a turn follows', async () => {
    const leg = new Leg()
    await leg.says('book a table')
    await leg.says('for two')
    expect(leg.types()).toEqual(['turn', 'resumed', 'turn'])
  })

  it('is not told for a click, nor after an answer', async () => {
    const leg = new Leg()
    await leg.says('book a table')
    await leg.voice(60)
    await leg.quiet(600)
    leg.speak('Certainly.')
    await leg.quiet(600)
    await leg.says('thanks')
    expect(leg.types()).toEqual(['turn', 'speaking', 'spoke', 'turn'])
  })

  it('is not told after an answer without words', async () => {
    const leg = new Leg()
    await leg.says('hold on')
    leg.listen()
    await leg.says('here I am')
    expect(leg.types()).toEqual(['turn', 'turn'])
  })

  it('holds an answer back until the peer has finished', async () => {
    const leg = new Leg()
    await leg.says('book a table')
    leg.ears.next.push('for two')
    await leg.voice(100)
    leg.speak('For how many?')
    await leg.voice(400)
    expect(leg.sentMs).toBe(0)
    await leg.quiet(1_600)
    expect(leg.types()).toEqual(['turn', 'resumed', 'turn', 'speaking', 'spoke'])
  })
})

describe('silence', () => {
  it('counts from the end of our speech, and is told once', async () => {
    const leg = new Leg()
    leg.speak('Are you there?')
    leg.listen({}, 1_000)
    await leg.quiet(1_500)
    expect(leg.types()).toEqual(['speaking', 'spoke'])
    await leg.quiet(200)
    expect(leg.events.at(-1)).toEqual({ type: 'silence', seconds: 1 })
    await leg.quiet(3_000)
    expect(leg.of('silence')).toHaveLength(1)
  })

  it('is not told after a turn, and begins anew with a key', async () => {
    const leg = new Leg()
    leg.listen({}, 1_000)
    await leg.quiet(900)
    leg.talk.digit('4', leg.clock.now())
    await leg.quiet(900)
    expect(leg.types()).toEqual(['digits'])
    await leg.says('yes')
    await leg.quiet(3_000)
    expect(leg.types()).toEqual(['digits', 'turn'])
  })
})

describe('expectations', () => {
  it('reach the recogniser at once, but not in the middle of an utterance', async () => {
    const leg = new Leg({ endpointingMs: 200 })
    leg.listen({ phrases: ['yes'] })
    expect(leg.ears.expected).toEqual([{ phrases: ['yes'] }])
    await leg.voice(300)
    leg.listen({ phrases: ['no'] })
    expect(leg.ears.expected).toHaveLength(1)
    await leg.quiet(300)
    expect(leg.ears.expected).toEqual([{ phrases: ['yes'] }, { phrases: ['no'] }])
  })

  it('end a turn at once when the digits are pressed', async () => {
    const leg = new Leg()
    leg.listen({ digits: 2 })
    leg.ears.next.push('it is')
    await leg.voice(300)
    leg.talk.digit('1', leg.clock.now())
    leg.talk.digit('2', leg.clock.now())
    await leg.quiet(20)
    expect(leg.types()).toEqual(['digits', 'digits', 'turn'])
  })
})
