// Loss concealment in the manner of ITU-T G.711 Appendix I: the last pitch period goes on, and every seam is cross-faded.
//
// Works on what is played, frame by frame. A gap goes on with the last period of the voice, for 10 ms as loud as it was,
// then quieter and quieter until nothing is left after 60 ms. What comes after a gap, or after a jump in the stream, is
// blended with that continuation. Nothing is delayed: the start of a gap is smoothed by letting the difference between
// the last sample and its predecessor one period earlier die away.
import { FRAME_SAMPLES, SAMPLES_PER_MS, silentFrame } from './frame.ts'

/** Periods of voices from 50 to 200 Hz; a higher voice is found by a multiple of its period. */
const MIN_PERIOD = 5 * SAMPLES_PER_MS
const MAX_PERIOD = 20 * SAMPLES_PER_MS
/** What is compared with its like one period earlier. */
const WINDOW = 20 * SAMPLES_PER_MS
const HISTORY = WINDOW + MAX_PERIOD
/** Square of the normalised correlation below which there is no voice; noise is repeated in long pieces, lest it buzzes. */
const VOICED = 0.25
const FULL_LOUDNESS = 10 * SAMPLES_PER_MS
const UNTIL_SILENT = 60 * SAMPLES_PER_MS
/** Cross-fade into what comes: a quarter of a period, longer after longer gaps, as short as can be out of silence. */
const LONGER_BLEND = 4 * SAMPLES_PER_MS
const MAX_BLEND = 10 * SAMPLES_PER_MS
const BLEND_FROM_SILENCE = 4 * SAMPLES_PER_MS

/** Part of a frame, in samples; `to` is not in it. */
export interface Span {
  from: number
  to: number
}

/** What there is of one frame: `received` in order, the rest is a hole; `joined`: nothing was left out before it. */
export interface Piece {
  frame: Int16Array
  received: readonly Span[]
  joined: boolean
}

/** A frame of which nothing was received. */
export const NOTHING: Piece = {
  frame: new Int16Array(FRAME_SAMPLES),
  received: [],
  joined: true,
}

/** What goes on where nothing was received: one cycle over and over, from loud to silent. */
interface Continuation {
  cycle: Float64Array
  /** Samples made up since the last one that was received. */
  made: number
  /** Difference at the first seam, which dies away over `quarter` samples. */
  offset: number
  quarter: number
}

export class Concealer {
  /** What was played last, made up or not. */
  readonly #history = new Int16Array(HISTORY)
  /** Null while what was received is played. */
  #gap: Continuation | null = null
  /** Nothing is made up before something was received. */
  #begun = false

  /** The frame to play: `piece.frame` itself where nothing has to be made up or blended, else a new one. */
  render(piece: Piece): Int16Array {
    const [first] = piece.received
    const whole = first !== undefined && first.to - first.from === FRAME_SAMPLES
    if (first !== undefined) this.#begun = true
    if (!this.#begun) return silentFrame()
    if (!piece.joined) this.#gap ??= continuationOf(this.#history)
    if (whole && this.#gap === null) return this.#remember(piece.frame)
    const out = silentFrame()
    let at = 0
    for (const { from, to } of piece.received) {
      this.#makeUp(out, at, from)
      this.#blend(piece.frame, out, from, to)
      at = to
    }
    this.#makeUp(out, at, FRAME_SAMPLES)
    return this.#remember(out)
  }

  #makeUp(out: Int16Array, from: number, to: number): void {
    if (from >= to) return
    // A gap inside the frame continues what is already in it.
    const gap = (this.#gap ??= continuationOf(recent(this.#history, out, from)))
    if (gap.made >= UNTIL_SILENT) return
    for (let i = from; i < to; i++) out[i] = Math.round(nextOf(gap))
  }

  /** Copies what was received, fading over from the continuation if there was one. */
  #blend(frame: Int16Array, out: Int16Array, from: number, to: number): void {
    out.set(frame.subarray(from, to), from)
    const gap = this.#gap
    if (gap === null) return
    this.#gap = null
    const length = Math.min(blendOf(gap), to - from)
    for (let i = 0; i < length; i++) {
      const share = rising(i, length)
      out[from + i] = Math.round(share * frame[from + i]! + (1 - share) * nextOf(gap))
    }
  }

  #remember(frame: Int16Array): Int16Array {
    this.#history.copyWithin(0, FRAME_SAMPLES)
    this.#history.set(frame, HISTORY - FRAME_SAMPLES)
    return frame
  }
}

