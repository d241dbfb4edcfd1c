-- A transferred call whose carrier can't transfer it has a second leg: what recovery needs to end it, and a hold of its
-- own beside the call's. Hold 0 is the call's; each target that we call ourselves has the next number.

alter table call add column bridge jsonb;

alter table transfer add column hold_no integer not null default 0 check (hold_no >= 0);
alter table transfer add constraint hold_no_has_call check (hold_no = 0 or call_id is not null);

drop index one_hold_per_call;
create unique index one_hold_per_leg on transfer (workspace_id, environment, call_id, hold_no)
  where kind = 'reserve';
drop index one_resolution_per_hold;
create unique index one_resolution_per_hold on transfer (workspace_id, environment, call_id, hold_no)
  where kind in ('settle', 'release');

-- Applies new transfers to caps and balances, and refuses those that do not add up. The limit on live calls counts
-- calls: the hold of a target opens no other one.
create or replace function apply_transfers() returns trigger language plpgsql as $$
declare
  k record;
  link record;
begin
  for k in
    select workspace_id, environment, key_id, cap_month,
      sum(case when kind in ('settle', 'charge') then posted_cents else 0 end)::bigint as spent,
      sum(hold_cents)::bigint as held
    from added where key_id is not null group by 1, 2, 3, 4 order by 1, 2, 3, 4
  loop
    perform lock_caps(k.workspace_id, k.environment, k.key_id, k.cap_month);
    for link in select * from cap_chain(k.workspace_id, k.environment, k.key_id, k.cap_month) loop
      update key_period p set spent_cents = p.spent_cents + k.spent, held_cents = p.held_cents + k.held
        where p.workspace_id = k.workspace_id and p.environment = k.environment
          and p.key_id = link.key_id and p.period = link.period;
    end loop;
  end loop;

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
      where t.workspace_id = c.workspace_id and t.environment = c.environment
        and t.call_id = c.call_id and t.hold_no = c.hold_no
    ) h
    where h.opened <> 1 or h.owners <> 1 or h.held < 0 or (h.resolved > 0 and h.held <> 0)
      or (c.hold_no > 0 and not exists (
        select 1 from transfer t
        where t.workspace_id = c.workspace_id and t.environment = c.environment
          and t.call_id = c.call_id and t.hold_no = 0 and t.kind = 'reserve'
          and t.key_id is not distinct from h.owner
      ))
  ) then
    raise exception 'a transfer does not fit the hold of its call'
      using errcode = 'integrity_constraint_violation', constraint = 'hold_agrees';
  end if;
  return null;
end $$;

drop function ledger_reserve(text, text, text, text, text, bigint, timestamptz);
create function ledger_reserve(
  ws text, env text, txn text, call text, hold integer, key text, amount bigint, at timestamptz
) returns ledger_answer language plpgsql as $$
declare
  month text := cap_month(key, at);
  a account;
  answer ledger_answer;
  violated text;
begin
  perform lock_caps(ws, env, key, month);
  a := lock_account(ws, env);
  begin
    insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents, hold_cents,
        balance_after_cents, call_id, hold_no, key_id, cap_month, created_at)
      values (ws, env, txn, 'reserve', 'wallet', 'revenue', 0, amount,
        a.posted_cents - a.held_cents - amount, call, hold, key, month, at);
  exception when check_violation then
    get stacked diagnostics violated = constraint_name;
    answer := refusal_of(violated, a, key, month, amount);
    if answer.refusal is null then raise; end if;
    return answer;
  end;
  answer.balance_cents := a.posted_cents - a.held_cents - amount;
  answer.held_cents := amount;
  return answer;
end $$;

-- The opening row of a hold, and what the hold is now, both read under the locks; null when there is none open.
drop function lock_hold(text);
create function lock_hold(call text, hold integer, out opening transfer, out a account, out held bigint)
language plpgsql as $$
begin
  select * into opening from transfer t
    where t.call_id = call and t.hold_no = hold and t.kind = 'reserve';
  if not found then return; end if;
  perform lock_caps(opening.workspace_id, opening.environment, opening.key_id, opening.cap_month);
  a := lock_account(opening.workspace_id, opening.environment);
  select case when bool_or(t.kind in ('settle', 'release')) then null else sum(t.hold_cents)::bigint end
    into held from transfer t
    where t.workspace_id = opening.workspace_id and t.environment = opening.environment
      and t.call_id = call and t.hold_no = hold;
end $$;

drop function ledger_extend(text, text, bigint, timestamptz);
create function ledger_extend(txn text, call text, hold integer, amount bigint, at timestamptz)
returns ledger_answer language plpgsql as $$
declare
  h record;
  answer ledger_answer;
  violated text;
begin
  select * into h from lock_hold(call, hold);
  if h.held is null then
    answer.refusal := 'no_hold';
    return answer;
  end if;
  begin
    insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents, hold_cents,
        balance_after_cents, call_id, hold_no, key_id, cap_month, created_at)
      values ((h.opening).workspace_id, (h.opening).environment, txn, 'extend', 'wallet', 'revenue', 0, amount,
        (h.a).posted_cents - (h.a).held_cents - amount, call, hold,
        (h.opening).key_id, (h.opening).cap_month, at);
  exception when check_violation then
    get stacked diagnostics violated = constraint_name;
    answer := refusal_of(violated, h.a, (h.opening).key_id, (h.opening).cap_month, amount);
    if answer.refusal is null then raise; end if;
    return answer;
  end;
  answer.balance_cents := (h.a).posted_cents - (h.a).held_cents - amount;
  answer.held_cents := h.held + amount;
  return answer;
end $$;

-- Ends the hold. What `cost` has beyond it is taken as far as the balance and every cap allow; the rest is the
-- shortfall. Null figures when there is no open hold.
drop function ledger_resolve(text, text, text, bigint, timestamptz);
create function ledger_resolve(
  txn text, call text, hold integer, kind text, cost bigint, at timestamptz
) returns ledger_answer language plpgsql as $$
declare
  h record;
  room bigint;
  answer ledger_answer;
begin
  select * into h from lock_hold(call, hold);
  if h.held is null then return answer; end if;
  select min(p.cap_cents - p.spent_cents - p.held_cents) into room
    from cap_chain((h.opening).workspace_id, (h.opening).environment, (h.opening).key_id, (h.opening).cap_month) c
    join key_period p on p.workspace_id = (h.opening).workspace_id
      and p.environment = (h.opening).environment and p.key_id = c.key_id and p.period = c.period;
  -- least() passes over null, and a null room is a chain without a cap.
  answer.taken_cents := least(cost,
    h.held + least((h.a).posted_cents - (h.a).held_cents, room));
  answer.shortfall_cents := cost - answer.taken_cents;
  answer.balance_cents := (h.a).posted_cents - (h.a).held_cents + h.held - answer.taken_cents;
  insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents, hold_cents,
      shortfall_cents, balance_after_cents, call_id, hold_no, key_id, cap_month, created_at)
    values ((h.opening).workspace_id, (h.opening).environment, txn, ledger_resolve.kind, 'wallet', 'revenue',
      answer.taken_cents, -h.held, answer.shortfall_cents, answer.balance_cents, call, hold,
      (h.opening).key_id, (h.opening).cap_month, at);
  return answer;
end $$;
