// Whatever happens on a leg, in any order: nothing impossible comes up, and no event is lost or told twice.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Leg } from './testing.ts'

type Step =
  | { do: 'voice' | 'quiet'; ms: number }
  | { do: 'partial' | 'hears'; text: string }
  | { do: 'fault' | 'stop' | 'listen' | 'digit' | 'sendDigits' | 'digitsDone' }
  | { do: 'recogniser'; delayMs: number | null }
  | { do: 'speak'; id: number; text: string; more: boolean; kind: 'plain' | 'firm' | 'protected' }

const ms = fc.integer({ min: 1, max: 60 }).map((frames) => frames * 20)
const heard = fc.constantFrom('', 'mhm', 'yes', 'one two', 'I want and', 'Stop it.')
const said = fc.constantFrom(
  '',
  ' ',
  'Hi',
  ' and then ',
  'A whole sentence it is.',
  'One more, of several words, for you. And another one.',
  'This is BROKEN.',
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('voice', 'quiet'), ms }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('partial', 'hears'), text: heard }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('fault', 'stop', 'listen', 'digit', 'sendDigits', 'digitsDone'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('recogniser'),
      delayMs: fc.constantFrom(0, 60, 300, 1_400, null),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('speak'),
      id: fc.integer({ min: 0, max: 3 }),
      text: said,
      more: fc.boolean(),
      kind: fc.constantFrom('plain', 'plain', 'firm', 'protected'),
    }),
  },
) as fc.Arbitrary<Step>

/** What was asked of the leg that has to be answered. */
interface Asked {
  utterances: number
  /** Ids that still want more; a cut one swallows what comes until its end. */
  open: Set<string>
}

async function act(leg: Leg, step: Step, asked: Asked): Promise<void> {
  switch (step.do) {
    case 'voice':
      return leg.voice(step.ms)
    case 'quiet':
      return leg.quiet(step.ms)
    case 'partial':
      return leg.ears.partial(step.text)
    case 'hears':
      return void leg.ears.next.push(step.text)
    case 'fault':
      return leg.ears.fault()
    case 'stop':
      return leg.talk.command({ type: 'stop' })
    case 'listen':
      return leg.listen({ digits: 2 }, 700)
    case 'digit':
      return leg.talk.digit('5', leg.clock.now())
    case 'sendDigits':
      return leg.talk.command({ type: 'sendDigits', digits: '12' })
    case 'digitsDone':
      return leg.pressed.shift()?.done()
    case 'recogniser':
      leg.ears.delayMs = step.delayMs
      return
    case 'speak': {
      const utteranceId = `${step.kind}${step.id}`
      if (!asked.open.has(utteranceId)) asked.utterances++
      if (step.more) asked.open.add(utteranceId)
      else asked.open.delete(utteranceId)
      leg.speak(step.text, {
        utteranceId,
        more: step.more,
        interruptible: step.kind === 'plain',
        protected: step.kind === 'protected',
      })
    }
  }
}

function check(leg: Leg, asked: Asked): void {
  const spoke = leg.of('spoke')
  expect(spoke).toHaveLength(asked.utterances)
  for (const { utteranceId, outcome, heard, text, startedAt, endedAt } of spoke) {
    if (!utteranceId.startsWith('plain')) expect(outcome).not.toBe('interrupted')
    expect(text.replaceAll(/\s+/gu, ' ')).toContain(heard.trim().replaceAll(/\s+/gu, ' '))
    expect(endedAt).toBeGreaterThanOrEqual(startedAt)
  }
  expect(leg.of('speaking').length).toBeLessThanOrEqual(asked.utterances)
  expect(leg.of('turn').length).toBeLessThanOrEqual(leg.ears.utterance)
  for (const turn of leg.of('turn')) expect(turn.noMatch).toBe(turn.text === '')
  const told = leg.types().filter((type) => type === 'turn' || type === 'resumed')
  // A turn comes before each `resumed`, and one follows it.
  expect(told.join(' ')).toMatch(/^(turn ?|(?<=turn )resumed (?=turn))*$/u)
}

it('no order of events breaks the leg', async () => {
  expect.hasAssertions()
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.constantFrom<'phrases' | 'free'>('phrases', 'free'),
      async (steps, recognizer) => {
        const leg = new Leg({ recognizer })
        const asked: Asked = { utterances: 0, open: new Set() }
        for (const one of steps) await act(leg, one, asked)
        await leg.quiet(4_600)
        leg.talk.close()
        check(leg, asked)
      },
    ),
    { numRuns: 60 },
  )
}, 120_000)
