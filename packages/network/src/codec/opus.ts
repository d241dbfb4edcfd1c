// Opus (RFC 6716) at the telephone's rate: libopus as WebAssembly, loaded by the first call that needs it.
//
// The package's own wrapper keeps views into a memory that moves when it grows, and fails from then on; so its build
// is used directly, with one set of buffers for all streams of the thread, looked up anew for each packet.
import { createRequire } from 'node:module'
import { assert } from '@saperly/kernel'
import { SAMPLE_RATE } from '../rtp/frame.ts'

const CHANNELS = 1
const APPLICATION_VOIP = 2048
const SET_BITRATE = 4002
const SET_COMPLEXITY = 4010
const SET_INBAND_FEC = 4012
const SET_PACKET_LOSS = 4014
/** More brings little to the telephone band. */
const BITS_PER_SEC = 20_000
/** Losses that the sender prepares its receiver for. */
const EXPECTED_LOSS_PERCENT = 5
/** No telephone packet is longer. */
const MAX_PAYLOAD_BYTES = 1500
/** The longest that libopus may give out for one packet: 120 ms at 48 kHz, and the build counts two channels. */
const MAX_SAMPLES = 2 * 5760
/** 120 ms, the longest packet of Opus. */
const MAX_PACKET_SAMPLES = 960
/** Streams of one thread: both directions of all the legs that it may have. Each takes 90 kB. */
const MAX_STREAMS = 2400

/** One encoder and one decoder in the memory of the build. Negative results are errors of libopus. */
interface Handler {
  _encode(pcm: number, pcmBytes: number, payload: number, samples: number): number
  _decode(payload: number, payloadBytes: number, pcm: number): number
  _encoder_ctl(request: number, value: number): number
}

/** The build, as Emscripten gives it out. */
interface Build {
  readonly HEAPU8: Uint8Array
  readonly HEAPU16: Uint16Array
  _malloc(bytes: number): number
  OpusScriptHandler: {
    new (rate: number, channels: number, application: number): Handler
    destroy_handler(handler: Handler): void
  }
}

class Opus {
  readonly #build: Build
  readonly #payload: number
  readonly #pcm: number
  #streams = 0

  constructor() {
    const load = createRequire(import.meta.url)
    this.#build = (load('opusscript/build/opusscript_native_wasm.js') as () => Build)()
    this.#payload = this.#build._malloc(MAX_PAYLOAD_BYTES)
    this.#pcm = this.#build._malloc(2 * MAX_SAMPLES)
  }

  open(): Handler {
    assert(this.#streams < MAX_STREAMS, 'Opus streams are not given back')
    this.#streams++
    return new this.#build.OpusScriptHandler(SAMPLE_RATE, CHANNELS, APPLICATION_VOIP)
  }

  close(handler: Handler): void {
    this.#streams--
    this.#build.OpusScriptHandler.destroy_handler(handler)
  }

  encode(handler: Handler, pcm: Int16Array): Uint8Array {
    // The build wants each byte of a sample in a word of its own.
    const words = this.#build.HEAPU16
    let at = this.#pcm >> 1
    for (const sample of pcm) {
      words[at++] = sample & 0xff
      words[at++] = (sample >> 8) & 0xff
    }
    const bytes = handler._encode(this.#pcm, 2 * pcm.length, this.#payload, pcm.length)
    assert(bytes > 0 && bytes <= MAX_PAYLOAD_BYTES, 'Opus refuses a frame of ours')
    return Buffer.from(this.#build.HEAPU8.subarray(this.#payload, this.#payload + bytes))
  }

  decode(handler: Handler, payload: Uint8Array): Int16Array | null {
    // An empty payload would be concealed, with as much sound as the buffer holds.
    if (payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES) return null
    this.#build.HEAPU8.set(payload, this.#payload)
    const samples = handler._decode(this.#payload, payload.length, this.#pcm)
    if (samples < 0) return null
    const words = this.#build.HEAPU16
    const pcm = new Int16Array(samples)
    for (let i = 0, at = this.#pcm >> 1; i < samples; i++, at += 2) {
      pcm[i] = words[at]! | (words[at + 1]! << 8)
    }
    return pcm
  }
}

/** Lengths of a frame in samples, by the lower bits of its configuration: of SILK, of CELT; the hybrid has SILK's first. */
const SILK_SAMPLES = [80, 160, 320, 480]
const CELT_SAMPLES = [20, 40, 80, 160]

function frameSamples(first: number): number {
  const configuration = first >> 3
  if (configuration >= 16) return CELT_SAMPLES[configuration & 3]!
  return SILK_SAMPLES[configuration >= 12 ? configuration & 1 : configuration & 3]!
}

function framesIn(payload: Uint8Array): number {
  if (payload.length === 0) return 0
  const code = payload[0]! & 3
  if (code < 3) return code === 0 ? 1 : 2
  return (payload[1] ?? 0) & 0x3f
}

/** Loaded once for the thread. */
let loaded: Opus | null = null

function opus(): Opus {
  return (loaded ??= new Opus())
}

export class OpusEncoder {
  readonly #opus = opus()
  readonly #handler = this.#opus.open()

  /** `complexity`: 0–10. */
  constructor(complexity: number) {
    const settings = [
      [SET_COMPLEXITY, complexity],
      [SET_BITRATE, BITS_PER_SEC],
      [SET_INBAND_FEC, 1],
      [SET_PACKET_LOSS, EXPECTED_LOSS_PERCENT],
    ] as const
    for (const [request, value] of settings) {
      assert(this.#handler._encoder_ctl(request, value) === 0, 'Opus refuses a setting')
    }
  }

  /** `pcm`: 10, 20, 40 or 60 ms. */
  encode(pcm: Int16Array): Uint8Array {
    return this.#opus.encode(this.#handler, pcm)
  }

  /** Once, and not to be used after. */
  close(): void {
    this.#opus.close(this.#handler)
  }
}

export class OpusDecoder {
  readonly #opus = opus()
  readonly #handler = this.#opus.open()

  /** By the first bytes (RFC 6716 section 3.1). */
  samplesIn(payload: Uint8Array): number {
    const samples = framesIn(payload) * frameSamples(payload[0] ?? 0)
    return samples <= MAX_PACKET_SAMPLES ? samples : 0
  }

  /** Any packet of up to 120 ms, mono or stereo, of any bandwidth; null when it is none. */
  decode(payload: Uint8Array): Int16Array | null {
    return this.#opus.decode(this.#handler, payload)
  }

  close(): void {
    this.#opus.close(this.#handler)
  }
}
