// The secret box: secrets at rest are sealed with AES-256-GCM and bound to the row that they belong to.
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { chmod, link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, Fault, randomHex, type Random } from '@saperly/kernel'
import type { Sealed } from '../store/port.ts'

export const KEY_BYTES = 32
export const KEY_FILE = 'secret.key'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_ID_LENGTH = 8

/** Which row and field a sealed secret belongs to. A value moved to another place does not open there. */
export const sealedFor = {
  /** The signing secret of a webhook endpoint, the current and the previous one. */
  webhook: (webhookId: string) => `webhook:${webhookId}`,
  /** The manual secret of a connection, the current and the previous one. */
  manual: (connectionId: string) => `connection:${connectionId}:manual`,
  /** The model's key of a connection. */
  llm: (connectionId: string) => `connection:${connectionId}:llm`,
  /** The token for one MCP server of a connection. */
  mcp: (connectionId: string, url: string) => `connection:${connectionId}:mcp:${url}`,
}

export class SecretBox {
  readonly #key: Uint8Array
  readonly #keyId: string
  readonly #random: Random

  /** `key`: 32 bytes. */
  constructor(key: Uint8Array, random: Random) {
    assert(key.length === KEY_BYTES, 'the box needs a key of 32 bytes')
    this.#key = key
    this.#random = random
    this.#keyId = keyIdOf(key)
  }

  /** Seals `secret` for the place `context` (see {@link sealedFor}): `<key id>.<nonce, text and tag, base64url>`. */
  seal(secret: string, context: string): Sealed {
    const nonce = this.#random.bytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    cipher.setAAD(this.#boundTo(context))
    const sealed = Buffer.concat([
      nonce,
      cipher.update(secret, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ])
    return `${this.#keyId}.${sealed.toString('base64url')}`
  }

  /** @throws Fault when it was sealed with another key, for another place, or has been changed */
  open(sealed: Sealed, context: string): string {
    const [keyId, body = ''] = sealed.split('.')
    if (keyId !== this.#keyId) {
      throw new Fault('a secret was sealed with another key', { retryable: false })
    }
    const bytes = Buffer.from(body, 'base64url')
    if (bytes.length < NONCE_BYTES + TAG_BYTES) {
      throw new Fault('a sealed secret is cut short', { retryable: false })
    }
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(this.#boundTo(context))
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
      return Buffer.concat([text, decipher.final()]).toString('utf8')
    } catch (cause) {
      throw new Fault('a sealed secret does not open', { cause, retryable: false })
    }
  }

  #boundTo(context: string): Buffer {
    return Buffer.from(`${this.#keyId}|${context}`, 'utf8')
  }
}

/**
 * The key of this installation's box: from the environment (64 hex digits, or base64 of 32 bytes), else from the file
 * `secret.key` in the data directory, which is made with mode 0600 when there is none.
 * @throws Fault when what is there is not a key
 */
export async function openKey(source: {
  fromEnvironment: string | null
  dataDir: string
  random: Random
}): Promise<Uint8Array> {
  if (source.fromEnvironment !== null) return parseKey(source.fromEnvironment, 'the environment')
  const path = join(source.dataDir, KEY_FILE)
  const stored = await readIfThere(path)
  if (stored !== null) {
    await chmod(path, 0o600)
    return parseKey(stored, KEY_FILE)
  }
  await mkdir(source.dataDir, { recursive: true })
  await createWhole(path, `${randomHex(source.random, KEY_BYTES)}\n`, randomHex(source.random, 8))
  // Read back: when two processes started at once, the first one's key is the installation's.
  return parseKey((await readIfThere(path)) ?? '', KEY_FILE)
}

/** The key that is there already, from the same places; null when there is none. Makes none. */
export async function storedKey(source: {
  fromEnvironment: string | null
  dataDir: string
}): Promise<Uint8Array | null> {
  if (source.fromEnvironment !== null) return parseKey(source.fromEnvironment, 'the environment')
  const stored = await readIfThere(join(source.dataDir, KEY_FILE))
  return stored === null ? null : parseKey(stored, KEY_FILE)
}

/** Tells keys apart, and nothing of the key itself: 8 hex digits. */
export function keyIdOf(key: Uint8Array): string {
  return createHash('sha256')
    .update('saperly key id')
    .update(key)
    .digest('hex')
    .slice(0, KEY_ID_LENGTH)
}

function parseKey(text: string, where: string): Uint8Array {
  const trimmed = text.trim()
  const key = Buffer.from(trimmed, /^[0-9a-fA-F]{64}$/.test(trimmed) ? 'hex' : 'base64')
  if (key.length !== KEY_BYTES) {
    throw new Fault(`the secret key in ${where} is not 32 bytes`, { retryable: false })
  }
  return key
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new Fault('the secret key cannot be read', { cause: error, retryable: false })
  }
}

/** Writes a file that appears whole or not at all, and never replaces one that is there. */
async function createWhole(path: string, text: string, suffix: string): Promise<void> {
  const draft = `${path}.${suffix}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
}
