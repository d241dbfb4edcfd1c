-- The same moves for less: what a transfer may do is checked once for a statement and no more once for a row, and a batch
-- is read in as few passes as its locks allow.

-- Looked up for each row by a trigger of its own, these two cost a third of a batch. What they said is said by
-- `apply_transfers` for all rows at once: it finds an account and the caps of a key for every transfer, or refuses. And
-- neither can go away again: accounts and periods refuse to be deleted, and a period holds its key.
alter table transfer drop constraint transfer_workspace_id_environment_fkey;
alter table transfer drop constraint transfer_workspace_id_environment_key_id_fkey;

-- Only of keys that have a parent, so that a statement planned while there are few keys can't take it for their own index
-- and read all keys of a tenant for each.
drop index api_key_by_parent;
create index api_key_by_parent on api_key (workspace_id, environment, minted_by_token_id)
  where minted_by_token_id is not null;

-- Said to be stable, as `to_char` is, it becomes a part of the statement instead of a statement of its own for each row.
create or replace function cap_month(key text, at timestamptz) returns text language sql stable as $$
  select case when key is not null then to_char(at at time zone 'UTC', 'YYYY-MM') end
$$;

-- What `cap_link` was, and whether the row of the period is there yet. `key_id` is null for a key that nobody knows.
create type cap_of_chain as (
  workspace_id text, environment text, key_id text, period text, cap_cents bigint, spent bigint, held bigint, made boolean
);

-- The caps of many chains, each once, in the order in which they are locked.
create function cap_links(changes cap_change[]) returns cap_of_chain[] language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  return (
    with recursive chain as (
      select m.workspace_id, m.environment, m.cap_month, m.spent, m.held,
        k.id as key_id, k.minted_by_token_id, k.spend_limit_cents, k.spend_limit_reset_period
      from unnest(changes) m left join api_key k
        on k.workspace_id = m.workspace_id and k.environment = m.environment and k.id = m.key_id
      union all
      select c.workspace_id, c.environment, c.cap_month, c.spent, c.held,
        k.id, k.minted_by_token_id, k.spend_limit_cents, k.spend_limit_reset_period
      from chain c join api_key k
        on k.workspace_id = c.workspace_id and k.environment = c.environment and k.id = c.minted_by_token_id
    )
    select array_agg(row(l.workspace_id, l.environment, l.key_id, l.period, l.cap_cents, l.spent, l.held,
        p.key_id is not null)::cap_of_chain
        order by l.workspace_id collate "C", l.environment collate "C", l.key_id collate "C", l.period)
    from (
      select workspace_id, environment, key_id,
        case when spend_limit_reset_period = 'monthly' then cap_month else 'life' end as period,
        max(spend_limit_cents) as cap_cents, sum(spent)::bigint as spent, sum(held)::bigint as held
      from chain group by 1, 2, 3, 4
    ) l left join key_period p on p.workspace_id = l.workspace_id and p.environment = l.environment
      and p.key_id = l.key_id and p.period = l.period
  );
end $$;

-- As before; a cap that is made before an earlier one is locked would break the order, so then one after the other.
drop function lock_all_caps(cap_change[]);
create function lock_all_caps(changes cap_change[]) returns void language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  links cap_of_chain[] := cap_links(changes);
  l cap_of_chain;
begin
  if exists (select 1 from unnest(links) u where not u.made) then
    foreach l in array links loop
      perform lock_cap(l.workspace_id, l.environment, l.key_id, l.period, l.cap_cents);
    end loop;
    return;
  end if;
  perform 1 from unnest(links) u
    join key_period p on p.workspace_id = u.workspace_id and p.environment = u.environment
      and p.key_id = u.key_id and p.period = u.period
    order by u.workspace_id collate "C", u.environment collate "C", u.key_id collate "C", u.period
    for update of p;
end $$;
drop type cap_link;

