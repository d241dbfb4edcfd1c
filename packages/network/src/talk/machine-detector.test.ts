// Person or machine: each verdict, its revisions and its bounds, on frames of voice and silence and on real voices.
import { seededRandom } from '@saperly/kernel'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeG711, encodeG711 } from '../codec/g711.ts'
import { FliteProgram } from '../speech/flite-wasi.ts'
import { FliteMouth } from '../speech/flite.ts'
import { createFvad } from '../speech/fvad.ts'
import { FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE, samplesOf } from '../speech/pcm.ts'
import { ActivityDetector } from './activity.ts'
import { MachineDetector, type MachineVerdict } from './machine-detector.ts'
import { MACHINE_TUNING as T } from './machine-tuning.ts'
import { stepVerdict, VERDICTS, type Finding, type VerdictState } from './machine-verdict.ts'
import { Leg } from './testing.ts'

const QUIET = new Int16Array(FRAME_SAMPLES)
/** Loud, and no tone. */
const random = seededRandom(3)
const LOUD = Int16Array.from({ length: FRAME_SAMPLES }, () => random.int(-9_000, 9_000))
const BEEP = Int16Array.from({ length: FRAME_SAMPLES }, (_, i) =>
  Math.round(8_000 * Math.sin((2 * Math.PI * 1_000 * i) / SAMPLE_RATE)),
)

class Run {
  readonly detector = new MachineDetector()
  readonly verdicts: MachineVerdict[] = []

  voice(ms: number): this {
    return this.#frames(LOUD, true, ms)
  }

  quiet(ms: number): this {
    return this.#frames(QUIET, false, ms)
  }

  beep(ms = 400): this {
    return this.#frames(BEEP, true, ms)
  }

  get told(): string[] {
    return this.verdicts.map(({ verdict }) => verdict)
  }

  #frames(frame: Int16Array, voiced: boolean, ms: number): this {
    for (let passedMs = 0; passedMs < ms; passedMs += FRAME_MS) {
      const verdict = this.detector.observe(frame, { voiced, run: 0, lateMs: 0 })
      this.detector.sent(null)
      if (verdict) this.verdicts.push(verdict)
    }
    return this
  }
}

describe('the verdict', () => {
  it('a short greeting and a silence: human, as soon as the silence has lasted', () => {
    const run = new Run().quiet(400).voice(600).quiet(3_000)
    expect(run.verdicts).toMatchObject([
      { verdict: 'human', ground: 'short', atMs: 1_000 + T.shortSilenceMs },
    ])
  })

  it('a greeting that goes on: machine, before it ends', () => {
    const run = new Run().quiet(400).voice(9_000)
    expect(run.verdicts).toMatchObject([
      { verdict: 'machine', ground: 'long', atMs: 400 + T.machineAfterMs },
    ])
  })

  it('pauses between sentences do not end a greeting', () => {
    const run = new Run().voice(1_500).quiet(900).voice(1_500).quiet(900).voice(1_500)
    expect(run.told).toEqual(['machine'])
  })

  it('silence: somebody who listens', () => {
    const run = new Run().quiet(9_000)
    expect(run.verdicts).toMatchObject([
      { verdict: 'human', ground: 'silent', atMs: T.silentAfterMs },
    ])
  })

  it('a cough is no greeting', () => {
    const run = new Run().quiet(200).voice(60).quiet(1_500).voice(6_000)
    expect(run.told).toEqual(['machine'])
  })

  it('the beep is the last word, whatever was said before, and is told when it is over', () => {
    const machine = new Run().voice(6_000).quiet(500).beep().quiet(1_000).voice(5_000)
    expect(machine.told).toEqual(['machine', 'beep'])
    expect(machine.verdicts[1]!.atMs).toBeGreaterThan(6_900)
    expect(machine.verdicts[1]!.atMs).toBeLessThan(7_200)
    expect(machine.detector.over).toBe(true)
    expect(new Run().voice(700).quiet(1_200).beep().quiet(500).told).toEqual(['human', 'beep'])
  })

  it('a greeting with a long pause is a machine in the end', () => {
    expect(new Run().voice(600).quiet(1_000).voice(8_000).told).toEqual(['human', 'machine'])
  })

  it('a person who talks at length later stays one', () => {
    expect(new Run().voice(600).quiet(8_000).voice(9_000).told).toEqual(['human'])
  })

  it('a long greeting and then nothing, no beep either: a person after all, until one comes', () => {
    const run = new Run().voice(5_000).quiet(7_000)
    expect(run.told).toEqual(['machine', 'human'])
    expect(run.voice(9_000).told).toEqual(['machine', 'human'])
    expect(run.quiet(500).beep().quiet(500).told).toEqual(['machine', 'human', 'beep'])
  })

  it('a whistle long into a conversation is no beep', () => {
    expect(new Run().voice(600).quiet(T.beepAfterHumanMs).beep().quiet(1_000).told).toEqual([
      'human',
    ])
  })

  it('comes in time, and ends, whatever is heard', () => {
    const stretch = fc.record({
      kind: fc.constantFrom('voice', 'quiet', 'beep'),
      ms: fc.integer({ min: 1, max: 250 }).map((frames) => frames * FRAME_MS),
    })
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 60 }), (stretches) => {
        const run = new Run()
        for (const { kind, ms } of stretches) run[kind as 'voice'](ms)
        run.quiet(T.decideByMs)
        expect(run.verdicts[0]!.atMs).toBeLessThanOrEqual(T.decideByMs)
        for (const [i, { verdict, atMs }] of run.verdicts.entries()) {
          expect(verdict).not.toBe(run.told[i - 1])
          expect(atMs).toBeGreaterThanOrEqual(run.verdicts[i - 1]?.atMs ?? 0)
        }
        expect(run.told.indexOf('beep')).toBe(run.told.includes('beep') ? run.told.length - 1 : -1)
        expect(run.quiet(T.watchMs).detector.over).toBe(true)
      }),
      { numRuns: 100 },
    )
  })
})

