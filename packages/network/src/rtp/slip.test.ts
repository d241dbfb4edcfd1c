// Percentiles of lateness, window by window.
import { expect, test } from 'vitest'
import { MAX_SLIP_MS, SlipMeter } from './slip.ts'

test('tells the percentiles of each window, to a quarter of a millisecond', () => {
  const meter = new SlipMeter()
  for (let i = 0; i < 980; i++) meter.record(0.3)
  for (let i = 0; i < 20; i++) meter.record(7.1)
  expect(meter.window()).toEqual({ turns: 1000, p50Ms: 0.5, p99Ms: 7.25 })
  expect(meter.window()).toEqual({ turns: 0, p50Ms: 0, p99Ms: 0 })
  meter.record(-1)
  expect(meter.window().p99Ms).toBe(0.25)
  meter.record(1e6)
  expect(meter.window().p50Ms).toBe(MAX_SLIP_MS)
})
