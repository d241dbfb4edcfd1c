// Calling hours by the peer's own clock: where a number may lie, what time it is there, and when it next suits.
import { countryOf } from '@saperly/kernel'
import { zonesOfAreaCode } from './area-codes.ts'

/** Local wall-clock times `HH:MM`, `from` before `until`; `from` is inside, `until` is not. */
export interface CallingHours {
  from: string
  until: string
}

const MINUTE_MS = 60_000
/** Zones change offset, and hours begin, on quarter hours. */
const STEP_MS = 15 * MINUTE_MS
/** How far ahead the next opening is looked for: over any change of clocks. */
const LOOK_AHEAD_MS = 48 * 60 * MINUTE_MS

/**
 * Every time zone that the number may lie in: by area code in North America, else all zones of its country.
 * Numbers of no country (satellite, international networks) count as UTC.
 */
export function zonesOf(e164: string): readonly string[] {
  const byAreaCode = zonesOfAreaCode(e164)
  if (byAreaCode) return byAreaCode
  const country = countryOf(e164)
  const zones = country === null ? [] : zonesOfCountry(country)
  return zones.length > 0 ? zones : ['UTC']
}

/** Node 20 has the zones of a region as a property, later ones as a method. */
function zonesOfCountry(country: string): readonly string[] {
  const locale = new Intl.Locale(`und-${country}`) as Intl.Locale & {
    timeZones?: string[]
    getTimeZones?: () => string[]
  }
  return locale.getTimeZones?.() ?? locale.timeZones ?? []
}

/**
 * When the peer may be called: `null` if now, else the epoch milliseconds at which the hours next hold in every zone
 * that the number may lie in. Where the hours are too narrow for that ever to be, the next time they hold in one.
 */
export function opensAt(hours: CallingHours, e164: string, atMs: number): number | null {
  const zones = zonesOf(e164)
  const open = (ms: number): number => zones.filter((zone) => isOpen(hours, zone, ms)).length
  if (open(atMs) === zones.length) return null
  let first: number | null = null
  const startMs = Math.ceil((atMs + 1) / STEP_MS) * STEP_MS
  for (let ms = startMs; ms <= startMs + LOOK_AHEAD_MS; ms += STEP_MS) {
    const count = open(ms)
    if (count === zones.length) return ms
    if (count > 0) first ??= ms
  }
  return first ?? startMs + LOOK_AHEAD_MS
}

function isOpen(hours: CallingHours, zone: string, ms: number): boolean {
  const now = minuteOfDay(zone, ms)
  return now >= minutes(hours.from) && now < minutes(hours.until)
}

function minutes(time: string): number {
  const [hour = '0', minute = '0'] = time.split(':')
  return Number(hour) * 60 + Number(minute)
}

/** One formatter a zone; there are no more than a few hundred zones. */
const formatters = new Map<string, Intl.DateTimeFormat>()

function minuteOfDay(zone: string, ms: number): number {
  let formatter = formatters.get(zone)
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    formatters.set(zone, formatter)
  }
  return minutes(formatter.format(ms))
}
