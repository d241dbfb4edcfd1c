-- Moves of many calls in one transaction. What a move may do is said by the same trigger and the same constraints as
-- before; here is only how many of them are asked at once, and how the one that is refused is found.

-- The key and every ancestor, as before, but planned once for a connection and not once for a call.
create or replace function cap_chain(ws text, env text, key text, month text)
returns table (key_id text, period text, cap_cents bigint, depth integer) language plpgsql stable as $$
declare
  k record;
begin
  key_id := key;
  depth := 0;
  loop
    select a.minted_by_token_id, a.spend_limit_cents, a.spend_limit_reset_period into k
      from api_key a where a.workspace_id = ws and a.environment = env and a.id = key_id;
    exit when not found;
    period := case when k.spend_limit_reset_period = 'monthly' then month else 'life' end;
    cap_cents := k.spend_limit_cents;
    return next;
    key_id := k.minted_by_token_id;
    depth := depth + 1;
  end loop;
end $$;

-- The caps of a chain, made where they are missing and locked, sorted by key. Looks before it makes: nearly always all
-- of them are there.
create or replace function lock_caps(ws text, env text, key text, month text) returns void language plpgsql as $$
declare
  c record;
begin
  if key is null then return; end if;
  for c in select * from cap_chain(ws, env, key, month) order by key_id collate "C" loop
    perform 1 from key_period p
      where p.workspace_id = ws and p.environment = env and p.key_id = c.key_id and p.period = c.period
      for update;
    if not found then
      insert into key_period (workspace_id, environment, key_id, period, cap_cents)
        values (ws, env, c.key_id, c.period, c.cap_cents) on conflict do nothing;
      perform 1 from key_period p
        where p.workspace_id = ws and p.environment = env and p.key_id = c.key_id and p.period = c.period
        for update;
    end if;
  end loop;
end $$;

-- What transfers change of a key in a month, and what that is for each cap of its chain.
create type cap_change as (
  workspace_id text, environment text, key_id text, cap_month text, spent bigint, held bigint
);
create type cap_link as (
  workspace_id text, environment text, key_id text, period text, cap_cents bigint, spent bigint, held bigint
);

-- The caps of many chains, made where they are missing and locked. The order within a tenant is that of one chain, so
-- that both ways wait for each other and never in a circle. Each row is found by its primary key: what the planner
-- believes of a table that has just grown is not asked, here and below.
create function lock_all_caps(changes cap_change[]) returns cap_link[] language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  links cap_link[];
  l cap_link;
begin
  select array_agg(row(c.*)::cap_link) into links from (
    select m.workspace_id, m.environment, k.key_id, k.period, k.cap_cents,
      sum(m.spent)::bigint as spent, sum(m.held)::bigint as held
    from unnest(changes) m cross join lateral cap_chain(m.workspace_id, m.environment, m.key_id, m.cap_month) k
    group by 1, 2, 3, 4, 5
    order by m.workspace_id collate "C", m.environment collate "C", k.key_id collate "C", k.period
  ) c;
  -- A cap made before an earlier one is locked would break the order: then one after the other.
  if exists (
    select 1 from unnest(links) u where not exists (
      select 1 from key_period p where p.workspace_id = u.workspace_id and p.environment = u.environment
        and p.key_id = u.key_id and p.period = u.period
    )
  ) then
    foreach l in array links loop
      perform 1 from key_period p
        where p.workspace_id = l.workspace_id and p.environment = l.environment
          and p.key_id = l.key_id and p.period = l.period
        for update;
      if not found then
        insert into key_period (workspace_id, environment, key_id, period, cap_cents)
          values (l.workspace_id, l.environment, l.key_id, l.period, l.cap_cents) on conflict do nothing;
        perform 1 from key_period p
          where p.workspace_id = l.workspace_id and p.environment = l.environment
            and p.key_id = l.key_id and p.period = l.period
          for update;
      end if;
    end loop;
    return links;
  end if;
  perform 1 from unnest(links) u
    join key_period p on p.workspace_id = u.workspace_id and p.environment = u.environment
      and p.key_id = u.key_id and p.period = u.period
    order by u.workspace_id collate "C", u.environment collate "C", u.key_id collate "C", u.period
    for update of p;
  return links;
