// The audit trail: rows join the transaction that they describe, and are chained right after its commit.
import { type Random, randomHex } from '@saperly/kernel'
import {
  CHAIN_START,
  type ChainedRow,
  type ChainLink,
  ChainWalk,
  canonical,
  digestOf,
  linkHash,
} from '../audit/chain.ts'
import { columns, instant, json } from './columns.ts'
import { Filter, OF_TENANT, tenantOf } from './lists.ts'
import type { AuditRow, ChainEnd, Tables, Tenant } from './port.ts'
import type { Sql } from './sql.ts'

/** How many rows of one tenant are chained under one lock, and verified in one read. */
const BATCH = 500
const SALT_BYTES = 16

type Problem = Awaited<ReturnType<Tables['audit']['verify']>>[number]

const COVERED = [
  'id',
  'workspaceId',
  'environment',
  'eventType',
  'targetType',
  'targetId',
  'actor',
  'dataDigest',
  'createdAt',
] as const satisfies readonly (keyof ChainedRow)[]

export function audit(sql: Sql, random: Random, auditKey: string): Tables['audit'] {
  return {
    async append(row) {
      const salt = randomHex(random, SALT_BYTES)
      // Through JSON first: what is digested is what will be read back.
      const data = JSON.parse(json(row.data)) as Record<string, unknown>
      await sql.count(
        `insert into audit_event (workspace_id, environment, id, event_type, target_type, target_id,
           actor, data, salt, data_digest, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
        [
          ...tenantOf(row),
          row.id,
          row.eventType,
          row.targetType,
          row.targetId,
          row.actor,
          canonical(data),
          salt,
          digestOf(auditKey, salt, data),
          instant(row.createdAt),
        ],
      )
    },
    list(tenant, page) {
      const filter = new Filter(tenant)
      return sql.rows<AuditRow>(
        `select ${columns(COVERED)}, coalesce(data, '{}') as data, hash, previous_hash
         from audit_event ${filter.page(page)}`,
        filter.values,
      )
    },
    async chain() {
      const tenants = await sql.rows<Tenant>(
        'select distinct workspace_id, environment from audit_event where hash is null',
      )
      let chained = 0
      for (const tenant of tenants) {
        let batch: number
        do {
          batch = await sql.atomic((tx) => chainBatch(tx, tenant))
          chained += batch
        } while (batch === BATCH)
      }
      return chained
    },
    ends: () =>
      sql.rows<ChainEnd>(
        'select workspace_id, environment, position, hash from audit_chain order by 1, 2',
      ),
    links: (end, after) =>
      sql.rows<ChainLink>(
        `select ${columns(COVERED)}, data, salt, position, hash, previous_hash from audit_event
         where ${OF_TENANT} and position > $3 and position <= $4 order by position limit ${BATCH}`,
        [...tenantOf(end), after, end.position],
      ),
    async verify() {
      const problems: Problem[] = []
      for (const end of await this.ends())
        problems.push(...(await verifyChain(this, end, auditKey)))
      return problems
    },
  }
}

/** Chains the oldest rows of one tenant; how many. The row of the chain's end is the lock. */
async function chainBatch(tx: Sql, tenant: Tenant): Promise<number> {
  await tx.count(
    `insert into audit_chain (workspace_id, environment, hash) values ($1, $2, $3)
     on conflict do nothing`,
    [...tenantOf(tenant), CHAIN_START],
  )
  const [end] = await tx.rows<{ position: number; hash: string }>(
    `select position, hash from audit_chain where ${OF_TENANT} for update`,
    tenantOf(tenant),
  )
  const rows = await tx.rows<ChainedRow>(
    `select ${columns(COVERED)} from audit_event where ${OF_TENANT} and hash is null
     order by seq limit ${BATCH}`,
    tenantOf(tenant),
  )
  if (rows.length === 0) return 0
  const hashes = [end!.hash]
  for (const row of rows) hashes.push(linkHash(hashes.at(-1)!, row))
  await tx.count(
    `update audit_event a set position = l.position, hash = l.hash, previous_hash = l.previous_hash
     from unnest($3::text[], $4::bigint[], $5::text[], $6::text[])
       as l (id, position, hash, previous_hash)
     where a.workspace_id = $1 and a.environment = $2 and a.id = l.id`,
    [
      ...tenantOf(tenant),
      rows.map((row) => row.id),
      rows.map((_, index) => end!.position + index + 1),
      hashes.slice(1),
      hashes.slice(0, -1),
    ],
  )
  await tx.count(`update audit_chain set position = $3, hash = $4 where ${OF_TENANT}`, [
    ...tenantOf(tenant),
    end!.position + rows.length,
    hashes.at(-1),
  ])
  return rows.length
}

/** Walks one chain from its start to the end that is on record. */
async function verifyChain(
  audit: Pick<Tables['audit'], 'links'>,
  end: ChainEnd,
  auditKey: string,
): Promise<Problem[]> {
  const problems: Problem[] = []
  const report = (auditId: string, problem: string): void => {
    problems.push({ workspaceId: end.workspaceId, auditId, problem })
  }
  const walk = new ChainWalk(auditKey)
  let last = 0
  for (;;) {
    const links = await audit.links(end, last)
    for (const link of links) for (const problem of walk.step(link)) report(link.id, problem)
    if (links.length === 0) break
    last = links.at(-1)!.position
  }
  if (!walk.endsAt(end)) report('', 'the end of the chain is missing')
  return problems
}
