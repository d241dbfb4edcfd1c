// The two tones of a telephone key, for peers that know no telephone events (ITU-T Q.23).
import { SAMPLE_RATE } from '../rtp/frame.ts'

export const ROWS_HZ: readonly number[] = [697, 770, 852, 941]
export const COLUMNS_HZ: readonly number[] = [1209, 1336, 1477, 1633]
/** Event codes of RFC 4733 as they lie on the keypad, row by row. */
export const KEYPAD: readonly number[] = [1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15]
/** Each tone about -9 dBm0, well below clipping together. */
const AMPLITUDE = 7000

/** `samples` samples of the key with event code `event` (0–15), beginning `offset` samples after it was pressed. */
export function keypadTone(event: number, offset: number, samples: number): Int16Array {
  const place = KEYPAD.indexOf(event)
  const low = (2 * Math.PI * ROWS_HZ[place >> 2]!) / SAMPLE_RATE
  const high = (2 * Math.PI * COLUMNS_HZ[place & 3]!) / SAMPLE_RATE
  return Int16Array.from({ length: samples }, (_, i) =>
    Math.round(AMPLITUDE * (Math.sin(low * (offset + i)) + Math.sin(high * (offset + i)))),
  )
}
