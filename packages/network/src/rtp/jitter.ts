// The jitter buffer: turns packets that come late, twice or out of order into one even stream of 20 ms frames.
//
// Driven by the media clock: `push` when a packet arrives, `take` once per frame. Audio is kept as segments sorted by
// timestamp, so any packet time works and reordering needs no step of its own. The play position stands still on an
// underrun (the delay grows); when the buffer is too full, it says so, and a second frame may be taken in one turn.
// What is missing is left out here and marked; `concealment.ts` makes it up.
import { NOTHING, type Piece, type Span } from './concealment.ts'
import { FRAME_MS, FRAME_SAMPLES, SAMPLES_PER_MS, silentFrame } from './frame.ts'

export const MIN_DELAY_MS = 40
export const MAX_DELAY_MS = 120
/** More than this in the buffer is a burst after a stall: the oldest is dropped. */
const MAX_DEPTH_MS = 500
const MAX_SEGMENTS = 128
/** A timestamp this far from the newest one begins a new stream. */
const MAX_JUMP_SAMPLES = 3000 * SAMPLES_PER_MS
/** After this many frames with an empty buffer the peer is silent; the next packet starts afresh. */
const IDLE_FRAMES = 5
/** Frames over which the buffer is watched before it is called too full. */
const WATCH_FRAMES = 50
/** How fast a peak of lateness is forgotten, and how fast the fastest path may drift, per packet. */
const PEAK_DECAY_MS = 0.1
const FLOOR_DRIFT_MS = 0.02

/** Sound of a codec with a memory: decoded when its turn comes, so that the decoder has its packets in their order. */
export interface Coded {
  /** Samples that it will be. */
  readonly length: number
  /** The samples, as many as were promised. Called once. */
  decode(): Int16Array
}

interface Segment {
  /** Unwrapped timestamp of the first sample. */
  at: number
  sequence: number
  sound: Int16Array | Coded
  arrivedMs: number
}

export interface Taken extends Piece {
  /**
   * `audio`: at least a part of it was received; `lost`: it is to be made up; `paused`: no packet is missing yet, but
   * the next one is late or its sender stopped for a moment; `silence`: the peer sends nothing.
   */
  kind: 'audio' | 'lost' | 'paused' | 'silence'
  /** How long the frame waited here; 0 when nothing was received for it. */
  heldMs: number
}

export interface JitterCounts {
  late: number
  duplicate: number
  /** Frames of which nothing came in time. */
  concealed: number
  resets: number
}

const WHOLE: readonly Span[] = [{ from: 0, to: FRAME_SAMPLES }]
const SILENCE: Taken = { kind: 'silence', ...NOTHING, heldMs: 0 }

export class JitterBuffer {
  readonly counts: JitterCounts = { late: 0, duplicate: 0, concealed: 0, resets: 0 }
  #segments: Segment[] = []
  #ssrc: number | null = null
  /** Unwrapped timestamp of the next sample to play; null while the peer is silent. */
  #playAt: number | null = null
  /** Up to where the stream was played when the peer fell silent. */
  #playedTo = -Infinity
  #newest = 0
  /** Lateness of the fastest packets, and how much later the slow ones are. */
  #floorMs: number | null = null
  #peakMs = 0
  #missing = 0
  /** Frames for which the play position waited for the next packet. */
  #stoodStill = 0
  /** Something was played since the stream began or went on. */
  #playing = false
  /** The play position was moved since the last frame. */
  #jumped = false
  /** Sequence number of the packet played last. */
  #lastSequence = 0
  #spareMs = Infinity
  #watched = 0
  #tooFull = false

  /** The delay aimed at, from {@link MIN_DELAY_MS} to {@link MAX_DELAY_MS}, in whole frames. */
  get targetMs(): number {
    const wanted = FRAME_MS * Math.ceil((this.#peakMs + FRAME_MS) / FRAME_MS)
    return Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, wanted))
  }

  /** Milliseconds of audio between the play position and the newest sample. */
  get depthMs(): number {
    return this.#playAt === null ? 0 : (this.#newest - this.#playAt) / SAMPLES_PER_MS
  }

