// Puts a backup into an empty database: the schema of its day, its rows in one transaction, and then what came since.
import { Fault, type Log } from '@saperly/kernel'
import pg from 'pg'
import { type DatabaseAddress, connectionConfig, faultOf } from '../database.ts'
import { knownMigrations, migrate } from '../migrate.ts'
import { type Manifest, type TableHead, checkWhole, readLine } from './format.ts'

/** What one statement inserts: rows, and characters of their JSON, whichever comes first. */
const MAX_ROWS = 500
const MAX_CHARACTERS = 4_000_000

/**
 * Loads a backup; how many rows. `open` gives its lines from the start each time: they are read once to see that all are
 * there, before anything is written, and once to be loaded. Whether keys, constraints and foreign keys hold is checked
 * by the database; the triggers that guard single changes are off meanwhile, because rows arrive as they were.
 * @throws Fault when the file is not whole or was made by a newer program, or the database is not empty; nothing is
 * loaded then
 */
export async function load(
  address: DatabaseAddress,
  open: () => AsyncIterable<string>,
  log: Log,
): Promise<{ rows: number; manifest: Manifest }> {
  const manifest = await checkWhole(open())
  await checkKnown(manifest)
  await migrate(address, log, manifest.migrations.length)
  const rows = await loadRows(address, open, manifest)
  await migrate(address, log)
  return { rows, manifest }
}

async function loadRows(
  address: DatabaseAddress,
  open: () => AsyncIterable<string>,
  manifest: Manifest,
): Promise<number> {
  const client = new pg.Client(connectionConfig(address))
  // A connection that breaks fails the query that waits on it.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('begin')
    await checkEmpty(client, manifest)
    await loosen(client)
    const rows = await insertAll(client, open())
    await tighten(client)
    await client.query('commit')
    return rows
  } catch (error) {
    throw faultOf(error)
  } finally {
    // Ending the session rolls back what was not committed.
    await client.end()
  }
}

async function checkKnown({ migrations }: Manifest): Promise<void> {
  const known = await knownMigrations()
  for (const [index, { name, checksum }] of migrations.entries()) {
    if (known[index]?.name === name && known[index].checksum === checksum) continue
    throw new Fault(`the backup has migration ${name}, which this program does not know`, {
      retryable: false,
    })
  }
}

async function checkEmpty(client: pg.Client, { migrations }: Manifest): Promise<void> {
  const { rows } = await client.query<{ used: boolean; applied: number }>(
    `select exists (select 1 from workspace) as used, (select count(*)::integer from migration) as applied`,
  )
  const { used, applied } = rows[0]!
  if (used)
    throw new Fault('there is a database already: restore into an empty one', { retryable: false })
  if (applied !== migrations.length)
    throw new Fault('the database is newer than the backup: restore into an empty one', {
      retryable: false,
    })
}

/** Runs a statement for every row of a query of the catalogue, which has its text. */
async function forEach(client: pg.Client, statements: string): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(statements)
  for (const { statement } of rows) await client.query(statement)
}

const FOREIGN_KEYS = `pg_constraint k join pg_class c on c.oid = k.conrelid
  where k.contype = 'f' and c.relnamespace = current_schema()::regnamespace`
const TABLES = `pg_tables where schemaname = current_schema()`

/** Triggers sleep, and foreign keys wait for the end: rows come table by table. */
async function loosen(client: pg.Client): Promise<void> {
  await forEach(
    client,
    `select format('alter table %I disable trigger user', tablename) as statement from ${TABLES}`,
  )
  await forEach(
    client,
    `select format('alter table %I alter constraint %I deferrable initially deferred', c.relname, k.conname)
       as statement from ${FOREIGN_KEYS}`,
  )
}

/** Checks the foreign keys now, wakes the triggers, and lets numbering go on behind what was loaded. */
async function tighten(client: pg.Client): Promise<void> {
  await client.query('set constraints all immediate')
  await forEach(
    client,
    `select format('alter table %I alter constraint %I not deferrable', c.relname, k.conname)
       as statement from ${FOREIGN_KEYS}`,
  )
  await forEach(
    client,
    `select format('alter table %I enable trigger user', tablename) as statement from ${TABLES}`,
  )
  await forEach(
    client,
    `select format('select setval(pg_get_serial_sequence(%L, %L), coalesce(max(%I), 0) + 1, false) from %I',
         quote_ident(table_name), column_name, column_name, table_name) as statement
     from information_schema.columns
     where table_schema = current_schema() and is_identity = 'YES'`,
  )
}

async function insertAll(client: pg.Client, lines: AsyncIterable<string>): Promise<number> {
  const batch = new Batch(client)
  let rows = 0
  let first = true
  let held: string | null = null
  for await (const next of lines) {
    // One line behind, because the last is the end of the file.
    const line: string | null = held
    held = next
    if (line === null) continue
    const isHead = first
    first = false
    if (isHead) continue
    const read = readLine(line)
    if (read.kind === 'table') await batch.begin(read.head)
    else {
      await batch.add(read.json)
      rows++
    }
  }
  await batch.flush()
  return rows
}

/** Rows of one table on their way. */
class Batch {
  readonly #client: pg.Client
  #insert = ''
  #rows: string[] = []
  #characters = 0

  constructor(client: pg.Client) {
    this.#client = client
  }

  async begin({ table, columns }: TableHead): Promise<void> {
    await this.flush()
    const fields = columns.map((name) => pg.escapeIdentifier(name)).join(', ')
    const into = pg.escapeIdentifier(table)
    this.#insert = `insert into ${into} (${fields}) overriding system value
      select ${fields} from json_populate_recordset(null::${into}, $1)`
  }

  async add(json: string): Promise<void> {
    this.#rows.push(json)
    this.#characters += json.length
    if (this.#rows.length >= MAX_ROWS || this.#characters >= MAX_CHARACTERS) await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#rows.length > 0) await this.#client.query(this.#insert, [`[${this.#rows.join(',')}]`])
    this.#rows = []
    this.#characters = 0
  }
}
