// Turns: nobody's crowd keeps another waiting, and nothing is lost or taken twice.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Turns } from './turns.ts'

const anyone = (): boolean => true

function takeAll<T>(turns: Turns<T>, mayGo: (item: T) => boolean = anyone): T[] {
  const taken: T[] = []
  for (let item = turns.take(mayGo); item !== null; item = turns.take(mayGo)) taken.push(item)
  return taken
}

it('serves queues in turn, each in its own order', () => {
  const turns = new Turns<string>(10, 10)
  for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) turns.put(item[0]!, item)
  expect(takeAll(turns)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  expect(turns.size).toBe(0)
})

it('passes over a queue whose first may not go, and comes back to it', () => {
  const turns = new Turns<string>(10, 10)
  for (const item of ['a1', 'a2', 'b1']) turns.put(item[0]!, item)
  expect(takeAll(turns, (item) => item !== 'a1')).toEqual(['b1'])
  expect(takeAll(turns)).toEqual(['a1', 'a2'])
})

it('refuses what is beyond the bound of one and of all', () => {
  const turns = new Turns<number>(3, 2)
  expect([turns.put('a', 1), turns.put('a', 2), turns.put('a', 3)]).toEqual([true, true, false])
  expect([turns.put('b', 4), turns.put('b', 5), turns.put('c', 6)]).toEqual([true, false, false])
  expect(takeAll(turns)).toEqual([1, 4, 2])
  expect(turns.put('c', 6)).toBe(true)
})

it('keeps the order of each queue, and lets nobody wait for more than one turn of each other', () => {
  const puts = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 60 })
  fc.assert(
    fc.property(puts, (names) => {
      const turns = new Turns<{ name: string; index: number }>(1000, 1000)
      for (const [index, name] of names.entries()) turns.put(name, { name, index })
      const taken = takeAll(turns)
      expect(taken).toHaveLength(names.length)
      for (const name of new Set(names)) {
        const own = taken.flatMap((item, at) => (item.name === name ? [{ ...item, at }] : []))
        expect(own.map(({ index }) => index)).toEqual(
          own.map(({ index }) => index).toSorted((one, other) => one - other),
        )
        for (const [count, { at }] of own.entries()) expect(at).toBeLessThan((count + 1) * 4)
      }
    }),
  )
})
