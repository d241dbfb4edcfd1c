// The manifest of a model: read whole, held against its files, and every fault named by its field.
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { constructorConfig } from './sherpa-families.ts'
import { hashOf, openManifest } from './sherpa-manifest.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'saperly-sherpa-'))))
afterEach(() => rm(folder, { recursive: true }))

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

async function file(name: string, text = `the ${name}`): Promise<{ path: string; sha256: string }> {
  await writeFile(join(folder, name), text)
  return { path: name, sha256: sha256(text) }
}

async function streaming(): Promise<Record<string, unknown>> {
  return {
    family: 'streaming_transducer',
    sampleRate: 16_000,
    languages: ['en-US'],
    files: {
      encoder: await file('encoder.onnx'),
      decoder: await file('decoder.onnx'),
      joiner: await file('joiner.onnx'),
      tokens: await file('tokens.txt'),
    },
  }
}

async function open(manifest: unknown): ReturnType<typeof openManifest> {
  const path = join(folder, 'manifest.json')
  await writeFile(path, typeof manifest === 'string' ? manifest : JSON.stringify(manifest))
  return openManifest(path)
}

describe('a manifest', () => {
  it('gives a model whose files are as it says', async () => {
    expect(await open(await streaming())).toEqual({
      family: 'streaming_transducer',
      sampleRate: 16_000,
      languages: ['en-US'],
      files: {
        encoder: join(folder, 'encoder.onnx'),
        decoder: join(folder, 'decoder.onnx'),
        joiner: join(folder, 'joiner.onnx'),
        tokens: join(folder, 'tokens.txt'),
      },
      voices: [],
    })
  })

  it('refuses a file that is not the one that was meant, and one that is not there', async () => {
    const manifest = await streaming()
    await writeFile(join(folder, 'joiner.onnx'), 'another joiner')
    await rm(join(folder, 'tokens.txt'))
    expect(await open(manifest)).toEqual([
      { field: 'files.joiner.sha256', message: 'is not the hash of the file' },
      { field: 'files.tokens.path', message: 'names nothing that can be read' },
    ])
  })

  it('names every fault at once', async () => {
    const { files, ...rest } = await streaming()
    const { joiner: _, ...known } = files as Record<string, unknown>
    const faults = await open({
      ...rest,
      sampleRate: 12,
      languages: [],
      files: { ...known, vocoder: {}, encoder: { path: 'x' }, decoder: {} },
    })
    expect(Array.isArray(faults) && faults.map(({ field }) => field)).toEqual([
      'sampleRate',
      'languages',
      'files.joiner',
      'files.encoder.sha256',
      'files.decoder.path',
      'files.vocoder',
    ])
  })

  it.each([
    ['not json', [{ field: '', message: 'is not JSON' }]],
    ['[]', [{ field: '', message: 'must be a JSON object' }]],
    ['{"family":"constructor"}', [expect.objectContaining({ field: 'family' })]],
  ])('that is %s is refused', async (text, faults) => {
    expect(await open(text)).toEqual(faults)
  })

  it('that is absent is refused', async () => {
    expect(await openManifest(join(folder, 'nowhere.json'))).toEqual([
      { field: '', message: 'can’t be read' },
    ])
  })

  it('of a voice lists its voices, and hashes a directory as sha256sum would', async () => {
    await mkdir(join(folder, 'data/sub'), { recursive: true })
    await writeFile(join(folder, 'data/b'), 'bee')
    await writeFile(join(folder, 'data/sub/a'), 'ay')
    const lines = `${sha256('bee')}  ./b\n${sha256('ay')}  ./sub/a\n`
    expect(await hashOf(join(folder, 'data'))).toBe(sha256(lines))
    const manifest = {
      family: 'tts_vits',
      sampleRate: 22_050,
      languages: ['en-US'],
      files: {
        model: await file('voice.onnx'),
        tokens: await file('tokens.txt'),
        dataDir: { path: 'data', sha256: sha256(lines) },
      },
    }
    const opened = await open({
      ...manifest,
      voices: [{ id: 'amy', language: 'en-US', speaker: 3 }],
    })
    expect(opened).toMatchObject({
      files: { dataDir: join(folder, 'data') },
      voices: [{ id: 'amy', name: 'amy', gender: 'neutral', language: 'en-US', speaker: 3 }],
    })
    expect(await open({ ...manifest, voices: [{ id: 'a b', language: 'en' }] })).toMatchObject([
      { field: 'voices.0' },
    ])
    expect(await open(manifest)).toMatchObject([{ field: 'voices' }])
  })
})

describe('the constructor’s configuration', () => {
  const paths = { encoder: '/e', decoder: '/d', joiner: '/j', tokens: '/t' }

  it('of a recogniser has its files by section, its tokens beside them, and one thread', () => {
    expect(constructorConfig('streaming_transducer', paths, 16_000)).toEqual({
      featConfig: { sampleRate: 16_000, featureDim: 80 },
      modelConfig: {
        transducer: { encoder: '/e', decoder: '/d', joiner: '/j' },
        tokens: '/t',
        numThreads: 1,
        provider: 'cpu',
        debug: false,
      },
      decodingMethod: 'greedy_search',
      enableEndpoint: false,
    })
    expect(constructorConfig('offline_whisper', paths, 16_000)).not.toHaveProperty('enableEndpoint')
  })

  it('of a voice has its tokens among the files', () => {
    const files = { model: '/m', tokens: '/t', dataDir: '/x' }
    expect(constructorConfig('tts_vits', files, 22_050)).toEqual({
      model: { vits: files, numThreads: 1, provider: 'cpu' },
      maxNumSentences: 1,
    })
  })
})
