// What a hosted model remembers: bounded, in turns, and only what was heard.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { History, MAX_CHARACTERS, MAX_ENTRIES } from './history.ts'

const call = { id: 'a', name: 'end_call', arguments: '{}' }

describe('the history', () => {
  test('keeps tools together with their results', () => {
    const history = new History()
    history.heard('bye')
    const answer = history.answer('req_1')
    answer.says('Goodbye.')
    answer.called(call, 'Done.')
    expect(history.messages()).toEqual([
      { role: 'user', content: 'bye' },
      {
        role: 'assistant',
        content: 'Goodbye.',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'end_call', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'Done.' },
    ])
  })

  test('forgets what nobody heard, also what is written after', () => {
    const history = new History()
    history.heard('hi')
    const answer = history.answer('req_1')
    answer.says('Hello')
    answer.says('there.')
    history.interrupted('req_1', '')
    answer.says('More.')
    history.heard('wait')
    expect(history.messages()).toEqual([{ role: 'user', content: 'hi\nwait' }])
  })

  test('cuts the last answer when none is named, over all its rounds', () => {
    const history = new History()
    history.answer('req_1').says('Old.')
    history.heard('x')
    history.answer('req_2').says('One.')
    history.answer('req_2').says('Two.')
    history.interrupted(null, 'One')
    expect(history.messages().map((message) => message.content)).toEqual(['Old.', 'x', 'One'])
  })

  test('stays bounded, and never begins with the result of a forgotten tool', () => {
    const step = fc.oneof(fc.constant('heard'), fc.constant('said'), fc.constant('called'))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.nat({ max: 2000 }), (steps, length) => {
        const history = new History()
        const text = 'x'.repeat(length)
        for (const [at, kind] of steps.entries()) {
          if (kind === 'heard') history.heard(text)
          else history.answer(`req_${at}`).says(text)
          if (kind === 'called') history.answer(`req_${at}`).called(call, text)
        }
        const messages = history.messages()
        const size = messages.reduce((sum, message) => sum + (message.content?.length ?? 0), 0)
        expect(messages.length).toBeLessThanOrEqual(2 * MAX_ENTRIES)
        expect(size).toBeLessThanOrEqual(MAX_CHARACTERS + MAX_ENTRIES + 2000)
        expect(messages[0]?.role).not.toBe('tool')
      }),
    )
  })
})
