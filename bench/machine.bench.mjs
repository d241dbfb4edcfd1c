// Person or machine: error and delay of the detector over a synthesised corpus, for a sweep of its thresholds.
//
// One corpus is what thresholds were chosen on; they are judged by another one, from a seed that nobody looked at before.
import { ActivityDetector } from '../packages/network/dist/talk/activity.js'
import { BeepDetector } from '../packages/network/dist/talk/beep-detector.js'
import { EchoGuard } from '../packages/network/dist/talk/echo.js'
import { MachineDetector } from '../packages/network/dist/talk/machine-detector.js'
import { MACHINE_TUNING } from '../packages/network/dist/talk/machine-tuning.js'
import { createFvad } from '../packages/network/dist/speech/fvad.js'
import { createCorpus } from './machine-corpus.mjs'
import { percentile, table } from './measure.mjs'

const CALLS = 400
const TRAINING_SEED = 20_261
const TRIAL_SEED = 51_966
const FRAME = 160
const SILENCE = new Int16Array(FRAME)
/** A beep that is told within this time of its end was heard. */
const BEEP_LATE_MS = 600
const MACHINE_AFTER_MS = [1_500, 2_000, 2_400, 2_800, 3_200, 3_600, 4_200, 5_000]
const SILENCES_MS = [
  [500, 700],
  [700, 1_000],
  [900, 1_200],
  [1_200, 1_500],
]

export default async function machine(args) {
  const training = await createCorpus(CALLS, TRAINING_SEED)
  const trial = await createCorpus(CALLS, TRIAL_SEED)
  const corpus = [...training, ...trial]
  const before = process.cpuUsage()
  for (const call of corpus) await hear(call)
  const { user, system } = process.cpuUsage(before)
  if (args.includes('--sweep')) {
    const cells = MACHINE_AFTER_MS.flatMap((machineAfterMs) =>
      SILENCES_MS.map(([shortSilenceMs, longSilenceMs]) => {
        const tuning = { ...MACHINE_TUNING, machineAfterMs, shortSilenceMs, longSilenceMs }
        return { tuning, score: judge(training, tuning) }
      }),
    )
    console.log('\nTraining corpus: first verdict, by thresholds')
    table(cells.map(({ tuning, score }) => ({ ...thresholds(tuning), ...first(score) })))
  }
  const score = judge(trial, MACHINE_TUNING)
  console.log(
    `\nTrial corpus, thresholds as they stand: ${JSON.stringify(thresholds(MACHINE_TUNING))}`,
  )
  table([first(score)])
  table([last(score)])
  table([beeps(score)])
  console.log('\nTrial corpus, by kind: how the first and the last verdict were wrong')
  table(byKind(trial))
  console.log('\nGrounds of verdicts, training corpus: how often right')
  table(grounds(training))
  if (args.includes('--wrong')) wrong(trial)
  const frames = corpus.reduce((sum, { frames: { length } }) => sum + length, 0)
  console.log(
    `\nvoice, echo and beep detection: ${((user + system) / frames).toFixed(1)} µs of CPU a frame`,
  )
}

/** What the voice and beep detectors make of a call, once: they don't depend on the thresholds that are swept. */
async function hear(call) {
  const vad = await createFvad(3)
  const activity = new ActivityDetector(vad)
  const detector = new BeepDetector()
  const guard = new EchoGuard()
  call.frames = []
  for (let at = 0; at + FRAME <= call.pcm.length; at += FRAME) {
    const frame = call.pcm.subarray(at, at + FRAME)
    const beep = detector.observe(frame)
    const { voiced, lateMs } = activity.observe(frame)
    const echo = guard.isEcho(frame, voiced && !detector.sounding)
    const ours = call.ours.subarray(at, at + FRAME)
    guard.sent(ours.length === FRAME ? ours : null)
    call.frames.push({ activity: { voiced, lateMs }, beep, sounding: detector.sounding, echo })
  }
  activity.close()
}

/** The verdicts of one call. */
function verdictsOf(call, tuning) {
  let now
  const beeps = {
    get sounding() {
      return now.sounding
    },
    observe: () => now.beep,
  }
  const echo = { sent: () => {}, isEcho: () => now.echo }
  const detector = new MachineDetector({ tuning, beeps, echo })
  const verdicts = []
  for (now of call.frames) {
    const verdict = detector.observe(SILENCE, now.activity)
    if (verdict) verdicts.push(verdict)
  }
  return verdicts
}

function judge(calls, tuning) {
  const score = { human: [], machine: [] }
  for (const call of calls) score[call.truth].push({ call, verdicts: verdictsOf(call, tuning) })
  return score
}

