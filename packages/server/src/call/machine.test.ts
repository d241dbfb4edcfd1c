// The table itself: total, forward only, and final at the end.
import { expect, test } from 'vitest'
import { callTable, nextState, phaseOf } from './machine.ts'

const order = ['queued', 'dialing', 'ringing', 'connected', 'ending', 'ended'] as const

test('every transition goes forward', () => {
  for (const state of order) {
    for (const cell of Object.values(callTable[state])) {
      if (typeof cell === 'string') continue
      expect(order.indexOf(cell.next)).toBeGreaterThan(order.indexOf(state))
    }
  }
})

test('every live state can be ended by the network and given up by the platform', () => {
  for (const state of order) {
    const expected = state === 'ended' ? null : 'ended'
    expect(nextState(state, 'networkEnded')).toBe(expected)
    expect(nextState(state, 'abandon')).toBe(expected)
  }
})

test('nothing leaves the final state', () => {
  expect(Object.values(callTable.ended).every((cell) => cell === 'ignored')).toBe(true)
})

test('an answer before anything was dialled is a bug', () => {
  expect(() => nextState('queued', 'answer')).toThrow('answer in state queued')
})

test('an ending call shows the phase it was in', () => {
  expect(phaseOf('ending', null)).toBe('ringing')
  expect(phaseOf('ending', 1)).toBe('connected')
})
