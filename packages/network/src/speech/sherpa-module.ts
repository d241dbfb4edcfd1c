// The part of the npm package sherpa-onnx-node that we use. Optional: an operator who wants it installs it.
import { createRequire } from 'node:module'
import { Fault } from '@saperly/kernel'

export const SHERPA_PACKAGE = 'sherpa-onnx-node'

export interface Waveform {
  /** -1 to 1. */
  samples: Float32Array
  sampleRate: number
}

export interface SherpaStream {
  acceptWaveform(waveform: Waveform): void
}

export interface SherpaOnlineStream extends SherpaStream {
  /** No more audio follows. */
  inputFinished(): void
}

export interface SherpaResult {
  text: string
  /** Natural logarithms, one a token; not of every model. */
  ys_probs?: readonly number[]
  ys_log_probs?: readonly number[]
}

export interface OnlineRecognizer {
  createStream(): SherpaOnlineStream
  isReady(stream: SherpaOnlineStream): boolean
  decode(stream: SherpaOnlineStream): void
  getResult(stream: SherpaOnlineStream): SherpaResult
}

export interface OfflineRecognizer {
  createStream(): SherpaStream
  decodeAsync(stream: SherpaStream): Promise<SherpaResult>
}

export interface OfflineTts {
  readonly sampleRate: number
  readonly numSpeakers: number
  generateAsync(request: {
    text: string
    sid: number
    speed: number
    enableExternalBuffer: boolean
    /** False stops it. */
    onProgress: (info: { samples: Float32Array; progress: number }) => boolean
  }): Promise<{ samples: Float32Array; sampleRate: number }>
}

export interface SherpaModule {
  OnlineRecognizer: new (config: object) => OnlineRecognizer
  OfflineRecognizer: new (config: object) => OfflineRecognizer
  OfflineTts: new (config: object) => OfflineTts
}

/** Whether the package is there, without loading it. */
export function hasSherpa(): boolean {
  try {
    createRequire(import.meta.url).resolve(SHERPA_PACKAGE)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return false
    throw error
  }
}

/** Loads the package's native code into this process. */
export async function loadSherpa(name: string = SHERPA_PACKAGE): Promise<SherpaModule> {
  try {
    const loaded = (await import(name)) as { default: SherpaModule }
    return loaded.default
  } catch (cause) {
    throw new Fault('sherpa-onnx-node can’t be loaded', { cause, retryable: false })
  }
}
