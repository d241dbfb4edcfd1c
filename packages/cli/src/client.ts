// The client of the API as the command uses it: where the server is, and whose key.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PhoneNumber, Saperly } from '@saperly/sdk'
import { type Config, DEMO_NUMBER, readConfig, TEST_KEY_FILE } from '@saperly/server'
import { type Surroundings, UsageError } from './command.ts'

export interface Access {
  saperly: Saperly
  url: string
}

type Around = Pick<Surroundings, 'environment' | 'directory'>

/** The running server, by `SAPERLY_URL` or the server's own settings, with the key of `keyOf`. */
export function clientOf(around: Around): Access {
  const config = readConfig(around.environment, around.directory)
  const url = urlOf(around, config)
  return { url, saperly: new Saperly({ apiKey: keyOf(around, config), baseUrl: url }) }
}

export function urlOf({ environment }: Around, config: Config): string {
  return environment['SAPERLY_URL'] || (config.publicUrl ?? listenUrl(config))
}

/** Where a server of this configuration listens. */
export function listenUrl(config: Config): string {
  return `http://${hostOf(config)}:${config.port}`
}

/** A server that listens everywhere is reached here, too. */
function hostOf({ host }: Config): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

/** `SAPERLY_API_KEY`, else the test key that the server wrote to its data folder. @throws UsageError */
function keyOf({ environment }: Around, { dataDir }: Config): string {
  const given = environment['SAPERLY_API_KEY']
  if (given) return given
  try {
    return readFileSync(join(dataDir, TEST_KEY_FILE), 'utf8').trim()
  } catch {
    throw new UsageError(
      'there is no key: set SAPERLY_API_KEY, or run `saperly start` once, which makes a test key',
    )
  }
}

/** Whether a server answers there. */
export async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]),
    })
    return response.ok
  } catch {
    return false
  }
}

/** The number to call from: the one that was named by id or E.164, else the demo number, else the only one. */
export async function numberToUse(saperly: Saperly, named?: string): Promise<PhoneNumber> {
  const numbers: PhoneNumber[] = []
  for await (const number of saperly.numbers.list()) {
    if (number.releasedAt === null) numbers.push(number)
  }
  const wanted = named ?? DEMO_NUMBER
  const found = numbers.find(({ id, phoneNumber }) => id === wanted || phoneNumber === wanted)
  if (found) return found
  if (named !== undefined) throw new UsageError(`this key sees no number ${named}`)
  const [only] = numbers
  if (only && numbers.length === 1) return only
  throw new UsageError('name the number to call from: --from <id or E.164>')
}
