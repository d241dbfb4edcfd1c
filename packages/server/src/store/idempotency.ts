// Idempotency records: what became of the earlier request with the same key.
import { Fault } from '@saperly/kernel'
import { instant } from './columns.ts'
import { tenantOf } from './lists.ts'
import type { IdempotencyBegin, Tables } from './port.ts'
import { type Sql, first } from './sql.ts'

/** How long an answer is remembered. */
export const REMEMBERED_MS = 24 * 60 * 60_000

/** Old records of the same API key that each new one clears away, so that they never pile up. */
const SWEPT_AT_A_TIME = 8

/** A record can vanish between looking and finding; somebody who frees it that often is broken. */
const MAX_TRIES = 3

interface Found {
  requestHash: string
  callId: string | null
  startedAt: number
  status: number | null
  body: string | null
}

export function idempotency(sql: Sql): Tables['idempotency'] {
  return {
    async begin({ tenant, keyId, key, requestHash, at }) {
      const record = [...tenantOf(tenant), keyId, key]
      const expired = instant(at - REMEMBERED_MS)
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const claimed = await sql.count(
          `with swept as (
             delete from idempotency where (workspace_id, environment, key_id, key) in (
               select workspace_id, environment, key_id, key from idempotency
               where workspace_id = $1 and environment = $2 and key_id = $3 and key <> $4
                 and started_at <= $7 limit ${SWEPT_AT_A_TIME} for update skip locked)
           )
           insert into idempotency as i
             (workspace_id, environment, key_id, key, request_hash, started_at)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (workspace_id, environment, key_id, key) do update
             set request_hash = $5, started_at = $6, call_id = null, status = null, body = null,
               completed_at = null
             where i.started_at <= $7`,
          [...record, requestHash, instant(at), expired],
        )
        if (claimed === 1) return { state: 'fresh' }
        const found = first(
          await sql.rows<Found>(
            `select request_hash, call_id, started_at, status, body from idempotency
             where workspace_id = $1 and environment = $2 and key_id = $3 and key = $4`,
            record,
          ),
        )
        if (found) return stateOf(found, requestHash)
      }
      throw new Fault('an idempotency record is freed again and again', { retryable: true })
    },
    async nameCall(keyId, key, callId) {
      const named = await sql.count(
        `update idempotency set call_id = $3
         where key_id = $1 and key = $2 and (call_id is null or call_id = $3)`,
        [keyId, key, callId],
      )
      return named === 1
    },
    async complete(keyId, key, { status, body, at }) {
      await sql.count(
        `update idempotency set status = $3, body = $4, completed_at = $5
         where key_id = $1 and key = $2`,
        [keyId, key, status, body, instant(at)],
      )
    },
    async free(keyId, key) {
      await sql.count('delete from idempotency where key_id = $1 and key = $2', [keyId, key])
    },
  }
}

function stateOf(found: Found, requestHash: string): IdempotencyBegin {
  if (found.requestHash !== requestHash) return { state: 'mismatch' }
  if (found.status !== null && found.body !== null) {
    return { state: 'done', status: found.status, body: found.body }
  }
  return { state: 'running', callId: found.callId, startedAt: found.startedAt }
}
