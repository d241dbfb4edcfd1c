// The demo brain: what it answers, and that it always comes to an end.
import type { ManualEvent } from '@saperly/contract'
import { describe, expect, test } from 'vitest'
import { DemoBrain, MAX_TURNS } from './demo.ts'
import { collect, never, turn } from './testing.ts'
import type { BrainDirective } from './port.ts'

const said = (directives: BrainDirective[]): string =>
  directives.map((directive) => (directive.type === 'speak' ? directive.text : '')).join('')
const types = (directives: BrainDirective[]): string[] =>
  directives.map((directive) => directive.type)
const ask = (brain: DemoBrain, event: ManualEvent): Promise<BrainDirective[]> =>
  collect(brain.ask(event, never))
const heard = (text: string): Promise<BrainDirective[]> => ask(new DemoBrain(), turn('req_1', text))
const base = { requestId: 'req_1', callId: 'call_1', at: '' }

describe('the demo', () => {
  test.each([
    ['Yes.', 'Text comes to me'],
    ['no', 'All right'],
    ['thank you', 'welcome'],
    ['Hello, who is this?', 'My name is'],
    ['How much does it cost?', 'test money'],
    ['are you a robot', 'machine'],
    ['what can you do', 'Ask me'],
    ['one two three', 'one two three'],
    ['4 2', '4 2'],
    ['', 'missed that'],
    ['purple monkeys', 'purple monkeys'],
  ])('to "%s" says something with "%s", and names what it listens for', async (text, part) => {
    const directives = await heard(text)
    expect(types(directives)).toEqual(['speak', 'wait_for_user'])
    expect(said(directives)).toContain(part)
  })

  test('hangs up on goodbye, and takes an opt-out at its word', async () => {
    for (const end of ['okay goodbye', "That's all.", 'No, thank you.']) {
      expect(types(await heard(end))).toEqual(['speak', 'hangup'])
    }
    expect(await heard('please stop calling me')).toEqual([{ type: 'opt_out' }])
  })

  test('greets whoever is there', async () => {
    const opening = { ...base, from: '+15555550199', to: '+1', instructions: null, topic: null }
    for (const type of ['inbound_call', 'outbound_call'] as const) {
      expect(said(await ask(new DemoBrain(), { ...opening, type }))).toContain('Saperly demo')
    }
  })

  test('never says the same thing twice in a row, whatever it hears', async () => {
    for (const text of ['yes', 'no', '']) {
      const brain = new DemoBrain()
      const first = said(await ask(brain, turn('req_1', text)))
      expect(said(await ask(brain, turn('req_2', text)))).not.toBe(first)
    }
  })

  test('repeats itself when asked to', async () => {
    const brain = new DemoBrain()
    const first = said(await ask(brain, { ...base, type: 'dtmf', digits: '12' }))
    expect(first).toBe('You pressed 1 2.')
    expect(said(await ask(brain, turn('req_2', 'please repeat that')))).toBe(first)
  })

  test('gives up after silence, and after enough turns', async () => {
    const silent = new DemoBrain()
    const quiet = { ...base, type: 'silence', seconds: 10 } as const
    const ends = [await ask(silent, quiet), await ask(silent, quiet), await ask(silent, quiet)]
    expect(ends.map((directives) => types(directives).at(-1))).toEqual([
      'wait_for_user',
      'wait_for_user',
      'hangup',
    ])
    const chatty = new DemoBrain()
    for (let i = 1; i < MAX_TURNS; i++) await ask(chatty, turn(`req_${i}`, 'yes'))
    expect(types(await ask(chatty, turn('req_last', 'yes')))).toEqual(['speak', 'hangup'])
  })
})
