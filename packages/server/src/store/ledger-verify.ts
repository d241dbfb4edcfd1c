// Reconciliation: balances, caps, holds and the chain of balances against the sum of the postings.
import type { LedgerTable, Tenant } from './port.ts'
import type { Sql } from './sql.ts'

type Problem = Awaited<ReturnType<LedgerTable['verify']>>[number]

/** The most problems that one check reports; more than a few already mean the same. */
const PROBLEMS_MAX = 1000

/** Each selects workspace, environment and what is wrong; no rows when all is well. */
const CHECKS: readonly string[] = [
  `select a.workspace_id, a.environment, 'the account differs from the sum of its postings' as problem
   from account a left join lateral (
     select coalesce(sum(amount_cents + hold_cents), 0) as posted,
       coalesce(sum(hold_cents), 0) as held,
       count(*) filter (where kind = 'reserve' and hold_no = 0)
         - count(*) filter (where kind in ('settle', 'release') and hold_no = 0) as open
     from transfer t where t.workspace_id = a.workspace_id and t.environment = a.environment
   ) s on true
   where (a.posted_cents, a.held_cents, a.open_holds) <> (s.posted, s.held, s.open)
     or a.posted_cents - a.held_cents < 0`,

  `select t.workspace_id, t.environment, 'balance of ' || id || ' does not follow from the one before' as problem
   from (
     select workspace_id, environment, id, balance_after_cents,
       sum(amount_cents) over (partition by workspace_id, environment order by seq) as balance
     from transfer
   ) t where t.balance_after_cents <> t.balance`,

  `select workspace_id, environment, 'hold ' || hold_no || ' of ' || call_id || ' does not add up' as problem
   from transfer where call_id is not null
   group by workspace_id, environment, call_id, hold_no
   having count(*) filter (where kind = 'reserve') <> 1
     or count(*) filter (where kind in ('settle', 'release')) > 1
     or sum(hold_cents) < 0
     or (bool_or(kind in ('settle', 'release')) and sum(hold_cents) <> 0)`,

  `select workspace_id, environment, 'the spending of ' || key_id || ' differs from its postings' as problem
   from key_period p full join (
     select t.workspace_id, t.environment, c.key_id, c.period,
       sum(case when t.kind in ('settle', 'charge') then t.posted_cents else 0 end) as spent,
       sum(t.hold_cents) as held
     from transfer t cross join lateral cap_chain(t.workspace_id, t.environment, t.key_id, t.cap_month) c
     where t.key_id is not null group by 1, 2, 3, 4
   ) s using (workspace_id, environment, key_id, period)
   where coalesce(p.spent_cents, 0) <> coalesce(s.spent, 0)
     or coalesce(p.held_cents, 0) <> coalesce(s.held, 0)`,

  `select workspace_id, environment, 'the cap of ' || key_id || ' was passed or is not that of its key' as problem
   from key_period p join api_key k using (workspace_id, environment)
   where k.id = p.key_id
     and (p.cap_cents is distinct from k.spend_limit_cents or p.spent_cents + p.held_cents > p.cap_cents)`,

  `select workspace_id, environment, 'there is no account for ' || count(*) || ' postings' as problem
   from transfer t where not exists (
     select 1 from account a where a.workspace_id = t.workspace_id and a.environment = t.environment
   ) group by workspace_id, environment`,

  `select workspace_id, environment, 'there is no key ' || key_id as problem
   from transfer t where key_id is not null and not exists (
     select 1 from api_key k
     where k.workspace_id = t.workspace_id and k.environment = t.environment and k.id = t.key_id
   ) group by workspace_id, environment, key_id`,
]

/** Reads the whole journal: for a quiet hour or an operator's question, not for every minute. */
export async function verifyLedger(sql: Sql): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const check of CHECKS) {
    const found = await sql.rows<Tenant & { problem: string }>(`${check} limit ${PROBLEMS_MAX}`)
    for (const { workspaceId, environment, problem } of found) {
      problems.push({ tenant: { workspaceId, environment }, problem })
    }
  }
  return problems
}
