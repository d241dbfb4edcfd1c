-- Money: immutable two-sided transfers, balances that only they can move, and constraints that refuse overspending.

-- One wallet per tenant. The other sides (revenue, funding, adjustment) are summed from the journal: a row that every
-- tenant's transfers touch would be the hottest of all.
create table account (
  workspace_id identifier not null references workspace,
  environment environment not null,
  posted_cents bigint not null default 0,
  held_cents bigint not null default 0,
  open_holds integer not null default 0,
  max_open_holds integer not null check (max_open_holds >= 0),
  primary key (workspace_id, environment),
  constraint held_not_negative check (held_cents >= 0 and open_holds >= 0),
  constraint wallet_no_overspend check (posted_cents - held_cents >= 0),
  constraint concurrency_limit check (open_holds <= max_open_holds)
) with (fillfactor = 50);

-- What a key has spent and holds in one period of its cap: a month ('2026-01', UTC) or its whole life ('life').
create table key_period (
  workspace_id identifier not null,
  environment environment not null,
  key_id identifier not null,
  period text not null,
  cap_cents bigint,
  spent_cents bigint not null default 0,
  held_cents bigint not null default 0,
  primary key (workspace_id, environment, key_id, period),
  foreign key (workspace_id, environment, key_id) references api_key,
  constraint key_not_negative check (spent_cents >= 0 and held_cents >= 0),
  constraint key_cap check (cap_cents is null or spent_cents + held_cents <= cap_cents)
) with (fillfactor = 50);

-- `posted_cents` moves for good from debit to credit; `hold_cents` is the signed change of what the wallet holds back;
-- `amount_cents` is what both change of what is available.
create table transfer (
  workspace_id identifier not null,
  environment environment not null,
  id identifier not null,
  seq bigint not null generated always as identity,
  kind text not null,
  debit text not null check (debit in ('wallet', 'revenue', 'funding', 'adjustment')),
  credit text not null check (credit in ('wallet', 'revenue', 'funding', 'adjustment')),
  posted_cents bigint not null check (posted_cents >= 0),
  hold_cents bigint not null default 0,
  shortfall_cents bigint not null default 0 check (shortfall_cents >= 0),
  amount_cents bigint not null generated always as
    ((case when credit = 'wallet' then posted_cents else -posted_cents end) - hold_cents) stored,
  balance_after_cents bigint not null,
  call_id identifier,
  message_id identifier,
  key_id identifier,
  cap_month text check (cap_month ~ '^\d{4}-\d{2}$'),
  note text,
  created_at timestamptz not null,
  primary key (workspace_id, environment, id),
  foreign key (workspace_id, environment) references account,
  foreign key (workspace_id, environment, key_id) references api_key,
  constraint two_sides check (debit <> credit and 'wallet' in (debit, credit)),
  constraint cap_has_month check ((key_id is null) = (cap_month is null)),
  constraint hold_has_call check
    ((kind in ('reserve', 'extend', 'settle', 'release')) = (call_id is not null)),
  constraint shape check (case kind
    when 'topup' then debit = 'funding' and posted_cents > 0 and hold_cents = 0
    when 'reserve' then credit = 'revenue' and posted_cents = 0 and hold_cents >= 0
    when 'extend' then credit = 'revenue' and posted_cents = 0 and hold_cents > 0
    when 'settle' then credit = 'revenue' and hold_cents <= 0
    when 'release' then credit = 'revenue' and posted_cents = 0 and hold_cents <= 0
    when 'charge' then credit = 'revenue' and posted_cents > 0 and hold_cents = 0
    when 'adjust' then 'adjustment' in (debit, credit) and posted_cents > 0 and hold_cents = 0
    else false end),
  constraint only_settling_falls_short check (kind = 'settle' or shortfall_cents = 0)
);
create index transfer_in_order on transfer (workspace_id, environment, seq);
create index transfer_by_call on transfer (call_id) where call_id is not null;
create unique index one_hold_per_call on transfer (workspace_id, environment, call_id)
  where kind = 'reserve';
create unique index one_resolution_per_hold on transfer (workspace_id, environment, call_id)
  where kind in ('settle', 'release');

-- The key and every ancestor, each with the period of its cap that `month` falls into.
create function cap_chain(ws text, env text, key text, month text)
returns table (key_id text, period text, cap_cents bigint, depth integer) language sql stable as $$
  with recursive chain as (
    select k.*, 0 as depth from api_key k
      where k.workspace_id = ws and k.environment = env and k.id = key
    union all
    select k.*, chain.depth + 1 from chain join api_key k
      on k.workspace_id = ws and k.environment = env and k.id = chain.minted_by_token_id
  )
  select id::text, case when spend_limit_reset_period = 'monthly' then month else 'life' end,
    spend_limit_cents, depth
  from chain
