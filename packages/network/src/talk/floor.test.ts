// The floor's table: total, closed under its own coordinates, and never a state that can't be left.
import { Bug } from '@saperly/kernel'
import { describe, expect, it } from 'vitest'
import { FLOOR, FLOOR_SIDES, stepFloor } from './floor.ts'
import type { FloorEvent, FloorState } from './floor.ts'

const states = Object.keys(FLOOR) as FloorState[]
const events = Object.keys(FLOOR.idle) as FloorEvent[]

/** What each event does to the ear, where it is legal. */
const EAR_AFTER: Partial<Record<FloorEvent, string>> = {
  onset: 'open',
  end: 'deciding',
  blip: 'quiet',
  turn: 'quiet',
  noise: 'quiet',
}
const MOUTH_AFTER: Partial<Record<FloorEvent, string>> = {
  suspect: 'held',
  confirm: 'silent',
  doubt: 'playing',
  speak: 'playing',
  spoken: 'silent',
}

describe('the table', () => {
  it('has a cell for every state and event', () => {
    expect(states).toEqual(Object.keys(FLOOR_SIDES))
    for (const state of states) expect(Object.keys(FLOOR[state])).toEqual(events)
  })

  it('moves only the side that the event is about', () => {
    for (const state of states) {
      for (const event of events) {
        if (FLOOR[state][event] === 'impossible') continue
        const { to } = stepFloor(state, event)
        const before = FLOOR_SIDES[state]
        const after = FLOOR_SIDES[to]
        // Nothing heard after all: what was held for it goes on.
        const released = event === 'noise' && before.mouth === 'held'
        expect(after.ear, `${event} in ${state}`).toBe(EAR_AFTER[event] ?? before.ear)
        expect(after.mouth, `${event} in ${state}`).toBe(
          released ? 'playing' : (MOUTH_AFTER[event] ?? before.mouth),
        )
      }
    }
  })

  it('holds, releases and cuts exactly where the mouth changes that way', () => {
    for (const state of states) {
      for (const event of events) {
        if (FLOOR[state][event] === 'impossible') continue
        const { to, effects } = stepFloor(state, event)
        const from = FLOOR_SIDES[state].mouth
        const mouth = FLOOR_SIDES[to].mouth
        expect(effects.includes('hold')).toBe(from !== 'held' && mouth === 'held')
        expect(effects.includes('release')).toBe(from === 'held' && mouth === 'playing')
        expect(effects.includes('cut')).toBe(event === 'confirm')
      }
    }
  })

  it('lets every state be reached and left', () => {
    const reached = new Set<FloorState>(['idle'])
    for (const state of reached) {
      for (const event of events) {
        if (FLOOR[state][event] !== 'impossible') reached.add(stepFloor(state, event).to)
      }
    }
    expect([...reached].toSorted()).toEqual(states.toSorted())
  })

  it('is loud about what can not be', () => {
    expect(() => stepFloor('idle', 'end')).toThrow(Bug)
    expect(stepFloor('idle', 'spoken')).toEqual({ to: 'idle', effects: [] })
  })
})