-- One cap, made if it is missing, and locked. A key that nobody knows has none.
create function lock_cap(ws text, env text, key text, of_period text, cap bigint) returns void language plpgsql as $$
begin
  perform 1 from key_period p
    where p.workspace_id = ws and p.environment = env and p.key_id = key and p.period = of_period
    for update;
  if found or key is null then return; end if;
  insert into key_period (workspace_id, environment, key_id, period, cap_cents)
    values (ws, env, key, of_period, cap) on conflict do nothing;
  perform 1 from key_period p
    where p.workspace_id = ws and p.environment = env and p.key_id = key and p.period = of_period
    for update;
end $$;

create or replace function lock_caps(ws text, env text, key text, month text) returns void language plpgsql as $$
declare
  c record;
begin
  if key is null then return; end if;
  for c in select * from cap_chain(ws, env, key, month) order by key_id collate "C" loop
    perform lock_cap(ws, env, c.key_id, c.period, c.cap_cents);
  end loop;
end $$;

-- Applies new transfers to caps and balances, and refuses those that do not add up; also those whose account, key or
-- period of a cap is not there.
create or replace function apply_transfers() returns trigger language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  changes cap_change[] := (
    select array_agg(row(k.*)::cap_change) from (
      select workspace_id, environment, key_id, cap_month,
        sum(case when kind in ('settle', 'charge') then posted_cents else 0 end)::bigint,
        sum(hold_cents)::bigint
      from added where key_id is not null group by 1, 2, 3, 4
    ) k
  );
  links cap_of_chain[];
  applied bigint;
  tenants bigint;
  agreed boolean;
begin
  if changes is not null then
    links := cap_links(changes);
    update key_period p set spent_cents = p.spent_cents + l.spent, held_cents = p.held_cents + l.held
      from unnest(links) l
      where p.workspace_id = l.workspace_id and p.environment = l.environment
        and p.key_id = l.key_id and p.period = l.period;
    get diagnostics applied = row_count;
    if applied <> cardinality(links) then
      raise exception 'a transfer names a key without its cap'
        using errcode = 'foreign_key_violation', constraint = 'transfer_has_key';
    end if;
  end if;

  -- `base`: what the balance was before the first of them, as each of them would have it.
  with r as (
    select workspace_id, environment, kind, hold_no, amount_cents, hold_cents,
      balance_after_cents - sum(amount_cents) over (partition by workspace_id, environment order by seq) as base
    from added
  ), s as materialized (
    select workspace_id, environment,
      sum(amount_cents + hold_cents)::bigint as posted,
      sum(hold_cents)::bigint as held,
      (count(*) filter (where kind = 'reserve' and hold_no = 0)
        - count(*) filter (where kind in ('settle', 'release') and hold_no = 0))::integer as opened,
      sum(amount_cents) as change, min(base) as least_base, max(base) as greatest_base
    from r group by 1, 2
  ), moved as (
    update account a set
        posted_cents = a.posted_cents + s.posted,
        held_cents = a.held_cents + s.held,
        open_holds = a.open_holds + s.opened
      from s
      where a.workspace_id = s.workspace_id and a.environment = s.environment
      returning least_base = greatest_base and least_base = a.posted_cents - a.held_cents - s.change as agrees
  )
  select (select count(*) from s), count(*), bool_and(agrees) into tenants, applied, agreed from moved;
  if applied <> tenants then
    raise exception 'a transfer names a tenant without an account'
      using errcode = 'foreign_key_violation', constraint = 'transfer_has_account';
  end if;
  if not agreed then
    raise exception 'balance_after_cents is not the balance after the transfer'
      using errcode = 'integrity_constraint_violation', constraint = 'balance_agrees';
  end if;

  -- A hold is opened first, keeps its key and month, is never below nothing, and holds nothing once resolved. So what
  -- opens one has nothing before it that it could contradict; whatever else is written with it is looked at itself.
  if exists (
    select 1 from added c
    cross join lateral (
      select count(*) filter (where t.kind = 'reserve') as opened,
        count(*) filter (where t.kind in ('settle', 'release')) as resolved,
        sum(t.hold_cents) as held,
        bool_and((t.key_id, t.cap_month) is not distinct from (c.key_id, c.cap_month)) as one_owner
      from transfer t
      where t.call_id = c.call_id and t.hold_no = c.hold_no
        and (t.workspace_id, t.environment) is not distinct from (c.workspace_id, c.environment)
    ) h
    where c.kind in ('extend', 'settle', 'release')
      and (h.opened <> 1 or not h.one_owner or h.held < 0 or (h.resolved > 0 and h.held <> 0))
  )
  -- The hold of a target stands beside one of the call, under the same key.
  or exists (
    select 1 from added c
    where c.kind = 'reserve' and c.hold_no > 0 and not exists (
      select 1 from transfer t
      where t.call_id = c.call_id and t.hold_no = 0 and t.kind = 'reserve'
        and (t.workspace_id, t.environment, t.key_id)
          is not distinct from (c.workspace_id, c.environment, c.key_id)
    )
  ) then
    raise exception 'a transfer does not fit the hold of its call'
      using errcode = 'integrity_constraint_violation', constraint = 'hold_agrees';
  end if;
  return null;
