-- Recharges: money that a payment provider is asked for when a balance has run low. The row is there before anything is
-- asked, and its id is what keeps the provider from charging twice.

create table recharge (
  workspace_id identifier not null,
  environment environment not null,
  id identifier not null,
  -- What is asked for, and of whom; fixed, because every attempt has to ask for the same.
  provider text not null,
  amount_cents bigint not null check (amount_cents > 0),
  customer text not null,
  payment_method text not null,
  state text not null check (state in ('pending', 'paid', 'declined')),
  attempts integer not null default 0 check (attempts >= 0),
  next_attempt_at timestamptz,
  -- The provider's name of the payment, or why there is none.
  reference text,
  reason text,
  created_at timestamptz not null,
  settled_at timestamptz,
  -- The operator has given money since: a decline before it stands in the way of nothing.
  pardoned_at timestamptz,
  primary key (workspace_id, environment, id),
  foreign key (workspace_id, environment) references account,
  constraint recharge_is_whole check (case state
    when 'pending' then next_attempt_at is not null and settled_at is null
    else next_attempt_at is null and settled_at is not null end),
  constraint paid_has_reference check ((state = 'paid') = (reference is not null)),
  constraint declined_has_reason check (state <> 'declined' or reason is not null)
);
create unique index one_pending_recharge on recharge (workspace_id, environment)
  where state = 'pending';
create index recharge_due on recharge (next_attempt_at) where state = 'pending';
create index recharge_by_id on recharge (id);
create index recharge_by_time on recharge (workspace_id, environment, created_at);

-- What is asked for stays what it was, and what is paid stays paid. A payment that comes after all makes a declined one
-- paid: money that was taken is never forgotten.
create function guard_recharge() returns trigger language plpgsql as $$
declare
  moving constant text[] :=
    '{state,attempts,next_attempt_at,reference,reason,settled_at,pardoned_at}';
begin
  if (to_jsonb(new) - moving) is not distinct from (to_jsonb(old) - moving)
    and old.state <> 'paid'
    and not (old.state = 'declined' and new.state = 'pending')
  then return new;
  end if;
  raise exception 'a recharge asks for the same until it is settled, and stays paid'
    using errcode = 'restrict_violation';
end $$;
create trigger guard_recharge before update on recharge for each row execute function guard_recharge();
create trigger keep_recharges before delete on recharge for each row execute function refuse_change();
create trigger keep_all_recharges before truncate on recharge execute function refuse_change();
