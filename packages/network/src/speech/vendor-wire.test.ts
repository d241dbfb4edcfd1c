// What vendors send is read without trust: any JSON whatever is taken or refused, and never thrown at.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCartesia } from './cartesia-wire.ts'
import { FluxTurns, readTurnInfo } from './flux-turns.ts'

const EVENTS = ['Update', 'StartOfTurn', 'EagerEndOfTurn', 'TurnResumed', 'EndOfTurn'] as const

/** Objects that have the right fields, with right and wrong things in them. */
const like = (names: readonly string[]): fc.Arbitrary<Record<string, unknown>> =>
  fc.dictionary(
    fc.constantFrom(...names),
    fc.oneof(fc.jsonValue(), fc.constantFrom(...EVENTS, 'chunk', 'done', 'timestamps', 'error', 1)),
  )

test('TurnInfo of any kind', () => {
  const fields = ['event', 'sequence_id', 'turn_index', 'transcript', 'audio_window_end', 'words']
  fc.assert(
    fc.property(like(fields), (message) => {
      const info = readTurnInfo(message)
      if (info) expect(info.confidence).toSatisfy((value: number) => value >= 0 && value <= 1)
    }),
    { numRuns: 2_000 },
  )
})

test('messages of Cartesia of any kind', () => {
  const fields = ['type', 'context_id', 'data', 'word_timestamps', 'error_code', 'status_code']
  fc.assert(
    fc.property(like(fields), (message) => {
      const read = readCartesia(message)
      if (read?.type === 'error') expect(read.code).toMatch(/^(vendor|refused)_[a-z0-9_]*$/)
    }),
    { numRuns: 2_000 },
  )
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
