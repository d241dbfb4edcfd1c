-- The moves of the ledger. Each locks in the fixed order, writes one transfer and lets the constraints decide; a
-- refusal is caught inside, so that the caller's transaction lives on.

-- What a move answers. `refusal` is null, or the reason for the no with the figures at that moment.
create type ledger_answer as (
  refusal text,
  balance_cents bigint,
  held_cents bigint,
  taken_cents bigint,
  shortfall_cents bigint,
  limit_cents bigint,
  prior_cents bigint,
  open_limit integer,
  open_now integer
);

-- Names the refusal behind a violated constraint; null for a constraint that is no refusal but a bug.
create function refusal_of(violated text, a account, key text, month text, wanted bigint)
returns ledger_answer language plpgsql stable as $$
declare
  answer ledger_answer;
begin
  answer.balance_cents := a.posted_cents - a.held_cents;
  case violated
    when 'wallet_no_overspend' then answer.refusal := 'insufficient_funds';
    when 'concurrency_limit' then
      answer.refusal := 'concurrency';
      answer.open_limit := a.max_open_holds;
      answer.open_now := a.open_holds;
    when 'key_cap' then
      answer.refusal := 'spend_limit';
      select p.cap_cents, p.spent_cents + p.held_cents into answer.limit_cents, answer.prior_cents
        from cap_chain(a.workspace_id, a.environment, key, month) c
        join key_period p on p.workspace_id = a.workspace_id and p.environment = a.environment
          and p.key_id = c.key_id and p.period = c.period
        where p.spent_cents + p.held_cents + wanted > p.cap_cents
        order by c.depth limit 1;
    else null;
  end case;
  return answer;
end $$;

create function ledger_reserve(
  ws text, env text, txn text, call text, key text, amount bigint, at timestamptz
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
        balance_after_cents, call_id, key_id, cap_month, created_at)
      values (ws, env, txn, 'reserve', 'wallet', 'revenue', 0, amount,
        a.posted_cents - a.held_cents - amount, call, key, month, at);
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

-- The opening row of a call's hold, and what the hold is now, both read under the locks; null when there is none open.
create function lock_hold(call text, out opening transfer, out a account, out held bigint)
language plpgsql as $$
begin
  select * into opening from transfer t where t.call_id = call and t.kind = 'reserve';
  if not found then return; end if;
  perform lock_caps(opening.workspace_id, opening.environment, opening.key_id, opening.cap_month);
  a := lock_account(opening.workspace_id, opening.environment);
  select case when bool_or(t.kind in ('settle', 'release')) then null else sum(t.hold_cents)::bigint end
    into held from transfer t
    where t.workspace_id = opening.workspace_id and t.environment = opening.environment
      and t.call_id = call;
end $$;

create function ledger_extend(txn text, call text, amount bigint, at timestamptz)
returns ledger_answer language plpgsql as $$
declare
  h record;
  answer ledger_answer;
  violated text;
begin
  select * into h from lock_hold(call);
  if h.held is null then
    answer.refusal := 'no_hold';
    return answer;
  end if;
  begin
    insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents, hold_cents,
        balance_after_cents, call_id, key_id, cap_month, created_at)
      values ((h.opening).workspace_id, (h.opening).environment, txn, 'extend', 'wallet', 'revenue', 0, amount,
        (h.a).posted_cents - (h.a).held_cents - amount, call, (h.opening).key_id, (h.opening).cap_month, at);
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
create function ledger_resolve(txn text, call text, kind text, cost bigint, at timestamptz)
returns ledger_answer language plpgsql as $$
declare
  h record;
  room bigint;
  answer ledger_answer;
begin
  select * into h from lock_hold(call);
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
      shortfall_cents, balance_after_cents, call_id, key_id, cap_month, created_at)
    values ((h.opening).workspace_id, (h.opening).environment, txn, ledger_resolve.kind, 'wallet', 'revenue',
      answer.taken_cents, -h.held, answer.shortfall_cents, answer.balance_cents, call,
      (h.opening).key_id, (h.opening).cap_month, at);
  return answer;
end $$;

create function ledger_top_up(ws text, env text, txn text, amount bigint, note text, at timestamptz)
returns bigint language plpgsql as $$
declare
  a account := lock_account(ws, env);
begin
  insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents,
      balance_after_cents, note, created_at)
    values (ws, env, txn, 'topup', 'funding', 'wallet', amount,
      a.posted_cents - a.held_cents + amount, note, at);
  return a.posted_cents - a.held_cents + amount;
end $$;

-- A price outside of calls: a message, a month of a number.
create function ledger_charge(
  ws text, env text, txn text, message text, key text, amount bigint, note text, at timestamptz
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
    insert into transfer (workspace_id, environment, id, kind, debit, credit, posted_cents,
        balance_after_cents, message_id, key_id, cap_month, note, created_at)
      values (ws, env, txn, 'charge', 'wallet', 'revenue', amount,
        a.posted_cents - a.held_cents - amount, message, key, month, note, at);
  exception when check_violation then
    get stacked diagnostics violated = constraint_name;
    answer := refusal_of(violated, a, key, month, amount);
    if answer.refusal is null then raise; end if;
    return answer;
  end;
  answer.balance_cents := a.posted_cents - a.held_cents - amount;
  return answer;
end $$;
