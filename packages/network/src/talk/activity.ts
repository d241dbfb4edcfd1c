// Speech activity: is the peer's voice in this 20 ms frame? A voice detector and an energy gate must both say so.

/** What `speech/fvad.ts` provides, or a test's stand-in. Mode 3 is the strictest. */
export interface Vad {
  process(frame: Int16Array): boolean
  setMode(mode: 2 | 3): void
  close(): void
}

export interface Activity {
  voiced: boolean
  /** Voiced frames in a row, this one included; 0 when it is not voiced. */
  run: number
  /** On the first unvoiced frame: by how much the detector was late to let go (its hangover). Otherwise 0. */
  lateMs: number
}

/** fvad keeps saying "speech" for 90–100 ms after the end (measured); where it was the last to let go, we subtract it. */
const VAD_HANGOVER_MS = 100
/** The noise floor stays within these levels, dBFS. */
const FLOOR_MIN_DB = -70
const FLOOR_MAX_DB = -25
const FLOOR_START_DB = -60
/** Voice stands above the floor by this much: more on a quiet line, less on a noisy one. */
const MARGIN_QUIET_DB = 9
const MARGIN_NOISY_DB = 6
/** Nothing below this level is ever voice. */
const GATE_MIN_DB = -52
/** Above this floor the line counts as noisy and the milder mode 2 is used; back below the second. */
const NOISY_ABOVE_DB = -45
const QUIET_BELOW_DB = -48
/** How the floor follows, per frame: share of the way down, share of the way up in noise, dB up during voice. */
const FALL_SHARE = 0.25
const RISE_SHARE = 0.02
const RISE_IN_VOICE_DB = 0.01
const SILENCE_DB = -90
/** Frames of level remembered for `relearn`: one second. */
const LEVELS_KEPT = 50

/** Level of a frame in dBFS (0 = full-scale square wave), not below -90. */
export function levelDb(frame: Int16Array): number {
  let sum = 0
  // By index: this runs for every frame of every leg, and an iterator costs several times as much.
  for (let i = 0; i < frame.length; i++) sum += frame[i]! * frame[i]!
  if (sum === 0) return SILENCE_DB
  return Math.max(SILENCE_DB, 10 * Math.log10(sum / frame.length / 2 ** 30))
}

/** Follows one stream. `vad` null: energy alone decides (the tone engine: a voice detector takes tones for noise). */
export class ActivityDetector {
  readonly #vad: Vad | null
  #floorDb = FLOOR_START_DB
  #noisy = false
  #run = 0
  #levels: number[] = []

  constructor(vad: Vad | null) {
    this.#vad = vad
    vad?.setMode(3)
  }

  get floorDb(): number {
    return this.#floorDb
  }

  /** Judges the next frame. */
  observe(frame: Int16Array): Activity {
    const db = levelDb(frame)
    this.#levels.push(db)
    if (this.#levels.length > LEVELS_KEPT) this.#levels.shift()
    const loud = db > this.#gateDb()
    const speechlike = this.#vad ? this.#vad.process(frame) : loud
    const voiced = loud && speechlike
    this.#follow(db, speechlike)
    const ended = !voiced && this.#run > 0
    this.#run = voiced ? this.#run + 1 : 0
    return { voiced, run: this.#run, lateMs: ended && loud && this.#vad ? VAD_HANGOVER_MS : 0 }
  }

  /** Takes the quietest level of the last second for noise: what a detector that latched on needs. */
  relearn(): void {
    if (this.#levels.length > 0) this.#setFloor(Math.min(...this.#levels))
  }

  close(): void {
    this.#vad?.close()
  }

  #gateDb(): number {
    return Math.max(GATE_MIN_DB, this.#floorDb + (this.#noisy ? MARGIN_NOISY_DB : MARGIN_QUIET_DB))
  }

  #follow(db: number, speechlike: boolean): void {
    const gap = db - this.#floorDb
    if (gap < 0) this.#setFloor(this.#floorDb + gap * FALL_SHARE)
    else if (speechlike) this.#setFloor(this.#floorDb + Math.min(gap, RISE_IN_VOICE_DB))
    else this.#setFloor(this.#floorDb + gap * RISE_SHARE)
  }

  #setFloor(db: number): void {
    this.#floorDb = Math.min(FLOOR_MAX_DB, Math.max(FLOOR_MIN_DB, db))
    const noisy = this.#floorDb > (this.#noisy ? QUIET_BELOW_DB : NOISY_ABOVE_DB)
    if (noisy === this.#noisy) return
    this.#noisy = noisy
    this.#vad?.setMode(noisy ? 2 : 3)
  }
}
