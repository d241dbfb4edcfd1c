// A do-not-call file becomes opt-outs of a workspace: all of it, or nothing.
import { createHash } from 'node:crypto'
import { ok, type Ids, type Result } from '@saperly/kernel'
import type { Tables, Tenant } from '../store/port.ts'
import { readOptOutFile } from './opt-out-file.ts'

/** Rows of one statement. */
const BATCH = 1000

/**
 * Opts out every number of the file, or fails with its faults, and nothing is recorded. Run it in a transaction. The
 * trail gets one entry for the whole file, with its digest, and no number.
 */
export async function importOptOuts(
  tables: Tables,
  ids: Ids,
  { tenant, file, at }: { tenant: Tenant; file: string; at: number },
): Promise<Result<{ added: number; known: number }, string[]>> {
  const read = readOptOutFile(file)
  if (!read.ok) return read
  const numbers = read.value
  let added = 0
  for (let from = 0; from < numbers.length; from += BATCH) {
    const batch = numbers.slice(from, from + BATCH)
    added += await tables.consent.optOutAll(tenant, batch, 'import', at)
  }
  const known = numbers.length - added
  await tables.audit.append({
    ...tenant,
    id: ids.next('aud'),
    eventType: 'opt_out.imported',
    targetType: 'workspace',
    targetId: tenant.workspaceId,
    actor: 'operator',
    data: { added, known, fileSha256: createHash('sha256').update(file).digest('hex') },
    createdAt: at,
  })
  return ok({ added, known })
}