const isWrong = (truth, verdict) => (truth === 'human') !== (verdict.verdict === 'human')
const share = (part, whole) => `${((100 * part) / whole).toFixed(1)} %`
const rateOf = (truth, results, pickOne) =>
  share(
    results.filter(({ verdicts }) => isWrong(truth, verdicts.at(pickOne))).length,
    results.length,
  )

function thresholds({ machineAfterMs, shortSilenceMs, longSilenceMs }) {
  return { machineAfterMs, shortSilenceMs, longSilenceMs }
}

/** Delay of a first verdict: from the answer, and for people from the end of what they said. */
function first({ human, machine: machines }) {
  const fromAnswer = (results) => results.map(({ verdicts }) => verdicts[0].atMs)
  const afterGreeting = human
    .filter(({ call: { kind } }) => kind !== 'silent')
    .map(({ call, verdicts }) => verdicts[0].atMs - call.saidMs)
  return {
    'false machine': rateOf('human', human, 0),
    'false human': rateOf('machine', machines, 0),
    'human: p50 ms': percentile(fromAnswer(human), 0.5),
    'p95 ms': percentile(fromAnswer(human), 0.95),
    'after greeting p50 ms': percentile(afterGreeting, 0.5),
    'machine: p50 ms': percentile(fromAnswer(machines), 0.5),
    'p95 ms ': percentile(fromAnswer(machines), 0.95),
  }
}

function last({ human, machine: machines }) {
  return {
    'last verdict: false machine': rateOf('human', human, -1),
    'false human': rateOf('machine', machines, -1),
    'ever called machine (people)': share(
      human.filter(({ verdicts }) => verdicts.some((one) => isWrong('human', one))).length,
      human.length,
    ),
    'people / machines': `${human.length} / ${machines.length}`,
  }
}

function beeps({ human, machine: machines }) {
  const beepsOf = ({ verdicts }) => verdicts.filter(({ verdict }) => verdict === 'beep')
  const beeping = machines.filter(({ call }) => call.beepEndMs !== null)
  const lateMs = (result) => (beepsOf(result)[0]?.atMs ?? Infinity) - result.call.beepEndMs
  const hits = beeping.map(lateMs).filter((late) => late >= -100 && late <= BEEP_LATE_MS)
  const early = beeping.filter((result) => lateMs(result) < -100)
  const unbeeped = machines.filter(({ call }) => call.beepEndMs === null)
  return {
    beeps: beeping.length,
    heard: share(hits.length, beeping.length),
    'p50 ms after its end': percentile(hits, 0.5),
    'p95 ms': percentile(hits, 0.95),
    'false, before the beep': share(early.length, beeping.length),
    'false, machines without': share(
      unbeeped.filter((result) => beepsOf(result).length > 0).length,
      unbeeped.length,
    ),
    'false, people': share(
      human.filter((result) => beepsOf(result).length > 0).length,
      human.length,
    ),
  }
}

function byKind(calls) {
  const kinds = [...new Set(calls.map(({ truth, kind }) => `${truth}: ${kind}`))].toSorted((a, b) =>
    a.localeCompare(b),
  )
  return kinds.map((kind) => {
    const results = calls
      .filter((call) => `${call.truth}: ${call.kind}` === kind)
      .map((call) => ({ call, verdicts: verdictsOf(call, MACHINE_TUNING) }))
    const { truth } = results[0].call
    return {
      kind,
      calls: results.length,
      'first wrong': rateOf(truth, results, 0),
      'last wrong': rateOf(truth, results, -1),
    }
  })
}

/** How often each ground of a verdict was right, for the confidence that is told with it. */
function grounds(calls) {
  const found = new Map()
  for (const call of calls) {
    for (const verdict of verdictsOf(call, MACHINE_TUNING)) {
      const { ground } = verdict
      const tally = found.get(ground) ?? { verdicts: 0, right: 0 }
      tally.verdicts++
      if (!isWrong(call.truth, verdict)) tally.right++
      found.set(ground, tally)
    }
  }
  return [...found].map(([ground, { verdicts, right }]) => ({
    ground,
    verdicts,
    right: share(right, verdicts),
  }))
}

function wrong(calls) {
  for (const call of calls) {
    const verdicts = verdictsOf(call, MACHINE_TUNING)
    const told = verdicts.map(({ verdict, atMs }) => `${verdict}@${atMs}`).join(' ')
    const { truth, kind, saidMs, beepEndMs, snrDb, levelDb } = call
    const late = beepEndMs === null ? 0 : (verdicts.at(-1).atMs ?? 0) - beepEndMs
    if (!isWrong(truth, verdicts[0]) && Math.abs(late - 300) < 400) continue
    const line = { saidMs, beepEndMs, snrDb, levelDb }
    console.log(
      truth,
      kind,
      told,
      JSON.stringify(line, (_, x) => (typeof x === 'number' ? Math.round(x) : x)),
    )
  }
}
