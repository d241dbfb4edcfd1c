// What is generated is what the contract says now.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as contract from '@saperly/contract'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, 'generated')
const generator = new URL('../scripts/generate.mjs', import.meta.url).href

test('src/generated is up to date; else: npm run generate -w packages/sdk', async () => {
  const { generate } = (await import(generator)) as {
    generate: (from: typeof contract) => Promise<Record<string, string>>
  }
  const wanted = await generate(contract)
  const found = Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  )
  expect(found).toEqual(wanted)
})
