// Thresholds by workspace and environment, and that a crossing happens once however the money goes.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { crossed, thresholdOf } from './low-balance.ts'

it('a workspace has its own threshold where it has one, null included, else that of the environment', () => {
  const settings = {
    test: null,
    live: 500,
    workspaces: { ws_a: { live: 900 }, ws_b: { live: null } },
  }
  const of = (workspaceId: string, environment: 'test' | 'live') =>
    thresholdOf(settings, { workspaceId, environment })
  expect([of('ws_a', 'live'), of('ws_b', 'live'), of('ws_c', 'live')]).toEqual([900, null, 500])
  expect([of('ws_a', 'test'), of('constructor', 'live')]).toEqual([null, 500])
})

it('whatever is taken and added, it is crossed once for each time that the balance was at it before', () => {
  const moves = fc.array(fc.integer({ min: -400, max: 400 }), { maxLength: 60 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), moves, (threshold, all) => {
      let posted = 1000
      let armed = posted >= threshold
      for (const move of all) {
        const taken = Math.max(0, Math.min(-move, posted))
        posted += move > 0 ? move : -taken
        const told = move <= 0 && crossed(threshold, posted, taken)
        expect(told).toBe(armed && posted < threshold)
        armed = posted >= threshold
      }
    }),
  )
})
