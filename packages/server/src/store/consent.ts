// Who may be called: consent per pair of number and peer, and the peers who opted out of the whole tenant.
import { columns, insertion, instant } from './columns.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { ConsentRow, ConsentTable } from './port.ts'
import { type Sql, first } from './sql.ts'

const FIELDS = [
  'id',
  'workspaceId',
  'environment',
  'numberId',
  'peerNumber',
  'consentType',
  'source',
  'grantedAt',
  'revokedAt',
  'expiresAt',
] as const satisfies readonly (keyof ConsentRow)[]

const PAIR_IN_FORCE = `${OF_TENANT} and number_id = $3 and peer_number = $4
  and revoked_at is null and (expires_at is null or expires_at > $5)`

export function consent(sql: Sql): ConsentTable {
  return {
    async grant(row) {
      const insert = insertion<ConsentRow>('consent', FIELDS, row)
      await sql.count(insert.text, insert.values)
    },
    async revoke(tenant, numberId, peerNumber, at) {
      const ended = await sql.rows<ConsentRow>(
        `with ended as (
           update consent set revoked_at = $5 where ${PAIR_IN_FORCE} returning ${columns(FIELDS)}
         ) select * from ended order by granted_at desc, id desc limit 1`,
        [...tenantOf(tenant), numberId, peerNumber, instant(at)],
      )
      return first(ended)
    },
    async active(tenant, numberId, peerNumber, at) {
      const strongest = await sql.rows<ConsentRow>(
        `select ${columns(FIELDS)} from consent where ${PAIR_IN_FORCE}
         order by (consent_type = 'explicit_outbound') desc, granted_at desc, id desc limit 1`,
        [...tenantOf(tenant), numberId, peerNumber, instant(at)],
      )
      return first(strongest)
    },
    list(tenant, { numberId, peerNumber, numberIds }, page) {
      const filter = new Filter(tenant)
        .and('number_id = $', numberId)
        .and('peer_number = $', peerNumber)
        .and('number_id = any($)', numberIds)
      return sql.rows<ConsentRow>(
        `select ${columns(FIELDS)} from consent ${filter.page(page)}`,
        filter.values,
      )
    },
    async optOut(tenant, peerNumber, source, at) {
      await sql.count(
        `insert into opt_out (workspace_id, environment, peer_number, source, opted_out_at)
         values ($1, $2, $3, $4, $5)
         on conflict (workspace_id, environment, peer_number) where lifted_at is null do nothing`,
        [...tenantOf(tenant), peerNumber, source, instant(at)],
      )
    },
    async liftOptOut(tenant, peerNumber, source, at) {
      const lifted = await sql.count(
        `update opt_out set lifted_at = $5, lifted_source = $4
         where ${OF_TENANT} and peer_number = $3 and lifted_at is null`,
        [...tenantOf(tenant), peerNumber, source, instant(at)],
      )
      return lifted > 0
    },
    async standing(tenant, numberId, peerNumber, at) {
      const rows = await sql.rows<{ optedOut: boolean; consented: boolean }>(
        `select
           exists (select 1 from opt_out
             where ${OF_TENANT} and peer_number = $4 and lifted_at is null) as opted_out,
           exists (select 1 from consent where ${PAIR_IN_FORCE}) as consented`,
        [...tenantOf(tenant), numberId, peerNumber, instant(at)],
      )
      return rows[0]!
    },
    async isOptedOut(tenant, peerNumber) {
      const found = await sql.rows(
        `select 1 from opt_out where ${OF_TENANT} and peer_number = $3 and lifted_at is null`,
        [...tenantOf(tenant), peerNumber],
      )
      return found.length > 0
    },
  }
}
