// What audio would look like where only text may be: raw, in base64, in hex, or as numbers.

/** Longest run of one encoding's letters that text may have: 256 letters are 192 bytes, 24 ms of G.711. */
const MAX_RUN = 256
const ENCODED = new RegExp(`[A-Za-z0-9+/_=-]{${MAX_RUN},}`)
const NUMBERS = /(?:-?\d+(?:\.\d+)?(?:e-?\d+)?\s*,\s*){64,}/
/** The first four letters of a WAV, as text, in base64 and in hex. */
const HEADERS = ['RIFF', 'UklGR', '52494646']
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/

/** What is suspicious about these bytes; null when they can only be text. */
export function audioIn(bytes: Uint8Array): string | null {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return 'not UTF-8'
  }
  if (CONTROL.test(text)) return 'control characters'
  const header = HEADERS.find((one) => text.includes(one))
  if (header) return `a WAV header: ${header}`
  const run = ENCODED.exec(text)
  if (run) return `an encoded run of ${run[0].length} letters: ${run[0].slice(0, 40)}…`
  const numbers = NUMBERS.exec(text)
  return numbers ? `a run of numbers: ${numbers[0].slice(0, 40)}…` : null
}
