-- The audit trail: append-only rows, chained per tenant right after the commit that wrote them.

create table audit_event (
  workspace_id identifier not null references workspace,
  environment environment not null,
  id identifier not null,
  seq bigint not null generated always as identity,
  event_type text not null,
  target_type text not null,
  target_id text not null,
  actor text not null,
  -- Null once a person in it has been erased; the salt goes with it, so that the digest can't be guessed open.
  data jsonb,
  salt text,
  data_digest text not null,
  position bigint check (position > 0),
  hash text,
  previous_hash text,
  created_at timestamptz not null,
  primary key (workspace_id, environment, id),
  unique (workspace_id, environment, position),
  check ((data is null) = (salt is null)),
  check ((position is null) = (hash is null) and (hash is null) = (previous_hash is null))
);
create index audit_event_unchained on audit_event (workspace_id, environment, seq) where hash is null;

-- The end of each tenant's chain: the row whose lock serialises chaining, and the witness that no tail was cut off.
create table audit_chain (
  workspace_id identifier not null references workspace,
  environment environment not null,
  position bigint not null default 0,
  hash text not null,
  primary key (workspace_id, environment)
);

-- Two changes only: being chained, once, and losing its data.
create function guard_audit() returns trigger language plpgsql as $$
begin
  if (to_jsonb(new) - '{data,salt,position,hash,previous_hash}'::text[])
      is distinct from (to_jsonb(old) - '{data,salt,position,hash,previous_hash}'::text[])
    or (new.data is distinct from old.data and new.data is not null)
    or (new.salt is distinct from old.salt and new.salt is not null)
    or (old.hash is not null and (new.position, new.hash, new.previous_hash)
      is distinct from (old.position, old.hash, old.previous_hash))
  then
    raise exception 'the audit trail is append-only' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger guard_audit before update on audit_event for each row execute function guard_audit();
create trigger keep_audit before delete on audit_event for each row execute function refuse_change();
create trigger keep_all_audit before truncate on audit_event execute function refuse_change();

create function guard_audit_chain() returns trigger language plpgsql as $$
begin
  if new.position <= old.position then
    raise exception 'the audit chain only grows' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger guard_audit_chain before update on audit_chain
  for each row execute function guard_audit_chain();
create trigger keep_audit_chain before delete on audit_chain for each row execute function refuse_change();
create trigger keep_all_audit_chains before truncate on audit_chain execute function refuse_change();
