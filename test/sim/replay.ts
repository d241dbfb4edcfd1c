// A call's events, folded to what its row must say.
import type { CallRow, EventRow } from '../../packages/server/src/store/port.ts'

interface Folded {
  phase: 'none' | 'dialing' | 'ringing' | 'connected' | 'ended'
  answered: boolean
  end: Record<string, unknown> | null
}

const PHASES = { initiated: 'dialing', ringing: 'ringing', answered: 'connected' } as const
const END_FIELDS = [
  'status',
  'durationSec',
  'costCents',
  'hangupCause',
  'sipCode',
  'q850Cause',
] as const

function fold(events: readonly EventRow[]): Folded {
  const folded: Folded = { phase: 'none', answered: false, end: null }
  for (const { type, data } of events) {
    if (type === 'ended') {
      folded.phase = 'ended'
      folded.end = data
    } else if (type in PHASES && folded.phase !== 'ended') {
      folded.phase = PHASES[type as keyof typeof PHASES]
      folded.answered ||= type === 'answered'
    }
  }
  return folded
}

/** In what the row differs from its events; null when they agree. */
export function differenceOf(call: CallRow, events: readonly EventRow[]): string | null {
  const { phase, answered, end } = fold(events)
  if (events.filter(({ type }) => type === 'ended').length > 1) return 'it ended twice'
  if (answered !== (call.answeredAt !== null)) return `answered by its events: ${answered}`
  if (call.state === 'ended' || end) {
    if (call.state !== 'ended' || !end) return `${call.state}, ${phase} by its events`
    const field = END_FIELDS.find((name) => (end[name] ?? null) !== call[name])
    return field ? `${field} is ${String(call[field])}, ${String(end[field])} by its events` : null
  }
  // The end that was asked for has no event of its own: it shows the phase that it came from.
  if (call.state === 'ending') return phase === 'none' ? 'no event' : null
  const stored = call.state === 'queued' ? 'dialing' : call.state
  return stored === phase ? null : `${stored}, ${phase} by its events`
}
