-- Who never heard whether a hold has grown asks again for the same move, by its name: it is made once.
create or replace function ledger_extend(txn text, call text, hold integer, amount bigint, at timestamptz)
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
  -- In a batch the primary key says so, and then this is asked.
  if exists (
    select 1 from transfer t
    where t.workspace_id = (h.opening).workspace_id and t.environment = (h.opening).environment and t.id = txn
  ) then
    answer.balance_cents := (h.a).posted_cents - (h.a).held_cents;
    answer.held_cents := h.held;
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
