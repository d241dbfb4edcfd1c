// One row of the audit trail, written through the tables of the transaction that it describes.
import type { Ids } from '@saperly/kernel'
import type { Tables, Tenant } from '../store/port.ts'

/** Who did it: `key:<id>` for the API, `peer` for the person on the phone, `platform` for ourselves. */
export type Actor = `key:${string}` | 'peer' | 'platform'

export interface AuditEntry {
  tenant: Tenant
  eventType: string
  targetType:
    | 'number'
    | 'connection'
    | 'consent'
    | 'key'
    | 'call'
    | 'webhook'
    | 'peer'
    | 'workspace'
  targetId: string
  actor: Actor
  data: Record<string, unknown>
  at: number
}

/** Appends the entry. Call it inside the transaction that makes the change. */
export function audit(tables: Tables, ids: Ids, entry: AuditEntry): Promise<void> {
  const { tenant, at, ...rest } = entry
  return tables.audit.append({
    id: ids.next('aud'),
    workspaceId: tenant.workspaceId,
    environment: tenant.environment,
    ...rest,
    createdAt: at,
  })
}
