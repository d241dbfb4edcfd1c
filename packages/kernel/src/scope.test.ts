// Scopes: children are joined, finalizers run in reverse, the first failure wins, nothing is left.
import { afterEach, expect, test } from 'vitest'
import { assert } from './assert.ts'
import { Cancelled } from './cancel.ts'
import { SimClock } from './clock.ts'
import { FINALIZER_LIMIT_MS, liveScopes, withScope } from './scope.ts'

const clock = new SimClock()

afterEach(() => {
  assert(liveScopes() === 0 && clock.pending() === 0, 'a scope left something behind')
})

test('returns after its children, and runs finalizers in reverse order', async () => {
  const log: string[] = []
  const value = await withScope(null, clock, async (scope) => {
    scope.defer('first', () => void log.push('first'))
    scope.defer('second', () => void log.push('second'))
    scope.fork('child', async (signal) => {
      await clock.sleep(1000, signal).catch(() => log.push('child cancelled'))
      log.push('child done')
    })
    return 7
  })
  expect(value).toBe(7)
  expect(log).toEqual(['child cancelled', 'child done', 'second', 'first'])
})

test('a failing child cancels its siblings, and its error is the scope’s', async () => {
  let sibling = ''
  const run = withScope(null, clock, async (scope) => {
    scope.fork('bad', async () => {
      throw new Error('broken')
    })
    scope.fork('good', async (signal) => {
      await clock.sleep(1000, signal).catch((error: Cancelled) => (sibling = error.reason))
    })
    await clock.sleep(1000, scope.signal).catch(() => undefined)
  })
  await expect(run).rejects.toThrow('broken')
  expect(sibling).toBe('child bad failed')
})

test('a parent’s abort reaches the body as Cancelled', async () => {
  const parent = new AbortController()
  const run = withScope(parent.signal, clock, (scope) => clock.sleep(1000, scope.signal))
  parent.abort(new Cancelled('shutdown'))
  await expect(run).rejects.toMatchObject({ name: 'Cancelled', reason: 'shutdown' })
})

test('a stuck finalizer is reported, not waited for', async () => {
  const run = withScope(null, clock, async (scope) => {
    scope.defer('stuck', () => new Promise(() => {}))
  })
  const failed = run.catch((error: unknown) => String(error))
  await clock.advance(FINALIZER_LIMIT_MS)
  expect(await failed).toContain('finalizer stuck')
})