end $$;

-- What became of a move: an answer as of `ledger_answer`, or the SQLSTATE of what the database held against it.
drop function ledger_batch(text[], text[], text[], text[], text[], integer[], text[], bigint[], timestamptz[]);
drop function ledger_in_parts(ledger_move[]);
drop function ledger_together(ledger_move[]);
drop type ledger_outcome;
create type ledger_outcome as (
  "position" integer, error text, refusal text, balance_cents bigint, held_cents bigint, taken_cents bigint,
  shortfall_cents bigint, limit_cents bigint, prior_cents bigint, open_limit integer, open_now integer
);

-- Said to be stable, so that what it stands in is no step of its own.
alter function settles_beyond_its_hold() stable;

-- All of them in one statement, or an exception when any one is refused. In a tenant, whatever gives money back comes
-- first, so that no balance in between is lower than the last. At most one move of each call, under the locks.
create function ledger_together(moves ledger_move[]) returns ledger_outcome[] language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  outcomes ledger_outcome[];
begin
  with hold as (
    select m.*, m.kind = 'reserve' or h.held is not null as possible, m.kind in ('settle', 'release') as resolves, h.held,
      case m.kind
        when 'settle' then case when m.cents > h.held then settles_beyond_its_hold() else m.cents end
        else 0 end as posted,
      case when m.kind in ('settle', 'release') then -h.held else m.cents end as change
    from unnest(moves) m left join lateral (
      select case when bool_or(t.kind in ('settle', 'release')) then null else sum(t.hold_cents)::bigint end as held
      from transfer t
      where m.kind <> 'reserve' and t.call_id = m.call_id and t.hold_no = m.hold_no
        and (t.workspace_id, t.environment) is not distinct from (m.workspace_id, m.environment)
    ) h on true
  ), posting as (
    select h.*, (a.posted_cents - a.held_cents - sum(case when h.possible then h.posted + h.change else 0 end) over (
        partition by h.workspace_id, h.environment order by h.resolves desc, h.position))::bigint as balance
    from hold h left join account a on a.workspace_id = h.workspace_id and a.environment = h.environment
  ), written as (
    insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents, hold_cents,
        balance_after_cents, call_id, hold_no, key_id, cap_month, created_at)
      select workspace_id, environment, txn, kind, 'wallet', 'revenue', posted, change,
        balance, call_id, hold_no, key_id, cap_month, at
      from posting where possible order by workspace_id, environment, resolves desc, position
  )
  select array_agg(row(p.position, null,
      case when p.kind = 'extend' and not p.possible then 'no_hold' end,
      case when p.possible then p.balance end,
      case when p.possible then coalesce(p.held, 0) + p.change end,
      case when p.possible and p.resolves then p.posted end,
      case when p.possible and p.resolves then 0 end,
      null, null, null, null)::ledger_outcome)
    into outcomes from posting p;
  return outcomes;
end $$;

-- All together, else in halves, down to the one that is refused: that one alone hears it. Only what is held against a
-- move is caught; a deadlock, a timeout or a full disk ends the whole.
create function ledger_in_parts(moves ledger_move[]) returns ledger_outcome[] language plpgsql as $$
declare
  half integer := cardinality(moves) / 2;
  a ledger_answer;