end $$;

-- The opening row of a hold, and what the hold is now, both read under the locks; null when there is none open. Every
-- row of a hold names the same owner; the first one is as good as any other.
create or replace function lock_hold(call text, hold integer, out opening transfer, out a account, out held bigint)
language plpgsql as $$
begin
  select * into opening from transfer t where t.call_id = call and t.hold_no = hold limit 1;
  if not found then return; end if;
  perform lock_caps(opening.workspace_id, opening.environment, opening.key_id, opening.cap_month);
  a := lock_account(opening.workspace_id, opening.environment);
  select case when bool_or(t.kind in ('settle', 'release')) then null else sum(t.hold_cents)::bigint end
    into held from transfer t
    where t.call_id = call and t.hold_no = hold
      and (t.workspace_id, t.environment) is not distinct from (opening.workspace_id, opening.environment);
end $$;

-- As in 0008, with the keys of all transfers in one go. A hold is found by its call: `is not distinct from` keeps the
-- planner, who knows little of a table that has just grown, from walking through all of a tenant instead.
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
  links cap_link[];
begin
  if changes is not null then
    links := lock_all_caps(changes);
    update key_period p set spent_cents = p.spent_cents + l.spent, held_cents = p.held_cents + l.held
      from unnest(links) l
      where p.workspace_id = l.workspace_id and p.environment = l.environment
        and p.key_id = l.key_id and p.period = l.period;
  end if;

  update account a set
      posted_cents = a.posted_cents + s.posted,
      held_cents = a.held_cents + s.held,
      open_holds = a.open_holds + s.opened
    from (
      select workspace_id, environment,
        sum(amount_cents + hold_cents)::bigint as posted,
        sum(hold_cents)::bigint as held,
        (count(*) filter (where kind = 'reserve' and hold_no = 0)
          - count(*) filter (where kind in ('settle', 'release') and hold_no = 0))::integer as opened
      from added group by 1, 2
    ) s
    where a.workspace_id = s.workspace_id and a.environment = s.environment;

  if exists (
    select 1 from (
      select t.balance_after_cents, a.posted_cents - a.held_cents
        - sum(t.amount_cents) over (partition by t.workspace_id, t.environment)
        + sum(t.amount_cents) over (partition by t.workspace_id, t.environment order by t.seq) as balance
      from added t join account a using (workspace_id, environment)
    ) r where r.balance_after_cents <> r.balance
  ) then
    raise exception 'balance_after_cents is not the balance after the transfer'
      using errcode = 'integrity_constraint_violation', constraint = 'balance_agrees';
  end if;

  -- A hold is opened first, keeps its key and month, is never below nothing, and holds nothing once resolved. That of a
  -- target stands beside one of the call, under the same key.
  if exists (
    select 1 from (
      select distinct workspace_id, environment, call_id, hold_no from added where call_id is not null
    ) c
    cross join lateral (
      select count(*) filter (where t.kind = 'reserve') as opened,
        count(*) filter (where t.kind in ('settle', 'release')) as resolved,
        sum(t.hold_cents) as held,
        count(distinct (coalesce(t.key_id, ''), coalesce(t.cap_month, ''))) as owners,
        max(t.key_id) as owner
      from transfer t
      where t.call_id = c.call_id and t.hold_no = c.hold_no
        and (t.workspace_id, t.environment) is not distinct from (c.workspace_id, c.environment)
    ) h
    where h.opened <> 1 or h.owners <> 1 or h.held < 0 or (h.resolved > 0 and h.held <> 0)
      or (c.hold_no > 0 and not exists (
        select 1 from transfer t
        where t.call_id = c.call_id and t.hold_no = 0 and t.kind = 'reserve'
          and (t.workspace_id, t.environment, t.key_id)
            is not distinct from (c.workspace_id, c.environment, h.owner)
      ))
  ) then
    raise exception 'a transfer does not fit the hold of its call'
      using errcode = 'integrity_constraint_violation', constraint = 'hold_agrees';
  end if;
  return null;