it('every state has a cell for every finding, and only a beep or the limit ends the watching', () => {
  for (const [state, cells] of Object.entries(VERDICTS)) {
    for (const finding of Object.keys(cells)) {
      const step = stepVerdict(state as VerdictState, finding as Finding)
      const ends = step?.to === 'over'
      expect(ends).toBe(state !== 'over' && (finding === 'beep' || finding === 'limit'))
    }
  }
})

describe('with real voices, through G.711', () => {
  /** What is told of these pieces: texts, pauses in milliseconds, and `BEEP`; `over`: what we say meanwhile. */
  async function judge(pieces: readonly (string | number)[], over: string | null = null) {
    const mouth = new FliteMouth(await FliteProgram.load())
    const ours = over === null ? new Int16Array(0) : mouth.render(over, 'slt').pcm
    const noise = seededRandom(5)
    const sounds = pieces.flatMap((piece) => {
      if (typeof piece === 'number') return Array<number>(samplesOf(piece)).fill(0)
      if (piece === 'BEEP') return [...BEEP, ...BEEP, ...BEEP, ...BEEP, ...BEEP, ...BEEP, ...BEEP]
      return [...mouth.render(piece, 'rms').pcm]
    })
    // Our own words come back, 24 dB weaker and 100 ms later.
    for (const [i, sample] of ours.entries()) {
      const at = i + samplesOf(100)
      if (at < sounds.length) sounds[at]! += sample * 0.06
    }
    const noisy = Int16Array.from(sounds, (x) => Math.round(x * 0.5 + noise.int(-60, 60)))
    const pcm = decodeG711('PCMU', encodeG711('PCMU', noisy))
    const activity = new ActivityDetector(await createFvad(3))
    const detector = new MachineDetector()
    const told: string[] = []
    for (let at = 0; at + FRAME_SAMPLES <= pcm.length; at += FRAME_SAMPLES) {
      const frame = pcm.subarray(at, at + FRAME_SAMPLES)
      const verdict = detector.observe(frame, activity.observe(frame))
      if (verdict) told.push(verdict.verdict)
      const sent = ours.subarray(at, at + FRAME_SAMPLES)
      detector.sent(sent.length === FRAME_SAMPLES ? sent : null)
    }
    activity.close()
    return told
  }

  const SPEECH =
    'Hello, this is an automated AI assistant calling for Acme. To stop calls like this one, press nine at any time.'

  it('a person', async () => {
    expect(await judge([600, 'Hello?', 4_000])).toEqual(['human'])
    expect(await judge([600, 'Anna Miller speaking.', 4_000])).toEqual(['human'])
  })

  it('a machine', async () => {
    const greeting = ['Hi, you have reached Anna. I am not here.', 300, 'Please leave a message.']
    expect(await judge([500, ...greeting, 300, 'Thank you, goodbye.', 800, 'BEEP', 1_000])).toEqual(
      ['machine', 'beep'],
    )
  })

  it('an echo of ours is nobody’s greeting', async () => {
    expect(await judge([9_000], SPEECH)).toEqual(['human'])
    expect(await judge([600, 'Hello?', 8_000], SPEECH)).toEqual(['human'])
  })
})

describe('on a leg', () => {
  it('is told where it is asked for, with the time of the call', async () => {
    const leg = new Leg({ detectMachine: true })
    await leg.quiet(400)
    await leg.voice(600)
    await leg.quiet(1_000)
    const [machine, ...more] = leg.of('machine')
    expect(more).toEqual([])
    expect(machine).toMatchObject({ verdict: 'human', atMs: 1_000 + T.shortSilenceMs })
    expect(machine!.at - leg.startedAt).toBe(machine!.atMs)
  })

  it('is not told elsewhere', async () => {
    const leg = new Leg()
    await leg.voice(6_000)
    expect(leg.of('machine')).toEqual([])
  })
})
