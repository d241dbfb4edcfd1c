// What a leg makes of engines that know ends of turns, and of engines that change in mid-call.
import { describe, expect, it } from 'vitest'
import type { AudioChunk, EarsEvent, Mouth } from '../speech/port.ts'
import { Leg } from './testing.ts'

describe('an engine that knows ends of turns', () => {
  it('ends the turn at its word, long before the rules would', async () => {
    const leg = new Leg({ endsTurns: true })
    leg.ears.next.push('I would like to')
    await leg.voice(600)
    leg.ears.partial('I would like to')
    await leg.quiet(200)
    expect(leg.types()).toEqual([])
    leg.ears.event({ type: 'endOfTurn', utterance: 1 })
    expect(leg.of('turn')).toMatchObject([{ text: 'I would like to', waitMs: 0 }])
  })

  it('is waited for, but not without end', async () => {
    const leg = new Leg({ endsTurns: true })
    leg.ears.next.push('Hello.')
    await leg.voice(600)
    leg.ears.partial('Hello.')
    await leg.quiet(1_400)
    expect(leg.types()).toEqual([])
    await leg.quiet(200)
    expect(leg.of('turn')).toMatchObject([{ text: 'Hello.', waitMs: 1_500 }])
  })

  it('does not cut a peer who goes on: words after its verdict take it back', async () => {
    const leg = new Leg({ endsTurns: true })
    await leg.voice(600)
    leg.ears.partial('One.')
    leg.ears.event({ type: 'endOfTurn', utterance: 1 })
    await leg.voice(300)
    leg.ears.partial('One. Two.')
    await leg.voice(1_000)
    expect(leg.types()).toEqual([])
    leg.ears.next.push('One. Two.')
    await leg.quiet(20)
    leg.ears.event({ type: 'endOfTurn', utterance: 1 })
    await leg.quiet(100)
    expect(leg.of('turn')).toMatchObject([{ text: 'One. Two.' }])
  })

  it('ends a turn in a noise that a detector takes for a voice', async () => {
    const leg = new Leg({ endsTurns: true })
    leg.ears.next.push('Hello.')
    await leg.voice(600)
    leg.ears.partial('Hello.')
    leg.ears.event({ type: 'endOfTurn', utterance: 1 })
    await leg.voice(580)
    expect(leg.types()).toEqual([])
    await leg.voice(60)
    expect(leg.of('turn')).toMatchObject([{ text: 'Hello.' }])
  })

  it('yields to the connection’s own wait, and to digits that are missing', async () => {
    const own = new Leg({ endsTurns: true, endpointingMs: 700 })
    await own.voice(600)
    own.ears.event({ type: 'endOfTurn', utterance: 1 })
    await own.quiet(600)
    expect(own.types()).toEqual([])
    const digits = new Leg({ endsTurns: true })
    digits.listen({ digits: 4 })
    await digits.voice(600)
    digits.ears.partial('one two')
    digits.ears.event({ type: 'endOfTurn', utterance: 1 })
    await digits.quiet(1_400)
    expect(digits.types()).toEqual([])
  })
})

describe('an engine that is replaced', () => {
  const change = (recognizer: 'phrases' | 'free'): EarsEvent => ({
    type: 'switched',
    from: 'one',
    to: 'two',
    reason: 'final_late',
    recognizer,
  })

  it('is told, gets time to hear the turn again, and the turn says what heard it', async () => {
    const leg = new Leg()
    leg.ears.delayMs = null
    await leg.voice(600)
    await leg.quiet(900)
    leg.ears.recognizer = 'phrases'
    leg.ears.event(change('phrases'))
    expect(leg.of('speechSwitched')).toEqual([
      { type: 'speechSwitched', part: 'hear', from: 'one', to: 'two', reason: 'final_late' },
    ])
    await leg.quiet(2_500)
    expect(leg.of('turn')).toEqual([])
    leg.ears.final(1, 'yes')
    expect(leg.of('turn')).toMatchObject([{ text: 'yes', recognizer: 'phrases' }])
    leg.ears.recognizer = 'free'
    leg.ears.event(change('free'))
    leg.ears.delayMs = 0
    await leg.says('anything')
    expect(leg.of('turn').at(-1)).toMatchObject({ text: 'anything', recognizer: 'free' })
  })
})

describe('a voice that is replaced', () => {
  /** Says which voice was asked for; `bad` is replaced by `good`. */
  class TwoVoices implements Mouth {
    readonly wordTimes = 'exact'
    readonly asked: [text: string, voice: string | null, begun: boolean][] = []
    async *speak(
      text: string,
      voice: string | null,
      _signal: AbortSignal,
      begun = false,
    ): AsyncGenerator<AudioChunk> {
      this.asked.push([text, voice, begun])
      const pcm = new Int16Array(8_000).fill(1_000)
      const switched = { from: 'one', to: 'two', reason: 'refused_429', voice: 'good' }
      yield { pcm, words: [], basis: 'aligned', ...(voice === 'bad' && { switched }) }
    }
  }

  it('stays for the rest of the call, and the change is told once', async () => {
    const mouth = new TwoVoices()
    const leg = new Leg({ voice: 'bad', mouth })
    leg.speak('One is here. Two is here.')
    await leg.quiet(3_000)
    leg.speak('Three is here.')
    await leg.quiet(2_000)
    expect(mouth.asked).toEqual([
      ['One is here.', 'bad', false],
      ['Two is here.', 'good', true],
      ['Three is here.', 'good', false],
    ])
    expect(leg.of('speechSwitched')).toEqual([
      { type: 'speechSwitched', part: 'speak', from: 'one', to: 'two', reason: 'refused_429' },
    ])
    expect(leg.of('spoke').map(({ outcome }) => outcome)).toEqual(['played', 'played'])
  })
})
