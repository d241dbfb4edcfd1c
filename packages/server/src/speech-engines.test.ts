// The speech section of the config file: what it gives the network, and every way in which it refuses to start.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, SystemClock } from '@saperly/kernel'
import { hasSherpa } from '@saperly/network'
import { expect, test } from 'vitest'
import { startServer } from './app.ts'
import { ConfigError, readConfig } from './config.ts'
import { configuredSpeech } from './speech-engines.ts'

const KEY = 'a-key-that-nobody-may-see'
const VOICE = { id: 'v1', name: 'One', language: 'en-US' }
const MOUTH = { kind: 'cartesia', apiKey: KEY, voices: [VOICE] }
const EARS = { kind: 'deepgram', apiKey: KEY }
const deps = { clock: new SystemClock(), log: silentLog }

function folder(speech: unknown): string {
  const directory = mkdtempSync(join(tmpdir(), 'saperly-speech-'))
  writeFileSync(join(directory, 'saperly.config.json'), JSON.stringify({ speech }))
  return directory
}

/** What the section gives, or every fault of it, wherever it was found. */
async function read(speech: unknown): ReturnType<typeof configuredSpeech> {
  try {
    const config = readConfig({}, folder(speech))
    return await configuredSpeech('embedded', config.speech, deps)
  } catch (error) {
    if (error instanceof ConfigError) return [...error.faults]
    throw error
  }
}

test('nothing configured is nothing', async () => {
  expect(await read({})).toEqual({ engines: {}, fallback: { hear: [], speak: [] } })
})

test('engines get the vendors’ addresses, over TLS, and their models', async () => {
  const speech = {
    engines: { dg: EARS, ct: MOUTH },
    fallback: { hear: ['dg'], speak: ['ct:v1', 'slt'] },
  }
  expect(await read(speech)).toEqual({
    engines: {
      dg: { ...EARS, url: 'wss://api.deepgram.com/v2/listen', model: 'flux-general-en' },
      ct: {
        ...MOUTH,
        url: 'wss://api.cartesia.ai/tts/websocket',
        version: '2026-03-01',
        model: 'sonic-3.5',
        voices: [{ ...VOICE, gender: 'neutral' }],
      },
    },
    fallback: speech.fallback,
  })
})

test.each<[string, object, RegExp]>([
  ['a name of ours', { engines: { embedded: EARS } }, /speech\.engines\.embedded/],
  ['no key', { engines: { dg: { kind: 'deepgram' } } }, /speech\.engines\.dg\.apiKey/],
  ['an address of another kind', { engines: { dg: { ...EARS, url: 'https://x.y' } } }, /dg\.url/],
  ['a voice that speaks without one', { engines: { ct: { ...MOUTH, voices: [] } } }, /ct\.voices/],
  ['an unknown kind', { engines: { dg: { ...EARS, kind: 'other' } } }, /dg\.kind/],
  ['nobody to fall back on', { fallback: { hear: ['dg'] } }, /fallback\.hear\.0/],
  ['phrases for any words', { fallback: { hear: ['embedded'] } }, /fallback\.hear\.0/],
  [
    'ears for a mouth',
    { engines: { ct: MOUTH }, fallback: { hear: ['ct'], speak: ['ct:v2'] } },
    /fallback\.hear\.0[^]*fallback\.speak\.0/,
  ],
])('%s is refused by its field, without the key', async (_, speech, fault) => {
  const faults = await read(speech)
  expect(Array.isArray(faults) && faults.join('\n')).toMatch(fault)
  expect(JSON.stringify(faults)).not.toContain(KEY)
})

test('a model without its manifest, or with a file that is another, is refused', async () => {
  const engines = { local: { kind: 'sherpa', manifest: 'models/manifest.json' } }
  const faults = await read({ engines })
  const missing = 'config file: speech.engines.local.manifest: can’t be read'
  const uninstalled =
    'config file: speech.engines.local.kind: needs the npm package sherpa-onnx-node, which is not installed'
  expect(faults).toEqual(hasSherpa() ? [missing] : [uninstalled, missing])

  const directory = folder({ engines: { local: { kind: 'sherpa', manifest: 'model.json' } } })
  writeFileSync(join(directory, 'tokens.txt'), 'a 0')
  const manifest = {
    family: 'offline_nemo_ctc',
    sampleRate: 16_000,
    languages: ['en'],
    files: {
      model: { path: 'model.onnx', sha256: '0'.repeat(64) },
      tokens: { path: 'tokens.txt', sha256: '0'.repeat(64) },
    },
  }
  writeFileSync(join(directory, 'model.json'), JSON.stringify(manifest))
  const { speech } = readConfig({}, directory)
  const found = await configuredSpeech('embedded', speech, deps)
  expect(Array.isArray(found) && found.slice(-2)).toEqual([
    'config file: speech.engines.local.manifest: files.model.path names nothing that can be read',
    'config file: speech.engines.local.manifest: files.tokens.sha256 is not the hash of the file',
  ])
})

test('a server whose model is refused does not start', async () => {
  const engines = { local: { kind: 'sherpa', manifest: 'nowhere.json' } }
  const config = readConfig({ LOG_LEVEL: 'silent' }, folder({ engines }))
  await expect(startServer(config, { log: silentLog })).rejects.toThrow(ConfigError)
})
