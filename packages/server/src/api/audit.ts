// The route of the audit trail: who did what, newest first.
import { isE164, ok } from '@saperly/kernel'
import type { AuditRow } from '../store/port.ts'
import { mayUseNumber } from './access.ts'
import type { HandlersFor, KeyedContext } from './context.ts'
import type { ApiDeps } from './deps.ts'
import { filteredPageOf } from './page.ts'
import { auditWire } from './wire.ts'

export function auditHandlers({ store: { tables } }: ApiDeps): HandlersFor<'listAuditEvents'> {
  return {
    listAuditEvents: async ({ query, context }) => {
      const since = query.since === undefined ? -Infinity : Date.parse(query.since)
      const until = query.until === undefined ? Infinity : Date.parse(query.until)
      // A peer stands in the trail under a name that doesn't tell the number.
      const targetId =
        query.targetId !== undefined && isE164(query.targetId)
          ? tables.consent.pseudonym(context.tenant, query.targetId)
          : query.targetId
      const wanted = (row: AuditRow): boolean =>
        (query.eventType === undefined || row.eventType === query.eventType) &&
        (targetId === undefined || row.targetId === targetId) &&
        row.createdAt >= since &&
        row.createdAt < until &&
        maySeeAudit(context, row)
      return ok(
        await filteredPageOf(
          query,
          (page) => tables.audit.list(context.tenant, page),
          wanted,
          auditWire,
        ),
      )
    },
  }
}

/** A key with an allow-list sees only what says that it is about one of its numbers. */
function maySeeAudit(context: KeyedContext, row: AuditRow): boolean {
  if (context.key.numberScope === null) return true
  const about = row.targetType === 'number' ? row.targetId : row.data['numberId']
  return typeof about === 'string' && mayUseNumber(context, about)
}
