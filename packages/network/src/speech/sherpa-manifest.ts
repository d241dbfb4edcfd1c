// The manifest of a model: what it is, and which files make it up, each with its hash. Nothing is ever downloaded.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Voice } from './port.ts'
import { FAMILIES, isFamily, type FamilyName } from './sherpa-families.ts'

const MAX_MANIFEST_BYTES = 256 * 1024
const MAX_FILES = 16
const MAX_VOICES = 1_000
/** Files of a data directory. */
const MAX_DIRECTORY_FILES = 10_000
const SAMPLE_RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]
const SHA256 = /^[0-9a-f]{64}$/
const LANGUAGE = /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/

/** A voice of a model, and the number by which the model knows its speaker. */
export interface SherpaVoice extends Voice {
  speaker: number
}

/** A model whose files are as its manifest says. */
export interface SherpaModel {
  family: FamilyName
  /** Samples a second that it hears or speaks. */
  sampleRate: number
  languages: readonly string[]
  /** Absolute paths by the family's names for its files. */
  files: Readonly<Record<string, string>>
  voices: readonly SherpaVoice[]
}

/** What is wrong, and with which field of the manifest (empty: the manifest itself). */
export interface ManifestFault {
  field: string
  message: string
}

/** What the family's models do. */
export function partOf(family: FamilyName): 'hear' | 'speak' {
  return FAMILIES[family].kind === 'tts' ? 'speak' : 'hear'
}

/** Reads the manifest at `path` and holds every file against its hash. All faults are told at once. */
export async function openManifest(path: string): Promise<SherpaModel | ManifestFault[]> {
  const faults: ManifestFault[] = []
  const value = await readJson(path, faults)
  if (!value) return faults
  const { family, sampleRate, languages, files, voices } = value
  const at = (field: string, message: string): void => void faults.push({ field, message })
  if (!isFamily(family)) {
    at('family', `must be one of ${Object.keys(FAMILIES).join(', ')}`)
    return faults
  }
  if (!SAMPLE_RATES.includes(sampleRate as number)) {
    at('sampleRate', `must be one of ${SAMPLE_RATES.join(', ')}`)
  }
  if (!isLanguages(languages)) at('languages', 'must be a list of BCP-47 tags')
  const paths = await checkFiles(family, files, dirname(resolve(path)), at)
  const known = partOf(family) === 'speak' ? readVoices(voices, at) : []
  if (faults.length > 0) return faults
  return {
    family,
    sampleRate: sampleRate as number,
    languages: languages as string[],
    files: paths,
    voices: known,
  }
}

type Report = (field: string, message: string) => void

async function readJson(
  path: string,
  faults: ManifestFault[],
): Promise<Record<string, unknown> | null> {
  const at = (message: string): null => (faults.push({ field: '', message }), null)
  let text: string
  try {
    if ((await stat(path)).size > MAX_MANIFEST_BYTES) return at('is too large for a manifest')
    text = await readFile(path, 'utf8')
  } catch (error) {
    return isFileError(error) ? at('can’t be read') : raise(error)
  }
  try {
    const value: unknown = JSON.parse(text)
    if (isRecord(value)) return value
    return at('must be a JSON object')
  } catch (error) {
    return error instanceof SyntaxError ? at('is not JSON') : raise(error)
  }
}

async function checkFiles(
  family: FamilyName,
  files: unknown,
  directory: string,
  at: Report,
): Promise<Record<string, string>> {
  if (!isRecord(files) || Object.keys(files).length > MAX_FILES) {
    at('files', 'must be an object of {path, sha256}')
    return {}
  }
  const { needs, optional } = FAMILIES[family]
  const allowed: readonly string[] = [...needs, ...optional]
  for (const name of needs) if (!(name in files)) at(`files.${name}`, 'is missing')
  const paths: Record<string, string> = {}
  for (const [name, file] of Object.entries(files)) {
    const field = `files.${name}`
    const { path, sha256 } = isRecord(file) ? file : {}
    if (!allowed.includes(name)) at(field, `is no file of a ${family} model`)
    else if (typeof path !== 'string' || path === '') at(`${field}.path`, 'must be a path')
    else if (typeof sha256 !== 'string' || !SHA256.test(sha256)) {
      at(`${field}.sha256`, 'must be 64 hex digits in lower case')
    } else {
      paths[name] = resolve(directory, path)
      const found = await hashOf(paths[name])
      if (found === null) at(`${field}.path`, 'names nothing that can be read')
      else if (found !== sha256) at(`${field}.sha256`, 'is not the hash of the file')
    }
  }
  return paths
}

/**
 * SHA-256 of a file; of a directory that of the lines `HASH  ./PATH` of its files in byte order, as `sha256sum` prints
 * them. Null when there is nothing to read.
 */
export async function hashOf(path: string): Promise<string | null> {
  try {
    if (!(await stat(path)).isDirectory()) return await hashOfFile(path)
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    const names = entries
      .filter((entry) => entry.isFile())
      .map((entry) => `./${join(entry.parentPath, entry.name).slice(path.length + 1)}`)
      .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    if (names.length > MAX_DIRECTORY_FILES) return null
    const all = createHash('sha256')
    for (const name of names) all.update(`${await hashOfFile(join(path, name))}  ${name}\n`)
    return all.digest('hex')
  } catch (error) {
    return isFileError(error) ? null : raise(error)
  }
}

async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

function readVoices(value: unknown, at: Report): SherpaVoice[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_VOICES) {
    at('voices', 'must list at least one voice')
    return []
  }
  return value.flatMap((voice: unknown, i): SherpaVoice[] => {
    const {
      id,
      name = id,
      gender = 'neutral',
      language,
      speaker = 0,
    } = isRecord(voice) ? voice : {}
    const named = typeof id === 'string' && /^[\w.-]{1,64}$/.test(id) && typeof name === 'string'
    const tagged = typeof language === 'string' && LANGUAGE.test(language)
    const gendered = gender === 'female' || gender === 'male' || gender === 'neutral'
    const numbered = typeof speaker === 'number' && Number.isSafeInteger(speaker) && speaker >= 0
    if (named && tagged && gendered && numbered) return [{ id, name, gender, language, speaker }]
    at(`voices.${i}`, 'must be {id, name, gender, language, speaker}')
    return []
  })
}

function isLanguages(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0 || value.length > 100) return false
  return value.every((tag) => typeof tag === 'string' && LANGUAGE.test(tag))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}

function raise(error: unknown): never {
  throw error
}
