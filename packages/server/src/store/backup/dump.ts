// Reads a whole database as of one moment, table by table, while others go on writing.
import pg from 'pg'
import { type DatabaseAddress, connectionConfig, faultOf } from '../database.ts'
import { BackupWriter, type Manifest } from './format.ts'

/** Rows that are in memory at a time. */
const FETCH = 500

/**
 * The lines of a backup, from one snapshot (repeatable read): what is committed later is not in it, and nothing that
 * writes waits for it.
 * @throws Fault when the database is away, or has never been set up
 */
export async function* dump(
  address: DatabaseAddress,
  about: { keyId: string; createdAt: number },
): AsyncGenerator<string> {
  const client = new pg.Client(connectionConfig(address))
  // A connection that breaks fails the query that waits on it.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query(`set timezone to 'UTC'`)
    await client.query('begin isolation level repeatable read read only')
    const writer = new BackupWriter()
    yield writer.manifest(await manifestOf(client, about))
    for (const [table, columns] of await tablesOf(client)) {
      yield writer.table({ table, columns })
      const fields = columns.map((name) => pg.escapeIdentifier(name)).join(', ')
      await client.query(
        `declare rows no scroll cursor for select to_json(r)::text as row
         from (select ${fields} from ${pg.escapeIdentifier(table)}) r`,
      )
      for (;;) {
        const { rows } = await client.query<{ row: string }>(`fetch ${FETCH} from rows`)
        if (rows.length === 0) break
        yield rows.map(({ row }) => writer.row(row)).join('')
      }
      await client.query('close rows')
    }
    yield writer.end()
  } catch (error) {
    throw faultOf(error)
  } finally {
    await client.end()
  }
}

async function manifestOf(
  client: pg.Client,
  { keyId, createdAt }: { keyId: string; createdAt: number },
): Promise<Manifest> {
  const { rows: migrations } = await client.query<{ name: string; checksum: string }>(
    'select name, checksum from migration order by name',
  )
  const { rows: servers } = await client.query<{ version: string }>(
    `select current_setting('server_version') as version`,
  )
  const postgres = servers[0]!.version
  return {
    saperlyBackup: 1,
    createdAt: new Date(createdAt).toISOString(),
    postgres,
    keyId,
    migrations,
  }
}

/** Every table of ours with its stored columns. The list of migrations is in the head, and generated columns follow. */
async function tablesOf(client: pg.Client): Promise<Map<string, string[]>> {
  const { rows } = await client.query<{ table: string; column: string }>(
    `select c.table_name::text as "table", c.column_name::text as "column"
     from information_schema.columns c
     join pg_tables t on t.schemaname = c.table_schema and t.tablename = c.table_name
     where c.table_schema = current_schema() and c.is_generated = 'NEVER' and c.table_name <> 'migration'
     order by c.table_name, c.ordinal_position`,
  )
  const tables = new Map<string, string[]>()
  for (const { table, column } of rows) tables.set(table, [...(tables.get(table) ?? []), column])
  return tables
}
