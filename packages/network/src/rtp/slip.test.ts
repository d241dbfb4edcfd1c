// Percentiles of lateness, window by window.
import { expect, test } from 'vitest'
import { LATE_MS, MAX_SLIP_MS, SlipMeter } from './slip.ts'

test('tells the percentiles of each window, to a quarter of a millisecond', () => {
  const meter = new SlipMeter()
  for (let i = 0; i < 980; i++) meter.record(0.3)
  for (let i = 0; i < 20; i++) meter.record(7.1)
  expect(meter.window()).toEqual({ turns: 1000, p50Ms: 0.5, p99Ms: 7.25, lateShare: 0 })
  expect(meter.window()).toEqual({ turns: 0, p50Ms: 0, p99Ms: 0, lateShare: 0 })
  meter.record(-1)
  expect(meter.window().p99Ms).toBe(0.25)
  meter.record(1e6)
  expect(meter.window()).toMatchObject({ p50Ms: MAX_SLIP_MS, lateShare: 1 })
})

test('tells the share of the turns that no jitter buffer waits for', () => {
  const meter = new SlipMeter()
  for (let i = 0; i < 97; i++) meter.record(LATE_MS)
  for (let i = 0; i < 3; i++) meter.record(LATE_MS + 0.1)
  expect(meter.window().lateShare).toBe(0.03)
})
