// Voice activity detection: the WebRTC detector as WebAssembly, one 20 ms frame at a time.
import { assert, Bug } from '@saperly/kernel'
import createFvadModule from '@echogarden/fvad-wasm'
import type { FvadModule } from '@echogarden/fvad-wasm'
import { FRAME_SAMPLES, SAMPLE_RATE } from './pcm.ts'

/** How readily a frame is called silence: 0 hears almost everything as speech, 3 is the strictest. */
export type FvadMode = 0 | 1 | 2 | 3

export interface Fvad {
  /** True when the frame (160 samples, 8 kHz) is speech. Keeps about 90 ms of hangover of its own. */
  process(frame: Int16Array): boolean
  setMode(mode: FvadMode): void
  /** Gives the detector's memory back. Idempotent. */
  close(): void
}

/** One compiled module serves every detector of a thread; a detector itself takes less than a kilobyte. */
let shared: Promise<FvadModule> | null = null

/** Opens a detector. */
export async function createFvad(mode: FvadMode): Promise<Fvad> {
  shared ??= createFvadModule()
  return new WasmFvad(await shared, mode)
}

class WasmFvad implements Fvad {
  readonly #module: FvadModule
  readonly #handle: number
  readonly #buffer: number
  #heap: Int16Array
  readonly #detect: FvadModule['_fvad_process']
  #open = true

  constructor(module: FvadModule, mode: FvadMode) {
    this.#module = module
    this.#detect = module._fvad_process
    this.#heap = module.HEAP16
    this.#handle = module._fvad_new()
    this.#buffer = module._malloc(FRAME_SAMPLES * Int16Array.BYTES_PER_ELEMENT)
    assert(this.#handle !== 0 && this.#buffer !== 0, 'voice detector is out of memory')
    assert(
      module._fvad_set_sample_rate(this.#handle, SAMPLE_RATE) === 0,
      'voice detector refused 8 kHz',
    )
    this.setMode(mode)
  }

  process(frame: Int16Array): boolean {
    assert(this.#open, 'voice detector is closed')
    if (frame.length !== FRAME_SAMPLES) {
      throw new Bug(`voice detector got ${frame.length} samples`)
    }
    // Memory that has grown is a new buffer. The module is asked no oftener: it is an object of a hundred properties.
    if (this.#heap.length === 0) this.#heap = this.#module.HEAP16
    this.#heap.set(frame, this.#buffer / Int16Array.BYTES_PER_ELEMENT)
    return this.#detect(this.#handle, this.#buffer, FRAME_SAMPLES) === 1
  }

  setMode(mode: FvadMode): void {
    assert(this.#open, 'voice detector is closed')
    assert(this.#module._fvad_set_mode(this.#handle, mode) === 0, `bad voice detector mode ${mode}`)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#module._free(this.#buffer)
    this.#module._fvad_free(this.#handle)
  }
}
