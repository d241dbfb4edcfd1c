-- Numbers, the connections that answer for them, and who may be called from them.

create table connection (
  workspace_id identifier not null references workspace,
  environment environment not null,
  id identifier not null,
  mode text not null check (mode in ('hosted', 'manual')),
  settings jsonb not null,
  llm_api_key text,
  mcp_tokens jsonb not null,
  manual_secret_hash text,
  manual_secret text,
  previous_manual_secret_hash text,
  previous_manual_secret text,
  previous_secret_until timestamptz,
  created_at timestamptz not null,
  deleted_at timestamptz,
  primary key (workspace_id, environment, id)
);
create index connection_by_id on connection (id);

create table phone_number (
  workspace_id identifier not null references workspace,
  environment environment not null,
  id identifier not null,
  phone_number text not null,
  connection_id identifier,
  webhook_url text,
  sms_sender_id text,
  caller_id_name text,
  country text not null,
  number_type text not null,
  monthly_price_cents bigint not null check (monthly_price_cents >= 0),
  next_charge_at timestamptz,
  released_at timestamptz,
  created_at timestamptz not null,
  primary key (workspace_id, environment, id),
  foreign key (workspace_id, environment, connection_id) references connection
);
-- The one unique key without a workspace: a number rings in one place only, whoever owns it.
create unique index one_active_owner on phone_number (environment, phone_number)
  where released_at is null;

create table consent (
  workspace_id identifier not null references workspace,
  environment environment not null,
  id identifier not null,
  number_id identifier not null,
  peer_number text not null,
  consent_type text not null check (consent_type in ('explicit_outbound', 'implied_inbound')),
  source text not null,
  granted_at timestamptz not null,
  revoked_at timestamptz,
  expires_at timestamptz,
  primary key (workspace_id, environment, id),
  foreign key (workspace_id, environment, number_id) references phone_number
);
create index consent_in_force on consent (workspace_id, environment, number_id, peer_number)
  where revoked_at is null;

-- The history of consent is evidence: a row may be revoked, once, and is otherwise as it was written.
create function guard_consent() returns trigger language plpgsql as $$
begin
  if old.revoked_at is not null or new.revoked_at is null
    or (to_jsonb(new) - 'revoked_at') is distinct from (to_jsonb(old) - 'revoked_at')
  then
    raise exception 'a consent may only be revoked, and only once' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger guard_consent before update on consent for each row execute function guard_consent();
create trigger keep_consent before delete on consent for each row execute function refuse_change();
create trigger keep_all_consent before truncate on consent execute function refuse_change();

-- A peer who asked not to be called, by any number of the tenant; lifted rows stay as history.
create table opt_out (
  workspace_id identifier not null references workspace,
  environment environment not null,
  seq bigint not null generated always as identity,
  peer_number text not null,
  source text not null,
  opted_out_at timestamptz not null,
  lifted_source text,
  lifted_at timestamptz,
  primary key (workspace_id, environment, seq),
  check ((lifted_at is null) = (lifted_source is null))
);
create unique index one_opt_out on opt_out (workspace_id, environment, peer_number)
  where lifted_at is null;

create function guard_opt_out() returns trigger language plpgsql as $$
begin
  if old.lifted_at is not null or new.lifted_at is null
    or (to_jsonb(new) - '{lifted_at,lifted_source}'::text[])
      is distinct from (to_jsonb(old) - '{lifted_at,lifted_source}'::text[])
  then
    raise exception 'an opt-out may only be lifted, and only once' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger guard_opt_out before update on opt_out for each row execute function guard_opt_out();
create trigger keep_opt_outs before delete on opt_out for each row execute function refuse_change();
create trigger keep_all_opt_outs before truncate on opt_out execute function refuse_change();
