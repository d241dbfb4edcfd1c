// Keys by INFO: in order, one at a time, and nothing after the end.
import { SimClock } from '@saperly/kernel'
import { expect, it } from 'vitest'
import { InfoKeys } from './info-keys.ts'

/** A peer that answers each INFO after 50 ms; `sent` says when each key went out. */
function peer() {
  const clock = new SimClock()
  const sent: [key: string, atMs: number][] = []
  let waiting = 0
  const keys = new InfoKeys(clock, ({ type, text }, onFinal) => {
    expect([type, ++waiting]).toEqual(['application/dtmf-relay', 1])
    sent.push([/^Signal=(.)\r\nDuration=160\r\n$/.exec(text)![1]!, clock.monotonicMs()])
    clock.schedule(50, () => {
      waiting--
      onFinal()
    })
  })
  return { clock, sent, keys }
}

it('sends one after the other, waits where it is told to, and says when all are out', async () => {
  const { clock, sent, keys } = peer()
  const done: string[] = []
  keys.send('1w#', () => done.push('first'))
  keys.send('A', () => done.push('second'))
  await clock.advance(1029)
  expect([sent, done]).toEqual([
    [
      ['1', 0],
      ['#', 770],
    ],
    [],
  ])
  await clock.advance(11)
  expect(done).toEqual(['first'])
  await clock.advance(1000)
  expect([sent.at(-1), done, clock.pending()]).toEqual([['A', 1040], ['first', 'second'], 0])
})

it('sends nothing more once the call is over, and tells nobody', async () => {
  const { clock, sent, keys } = peer()
  const done: string[] = []
  keys.send('123', () => done.push('sent'))
  await clock.advance(10)
  keys.stop()
  await clock.advance(5000)
  keys.send('4', () => done.push('sent'))
  expect([sent.length, done, clock.pending()]).toEqual([1, [], 0])
})

it('says at once that nothing was to be sent', () => {
  const { keys } = peer()
  let done = false
  keys.send('', () => (done = true))
  expect(done).toBe(true)
})
