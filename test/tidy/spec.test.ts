// docs/spec/call.md and the machine's table say the same.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { callTable } from '../../packages/server/src/call/machine.ts'

const text = readFileSync(new URL('../../docs/spec/call.md', import.meta.url), 'utf8')

function rowsAfter(heading: string): string[][] {
  const section = text.slice(text.indexOf(heading))
  const table = section.slice(section.indexOf('\n|') + 1).split('\n\n')[0]!
  return table
    .split('\n')
    .filter((line) => line.startsWith('|') && !line.includes('---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    )
}

test('the written table is the one in force', () => {
  const [head, ...rows] = rowsAfter('## Table')
  const events = head!.slice(1)
  const written = Object.fromEntries(
    rows.map(([state, ...cells]) => [
      state,
      Object.fromEntries(cells.map((cell, at) => [events[at], cell])),
    ]),
  )
  const inForce = Object.fromEntries(
    Object.entries(callTable).map(([state, cells]) => [
      state,
      Object.fromEntries(
        Object.entries(cells).map(([event, cell]) => [
          event,
          cell === 'ignored' ? '–' : cell === 'impossible' ? '✗' : cell.next,
        ]),
      ),
    ]),
  )
  expect(written).toEqual(inForce)
})
