// Recharges in the database: opened under the lock of their account, claimed by whoever is free, settled once.
import type { Environment } from '@saperly/network'
import { columns, instant } from './columns.ts'
import { OF_TENANT, PAGE_MAX, tenantOf } from './lists.ts'
import type { RechargeRow, RechargeTable } from './recharge-port.ts'
import { type Sql, first } from './sql.ts'

const DAY_MS = 24 * 3_600_000

const FIELDS = [
  'id',
  'workspaceId',
  'environment',
  'provider',
  'amountCents',
  'customer',
  'paymentMethod',
  'state',
  'attempts',
  'nextAttemptAt',
  'reference',
  'reason',
  'createdAt',
  'settledAt',
] as const satisfies readonly (keyof RechargeRow)[]

const PENDING_OF_ACCOUNT = `select from recharge r where r.workspace_id = a.workspace_id
  and r.environment = a.environment and r.state = 'pending'`

/** The provider of the row's environment is `$1` (test) or `$2` (live); what others were asked for is theirs. */
const OF_PROVIDERS = `provider = case environment when 'test' then $1::text else $2::text end`

function namesOf({ test, live }: Readonly<Record<Environment, string | null>>) {
  return [test, live]
}

export function recharges(sql: Sql): RechargeTable {
  return {
    async low(thresholds) {
      const found = await sql.rows<{
        workspaceId: string
        environment: Environment
        belowCents: number
      }>(
        `select a.workspace_id, a.environment, l.below_cents
         from unnest($1::text[], $2::text[], $3::bigint[])
           as l (workspace_id, environment, below_cents)
         join account a on a.workspace_id = l.workspace_id and a.environment = l.environment
         where a.posted_cents - a.held_cents < l.below_cents and not exists (${PENDING_OF_ACCOUNT})`,
        [
          thresholds.map(({ tenant }) => tenant.workspaceId),
          thresholds.map(({ tenant }) => tenant.environment),
          thresholds.map(({ belowCents }) => belowCents),
        ],
      )
      return found.map(({ workspaceId, environment, belowCents }) => ({
        tenant: { workspaceId, environment },
        belowCents,
      }))
    },
    // Two statements, so that the second sees all that was committed before the account was ours: the day's sum and the
    // balance change only under this lock.
    open: ({ tenant, ...recharge }, limits, at) =>
      sql.atomic(async (tx) => {
        await tx.rows(`select from account where ${OF_TENANT} for no key update`, tenantOf(tenant))
        const { id, provider, amountCents, customer, paymentMethod } = recharge
        return first(
          await tx.rows<RechargeRow>(
            `insert into recharge (workspace_id, environment, id, provider, amount_cents,
               customer, payment_method, state, next_attempt_at, created_at)
             select a.workspace_id, a.environment, $3, $4, $5::bigint, $6, $7, 'pending', $8::timestamptz, $8::timestamptz
             from account a
             where a.workspace_id = $1 and a.environment = $2
               and a.posted_cents - a.held_cents < $9::bigint
               and not exists (${PENDING_OF_ACCOUNT})
               and $5::bigint + coalesce((select sum(amount_cents) from recharge
                 where ${OF_TENANT} and state <> 'declined' and created_at > $11::timestamptz), 0)
                 <= $10::bigint
               and not exists (select from recharge where ${OF_TENANT} and state = 'declined'
                 and pardoned_at is null and settled_at > $12::timestamptz)
               and (select count(*) from recharge where ${OF_TENANT} and state = 'declined'
                 and pardoned_at is null and settled_at > $11::timestamptz) < $13::integer
             returning ${columns(FIELDS)}`,
            [
              ...tenantOf(tenant),
              id,
              provider,
              amountCents,
              customer,
              paymentMethod,
              instant(at),
              limits.belowCents,
              limits.maxPerDayCents,
              instant(at - DAY_MS),
              instant(at - limits.pauseMs),
              limits.maxDeclines,
            ],
          ),
        )
      }),
    claim: (providers, limit, at, leaseMs) =>
      sql.rows<RechargeRow>(
        `update recharge set attempts = attempts + 1, next_attempt_at = $5
         where id in (select id from recharge
           where state = 'pending' and ${OF_PROVIDERS} and next_attempt_at <= $3
           order by next_attempt_at limit $4 for update skip locked)
         returning ${columns(FIELDS)}`,
        [...namesOf(providers), instant(at), limit, instant(at + leaseMs)],
      ),
    async postpone({ id, attempts }, nextAttemptAt) {
      await sql.count(
        `update recharge set next_attempt_at = $3
         where id = $1 and attempts = $2 and state = 'pending'`,
        [id, attempts, instant(nextAttemptAt)],
      )
    },
    async settle(id, outcome, at) {
      const paid = outcome.state === 'paid'
      return first(
        await sql.rows<RechargeRow>(
          `update recharge set state = $2, reference = $3, reason = $4, settled_at = $5,
             next_attempt_at = null
           where id = $1 and state = any($6) returning ${columns(FIELDS)}`,
          [
            id,
            outcome.state,
            paid ? outcome.reference : null,
            paid ? null : outcome.reason,
            instant(at),
            paid ? ['pending', 'declined'] : ['pending'],
          ],
        ),
      )
    },
    async pardon(tenant, at) {
      await sql.count(
        `update recharge set pardoned_at = $3
         where ${OF_TENANT} and state = 'declined' and pardoned_at is null`,
        [...tenantOf(tenant), instant(at)],
      )
    },
    async nextDueAt(providers) {
      const [next] = await sql.rows<{ dueAt: number | null }>(
        `select min(next_attempt_at) as due_at from recharge
         where state = 'pending' and ${OF_PROVIDERS}`,
        namesOf(providers),
      )
      return next!.dueAt
    },
    list: (tenant) =>
      sql.rows<RechargeRow>(
        `select ${columns(FIELDS)} from recharge where ${OF_TENANT}
         order by id desc limit ${PAGE_MAX}`,
        tenantOf(tenant),
      ),
  }
}
