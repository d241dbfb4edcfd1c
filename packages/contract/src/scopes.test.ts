// Scopes: what the coarse words stand for.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { expandScopes, scopeWords, scopes } from './scopes.ts'

it('has seventeen scopes and three bundles', () => {
  expect(scopes).toHaveLength(17)
  expect(scopeWords).toHaveLength(20)
  expect(expandScopes(['read'])).toEqual([
    'calls:read',
    'messages:read',
    'consent:read',
    'audit:read',
    'numbers:read',
    'connections:read',
    'billing:read',
  ])
  expect(expandScopes(['write'])).toEqual(scopes.filter((scope) => scope !== 'keys:admin'))
  expect(expandScopes(['admin', 'read'])).toEqual(scopes)
})

it('expands to known scopes, each once, and is the same when done again', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...scopeWords)), (words) => {
      const expanded = expandScopes(words)
      expect(new Set(expanded).size).toBe(expanded.length)
      expect(expandScopes(expanded)).toEqual(expanded)
    }),
  )
})
