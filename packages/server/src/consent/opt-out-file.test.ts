// Do-not-call files: what is read, what is passed over, and how faults are told.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_FILE_NUMBERS, readOptOutFile } from './opt-out-file.ts'

const number = fc.bigInt({ min: 1_000_000n, max: 999_999_999_999_999n }).map((n) => `+${n}`)

describe('readOptOutFile', () => {
  it('reads a number a line, each once, past comments and empty lines', () => {
    const text = '\ufeff# from the registry\r\n+15555550101\r\n\r\n  +15555550102  \n+15555550101'
    expect(readOptOutFile(text)).toEqual({ ok: true, value: ['+15555550101', '+15555550102'] })
  })

  it('reads the first column of a CSV, whose first line may name the columns', () => {
    const text = 'number;since\n"+15555550101";2026-01-01\n+15555550102,2026\n+15555550103\tx'
    expect(readOptOutFile(text)).toMatchObject({ ok: true, value: { length: 3 } })
  })

  it('tells every fault with its line, and never what stands there', () => {
    const read = readOptOutFile('+15555550101\n5555550102\n# fine\n+1 555 555 0103\nnumber')
    expect(read).toEqual({
      ok: false,
      failure: [2, 4, 5].map((line) => `line ${line}: not an E.164 number such as +15551234567`),
    })
  })

  it('bounds the faults that it tells, and the numbers of a file', () => {
    const bad = readOptOutFile(`+15555550101\n${'x\n'.repeat(150)}`)
    expect(bad).toMatchObject({ ok: false, failure: { length: 101, 100: 'and 50 more' } })
    const many = Array.from({ length: MAX_FILE_NUMBERS + 1 }, (_, i) => `+1${1_000_000 + i}`)
    expect(readOptOutFile(many.join('\n'))).toMatchObject({ ok: false })
    expect(readOptOutFile(many.slice(1).join('\n'))).toMatchObject({ ok: true })
  })

  it('gives back whatever numbers were written', () => {
    fc.assert(
      fc.property(fc.uniqueArray(number, { maxLength: 50 }), (numbers) => {
        expect(readOptOutFile(numbers.join('\n'))).toEqual({ ok: true, value: numbers })
      }),
    )
  })
})
