// Keys as SIP INFO: application/dtmf-relay and application/dtmf, as gateways have written them for long.
import type { Body } from './compose.ts'

/** How keys are sent: in the media, as events or tones, or by the signalling. */
export type DigitMode = 'auto' | 'info'

/** How long a key is said to be held, milliseconds. */
export const INFO_KEY_MS = 160

/** Numbers that some peers write in place of `*`, `#` and the letters. */
const NUMBERED: Readonly<Record<string, string>> = {
  '10': '*',
  '11': '#',
  '12': 'A',
  '13': 'B',
  '14': 'C',
  '15': 'D',
}

/** The digit (`0-9*#A-D`) that an INFO reports, or null when it reports none. Never throws. */
export function digitOfInfo(contentType: string, body: string): string | null {
  const type = contentType.split(';')[0]!.trim().toLowerCase()
  if (type === 'application/dtmf-relay') {
    return readDigit(/^\s*signal\s*=\s*(\S{1,2})\s*$/im.exec(body)?.[1] ?? '')
  }
  // A bare key, though some send what belongs into dtmf-relay.
  if (type === 'application/dtmf') {
    return readDigit(/^\s*(?:signal\s*=\s*)?(\S{1,2})\s*(?:$|[\r\n])/i.exec(body)?.[1] ?? '')
  }
  return null
}

/** An INFO that reports one digit (`0-9*#A-D`). */
export function infoOfDigit(digit: string): Body {
  const text = `Signal=${digit}\r\nDuration=${INFO_KEY_MS}\r\n`
  return { type: 'application/dtmf-relay', text }
}

function readDigit(text: string): string | null {
  const digit = NUMBERED[text] ?? text.toUpperCase()
  return /^[0-9*#A-D]$/.test(digit) ? digit : null
}