end $$;

-- One move among many. `cents`: what is held, or what a settled call costs. Of a move on an open hold, tenant, key and
-- month are those of the hold; null when there is none.
create type ledger_move as (
  position integer, kind text, txn text, workspace_id text, environment text, call_id text, hold_no integer,
  key_id text, cap_month text, cents bigint, at timestamptz
);

-- What became of it: an answer, or the SQLSTATE of what the database held against it.
create type ledger_outcome as (position integer, error text, answer ledger_answer);

-- A settlement beyond its hold takes what balance and caps have left when its turn comes: it can't be one of many.
create function settles_beyond_its_hold() returns bigint language plpgsql as $$
begin
  raise exception 'a settlement beyond its hold' using errcode = 'check_violation',
    constraint = 'together_within_holds';
end $$;

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
  select array_agg(row(p.position, null, row(
      case when p.kind = 'extend' and not p.possible then 'no_hold' end,
      case when p.possible then p.balance end,
      case when p.possible then coalesce(p.held, 0) + p.change end,
      case when p.possible and p.resolves then p.posted end,
      case when p.possible and p.resolves then 0 end,
      null, null, null, null)::ledger_answer)::ledger_outcome)
    into outcomes from posting p;
  return outcomes;
end $$;

create function ledger_alone(m ledger_move) returns ledger_answer language plpgsql as $$
begin
  return case m.kind
    when 'reserve' then ledger_reserve(m.workspace_id, m.environment, m.txn, m.call_id, m.hold_no, m.key_id, m.cents, m.at)
    when 'extend' then ledger_extend(m.txn, m.call_id, m.hold_no, m.cents, m.at)
    else ledger_resolve(m.txn, m.call_id, m.hold_no, m.kind, m.cents, m.at) end;
end $$;

-- All together, else in halves, down to the one that is refused: that one alone hears it. Only what is held against a
-- move is caught; a deadlock, a timeout or a full disk ends the whole.
create function ledger_in_parts(moves ledger_move[]) returns ledger_outcome[] language plpgsql as $$
declare
  half integer := cardinality(moves) / 2;
begin
  if half = 0 then
    begin
      return array[row((moves[1]).position, null, ledger_alone(moves[1]))::ledger_outcome];
    exception when integrity_constraint_violation or data_exception or no_data_found then
      return array[row((moves[1]).position, sqlstate, null)::ledger_outcome];
    end;
  end if;
  begin
    return ledger_together(moves);
  exception when integrity_constraint_violation or data_exception then
    null;
  end;
  return ledger_in_parts(moves[:half]) || ledger_in_parts(moves[half + 1:]);
end $$;

-- Many moves, at most one of each call, in one transaction. Locks in the fixed order: all caps, then all accounts,
-- each sorted. Moves of a tenant stay together, so that one without money costs the others little.
create function ledger_batch(
  kinds text[], txns text[], workspaces text[], environments text[], calls text[], holds integer[], keys text[],
  cents bigint[], ats timestamptz[]
) returns table (
  "position" integer, error text, refusal text, balance_cents bigint, held_cents bigint, taken_cents bigint,
  shortfall_cents bigint, limit_cents bigint, prior_cents bigint, open_limit integer, open_now integer
) language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  moves ledger_move[];
  changes cap_change[];
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
  select array_agg(row(k.*)::cap_change) into changes from (
    select distinct m.workspace_id, m.environment, m.key_id, m.cap_month, 0::bigint, 0::bigint
    from unnest(moves) m where m.key_id is not null
  ) k;
  perform lock_all_caps(changes);
  perform 1 from (select distinct m.workspace_id, m.environment from unnest(moves) m) m
    join account a on a.workspace_id = m.workspace_id and a.environment = m.environment
    order by a.workspace_id, a.environment collate "C"
    for update of a;
  return query select o.position, o.error, (o.answer).* from unnest(ledger_in_parts(moves)) o;
end $$;
