// The framer: whatever the pieces, the same messages; whatever isn't SIP is found out and bounded.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Framer } from './framing.ts'
import type { FramingFailure } from './framing.ts'
import { MAX_MESSAGE_BYTES } from './message.ts'

function run(pieces: readonly Buffer[]): { heard: string[]; failure: FramingFailure | null } {
  const heard: string[] = []
  const framer = new Framer({
    onMessage: (data) => heard.push(data.toString('latin1')),
    onEmptyLine: () => heard.push(''),
  })
  for (const piece of pieces) {
    const failure = framer.push(piece)
    if (failure) return { heard, failure }
  }
  return { heard, failure: null }
}

function message(body: string, more = ''): string {
  return `OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** Cuts a text at the given places. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text, 'latin1')
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  )
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

describe('framing', () => {
  it('gives the same messages however the stream is cut', () => {
    const body = fc.string({ unit: fc.constantFrom('a', '\r', '\n', 'S', ' ', '0'), maxLength: 40 })
    const part = fc.oneof(
      body.map((text) => message(text)),
      fc.constant('\r\n'),
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (parts, places) => {
          const { heard, failure } = run(cut(parts.join(''), places))
          expect(failure).toBeNull()
          expect(heard).toEqual(parts.map((text) => (text === '\r\n' ? '' : text)))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('never throws, and keeps no more than one message', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (pieces) => {
        const { heard, failure } = run(pieces.map((piece) => Buffer.from(piece)))
        // Random bytes hold no whole message; line feeds among them are empty lines.
        expect([heard.join(''), failure === 'too_large']).toEqual(['', false])
      }),
      { numRuns: 500 },
    )
  })

  it('knows the compact form, and bare line feeds', () => {
    const text = 'SIP/2.0 200 OK\nl: 3\n\nabc'
    expect(run([Buffer.from(`${text}${text}`)])).toEqual({ heard: [text, text], failure: null })
  })

  it.each<[string, string, FramingFailure]>([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'not_sip'],
    ['a TLS hello', '\u0016\u0003\u0001\u0002\u0000\u0001\n', 'not_sip'],
    ['a line without end', 'A'.repeat(3000), 'not_sip'],
    ['a carriage return alone', '\rX', 'not_sip'],
    [
      'a message without length',
      'OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n',
      'no_content_length',
    ],
    ['lengths that contradict', message('abc', 'l: 30\r\n'), 'no_content_length'],
    ['a negative length', 'OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n', 'no_content_length'],
    ['a body too large', 'OPTIONS sip:a SIP/2.0\r\nl: 65536\r\n\r\n', 'too_large'],
    ['headers without end', `OPTIONS sip:a SIP/2.0\r\n${'X: y\r\n'.repeat(12_000)}`, 'too_large'],
  ])('finds out %s', (_, text, failure) => {
    expect(run(cut(text, [1, 2, 3, 100]))).toEqual({ heard: [], failure })
  })

  it('takes a message of the largest size, in small pieces, in one go each', () => {
    const head = message('').length
    const text = message('x'.repeat(MAX_MESSAGE_BYTES - head - 4))
    expect(text.length).toBe(MAX_MESSAGE_BYTES)
    const places = Array.from({ length: 60 }, (_, i) => i * 1100)
    expect(run(cut(text, places)).heard).toEqual([text])
  })
})
