// Finds the tone after which a voicemail records: one steady sine with quiet behind it, told when it is over.
import { FRAME_MS } from '../speech/pcm.ts'
import { levelDb } from './activity.ts'
import { BEEP_TUNING, type BeepTuning } from './machine-tuning.ts'
import { pureTone } from './pure-tone.ts'

/** Frames of one frequency after which what is heard is a tone, not a voice. */
const TONE_FRAMES = 3

export interface Beep {
  hz: number
  ms: number
}

/** A tone that is sounding, or has just ended. */
interface Note {
  hz: number
  db: number
  frames: number
}

export class BeepDetector {
  readonly #tuning: BeepTuning
  #note: Note | null = null
  /** The last note that ended as a tone; what follows decides what it was. */
  #ended: Note | null = null
  #notes = 0
  /** Since the last tone ended. */
  #afterMs = 0

  constructor(tuning: BeepTuning = BEEP_TUNING) {
    this.#tuning = tuning
  }

  /** A steady tone is sounding now: no voice, whatever a voice detector says. */
  get sounding(): boolean {
    return (this.#note?.frames ?? 0) >= TONE_FRAMES
  }

  /** The next 20 ms; the beep whose quiet has lasted long enough with this frame. */
  observe(frame: Int16Array): Beep | null {
    const db = levelDb(frame)
    const hz = db >= this.#tuning.levelMinDb ? this.#toneIn(frame) : null
    this.#afterMs += FRAME_MS
    if (hz === null || !this.#goesOn(hz, db)) {
      this.#endNote()
      this.#note = hz === null ? null : { hz, db, frames: 1 }
    }
    return this.sounding ? null : this.#judge(db)
  }

  #toneIn(frame: Int16Array): number | null {
    const { lowestHz, highestHz, purity } = this.#tuning
    const tone = pureTone(frame, lowestHz, highestHz)
    if (!tone || tone.purity < purity || tone.hz < lowestHz || tone.hz > highestHz) return null
    return tone.hz
  }

  #goesOn(hz: number, db: number): boolean {
    const note = this.#note
    if (!note) return false
    const { driftHz, driftDb } = this.#tuning
    if (Math.abs(hz - note.hz) > driftHz || Math.abs(db - note.db) > driftDb) return false
    note.frames++
    // The first frame may hold only a part of the tone; afterwards the mean is followed.
    note.hz += (hz - note.hz) / Math.min(note.frames, TONE_FRAMES)
    note.db = Math.max(note.db, db)
    if (note.frames === TONE_FRAMES && !this.#isTail(note)) this.#notes++
    return true
  }

  /** The room gives the last tone back, or it was cut by a lost packet. */
  #isTail(note: Note): boolean {
    return this.#ended !== null && Math.abs(note.hz - this.#ended.hz) <= this.#tuning.driftHz
  }

  #endNote(): void {
    const note = this.#note
    if (!note || !this.sounding) return
    this.#ended = this.#isTail(note) ? this.#ended : note
    this.#afterMs = 0
  }

  /** After a tone: quiet makes it a beep; a voice, or too many tones in a row, make it none. */
  #judge(db: number): Beep | null {
    const { dropDb, quietMs, maxNotes, minMs, maxMs } = this.#tuning
    const over = this.#afterMs >= quietMs
    const notes = this.#notes
    if (over && this.#note === null) this.#notes = 0
    const ended = this.#ended
    if (!ended) return null
    // The last of it may fill a part of two frames, and its own echo may follow.
    const tail = this.#note !== null && this.#isTail(this.#note)
    if (db > ended.db - dropDb && this.#afterMs > FRAME_MS && !tail) this.#ended = null
    if (!this.#ended || !over) return null
    this.#ended = null
    const ms = ended.frames * FRAME_MS
    return notes <= maxNotes && ms >= minMs && ms <= maxMs ? { hz: Math.round(ended.hz), ms } : null
  }
}
