// WAV files of two channels: the canonical 44-byte header, repair after a crash, and a reader.
import { open } from 'node:fs/promises'
import { Fault } from '@saperly/kernel'
import { FRAME_SAMPLES, SAMPLE_RATE, SAMPLES_PER_MS } from '../rtp/frame.ts'

export const WAV_HEADER_BYTES = 44
const CHANNELS = 2
const SAMPLE_BYTES = 2
const BLOCK_BYTES = CHANNELS * SAMPLE_BYTES
/** Bytes of one 20 ms frame, both channels. */
export const STEREO_FRAME_BYTES = FRAME_SAMPLES * BLOCK_BYTES

/** The header of a stereo recording, 16-bit PCM at 8 kHz, with `dataBytes` bytes of samples. */
export function wavHeader(dataBytes: number): Buffer {
  const header = Buffer.alloc(WAV_HEADER_BYTES)
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(WAV_HEADER_BYTES - 8 + dataBytes, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(CHANNELS, 22)
  header.writeUInt32LE(SAMPLE_RATE, 24)
  header.writeUInt32LE(SAMPLE_RATE * BLOCK_BYTES, 28)
  header.writeUInt16LE(BLOCK_BYTES, 32)
  header.writeUInt16LE(SAMPLE_BYTES * 8, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(dataBytes, 40)
  return header
}

/** Milliseconds that `dataBytes` bytes of samples last. */
export function wavDurationMs(dataBytes: number): number {
  return dataBytes / (BLOCK_BYTES * SAMPLES_PER_MS)
}

/**
 * Makes a recording whose process died whole again: the header says what the file's length tells, and half a sample
 * at its end is cut off. Returns the bytes of samples; null when there is no file or it never got a header.
 */
export async function repairWav(path: string): Promise<number | null> {
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new Fault('cannot open a recording', { cause: error, retryable: false })
  })
  if (file === null) return null
  try {
    const { size } = await file.stat()
    if (size < WAV_HEADER_BYTES) return null
    const dataBytes = Math.floor((size - WAV_HEADER_BYTES) / BLOCK_BYTES) * BLOCK_BYTES
    await file.truncate(WAV_HEADER_BYTES + dataBytes)
    await file.write(wavHeader(dataBytes), 0, WAV_HEADER_BYTES, 0)
    return dataBytes
  } finally {
    await file.close()
  }
}

/** Both channels of a recording's bytes, or null when it isn't a whole file of the kind written here. */
export function readWav(bytes: Buffer): { left: Int16Array; right: Int16Array } | null {
  const dataBytes = bytes.length - WAV_HEADER_BYTES
  if (dataBytes < 0 || dataBytes % BLOCK_BYTES !== 0) return null
  if (!bytes.subarray(0, WAV_HEADER_BYTES).equals(wavHeader(dataBytes))) return null
  const samples = dataBytes / BLOCK_BYTES
  const channel = (offset: number): Int16Array =>
    Int16Array.from({ length: samples }, (_, i) =>
      bytes.readInt16LE(WAV_HEADER_BYTES + i * BLOCK_BYTES + offset),
    )
  return { left: channel(0), right: channel(SAMPLE_BYTES) }
}
