// Brain frames: strictly read, bounded, never thrown at.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MAX_DIRECTIVES,
  MAX_FRAME_BYTES,
  endsAnswer,
  parseBrainFrame,
  parseDirectiveLine,
  parseWebhookAnswer,
} from './directive.ts'
import type { Directive } from './directive.ts'

const hangup = { type: 'hangup' } as const
const frame = (value: unknown) => parseBrainFrame(JSON.stringify(value))
const told = (value: unknown) => {
  const read = frame(value)
  return read.ok ? null : read.failure
}

describe('parseBrainFrame', () => {
  it('reads answers and what comes unasked', () => {
    expect(frame({ requestId: 'r1', directive: hangup })).toEqual({
      ok: true,
      value: { kind: 'answer', requestId: 'r1', directives: [hangup] },
    })
    expect(frame({ callId: 'call_1', directives: [hangup, hangup] })).toEqual({
      ok: true,
      value: { kind: 'unasked', callId: 'call_1', directives: [hangup, hangup] },
    })
    expect(frame({ requestId: 'r1', directives: [] })).toMatchObject({ ok: true })
  })

  it.each<Directive>([
    { type: 'speak', text: 'Hello' },
    { type: 'speak', text: '', more: true, interruptible: false, voice: 'slt' },
    { type: 'wait_for_user' },
    {
      type: 'wait_for_user',
      timeoutSec: 5,
      expect: { phrases: ['yes', 'no'], digits: 4, hints: [] },
    },
    { type: 'hangup' },
    { type: 'transfer', to: '+15551234567' },
    { type: 'transfer', to: 'sip:desk@example.com' },
    { type: 'send_dtmf', digits: '1w2#' },
  ])('takes %j', (directive) => {
    expect(frame({ requestId: 'r', directive })).toMatchObject({ ok: true })
    expect(parseDirectiveLine(JSON.stringify(directive))).toEqual({ ok: true, value: directive })
  })

  it('names the request and the fault of what can’t be followed', () => {
    expect(told({ requestId: 'r', directives: [{ type: 'dance' }] })).toEqual({
      _tag: 'InvalidDirective',
      requestId: 'r',
      message: 'directives.0.type must be one of speak, wait_for_user, hangup, transfer, send_dtmf',
    })
    expect(told({ requestId: 'r', directive: { type: 'speak' } })?.message).toBe(
      'directive.text is required',
    )
    expect(told({ requestId: 'r', directive: { ...hangup, now: true } })?.message).toBe(
      'directive.now is not a known field',
    )
    expect(told({ requestId: 'r' })?.message).toBe('directives is required')
    expect(told({ directive: hangup })?.message).toBe('requestId or callId is required')
    expect(told({ requestId: 'r', callId: 'c', directive: hangup })?.message).toContain('not both')
    expect(told({ requestId: 'r', directive: hangup, directives: [hangup] })?.message).toContain(
      'not both',
    )
    expect(told([hangup])?.message).toBe('the body must be an object')
    expect(parseBrainFrame('{')).toMatchObject({ failure: { message: 'the frame is not JSON' } })
  })

  it('bounds texts, lists and frames', () => {
    const speak = (length: number) => ({ type: 'speak', text: 'x'.repeat(length) })
    expect(told({ requestId: 'r', directive: speak(4000) })).toBeNull()
    expect(told({ requestId: 'r', directive: speak(4001) })?.message).toContain('at most 4000')
    const many = (n: number) => ({
      requestId: 'r',
      directives: Array.from({ length: n }, () => hangup),
    })
    expect(told(many(MAX_DIRECTIVES))).toBeNull()
    expect(told(many(MAX_DIRECTIVES + 1))?.message).toContain('at most 64 entries')
    expect(parseBrainFrame(' '.repeat(MAX_FRAME_BYTES + 1))).toMatchObject({ ok: false })
    expect(parseBrainFrame('é'.repeat(MAX_FRAME_BYTES / 2 + 1))).toMatchObject({
      failure: { message: 'a frame has at most 65536 bytes' },
    })
    expect(parseBrainFrame('['.repeat(MAX_FRAME_BYTES))).toMatchObject({ ok: false })
  })
})

describe('parseWebhookAnswer', () => {
  it.each([
    ['', []],
    ['{}', []],
    ['{"directives":[]}', []],
    ['{"directive":{"type":"hangup"}}', [hangup]],
    ['{"requestId":"r","directives":[{"type":"hangup"}]}', [hangup]],
    ['{"type":"hangup"}', [hangup]],
    ['[{"type":"hangup"},{"type":"hangup"}]', [hangup, hangup]],
  ])('reads %s', (body, value) => {
    expect(parseWebhookAnswer(body)).toEqual({ ok: true, value })
  })

  it.each(['ok', '1', 'null', '{"text":"hi"}', '[1]', '{"type":"speak"}'])('refuses %s', (body) => {
    expect(parseWebhookAnswer(body).ok).toBe(false)
  })
})

it('knows when an answer is over', () => {
  expect(endsAnswer([])).toBe(true)
  expect(endsAnswer([{ type: 'speak', text: 'a', more: true }])).toBe(false)
  expect(endsAnswer([{ type: 'speak', text: 'a', more: true }, hangup])).toBe(true)
  expect(endsAnswer([{ type: 'speak', text: 'a', more: null }])).toBe(true)
})

it('never throws, whatever a brain sends', () => {
  const almost = fc.record(
    {
      requestId: fc.oneof(fc.string(), fc.jsonValue()),
      callId: fc.oneof(fc.string(), fc.jsonValue()),
      directives: fc.array(
        fc.record(
          {
            type: fc.constantFrom(
              'speak',
              'wait_for_user',
              'hangup',
              'transfer',
              'send_dtmf',
              '__proto__',
            ),
            text: fc.jsonValue(),
            expect: fc.jsonValue(),
            to: fc.string(),
            digits: fc.string(),
          },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: [] },
  )
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    almost.map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(text, (sent) => {
      for (const parse of [parseBrainFrame, parseWebhookAnswer, parseDirectiveLine]) {
        const read = parse(sent)
        expect(read.ok ? 'InvalidDirective' : read.failure._tag).toBe('InvalidDirective')
      }
    }),
    { numRuns: 300 },
  )
})
