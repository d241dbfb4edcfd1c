// The box and the tokens: what is sealed opens only where it belongs, what is minted cannot be guessed.
import { mkdtemp, readdir, rm, stat, writeFile, chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { Fault, seededRandom, systemRandom } from '@saperly/kernel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { KEY_FILE, openKey, SecretBox, sealedFor } from './box.ts'
import { hashToken, mintToken, sameSecret, shownPrefix } from './tokens.ts'

describe('the box', () => {
  const box = new SecretBox(systemRandom.bytes(32), systemRandom)

  test('opens what it sealed, and never seals alike', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (secret, context) => {
        const sealed = box.seal(secret, context)
        expect(box.open(sealed, context)).toBe(Buffer.from(secret, 'utf8').toString('utf8'))
        expect(box.seal(secret, context)).not.toBe(sealed)
      }),
    )
  })

  test('does not open elsewhere, changed, cut, or with another key', () => {
    const sealed = box.seal('whsec_x', sealedFor.webhook('whk_1'))
    const [keyId, body = ''] = sealed.split('.')
    const flipped = (body[20] === 'A' ? 'B' : 'A') + body.slice(1)
    const other = new SecretBox(systemRandom.bytes(32), systemRandom)
    for (const attempt of [
      () => box.open(sealed, sealedFor.webhook('whk_2')),
      () => box.open(`${keyId}.${flipped}${'A'}`, sealedFor.webhook('whk_1')),
      () => box.open(`${keyId}.AAAA`, sealedFor.webhook('whk_1')),
      () => box.open('', sealedFor.webhook('whk_1')),
      () => other.open(sealed, sealedFor.webhook('whk_1')),
    ]) {
      expect(attempt).toThrow(Fault)
    }
  })
})

describe('the key', () => {
  let dataDir = ''
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'saperly-key-'))
  })
  afterEach(() => rm(dataDir, { recursive: true }))

  test('is made once, for the owner alone, and read again', async () => {
    const source = { fromEnvironment: null, dataDir: join(dataDir, 'deep'), random: systemRandom }
    const keys = await Promise.all([openKey(source), openKey(source), openKey(source)])
    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1)
    expect(await readdir(source.dataDir)).toEqual([KEY_FILE])
    await chmod(join(source.dataDir, KEY_FILE), 0o644)
    await openKey(source)
    expect((await stat(join(source.dataDir, KEY_FILE))).mode & 0o777).toBe(0o600)
  })

  test('comes from the environment in hex or base64', async () => {
    const key = Buffer.from(systemRandom.bytes(32))
    for (const encoding of ['hex', 'base64'] as const) {
      const fromEnvironment = key.toString(encoding)
      expect(await openKey({ fromEnvironment, dataDir, random: systemRandom })).toEqual(key)
    }
    expect(await readdir(dataDir)).toEqual([])
  })

  test('is refused when it is none', async () => {
    const random = systemRandom
    await expect(openKey({ fromEnvironment: 'short', dataDir, random })).rejects.toThrow(Fault)
    await writeFile(join(dataDir, KEY_FILE), '')
    await expect(openKey({ fromEnvironment: null, dataDir, random })).rejects.toThrow(Fault)
  })
})

describe('tokens', () => {
  test.each(['sk_test', 'sk_live', 'mc', 'whsec'] as const)('%s carries 200 bits', (kind) => {
    const token = mintToken(kind, systemRandom)
    expect(token).toMatch(new RegExp(`^${kind}_[0-9a-hjkmnp-tv-z]{40}$`))
    expect(mintToken(kind, systemRandom)).not.toBe(token)
    expect(shownPrefix(token)).toBe(token.slice(0, kind.length + 7))
  })

  test('are repeatable from a seed', () => {
    expect(mintToken('mc', seededRandom(1))).toBe(mintToken('mc', seededRandom(1)))
  })

  test('are compared whole', () => {
    expect(sameSecret(hashToken('a'), hashToken('a'))).toBe(true)
    expect(sameSecret(hashToken('a'), hashToken('b'))).toBe(false)
    expect(sameSecret('a', 'ab')).toBe(false)
  })
})