  /** Takes the sound of one packet that arrived at `nowMs` (monotonic). */
  push(
    packet: { ssrc: number; sequence: number; timestamp: number },
    sound: Int16Array | Coded,
    nowMs: number,
  ): void {
    if (sound.length === 0) return
    const at = this.#follow(packet.ssrc, packet.timestamp)
    const end = at + sound.length
    const old = this.#isOld(end)
    if (this.#playAt === null && !old) this.#start(at)
    if (this.#playAt !== null) this.#measure(at, nowMs)
    if (old || end <= this.#playAt!) {
      this.counts.late++
      return
    }
    if (!this.#insert({ at, sequence: packet.sequence, sound, arrivedMs: nowMs })) return
    this.#newest = Math.max(this.#newest, end)
    if (this.depthMs > MAX_DEPTH_MS) this.#jumpTo(this.#newest - this.targetMs * SAMPLES_PER_MS)
    this.#forgetPlayed()
  }

  /** The next 20 ms. */
  take(nowMs: number): Taken {
    if (this.#playAt === null) return SILENCE
    this.#shortenPause()
    const from = this.#playAt
    const { frame, received, arrivedMs } = this.#gather(from)
    if (received.length === 0) return this.#miss()
    this.#playAt = from + FRAME_SAMPLES
    this.#forgetPlayed()
    this.#watch()
    this.#missing = 0
    this.#stoodStill = 0
    const joined = !this.#jumped
    this.#jumped = false
    this.#playing = true
    return { kind: 'audio', frame, received, joined, heldMs: Math.max(0, nowMs - arrivedMs) }
  }

  /**
   * Whether another frame should be taken in this turn, to bring the delay back to its target: as soon as there is
   * more than the target when `waited` (the taker went without frames before), once when it has been so for a second.
   */
  hasSurplus(waited: boolean): boolean {
    if (waited) return this.depthMs >= this.targetMs
    const tooFull = this.#tooFull
    this.#tooFull = false
    return tooFull
  }

  /** What there is of the 20 ms that begin at `from`. */
  #gather(from: number): { frame: Int16Array; received: readonly Span[]; arrivedMs: number } {
    const [first] = this.#segments
    // A packet of just this frame, which most are, need not be copied.
    if (first?.at === from && first.sound.length === FRAME_SAMPLES) {
      return { frame: samplesOf(first), received: WHOLE, arrivedMs: first.arrivedMs }
    }
    const frame = silentFrame()
    const received: Span[] = []
    let arrivedMs = Infinity
    for (const segment of this.#segments) {
      if (segment.at >= from + FRAME_SAMPLES) break
      copyOverlap(segment, from, frame, received)
      arrivedMs = Math.min(arrivedMs, segment.arrivedMs)
    }
    return { frame, received, arrivedMs }
  }

  /** Unwraps the timestamp; a new source or a large jump empties the buffer. */
  #follow(ssrc: number, timestamp: number): number {
    const at = this.#newest + ((timestamp - (this.#newest >>> 0)) | 0)
    const jumped = Math.abs(at - this.#newest) > MAX_JUMP_SAMPLES
    if (ssrc === this.#ssrc && (!jumped || this.#playAt === null)) return at
    if (this.#ssrc !== null) this.counts.resets++
    this.#ssrc = ssrc
    this.#stop()
    this.#playedTo = -Infinity
    return at
  }

  /** Begins to play so that the first packet waits between `target` - 20 ms and `target`. */
  #start(at: number): void {
    this.#playAt = at - (this.targetMs - FRAME_MS) * SAMPLES_PER_MS
    this.#newest = at
    if (at < this.#playedTo) this.#playedTo = -Infinity
    this.#floorMs = null
    this.#missing = 0
    this.#stoodStill = 0
    this.#watched = 0
    this.#spareMs = Infinity
    this.#tooFull = false
  }

  /** Whether audio that ends at `end` belongs before what was played when the peer fell silent. */
  #isOld(end: number): boolean {
    return end <= this.#playedTo && end > this.#playedTo - MAX_JUMP_SAMPLES
  }

  #stop(): void {
    this.#playedTo = this.#playAt ?? this.#playedTo
    this.#segments = []
    this.#playAt = null
    this.#playing = false
  }

  #jumpTo(at: number): void {
    if (at === this.#playAt) return
    this.#playAt = at
    this.#jumped = true
  }

  #measure(at: number, nowMs: number): void {
    const latenessMs = nowMs - at / SAMPLES_PER_MS
    this.#floorMs = Math.min(latenessMs, (this.#floorMs ?? latenessMs) + FLOOR_DRIFT_MS)
    const decayed = Math.max(0, this.#peakMs - PEAK_DECAY_MS)
    this.#peakMs = Math.min(MAX_DELAY_MS, Math.max(latenessMs - this.#floorMs, decayed))
  }

  /** Inserts in order of timestamp, looking from the end; false for a duplicate. */
  #insert(segment: Segment): boolean {
    let index = this.#segments.length
    while (index > 0 && this.#segments[index - 1]!.at > segment.at) index--
    if (index > 0 && this.#segments[index - 1]!.at === segment.at) {
      this.counts.duplicate++
      return false
    }
    this.#segments.splice(index, 0, segment)
    if (this.#segments.length > MAX_SEGMENTS) this.#segments.shift()
    return true
  }

  #forgetPlayed(): void {
    while (this.#segments.length > 0 && endOf(this.#segments[0]!) <= this.#playAt!) {
      this.#lastSequence = this.#segments.shift()!.sequence
    }
  }

  /** When the sender turns out to have paused, the time already waited for its next packet was part of that pause. */
  #shortenPause(): void {
    const next = this.#segments[0]
    if (this.#stoodStill === 0 || !next || !this.#follows(next)) return
    const waited = this.#stoodStill * FRAME_SAMPLES
    this.#jumpTo(Math.max(this.#playAt!, Math.min(next.at, this.#playAt! + waited)))
    this.#stoodStill = 0
  }

  /** Whether no packet is missing between what was played last and `next`. */
  #follows(next: Segment): boolean {
    return next.sequence === ((this.#lastSequence + 1) & 0xffff)
  }

  /** Nothing for this frame: a hole is played over, an empty buffer waits for what may come late. */
  #miss(): Taken {
    const next = this.#segments[0]
    const lost = next !== undefined && !this.#follows(next)
    if (next) {
      this.#playAt! += FRAME_SAMPLES
      // Before the first frame nothing was lost: the stream is only filling.
      if (!this.#playing) return SILENCE
    }
    this.#missing++
    this.counts.concealed++
    if (!next) this.#stoodStill++
    if (!next && this.#missing >= IDLE_FRAMES) this.#stop()
    return { kind: lost ? 'lost' : 'paused', ...NOTHING, heldMs: 0 }
  }

  /** Notes when a second has passed in which a frame more was always waiting than the target asks for. */
  #watch(): void {
    this.#spareMs = Math.min(this.#spareMs, this.depthMs - this.targetMs)
    if (++this.#watched < WATCH_FRAMES) return
    this.#tooFull = this.#spareMs >= FRAME_MS
    this.#watched = 0
    this.#spareMs = Infinity
  }
}

function endOf(segment: Segment): number {
  return segment.at + segment.sound.length
}

/** The samples of a segment, decoded when they are first asked for. */
function samplesOf(segment: Segment): Int16Array {
  if (!(segment.sound instanceof Int16Array)) segment.sound = segment.sound.decode()
  return segment.sound
}

/** Copies the part of `segment` that falls into the frame beginning at `from`, and notes which part that is. */
function copyOverlap(segment: Segment, from: number, frame: Int16Array, received: Span[]): void {
  const last = received.at(-1)
  // Packets that overlap say the same; the first one is believed.
  const start = Math.max(segment.at, from + (last?.to ?? 0))
  const end = Math.min(endOf(segment), from + FRAME_SAMPLES)
  if (end <= start) return
  frame.set(samplesOf(segment).subarray(start - segment.at, end - segment.at), start - from)
  if (last?.to === start - from) last.to = end - from
  else received.push({ from: start - from, to: end - from })
}
