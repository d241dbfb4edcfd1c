// What vendors send is read without trust: any JSON whatever is taken or refused, and never thrown at.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCartesia } from './cartesia-wire.ts'
import { FluxTurns, readTurnInfo } from './flux-turns.ts'

const EVENTS = ['Update', 'StartOfTurn', 'EagerEndOfTurn', 'TurnResumed', 'EndOfTurn'] as const

/** Objects whose fields are mostly as documented, and sometimes anything or absent. */
const like = (
  fields: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<Record<string, unknown>> =>
  fc.record(
    Object.fromEntries(
      Object.entries(fields).map(([name, good]) => [
        name,
        fc.oneof({ weight: 9, arbitrary: good }, { weight: 1, arbitrary: fc.jsonValue() }),
      ]),
    ),
    { requiredKeys: Object.keys(fields).slice(0, -2) },
  )

test('TurnInfo of any kind', () => {
  const word = like({ confidence: fc.double({ min: -1, max: 2 }), word: fc.string() })
  const message = like({
    event: fc.constantFrom(...EVENTS),
    sequence_id: fc.nat(),
    turn_index: fc.nat(),
    transcript: fc.string(),
    audio_window_end: fc.double(),
    words: fc.array(word),
  })
  const verdicts = { taken: 0, refused: 0 }
  fc.assert(
    fc.property(message, (one) => {
      const info = readTurnInfo(one)
      verdicts[info ? 'taken' : 'refused']++
      return info === null || (info.confidence >= 0 && info.confidence <= 1)
    }),
    { numRuns: 2_000 },
  )
  expect(Math.min(verdicts.taken, verdicts.refused)).toBeGreaterThan(100)
})

test('messages of Cartesia of any kind', () => {
  const times = like({
    words: fc.array(fc.string()),
    start: fc.array(fc.double()),
    end: fc.array(fc.double()),
  })
  const message = like({
    type: fc.constantFrom('chunk', 'timestamps', 'done', 'error', 'flush_done'),
    context_id: fc.string(),
    data: fc.base64String(),
    word_timestamps: times,
    error_code: fc.string(),
    status_code: fc.oneof(fc.nat(700), fc.double()),
  })
  const kinds = new Set<string | undefined>()
  fc.assert(
    fc.property(message, (one) => {
      const read = readCartesia(one)
      kinds.add(read?.type)
      if (read?.type === 'error') expect(read.code).toMatch(/^(vendor|refused)_[a-z0-9_]{0,40}$/)
    }),
    { numRuns: 2_000 },
  )
  expect(kinds.size).toBe(6)
})

test('turns in any order give texts of their utterance only, each turn once', () => {
  const info = fc.record({
    event: fc.constantFrom(...EVENTS),
    sequence: fc.nat(50),
    turn: fc.nat(6),
    untilMs: fc.nat(2_000),
    confidence: fc.constant(0.5),
  })
  fc.assert(
    fc.property(fc.array(info, { maxLength: 40 }), fc.nat(2_000), (infos, fromMs) => {
      const turns = new FluxTurns()
      turns.begin(0)
      for (const one of infos) turns.apply({ ...one, transcript: `old${one.turn}` })
      turns.begin(fromMs)
      expect(turns.text).toBe('')
      for (const one of infos) turns.apply({ ...one, transcript: `new${one.turn}` })
      const said = turns.text === '' ? [] : turns.text.split(' ')
      expect(new Set(said).size).toBe(said.length)
      expect(said.every((text) => text.startsWith('new'))).toBe(true)
    }),
  )
})
