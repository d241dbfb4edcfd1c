// The recorder of one leg: a stereo WAV, left the peer and right the agent, written as the call goes.
//
// Frames are collected for a second and written in the background, one write at a time, each at its place in the file.
// When the disk falls behind by more than the bound, a second is left out: it becomes a hole, which reads as silence,
// so both channels and the time line stay aligned.
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Log } from '@saperly/kernel'
import type { RecordingFile } from '../media/port.ts'
import { FRAME_MS } from '../rtp/frame.ts'
import { STEREO_FRAME_BYTES, wavDurationMs, wavHeader, WAV_HEADER_BYTES } from './wav.ts'

const FRAMES_PER_WRITE = 1000 / FRAME_MS
/** Writes waiting for the disk: 30 s, about 1 MB. */
export const MAX_PENDING_WRITES = 30

export class Recorder {
  readonly #path: string
  readonly #log: Log
  #file: FileHandle | null = null
  #block = Buffer.alloc(FRAMES_PER_WRITE * STEREO_FRAME_BYTES)
  #framesInBlock = 0
  /** Where the block being filled will stand, counted from the first sample. */
  #blockAt = 0
  #pending = 0
  #failed = false
  /** Bytes of samples that are in the file without a gap at the end: what is kept when the disk fails. */
  #kept = 0
  /** Ends when everything asked for so far has been written. */
  #writes: Promise<void>
  #closed: Promise<RecordingFile | null> | null = null

  /**
   * Creates `path` (mode 0600, never over an existing file) and its folder in the background. Where it can't be written
   * (any more), that is logged, what there is of it is kept, and the call goes on.
   */
  constructor(path: string, log: Log) {
    this.#path = path
    this.#log = log
    this.#writes = this.#attempt(async () => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      this.#file = await open(path, 'wx', 0o600)
      await this.#file.write(wavHeader(0), 0, WAV_HEADER_BYTES, 0)
    })
  }

  /** Adds one 20 ms frame of each side; null is silence. */
  write(left: Int16Array | null, right: Int16Array | null): void {
    if (this.#closed || this.#failed) return
    const start = this.#framesInBlock * STEREO_FRAME_BYTES
    for (let at = start, i = 0; at < start + STEREO_FRAME_BYTES; at += 4, i++) {
      this.#block.writeInt16LE(left?.[i] ?? 0, at)
      this.#block.writeInt16LE(right?.[i] ?? 0, at + 2)
    }
    if (++this.#framesInBlock === FRAMES_PER_WRITE) this.#flush()
  }

  /** Writes what is left and completes the header. Null when nothing usable was recorded. Idempotent. */
  close(): Promise<RecordingFile | null> {
    this.#closed ??= this.#finish()
    return this.#closed
  }

  #flush(): void {
    const bytes = this.#block.subarray(0, this.#framesInBlock * STEREO_FRAME_BYTES)
    const position = WAV_HEADER_BYTES + this.#blockAt
    this.#blockAt += bytes.length
    this.#framesInBlock = 0
    if (this.#pending >= MAX_PENDING_WRITES) {
      this.#log.warn('recording.disk_slow', { droppedMs: wavDurationMs(bytes.length) })
      return
    }
    this.#block = Buffer.alloc(FRAMES_PER_WRITE * STEREO_FRAME_BYTES)
    this.#pending++
    this.#writes = this.#writes
      .then(() =>
        this.#attempt(async () => {
          await this.#writeAt(bytes, position)
          this.#kept = position + bytes.length - WAV_HEADER_BYTES
        }),
      )
      .finally(() => this.#pending--)
  }

  async #finish(): Promise<RecordingFile | null> {
    this.#flush()
    await this.#writes
    const dataBytes = this.#failed ? this.#kept : this.#blockAt
    const whole =
      this.#file !== null && (dataBytes > 0 || !this.#failed) && (await this.#end(dataBytes))
    await this.#file?.close()
    if (!whole) return this.#discard()
    const durationMs = wavDurationMs(dataBytes)
    return { path: this.#path, durationMs, bytes: WAV_HEADER_BYTES + dataBytes }
  }

  /** Makes the file as long as its header says: the last block may have been left out, or written in half. */
  async #end(dataBytes: number): Promise<boolean> {
    this.#failed = false
    await this.#attempt(async () => {
      await this.#file!.truncate(WAV_HEADER_BYTES + dataBytes)
      await this.#writeAt(wavHeader(dataBytes), 0)
      await this.#file!.datasync()
    })
    return !this.#failed
  }

  /** A file of nothing, of ours, takes no room on a disk that has none. */
  async #discard(): Promise<null> {
    if (this.#file) await rm(this.#path, { force: true })
    return null
  }

  async #writeAt(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file!.write(bytes, done, null, position + done)
      done += bytesWritten
    }
  }

  /** The one place where the disk's faults end: the recording is given up, once, and said so. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    if (this.#failed) return
    try {
      await work()
    } catch (error) {
      this.#failed = true
      this.#log.error('recording.failed', {}, error)
    }
  }
}
