// What is told of a leg's quality: changes of class, the whole call, nothing where nothing was.
import { expect, test } from 'vitest'
import { NO_FIGURES, type StreamFigures } from '../rtp/quality.ts'
import { MAX_INTERVALS_TOLD, QualityWatch } from './quality-watch.ts'

/** Ten seconds more of a stream in which `lost` of 500 packets were lost. */
function more(before: StreamFigures, lost: number): StreamFigures {
  return {
    ...before,
    packetsSent: before.packetsSent + 500,
    packetsReceived: before.packetsReceived + 500 - lost,
    packetsLost: before.packetsLost + lost,
  }
}

test('an interval is told when it sounds otherwise than last told', () => {
  const watch = new QualityWatch()
  watch.codec = 'PCMU'
  let figures = NO_FIGURES
  const told = [0, 1, 40, 41, 40, 0, 0].map((lost) => {
    figures = more(figures, lost)
    return watch.interval(figures)?.lossInPercent ?? null
  })
  expect(told).toEqual([null, null, 8, null, null, 0, null])
  expect(watch.whole(figures)).toMatchObject({ span: 'call', packetsLost: 122, packetsSent: 3500 })
})

test('is due every ten seconds of turns', () => {
  const watch = new QualityWatch()
  const due = Array.from({ length: 1100 }, () => watch.due())
  expect(due.flatMap((is, turn) => (is ? turn + 1 : []))).toEqual([500, 1000])
})

test('a hold is no bad line, and a line that swings is told so often and no more', () => {
  const watch = new QualityWatch()
  expect(watch.interval(NO_FIGURES)).toBeNull()
  expect(watch.whole(NO_FIGURES)).toBeNull()
  let figures = NO_FIGURES
  let told = 0
  for (let i = 0; i < 3 * MAX_INTERVALS_TOLD; i++) {
    figures = more(figures, i % 2 === 0 ? 100 : 0)
    if (watch.interval(figures)) told++
  }
  expect(told).toBe(MAX_INTERVALS_TOLD)
})