/** The history with the first `count` samples of the frame in the making at its end. */
function recent(history: Int16Array, frame: Int16Array, count: number): Int16Array {
  if (count === 0) return history
  const joined = new Int16Array(HISTORY)
  joined.set(history.subarray(count))
  joined.set(frame.subarray(0, count), HISTORY - count)
  return joined
}

function continuationOf(history: Int16Array): Continuation {
  const period = periodOf(history)
  const quarter = period >> 2
  const start = HISTORY - period
  const cycle = new Float64Array(period)
  for (let i = 0; i < period; i++) cycle[i] = history[start + i]!
  // The end of the cycle turns into what came before its beginning, so that it repeats without a seam.
  for (let i = 0; i < quarter; i++) {
    const share = rising(i, quarter)
    const at = period - quarter + i
    const before = history[start - quarter + i]!
    cycle[at] = (1 - share) * cycle[at]! + share * before
  }
  const offset = history[HISTORY - 1]! - history[start - 1]!
  return { cycle, made: 0, offset, quarter }
}

/** The next sample of the continuation. */
function nextOf(gap: Continuation): number {
  const at = gap.made++
  if (at >= UNTIL_SILENT) return 0
  const fading = (UNTIL_SILENT - at) / (UNTIL_SILENT - FULL_LOUDNESS)
  const seam = at < gap.quarter ? gap.offset * (1 - rising(at, gap.quarter)) : 0
  const sample = (gap.cycle[at % gap.cycle.length]! + seam) * Math.min(1, fading)
  return Math.max(-32_768, Math.min(32_767, sample))
}

function blendOf(gap: Continuation): number {
  if (gap.made >= UNTIL_SILENT) return BLEND_FROM_SILENCE
  const longer = LONGER_BLEND * Math.max(0, Math.floor(gap.made / FULL_LOUDNESS) - 1)
  return Math.min(MAX_BLEND, gap.quarter + longer)
}

/** The period at which the end of the history is most like itself. */
function periodOf(history: Int16Array): number {
  const energy = product(history, 0)
  if (energy === 0) return MAX_PERIOD
  let best = MAX_PERIOD
  let most = VOICED
  // Energy of the window one period earlier, kept up while the period grows.
  let earlier = 0
  for (let i = MAX_PERIOD - MIN_PERIOD; i < HISTORY - MIN_PERIOD; i++) earlier += history[i]! ** 2
  for (let period = MIN_PERIOD; period <= MAX_PERIOD; period++) {
    const correlation = Math.max(0, product(history, period))
    const likeness = earlier > 0 ? correlation ** 2 / (energy * earlier) : 0
    if (likeness > most) {
      most = likeness
      best = period
    }
    const [enters, leaves] = [HISTORY - WINDOW - period - 1, HISTORY - period - 1]
    if (enters >= 0) earlier += history[enters]! ** 2 - history[leaves]! ** 2
  }
  return best
}

/** How much the end of the history goes along with what was `lag` samples earlier. */
function product(history: Int16Array, lag: number): number {
  let sum = 0
  for (let i = HISTORY - WINDOW; i < HISTORY; i++) sum += history[i]! * history[i - lag]!
  return sum
}

/** The share of what comes, at step `i` of a cross-fade over `length` samples: half a cosine, which has no corners. */
function rising(i: number, length: number): number {
  return 0.5 - 0.5 * Math.cos((Math.PI * (i + 1)) / (length + 1))
}
