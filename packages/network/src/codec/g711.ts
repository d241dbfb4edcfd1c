// G.711 (ITU-T): both laws by table, 16-bit linear PCM on the other side.
import { FRAME_SAMPLES, silentFrame } from '../rtp/frame.ts'

export type Law = 'PCMU' | 'PCMA'

const MU_BIAS = 0x84
const MU_CLIP = 32_635

interface Tables {
  /** Code (0–255) to sample. */
  decode: Int16Array
  /** Sample, as an unsigned 16-bit index, to code. */
  encode: Uint8Array
}

const TABLES: Record<Law, Tables> = {
  PCMU: buildTables(muDecode, muEncode),
  PCMA: buildTables(aDecode, aEncode),
}

/** Samples of `payload`, one per byte. */
export function decodeG711(law: Law, payload: Uint8Array): Int16Array {
  const { decode } = TABLES[law]
  const { length } = payload
  const pcm = length === FRAME_SAMPLES ? silentFrame() : new Int16Array(length)
  for (let i = 0; i < payload.length; i++) pcm[i] = decode[payload[i]!]!
  return pcm
}

/** One byte per sample of `pcm`, in `payload` where that is given. */
export function encodeG711(
  law: Law,
  pcm: Int16Array,
  payload: Uint8Array = Buffer.allocUnsafe(pcm.length),
): Uint8Array {
  const { encode } = TABLES[law]
  for (let i = 0; i < pcm.length; i++) payload[i] = encode[pcm[i]! & 0xffff]!
  return payload
}

function buildTables(
  decodeOne: (code: number) => number,
  encodeOne: (sample: number) => number,
): Tables {
  const encode = new Uint8Array(65_536)
  for (let sample = -32_768; sample < 32_768; sample++) encode[sample & 0xffff] = encodeOne(sample)
  return {
    decode: Int16Array.from({ length: 256 }, (_, code) => decodeOne(code)),
    encode,
  }
}

/** µ-law: inverted bits of sign, three of exponent, four of mantissa, over a biased magnitude. */
function muDecode(code: number): number {
  const bits = ~code & 0xff
  const magnitude = ((((bits & 0x0f) << 3) + MU_BIAS) << ((bits >> 4) & 7)) - MU_BIAS
  return bits & 0x80 ? -magnitude : magnitude
}

function muEncode(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0
  const magnitude = Math.min(Math.abs(sample), MU_CLIP) + MU_BIAS
  const exponent = 31 - Math.clz32(magnitude) - 7
  return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff
}

/** A-law: even bits inverted (0x55), the sign bit set for positive samples, no bias in the lowest segment. */
function aDecode(code: number): number {
  const bits = code ^ 0x55
  const exponent = (bits >> 4) & 7
  const step = ((bits & 0x0f) << 4) + 8
  const magnitude = exponent === 0 ? step : (step + 0x100) << (exponent - 1)
  return bits & 0x80 ? magnitude : -magnitude
}

function aEncode(sample: number): number {
  const sign = sample < 0 ? 0 : 0x80
  // The lowest four bits are below the finest step; negative samples are rounded away from zero.
  const magnitude = sample < 0 ? ~sample >> 4 : sample >> 4
  const exponent = Math.max(0, 31 - Math.clz32(magnitude) - 3)
  const mantissa = exponent === 0 ? magnitude & 0x0f : (magnitude >> (exponent - 1)) & 0x0f
  return (sign | (exponent << 4) | mantissa) ^ 0x55
}
