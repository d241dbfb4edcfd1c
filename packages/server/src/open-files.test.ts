// The limit of open files: what this machine says, and what of it callers may have.
import { expect, test } from 'vitest'
import { clientLimit, MAX_CLIENTS, openFilesLimit } from './open-files.ts'

test('callers have a share of the open files, and never more than the platform is built for', () => {
  expect(clientLimit(1024)).toBe(409)
  expect(clientLimit(1_000_000)).toBe(MAX_CLIENTS)
  expect(clientLimit(Infinity)).toBe(MAX_CLIENTS)
  expect(clientLimit(1)).toBe(1)
})

test('the limit is known, or taken for none', async () => {
  expect(await openFilesLimit()).toBeGreaterThan(0)
})
