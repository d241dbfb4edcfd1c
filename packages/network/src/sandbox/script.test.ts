// Scripts are read strictly: the bundled ones are fine, and whatever is wrong with another is said, and where.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { ScriptLibrary } from './library.ts'
import { parseScript } from './script.ts'

const directories: string[] = []
afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true })
})

async function directoryWith(files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'scripts-'))
  directories.push(directory)
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return directory
}

function failureOf(script: unknown): string {
  const parsed = parseScript(JSON.stringify(script))
  return parsed.ok ? 'fine' : `${parsed.failure.at} ${parsed.failure.problem}`
}

const ANSWER = { do: 'answer' }

describe('scripts', () => {
  it('that are bundled are all fine, and every special number has one', async () => {
    const library = await ScriptLibrary.load(null)
    expect(library.names).toContain('friendly')
    for (let i = 100; i <= 123; i++) {
      expect(library.forNumber(`+15555550${i}`).steps.length).toBeGreaterThan(0)
    }
    expect(library.forNumber('+15555550101').steps).toEqual([{ do: 'refuse', sipCode: 486 }])
    expect(library.forNumber('+4930123456')).toBe(library.byName('friendly'))
  })

  it('of the operator win over bundled ones, and a wrong one is named', async () => {
    const mine = JSON.stringify({ steps: [{ do: 'refuse', sipCode: 404 }] })
    const library = await ScriptLibrary.load(
      await directoryWith({ 'busy.json': mine, 'mine.json': mine, 'notes.txt': 'no' }),
    )
    expect(library.forNumber('+15555550101').steps).toEqual([{ do: 'refuse', sipCode: 404 }])
    expect(library.byName('mine')).not.toBeNull()
    expect(library.byName('../mine')).toBeNull()
    const wrong = await directoryWith({ 'odd.json': '{"steps":[{"do":"dance"}]}' })
    await expect(ScriptLibrary.load(wrong)).rejects.toThrow('script odd.json: steps[0].do')
  })

  it.each([
    [[], ' must be an object'],
    [{}, 'steps must hold at least one step'],
    [{ steps: {} }, 'steps must be a list of at most 100'],
    [{ steps: [ANSWER], refer: 'maybe' }, 'refer must be follow, refuse or silent'],
    [{ steps: [ANSWER], extra: 1 }, 'extra is not known here'],
    [{ steps: [{ do: 'say', text: 'x' }] }, 'steps[0] comes before the call is answered'],
    [{ steps: [ANSWER, { do: 'ring' }] }, 'steps[1] comes after the call is answered'],
    [{ steps: [ANSWER, { do: 'say' }] }, 'steps[1].text must be a text'],
    [{ steps: [ANSWER, { do: 'say', txt: 'x' }] }, 'steps[1].text must be a text'],
    [{ steps: [ANSWER, { do: 'beep', loud: 1 }] }, 'steps[1].loud is not known here'],
    [{ steps: [ANSWER, { do: 'press', digits: '1x' }] }, 'steps[1].digits may hold 0-9'],
    [{ steps: [{ do: 'refuse', sipCode: 200 }] }, 'steps[0].sipCode must be a whole number'],
    [{ steps: [{ do: 'refuse', sipCode: 486 }, ANSWER] }, 'steps[0] must be the last step'],
    [{ steps: [{ do: 'silent' }, ANSWER] }, 'steps[0] must be the one step'],
    [{ steps: [{ do: 'ring', times: 2, ms: 3 }] }, 'steps[0].ms cannot stand beside times'],
    [
      {
        steps: [
          ANSWER,
          { do: 'converse', turns: 1, patienceSec: 1, replies: [{ hears: [7], say: 'x' }] },
        ],
      },
      'steps[1].replies[0].hears[0] must be a text',
    ],
  ])('are refused for what is wrong: %j', (script, problem) => {
    expect(failureOf(script)).toContain(problem)
  })

  it('never throw, whatever the file holds', () => {
    expect(parseScript('{').ok).toBe(false)
    expect(parseScript(`"${'x'.repeat(70_000)}"`).ok).toBe(false)
    fc.assert(
      fc.property(fc.json(), fc.array(fc.object()), (text, steps) => {
        parseScript(text)
        parseScript(JSON.stringify({ steps }))
      }),
      { numRuns: 100 },
    )
  })
})
