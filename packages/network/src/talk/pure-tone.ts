// Is this frame one sine? Its frequency, and the share of the energy that the sine explains.
import { FRAME_SAMPLES, SAMPLE_RATE } from '../speech/pcm.ts'

export interface PureTone {
  hz: number
  /** 0 to 1; a lone sine in noise of 20 dB less has 0.99. */
  purity: number
}

/** Distance of the frequencies that are tried: one period more or less in a frame. */
const STEP_HZ = SAMPLE_RATE / FRAME_SAMPLES

/** A sine and a cosine of one frequency over one frame. */
interface Probe {
  hz: number
  cos: Float64Array
  sin: Float64Array
}

const probes = new Map<number, Probe>()

function probeAt(hz: number): Probe {
  const known = probes.get(hz)
  if (known) return known
  const radians = (2 * Math.PI * hz) / SAMPLE_RATE
  const cos = Float64Array.from({ length: FRAME_SAMPLES }, (_, i) => Math.cos(radians * i))
  const sin = Float64Array.from({ length: FRAME_SAMPLES }, (_, i) => Math.sin(radians * i))
  const probe = { hz, cos, sin }
  probes.set(hz, probe)
  return probe
}

/** Amplitude of `probe` in the frame, not scaled. */
function strength(frame: Int16Array, { cos, sin }: Probe): number {
  let a = 0
  let b = 0
  for (let i = 0; i < FRAME_SAMPLES; i++) {
    const sample = frame[i]!
    a += sample * cos[i]!
    b += sample * sin[i]!
  }
  return Math.hypot(a, b)
}

/** The strongest sine of a 20 ms frame between two frequencies, or null for a frame of zeros. */
export function pureTone(frame: Int16Array, lowestHz: number, highestHz: number): PureTone | null {
  let energy = 0
  for (let i = 0; i < FRAME_SAMPLES; i++) energy += frame[i]! * frame[i]!
  if (energy === 0) return null
  const from = Math.floor(lowestHz / STEP_HZ) - 1
  const to = Math.ceil(highestHz / STEP_HZ) + 1
  const strengths: number[] = []
  let best = 0
  for (let step = from; step <= to; step++) {
    const found = strength(frame, probeAt(step * STEP_HZ))
    strengths.push(found)
    if (found > strengths[best]!) best = strengths.length - 1
  }
  const centre = strengths[best]!
  let tone: PureTone = { hz: 0, purity: -1 }
  for (const side of [-1, 1]) {
    // A sine between two probes shares its amplitude between them; noise may hide on which side it is.
    const beside = strengths[best + side] ?? 0
    const hz = (from + best + (side * beside) / (centre + beside)) * STEP_HZ
    const explained = strength(frame, probeAt(2 * Math.round(hz / 2)))
    const purity = Math.min(1, (2 * explained ** 2) / (FRAME_SAMPLES * energy))
    if (purity > tone.purity) tone = { hz, purity }
  }
  return tone
}
