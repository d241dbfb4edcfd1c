-- Tenants and their keys. Every key and unique index leads with the tenant, so that workspaces can be sharded.

-- Ids sort by creation only under byte order, whatever the locale of the database is.
create domain identifier as text collate "C" check (length(value) between 1 and 64);
create domain environment as text check (value in ('test', 'live'));

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % are never changed by %', tg_table_name, lower(tg_op)
    using errcode = 'restrict_violation';
end $$;

create table workspace (
  id identifier primary key,
  name text not null,
  created_at timestamptz not null
);

create table api_key (
  workspace_id identifier not null references workspace,
  environment environment not null,
  id identifier not null,
  name text not null,
  prefix text not null,
  hash text not null,
  scopes text[] not null,
  number_scope text[],
  spend_limit_cents bigint check (spend_limit_cents >= 0),
  spend_limit_reset_period text check (spend_limit_reset_period = 'monthly'),
  minted_by_token_id identifier check (minted_by_token_id <> id),
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null,
  revoked_at timestamptz,
  primary key (workspace_id, environment, id),
  foreign key (workspace_id, environment, minted_by_token_id) references api_key
);
create index api_key_by_hash on api_key (hash);
create index api_key_by_id on api_key (id);
create index api_key_by_parent on api_key (workspace_id, environment, minted_by_token_id);

-- What a cap and a chain of caps are computed from stays what it was; a revoked key stays revoked.
create function guard_key() returns trigger language plpgsql as $$
begin
  if (new.workspace_id, new.environment, new.id, new.hash, new.created_at)
      is distinct from (old.workspace_id, old.environment, old.id, old.hash, old.created_at)
    or new.minted_by_token_id is distinct from old.minted_by_token_id
    or new.spend_limit_cents is distinct from old.spend_limit_cents
    or new.spend_limit_reset_period is distinct from old.spend_limit_reset_period
    or (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
  then
    raise exception 'the identity, parent and cap of a key are fixed, and revoking is final'
      using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger guard_key before update on api_key for each row execute function guard_key();
create trigger keep_keys before delete on api_key for each row execute function refuse_change();

-- A child minted under a revoked parent is born revoked. The share lock makes minting and revoking wait for each other.
create function inherit_revocation() returns trigger language plpgsql as $$
declare
  parent_revoked_at timestamptz;
begin
  select k.revoked_at into parent_revoked_at from api_key k
    where k.workspace_id = new.workspace_id and k.environment = new.environment
      and k.id = new.minted_by_token_id
    for share;
  new.revoked_at := coalesce(new.revoked_at, parent_revoked_at);
  return new;
end $$;
create trigger inherit_revocation before insert on api_key
  for each row when (new.minted_by_token_id is not null) execute function inherit_revocation();

-- Revokes a key and every descendant; returns the ids revoked by this very call. Goes round again until nothing is
-- left, because a descendant may have been committed while an earlier round waited for its parent's lock.
create function revoke_key_tree(ws text, env text, root text, at timestamptz)
returns setof text language plpgsql as $$
declare
  round_ids text[];
begin
  loop
    with recursive tree as (
      select k.id from api_key k
        where k.workspace_id = ws and k.environment = env and k.id = root
      union
      select k.id from api_key k join tree on k.minted_by_token_id = tree.id
        where k.workspace_id = ws and k.environment = env
    ), revoked as (
      update api_key k set revoked_at = at from tree
        where k.workspace_id = ws and k.environment = env and k.id = tree.id and k.revoked_at is null
        returning k.id
    )
    select array_agg(id::text) into round_ids from revoked;
    exit when round_ids is null;
    return query select unnest(round_ids);
  end loop;
end $$;
