// Calling hours: the zones a number may lie in, and the next time all of them agree.
import { describe, expect, it } from 'vitest'
import { opensAt, zonesOf } from './calling-hours.ts'

const HOURS = { from: '08:00', until: '21:00' }
const at = (iso: string): number => Date.parse(iso)

describe('zonesOf', () => {
  it('tells North American zones by area code', () => {
    expect(zonesOf('+12125550100')).toEqual(['America/New_York'])
    expect(zonesOf('+18505550100')).toEqual(['America/New_York', 'America/Chicago'])
    expect(zonesOf('+18085550100')).toEqual(['Pacific/Honolulu'])
  })

  it('takes every zone of the country where the area code says nothing', () => {
    const zones = zonesOf('+15555550123')
    expect(zones).toContain('America/New_York')
    expect(zones).toContain('Pacific/Honolulu')
    expect(zonesOf('+4930901820')).toContain('Europe/Berlin')
  })

  it('counts numbers of no country as UTC', () => {
    expect(zonesOf('+888123456789')).toEqual(['UTC'])
  })

  it('knows only zones that the runtime knows', () => {
    const zones = new Set<string>()
    for (let code = 200; code < 1000; code++)
      for (const zone of zonesOf(`+1${code}5550100`)) zones.add(zone)
    for (const zone of zones)
      expect(() => new Intl.DateTimeFormat('en', { timeZone: zone })).not.toThrow()
  })
})

describe('opensAt', () => {
  it('is null inside the hours, and the next opening outside of them', () => {
    expect(opensAt(HOURS, '+12125550100', at('2026-01-15T18:00:00Z'))).toBeNull()
    expect(opensAt(HOURS, '+12125550100', at('2026-01-15T12:59:00Z'))).toBe(
      at('2026-01-15T13:00:00Z'),
    )
    expect(opensAt(HOURS, '+12125550100', at('2026-01-16T02:00:00Z'))).toBe(
      at('2026-01-16T13:00:00Z'),
    )
  })

  it('includes the first minute and excludes the last', () => {
    expect(opensAt(HOURS, '+12125550100', at('2026-01-15T13:00:00Z'))).toBeNull()
    expect(opensAt(HOURS, '+12125550100', at('2026-01-16T01:59:59Z'))).toBeNull()
  })

  it('waits until every zone that the number may lie in is open', () => {
    // Eastern is open at 13:30 UTC, Central only at 14:00.
    expect(opensAt(HOURS, '+18505550100', at('2026-01-15T13:30:00Z'))).toBe(
      at('2026-01-15T14:00:00Z'),
    )
  })

  it('follows the change of clocks', () => {
    expect(opensAt(HOURS, '+12125550100', at('2026-07-15T12:00:00Z'))).toBeNull()
    expect(opensAt(HOURS, '+12125550100', at('2026-03-08T10:00:00Z'))).toBe(
      at('2026-03-08T12:00:00Z'),
    )
  })

  it('names an opening even where the zones never agree', () => {
    const narrow = { from: '09:00', until: '10:00' }
    const opening = opensAt(narrow, '+15555550123', at('2026-01-15T00:00:00Z'))
    expect(opening).toBeGreaterThan(at('2026-01-15T00:00:00Z'))
  })
})
