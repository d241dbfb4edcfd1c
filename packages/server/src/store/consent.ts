// Who may be called: consent per pair of number and peer, and the peers who opted out of the whole tenant.
import { columns, insertion, instant } from './columns.ts'
import type { Ids } from '@saperly/kernel'
import { peerHash } from '../audit/peer-hash.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { ConsentRow, ConsentTable, OptOutRow, Tenant } from './port.ts'
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

const OPT_OUT_FIELDS = [
  'id',
  'peerNumber',
  'source',
  'reason',
  'optedOutAt',
] as const satisfies readonly (keyof OptOutRow)[]

/** Hex digits of the hash that the trail names a peer by. */
export const PSEUDONYM_LENGTH = 32

/** `hashKey` keys the hashes that stay of the numbers of erased people. */
export function consent(sql: Sql, ids: Ids, hashKey: string): ConsentTable {
  const hashOf = (tenant: Tenant, peerNumber: string): string =>
    peerHash(hashKey, tenant, peerNumber)
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
    async optOut(tenant, peerNumber, source, at, reason = null) {
      const row = { tenant, peerNumber, hash: hashOf(tenant, peerNumber), source, at, reason }
      return insertOptOut(sql, ids.next('opt'), row)
    },
    async optOutAll(tenant, peerNumbers, source, at) {
      return sql.count(
        `insert into opt_out (workspace_id, environment, id, peer_number, source, opted_out_at)
         select $1::text, $2::text, n.id, n.peer_number, $6, $7::timestamptz
         from unnest($3::text[], $4::text[], $5::text[]) as n (id, peer_number, hash)
         where not exists (select 1 from opt_out o where o.workspace_id = $1::text and o.environment = $2::text
           and o.peer_hash = n.hash and o.lifted_at is null)
         on conflict (workspace_id, environment, peer_number) where lifted_at is null do nothing`,
        [
          ...tenantOf(tenant),
          peerNumbers.map(() => ids.next('opt')),
          peerNumbers,
          peerNumbers.map((peerNumber) => hashOf(tenant, peerNumber)),
          source,
          instant(at),
        ],
      )
    },
    optOuts(tenant, { peerNumber }, page) {
      const filter = new Filter(tenant).and('peer_number = $', peerNumber).unlifted()
      return sql.rows<OptOutRow>(
        `select ${columns(OPT_OUT_FIELDS)} from opt_out ${filter.page(page)}`,
        filter.values,
      )
    },
    async liftOptOut(tenant, peerNumber, source, at) {
      const lifted = await sql.count(
        `update opt_out set lifted_at = $5, lifted_source = $4
         where ${OF_TENANT} and (peer_number = $3 or peer_hash = $6) and lifted_at is null`,
        [...tenantOf(tenant), peerNumber, source, instant(at), hashOf(tenant, peerNumber)],
      )
      return lifted > 0
    },
    async standing(tenant, numberId, peerNumber, at) {
      const rows = await sql.rows<{ optedOut: boolean; consented: boolean }>(
        `select
           exists (select 1 from opt_out
             where ${OF_TENANT} and (peer_number = $4 or peer_hash = $6) and lifted_at is null) as opted_out,
           exists (select 1 from consent where ${PAIR_IN_FORCE}) as consented`,
        [...tenantOf(tenant), numberId, peerNumber, instant(at), hashOf(tenant, peerNumber)],
      )
      return rows[0]!
    },
    async isOptedOut(tenant, peerNumber) {
      const found = await sql.rows(
        `select 1 from opt_out
         where ${OF_TENANT} and (peer_number = $3 or peer_hash = $4) and lifted_at is null`,
        [...tenantOf(tenant), peerNumber, hashOf(tenant, peerNumber)],
      )
      return found.length > 0
    },
    pseudonym: (tenant, peerNumber) =>
      `peer_${hashOf(tenant, peerNumber).slice(0, PSEUDONYM_LENGTH)}`,
  }
}

/** Unless one is in force already, by number or by the hash that an erasure left; the one in force now. */
async function insertOptOut(
  sql: Sql,
  id: string,
  row: {
    tenant: Tenant
    peerNumber: string
    hash: string
    source: string
    reason: string | null
    at: number
  },
): Promise<OptOutRow> {
  const peer = [...tenantOf(row.tenant), row.peerNumber, row.hash]
  await sql.count(
    `insert into opt_out (workspace_id, environment, id, peer_number, source, reason, opted_out_at)
     select $1::text, $2::text, $5, $3, $6, $7, $8::timestamptz
     where not exists (select 1 from opt_out where workspace_id = $1::text
       and environment = $2::text and peer_hash = $4 and lifted_at is null)
     on conflict (workspace_id, environment, peer_number) where lifted_at is null do nothing`,
    [...peer, id, row.source, row.reason, instant(row.at)],
  )
  const inForce = await sql.rows<OptOutRow>(
    `select ${columns(OPT_OUT_FIELDS)} from opt_out
     where ${OF_TENANT} and (peer_number = $3 or peer_hash = $4) and lifted_at is null`,
    peer,
  )
  // Null only when it was lifted in between, outside of a transaction: then this is what was recorded.
  const { peerNumber, source, reason, at } = row
  return first(inForce) ?? { id, peerNumber, source, reason, optedOutAt: at }
}
