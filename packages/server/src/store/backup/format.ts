// The file of a backup: gzipped lines. Lines of the file's own begin with `#`, every other is one row as JSON.
//
// A head with what it was made from, then for each table a line that names it and its rows, and last how many lines
// there were and their SHA-256: what was cut off or changed on the way is refused before anything is loaded.
import { createHash, type Hash } from 'node:crypto'
import { Fault } from '@saperly/kernel'
import { z } from 'zod'

const manifestSchema = z.strictObject({
  saperlyBackup: z.literal(1),
  createdAt: z.string(),
  postgres: z.string(),
  /** Tells the secret key, without which sealed secrets and the trail's digests can't be read. */
  keyId: z.string(),
  migrations: z.array(z.strictObject({ name: z.string(), checksum: z.string() })).min(1),
})
export type Manifest = z.output<typeof manifestSchema>

const tableSchema = z.strictObject({ table: z.string(), columns: z.array(z.string()).min(1) })
export type TableHead = z.output<typeof tableSchema>

const endSchema = z.strictObject({ lines: z.int(), sha256: z.string() })

/** What one line of a backup is. */
export type Line = { kind: 'table'; head: TableHead } | { kind: 'row'; json: string }

/** Makes the lines of a backup, each with its line end. */
export class BackupWriter {
  readonly #hash: Hash = createHash('sha256')
  #lines = 0

  manifest(manifest: Manifest): string {
    return this.#line(`#${JSON.stringify(manifest)}`)
  }

  table(head: TableHead): string {
    return this.#line(`#${JSON.stringify(head)}`)
  }

  row(json: string): string {
    return this.#line(json)
  }

  /** The last line. */
  end(): string {
    const end = { lines: this.#lines, sha256: this.#hash.digest('hex') }
    return `#${JSON.stringify(end)}\n`
  }

  #line(text: string): string {
    const line = `${text}\n`
    this.#hash.update(line)
    this.#lines++
    return line
  }
}

function broken(what: string): Fault {
  return new Fault(`this is no whole backup: ${what}`, { retryable: false })
}

function read<T>(schema: z.ZodType<T>, line: string, what: string): T {
  let value: unknown
  try {
    value = JSON.parse(line.slice(1))
  } catch (cause) {
    throw new Fault(`this is no whole backup: ${what}`, { cause, retryable: false })
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw broken(what)
  return parsed.data
}

/** The head of the file, from its first line. @throws Fault when it is none */
export function readManifest(line: string): Manifest {
  if (!line.startsWith('#')) throw broken('it has no head')
  return read(manifestSchema, line, 'its head can not be read')
}

/** A line between the head and the end. @throws Fault when it is neither a table nor a row */
export function readLine(line: string): Line {
  if (line.startsWith('{')) return { kind: 'row', json: line }
  if (!line.startsWith('#')) throw broken('a line is no row')
  return { kind: 'table', head: read(tableSchema, line, 'a table can not be read') }
}

/** Goes through the whole file and gives back its head. @throws Fault when it was cut off or changed */
export async function checkWhole(lines: AsyncIterable<string>): Promise<Manifest> {
  const hash = createHash('sha256')
  let manifest: Manifest | null = null
  let previous: string | null = null
  let count = 0
  for await (const line of lines) {
    if (previous === null) manifest = readManifest(line)
    else {
      hash.update(`${previous}\n`)
      count++
    }
    previous = line
  }
  if (manifest === null || previous === null) throw broken('it is empty')
  const end = read(endSchema, previous, 'its end is missing')
  if (end.lines !== count || end.sha256 !== hash.digest('hex')) throw broken('it was changed')
  return manifest
}