begin
  if half = 0 then
    begin
      a := ledger_alone(moves[1]);
      return array[row((moves[1]).position, null, a.refusal, a.balance_cents, a.held_cents, a.taken_cents,
        a.shortfall_cents, a.limit_cents, a.prior_cents, a.open_limit, a.open_now)::ledger_outcome];
    exception when integrity_constraint_violation or data_exception or no_data_found then
      return array[row((moves[1]).position, sqlstate, null, null, null, null, null, null, null, null, null)::ledger_outcome];
    end;
  end if;
  begin
    return ledger_together(moves);
  exception when integrity_constraint_violation or data_exception then
    null;
  end;
  return ledger_in_parts(moves[:half]) || ledger_in_parts(moves[half + 1:]);
end $$;

-- The locks of many moves, in the fixed order: all caps, then all accounts, each sorted.
create function ledger_lock(moves ledger_move[]) returns void language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  changes cap_change[];
begin
  select array_agg(row(k.*)::cap_change) into changes from (
    select distinct m.workspace_id, m.environment, m.key_id, m.cap_month, 0::bigint, 0::bigint
    from unnest(moves) m where m.key_id is not null
  ) k;
  if changes is not null then perform lock_all_caps(changes); end if;
  perform 1 from (select distinct m.workspace_id, m.environment from unnest(moves) m) m
    join account a on a.workspace_id = m.workspace_id and a.environment = m.environment
    order by a.workspace_id, a.environment collate "C"
    for update of a;
end $$;

-- Many moves, at most one of each call, in one transaction. Moves of a tenant stay together, so that one without money
-- costs the others little. The locks are taken inside of what may be rolled back, and then once more: rows that are
-- locked outside of a subtransaction and changed in it would have two owners, and every look at them would ask who.
create function ledger_batch(
  kinds text[], txns text[], workspaces text[], environments text[], calls text[], holds integer[], keys text[],
  cents bigint[], ats timestamptz[]
) returns ledger_outcome[] language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  moves ledger_move[];
  half integer := cardinality(kinds) / 2;
begin
  select array_agg(row(w.position, w.kind, w.txn, coalesce(w.workspace_id, o.workspace_id),
      coalesce(w.environment, o.environment), w.call_id, w.hold_no, coalesce(w.key_id, o.key_id),
      coalesce(o.cap_month, cap_month(w.key_id, w.at)), w.cents, w.at)::ledger_move
      order by coalesce(w.workspace_id, o.workspace_id), coalesce(w.environment, o.environment), w.position)
    into moves
    from unnest(kinds, txns, workspaces, environments, calls, holds, keys, cents, ats) with ordinality
      as w (kind, txn, workspace_id, environment, call_id, hold_no, key_id, cents, at, position)
    left join lateral (
      select t.workspace_id, t.environment, t.key_id, t.cap_month from transfer t
      where w.kind <> 'reserve' and t.call_id = w.call_id and t.hold_no = w.hold_no limit 1
    ) o on true;
  begin
    perform ledger_lock(moves);
    return ledger_together(moves);
  exception when integrity_constraint_violation or data_exception then
    null;
  end;
  perform ledger_lock(moves);
  if half = 0 then return ledger_in_parts(moves); end if;
  return ledger_in_parts(moves[:half]) || ledger_in_parts(moves[half + 1:]);
end $$;

-- Lists of calls are in the order of time, and each filter has an index in that order: a page costs the same wherever it
-- is, however few rows there are that fit, and however old those are.
drop index call_by_time;
create index call_by_time on call (workspace_id, environment, created_at, id);
drop index call_by_number;
create index call_by_number on call (workspace_id, environment, number_id, created_at, id);
create index call_by_target on call (workspace_id, environment, "to", created_at, id);
create index call_by_status on call (workspace_id, environment, status, created_at, id);

create index consent_by_peer on consent (workspace_id, environment, peer_number, id);
create index consent_by_number on consent (workspace_id, environment, number_id, id);