$$;

create function cap_month(key text, at timestamptz) returns text language sql immutable as $$
  select case when key is not null then to_char(at at time zone 'UTC', 'YYYY-MM') end
$$;

-- Lock order, everywhere: the caps of the chain sorted by key, then the account. Missing rows are made first, so
-- that there is something to lock. One row at a time, by its primary key, however many keys there come to be.
create function lock_caps(ws text, env text, key text, month text) returns void language plpgsql as $$
declare
  c record;
begin
  if key is null then return; end if;
  for c in select * from cap_chain(ws, env, key, month) order by key_id collate "C" loop
    insert into key_period (workspace_id, environment, key_id, period, cap_cents)
      values (ws, env, c.key_id, c.period, c.cap_cents) on conflict do nothing;
    perform 1 from key_period p
      where p.workspace_id = ws and p.environment = env and p.key_id = c.key_id and p.period = c.period
      for update;
  end loop;
end $$;

create function lock_account(ws text, env text) returns account language plpgsql as $$
declare
  a account;
begin
  select * into strict a from account where workspace_id = ws and environment = env for update;
  return a;
end $$;

-- Applies new transfers to caps and balances, and refuses those that do not add up.
create function apply_transfers() returns trigger language plpgsql as $$
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
        (count(*) filter (where kind = 'reserve')
          - count(*) filter (where kind in ('settle', 'release')))::integer as opened
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

  -- A hold is opened first, keeps its key and month, is never below nothing, and holds nothing once resolved.
  if exists (
    select 1 from (select distinct workspace_id, environment, call_id from added where call_id is not null) c
    cross join lateral (
      select count(*) filter (where t.kind = 'reserve') as opened,
        count(*) filter (where t.kind in ('settle', 'release')) as resolved,
        sum(t.hold_cents) as held,
        count(distinct (coalesce(t.key_id, ''), coalesce(t.cap_month, ''))) as owners
      from transfer t
      where t.workspace_id = c.workspace_id and t.environment = c.environment and t.call_id = c.call_id
    ) h
    where h.opened <> 1 or h.owners <> 1 or h.held < 0 or (h.resolved > 0 and h.held <> 0)
  ) then
    raise exception 'a transfer does not fit the hold of its call'
      using errcode = 'integrity_constraint_violation', constraint = 'hold_agrees';
  end if;
  return null;
end $$;
create trigger apply_transfers after insert on transfer
  referencing new table as added for each statement execute function apply_transfers();

create trigger keep_transfers before update or delete on transfer
  for each row execute function refuse_change();
create trigger keep_all_transfers before truncate on transfer execute function refuse_change();

-- Balances start at nothing and move only from inside `apply_transfers` (one trigger deeper than a plain statement).
create function guard_account() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.posted_cents = 0 and new.held_cents = 0 and new.open_holds = 0 then return new; end if;
  elsif pg_trigger_depth() > 1
    or (new.workspace_id, new.environment, new.posted_cents, new.held_cents, new.open_holds)
      is not distinct from
      (old.workspace_id, old.environment, old.posted_cents, old.held_cents, old.open_holds)
  then
    return new;
  end if;
  raise exception 'a balance changes only by a transfer' using errcode = 'restrict_violation';
end $$;
create trigger guard_account before insert or update on account
  for each row execute function guard_account();
create trigger keep_accounts before delete on account for each row execute function refuse_change();
create trigger keep_all_accounts before truncate on account execute function refuse_change();

create function guard_key_period() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.spent_cents = 0 and new.held_cents = 0 and new.cap_cents is not distinct from (
      select k.spend_limit_cents from api_key k
      where k.workspace_id = new.workspace_id and k.environment = new.environment and k.id = new.key_id
    ) then return new; end if;
  elsif pg_trigger_depth() > 1
    and (new.workspace_id, new.environment, new.key_id, new.period)
      = (old.workspace_id, old.environment, old.key_id, old.period)
    and new.cap_cents is not distinct from old.cap_cents
  then
    return new;
  end if;
  raise exception 'the spending of a key changes only by a transfer' using errcode = 'restrict_violation';
end $$;
create trigger guard_key_period before insert or update on key_period
  for each row execute function guard_key_period();
create trigger keep_key_periods before delete on key_period for each row execute function refuse_change();
create trigger keep_all_key_periods before truncate on key_period execute function refuse_change();
