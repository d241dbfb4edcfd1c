// Text in pieces: lines, server-sent events and sentences come out the same however they were cut on the way.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { linesOf, MAX_LINE_LENGTH } from './lines.ts'
import { MAX_PIECE, Sentences } from './sentences.ts'
import { dataOf } from './sse-parse.ts'

async function* cut(text: string, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new TextEncoder().encode(text)
  for (const size of sizes) {
    yield rest.slice(0, size)
    rest = rest.slice(size)
  }
  yield rest
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

const sizes = fc.array(fc.nat({ max: 9 }), { maxLength: 60 })
const word = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .map((text) => text.replace(/[\r\n\uFEFF]/g, ''))
const lineEnd = fc.constantFrom('\n', '\r\n', '\r')

describe('lines', () => {
  test('are the same however the bytes were cut, with every kind of end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(word), lineEnd, sizes, async (lines, end, cuts) => {
        const text = lines.map((line) => line + end).join('')
        expect(await all(linesOf(cut(text, cuts)))).toEqual(lines)
      }),
    )
  })

  test('may lack their last end, but not grow without bound', async () => {
    expect(await all(linesOf(cut('a\nb', [])))).toEqual(['a', 'b'])
    await expect(all(linesOf(cut('x'.repeat(MAX_LINE_LENGTH + 1), [])))).rejects.toMatchObject({
      kind: 'too_large',
    })
  })
})

describe('server-sent events', () => {
  test('give back their data, however they were cut', async () => {
    const event = fc.array(word, { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(fc.array(event), lineEnd, sizes, async (events, end, cuts) => {
        const text = events
          .map((lines) => lines.map((line) => `data: ${line}${end}`).join('') + end)
          .join(`: a comment${end}`)
        expect(await all(dataOf(cut(text, cuts)))).toEqual(events.map((lines) => lines.join('\n')))
      }),
    )
  })

  test.each([
    ['data:x\n\n', ['x']],
    ['data: x\n\n', ['x']],
    ['data:  x\n\n', [' x']],
    ['data\n\n', ['']],
    ['event: m\nid: 1\nretry: 2\ndata: {"a":"b: c"}\n\n', ['{"a":"b: c"}']],
    [': ping\n\n\n\ndata: x\n\n', ['x']],
    ['data: cut off', ['cut off']],
    ['\uFEFFdata: x\n\n', ['x']],
    ['nonsense\n\n', []],
  ])('%j', async (text, data) => expect(await all(dataOf(cut(text, [])))).toEqual(data))

  test('nothing makes them throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), async (chunks) => {
        const body = (async function* () {
          yield* chunks
        })()
        expect(Array.isArray(await all(dataOf(body)))).toBe(true)
      }),
    )
  })
})

function pieces(...parts: string[]): string[] {
  const sentences = new Sentences()
  return [...parts.flatMap((part) => sentences.push(part)), ...sentences.end()]
}

describe('sentences', () => {
  test.each([
    ['Hello there. How are you?', ['Hello there.', 'How are you?']],
    ['Well, hello. Yes, I can.', ['Well, hello.', 'Yes, I can.']],
    [
      'Thank you very much, I see. And, of course, more.',
      ['Thank you very much,', 'I see.', 'And, of course, more.'],
    ],
    ['Dr. Smith paid 3.50 to J. Doe. Done.', ['Dr. Smith paid 3.50 to J. Doe.', 'Done.']],
    ['We close at 5 p.m. today.', ['We close at 5 p.m. today.']],
    ['She said "Stop!" Then left.', ['She said "Stop!"', 'Then left.']],
    ['# Title\n- **one**\n- `two`', ['Title', 'one', 'two']],
    ['1. First\n2. Second', ['First', 'Second']],
    ['你好。再见！', ['你好。', '再见！']],
    ['Really?! Wait…', ['Really?!', 'Wait…']],
    ['  \n * \n', []],
    ['No end', ['No end']],
  ])('%s', (text, expected) => expect(pieces(text)).toEqual(expected))

  test('come out as soon as they are complete', () => {
    const sentences = new Sentences()
    expect(sentences.push('One moment please, I')).toEqual(['One moment please,'])
    expect(sentences.push(' am looking.')).toEqual([])
    expect(sentences.push(' Found')).toEqual(['I am looking.'])
    expect(sentences.end()).toEqual(['Found'])
  })

  test('do not depend on how the text was cut, lose no word, and stay short', () => {
    const prose = fc
      .array(
        fc.oneof(
          word,
          fc.constantFrom('. ', ', ', '! ', '\n', ' ', 'Mr. ', '3.5 ', '。', 'x'.repeat(350)),
        ),
      )
      .map((words) => words.join(''))
    const letters = (text: string): string => text.replace(/[^\p{L}]/gu, '')
    fc.assert(
      fc.property(prose, sizes, (text, cuts) => {
        const parts: string[] = []
        let rest = text
        for (const size of cuts) {
          parts.push(rest.slice(0, size))
          rest = rest.slice(size)
        }
        const whole = pieces(text)
        expect(pieces(...parts, rest)).toEqual(whole)
        expect(letters(whole.join(''))).toBe(letters(text))
        for (const piece of whole) expect(piece.length).toBeLessThanOrEqual(MAX_PIECE)
      }),
    )
  })
})
