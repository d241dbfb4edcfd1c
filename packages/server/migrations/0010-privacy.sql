-- Opt-outs have ids and reasons, and a person can be erased: from a consent and an opt-out the number goes, and what
-- stays of an opt-out is a keyed hash, so that it still blocks.

drop trigger guard_opt_out on opt_out;
alter table opt_out
  add column id identifier,
  add column reason text,
  add column peer_hash text,
  alter column peer_number drop not null;
update opt_out set id = 'opt_' || lpad(seq::text, 24, '0');
alter table opt_out
  alter column id set not null,
  add constraint opt_out_id unique (workspace_id, environment, id),
  add constraint number_or_hash check ((peer_number is null) <> (peer_hash is null));
create unique index one_erased_opt_out on opt_out (workspace_id, environment, peer_hash)
  where lifted_at is null;

create or replace function guard_opt_out() returns trigger language plpgsql as $$
declare
  lifting constant text[] := '{lifted_at,lifted_source}';
  erasing constant text[] := '{peer_number,peer_hash,reason,lifted_source}';
begin
  if old.lifted_at is null and new.lifted_at is not null
    and (to_jsonb(new) - lifting) is not distinct from (to_jsonb(old) - lifting)
  then return new;
  end if;
  if old.peer_number is not null and new.peer_number is null and new.reason is null
    and coalesce(new.lifted_source, 'erased') = 'erased'
    and (to_jsonb(new) - erasing) is not distinct from (to_jsonb(old) - erasing)
  then return new;
  end if;
  raise exception 'an opt-out may only be lifted, once, or lose its number' using errcode = 'restrict_violation';
end $$;
create trigger guard_opt_out before update on opt_out for each row execute function guard_opt_out();

create or replace function guard_consent() returns trigger language plpgsql as $$
declare
  erasing constant text[] := '{peer_number,source,revoked_at}';
begin
  if old.revoked_at is null and new.revoked_at is not null
    and (to_jsonb(new) - 'revoked_at') is not distinct from (to_jsonb(old) - 'revoked_at')
  then return new;
  end if;
  if old.peer_number <> 'erased' and new.peer_number = 'erased' and new.source = 'erased'
    and new.revoked_at is not null
    and (old.revoked_at is null or new.revoked_at = old.revoked_at)
    and (to_jsonb(new) - erasing) is not distinct from (to_jsonb(old) - erasing)
  then return new;
  end if;
  raise exception 'a consent may only be revoked, once, or lose its peer' using errcode = 'restrict_violation';
end $$;

-- What retention looks for: the calls that still have something to lose, oldest first.
create index call_recorded on call (ended_at) where recording_path is not null;
create index call_transcribed on call (ended_at) where has_transcript;
