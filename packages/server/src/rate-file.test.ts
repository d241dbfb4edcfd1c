// Rate decks in CSV: what spreadsheets write is read, and every fault is named by its line.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from './config.ts'
import { parseRates, readRateFile } from './rate-file.ts'

const HEAD = 'prefix,manualCentsPerMin,hostedCentsPerMin'

test('columns in any order, among others, with quotes, spaces, a BOM, CRLF and empty lines', () => {
  const text = [
    '\uFEFFDestination,hostedCentsPerMin, Prefix ,manualcentspermin',
    '"United Kingdom, ""mainland""",40,+44,30',
    '',
    'US,26,"1", 13 ',
    '',
  ].join('\r\n')
  expect(parseRates(text)).toEqual({
    rates: [
      { prefix: '+44', manualCentsPerMin: 30, hostedCentsPerMin: 40 },
      { prefix: '+1', manualCentsPerMin: 13, hostedCentsPerMin: 26 },
    ],
    faults: [],
  })
})

test('every fault is named by its line, without the value', () => {
  const text = [
    HEAD,
    '+1,13,26',
    'abc,1,2',
    '+0,1,2',
    '+44,1.5,2',
    '',
    '+45,1',
    '+46,1,100001',
    '1,9,9',
    '"+47,1,2',
    '+48,1,2',
  ].join('\n')
  const cents = 'must be whole cents from 0 to 100000'
  expect(parseRates(text).faults).toEqual([
    'line 3: prefix: must be + and 1 to 15 digits',
    'line 4: prefix: must be + and 1 to 15 digits',
    `line 5: manualCentsPerMin: ${cents}`,
    `line 7: hostedCentsPerMin: ${cents}`,
    `line 8: hostedCentsPerMin: ${cents}`,
    'line 9: prefix: stands in line 2 already',
    'line 10: a quote is out of place',
  ])
})

test.each(['', 'prefix,manualCentsPerMin', `${HEAD},prefix`, '"'])('no columns: %j', (text) => {
  expect(parseRates(text).faults).toEqual([
    'line 1: must name the columns prefix, manualCentsPerMin, hostedCentsPerMin',
  ])
})

test('of very many faults the first are named, and the number of the others', () => {
  const { faults } = parseRates([HEAD, ...Array.from({ length: 1000 }, () => 'x')].join('\n'))
  expect(faults).toHaveLength(51)
  expect(faults.at(-1)).toBe('and 950 more faults')
})

test('whatever is written by its rules is read back, and no text makes it throw', () => {
  const prefix = fc.stringMatching(/^[1-9]\d{0,14}$/)
  const cents = fc.integer({ min: 0, max: 100_000 })
  const quoted = fc
    .string()
    .map((text) => `"${text.replaceAll(/[\r\n]/g, '').replaceAll('"', '""')}"`)
  const lines = fc.uniqueArray(fc.tuple(prefix, cents, cents, quoted), { selector: ([key]) => key })
  fc.assert(
    fc.property(lines, (rows) => {
      const text = [`note,${HEAD}`, ...rows.map(([p, m, h, note]) => `${note},+${p},${m},${h}`)]
      expect(parseRates(text.join('\n'))).toEqual({
        rates: rows.map(([p, manualCentsPerMin, hostedCentsPerMin]) => ({
          prefix: `+${p}`,
          manualCentsPerMin,
          hostedCentsPerMin,
        })),
        faults: [],
      })
    }),
  )
  fc.assert(fc.property(fc.string(), (text) => void parseRates(`${HEAD}\n${text}`)))
})

test('the config names the file, beside itself, and its faults are the config’s', () => {
  const folder = mkdtempSync(join(tmpdir(), 'saperly-rates-'))
  writeFileSync(join(folder, 'saperly.config.json'), JSON.stringify({ ratesFile: 'rates.csv' }))
  const faults = (): readonly string[] => {
    try {
      readConfig({}, folder)
      return []
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
  }
  expect(faults()).toEqual(['rates file: can’t be read'])
  writeFileSync(join(folder, 'rates.csv'), `${HEAD}\n+1,x,2\n+44,1,y`)
  expect(faults()).toEqual([
    'rates file: line 2: manualCentsPerMin: must be whole cents from 0 to 100000',
    'rates file: line 3: hostedCentsPerMin: must be whole cents from 0 to 100000',
  ])
  writeFileSync(join(folder, 'rates.csv'), `${HEAD}\n+1,1,2`)
  const { rates } = readConfig({}, folder)
  expect(rates).toEqual(readRateFile(join(folder, 'rates.csv')).rates)
  const both = JSON.stringify({ ratesFile: 'rates.csv', rates })
  writeFileSync(join(folder, 'saperly.config.json'), both)
  expect(faults()).toEqual(['config file: rates and ratesFile exclude each other'])
})
