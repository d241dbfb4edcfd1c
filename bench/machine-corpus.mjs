// Answered calls, synthesised: people and machines, their beeps, music, tones, noise, echoes and levels, through G.711.
import { seededRandom } from '../packages/kernel/dist/index.js'
import { decodeG711, encodeG711 } from '../packages/network/dist/codec/g711.js'
import { FliteProgram } from '../packages/network/dist/speech/flite-wasi.js'
import { FliteMouth } from '../packages/network/dist/speech/flite.js'
import { filled, HUMAN, MACHINE, OURS, pick, REACTIONS } from './machine-texts.mjs'

const RATE = 8000
const CALL_SEC = 24
const VOICES = ['slt', 'rms', 'awb', 'kal16']
const samples = (ms) => Math.round((ms * RATE) / 1000)
const gain = (db) => 10 ** (db / 20)
const FULL = 32_767

/** A line on which things are put one after the other. */
class Line {
  constructor() {
    this.pcm = new Float64Array(CALL_SEC * RATE)
    this.at = 0
  }

  get ms() {
    return (this.at * 1000) / RATE
  }

  wait(ms) {
    this.at += samples(ms)
  }

  put(pcm, db = 0) {
    for (let i = 0; i < pcm.length && this.at + i < this.pcm.length; i++) {
      this.pcm[this.at + i] += pcm[i] * gain(db)
    }
    this.at += pcm.length
  }
}

const between = (random, low, high) => low + random.float() * (high - low)
const chance = (random, share) => random.float() < share

/** Sines of equal strength together, with soft edges. */
function tone(hertz, ms, db) {
  const count = samples(ms)
  return Float64Array.from({ length: count }, (_, i) => {
    const edge = Math.min(1, i / 40, (count - 1 - i) / 40)
    const sum = hertz.reduce((all, hz) => all + Math.sin((2 * Math.PI * hz * i) / RATE), 0)
    return (FULL * gain(db) * edge * sum) / hertz.length
  })
}

/** A tune in chords of plucked strings. */
function music(ms, random) {
  const out = new Float64Array(samples(ms))
  for (let at = 0; at < out.length; at += samples(pick([200, 300, 400], random))) {
    const root = 220 * 2 ** (random.int(0, 12) / 12)
    for (const hz of [root, root * 1.26, root * 1.5]) {
      for (let harmonic = 1; harmonic <= 5; harmonic++) {
        for (let i = 0; i < samples(600) && at + i < out.length; i++) {
          const swing = Math.sin((2 * Math.PI * hz * harmonic * i) / RATE)
          out[at + i] += (FULL * 0.08 * swing * Math.exp(-i / samples(250))) / harmonic
        }
      }
    }
  }
  return out
}

/** A carrier's announcement tones (ITU-T E.180): three notes, one right after the other. */
function announcementTones(line) {
  for (const hz of [950, 1400, 1800]) line.put(tone([hz], 330, -14))
}

export async function createCorpus(count, seed) {
  const mouth = new FliteMouth(await FliteProgram.load())
  const random = seededRandom(seed)
  const say = (line, phrases, voice, pauses) => {
    for (const [i, phrase] of phrases.entries()) {
      if (i > 0) line.wait(between(random, ...pauses))
      line.put(mouth.render(phrase, voice).pcm)
    }
  }
  const ours = mouth.render(OURS, 'slt').pcm
  const calls = []
  for (let i = 0; i < count; i++) {
    const call = i % 2 === 0 ? person(random, say) : machine(random, say)
    calls.push({ ...call, ...onTheLine(call.line, random, ours) })
  }
  return calls
}

function person(random, say) {
  const line = new Line()
  const voice = pick(VOICES, random)
  const draw = random.float()
  const kind = draw < 0.45 ? 'hello' : draw < 0.7 ? 'name' : draw < 0.93 ? 'firm' : 'silent'
  if (chance(random, 0.15)) line.put(tone([440, 480], between(random, 100, 700), -19))
  line.wait(between(random, 100, 1_500))
  if (kind !== 'silent') say(line, filled(pick(HUMAN[kind], random), random), voice, [100, 600])
  const saidMs = line.ms
  // What follows a greeting is a wait, and then a word or two.
  for (let i = 0; i < 3; i++) {
    line.wait(between(random, 1_500, 6_000))
    if (chance(random, 0.7)) say(line, [pick(REACTIONS, random)], voice, [0, 0])
  }
  return { truth: 'human', kind, line, saidMs, beepEndMs: null }
}

function machine(random, say) {
  const line = new Line()
  const voice = pick(VOICES, random)
  const draw = random.float()
  const kinds = [
    ['personal', 0.45],
    ['short', 0.62],
    ['carrier', 0.8],
    ['firm', 0.9],
    ['unreachable', 0.95],
    ['music', 1],
  ]
  const kind = kinds.find(([, below]) => draw < below)[0]
  line.wait(chance(random, 0.15) ? between(random, 1_000, 4_000) : between(random, 50, 900))
  if (kind === 'unreachable' && chance(random, 0.6)) announcementTones(line)
  if (kind === 'music') line.put(music(between(random, 2_000, 5_000), random))
  const text = pick(MACHINE[kind === 'music' ? 'firm' : kind], random)
  say(line, filled(text, random), voice, [120, chance(random, 0.25) ? 1_100 : 600])
  const saidMs = line.ms
  if (kind === 'unreachable' || chance(random, 0.05)) {
    return { truth: 'machine', kind, line, saidMs, beepEndMs: null }
  }
  line.wait(between(random, 150, 2_500))
  const tones = beep(line, random)
  return { truth: 'machine', kind, line, saidMs, beepEndMs: line.ms, tones }
}

function beep(line, random) {
  const db = between(random, -20, -8)
  const hz = between(random, 430, 1_800)
  const ms = between(random, 110, 1_000)
  line.put(tone([hz], ms, db))
  if (!chance(random, 0.08)) return [{ hz, ms, db }]
  const next = hz * pick([0.75, 1.25], random)
  line.put(tone([next], 200, db))
  return [
    { hz, ms, db },
    { hz: next, ms: 200, db },
  ]
}

/** Level, room, line echo of our own speech, noise and codec. */
function onTheLine(line, random, ours) {
  const levelDb = between(random, -10, 10) - 6
  const snrDb = between(random, 15, 30)
  const pcm = line.pcm.map((x) => x * gain(levelDb))
  if (chance(random, 0.3)) {
    const delay = samples(between(random, 40, 180))
    const db = between(random, -20, -10)
    for (let i = pcm.length - 1; i >= delay; i--) pcm[i] += pcm[i - delay] * gain(db)
  }
  if (chance(random, 0.25)) {
    const delay = samples(between(random, 60, 250))
    const db = between(random, -38, -20)
    for (let i = 0; i < ours.length && i + delay < pcm.length; i++)
      pcm[i + delay] += ours[i] * gain(db)
  }
  // Speech of our voices has an effective level of some -20 dBFS.
  const noise = FULL * gain(-20 + levelDb - snrDb)
  const pink = chance(random, 0.5)
  let slow = 0
  for (let i = 0; i < pcm.length; i++) {
    const white = (random.float() + random.float() + random.float() - 1.5) * 2
    slow += (white - slow) * 0.15
    pcm[i] += noise * (pink ? slow * 3.5 : white)
  }
  const clipped = Int16Array.from(pcm, (x) => Math.max(-FULL, Math.min(FULL, Math.round(x))))
  const law = pick(['PCMU', 'PCMA'], random)
  return { levelDb, snrDb, pcm: decodeG711(law, encodeG711(law, clipped)), ours }
}
