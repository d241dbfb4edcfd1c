-- Calls, what happened in them, and what was said.

create table call (
  workspace_id identifier not null references workspace,
  environment environment not null,
  id identifier not null,
  number_id identifier not null,
  key_id identifier,
  connection_id identifier not null,
  direction text not null check (direction in ('inbound', 'outbound')),
  "from" text not null,
  "to" text not null,
  state text not null
    check (state in ('queued', 'dialing', 'ringing', 'connected', 'ending', 'ended')),
  status text not null
    check (status in ('initiated', 'completed', 'no_answer', 'failed', 'rejected')),
  recognizer text not null check (recognizer in ('phrases', 'free')),
  rate_cents_per_min bigint not null check (rate_cents_per_min >= 0),
  duration_sec bigint check (duration_sec >= 0),
  cost_cents bigint check (cost_cents >= 0),
  hangup_cause text,
  sip_code integer,
  q850_cause integer,
  recording_path text,
  has_transcript boolean not null,
  instructions text,
  metadata jsonb not null,
  ring_timeout_sec integer not null,
  max_duration_sec integer not null,
  dialog jsonb,
  heartbeat_at timestamptz not null,
  created_at timestamptz not null,
  answered_at timestamptz,
  ended_at timestamptz,
  primary key (workspace_id, environment, id),
  foreign key (workspace_id, environment, number_id) references phone_number,
  foreign key (workspace_id, environment, connection_id) references connection,
  foreign key (workspace_id, environment, key_id) references api_key,
  constraint ended_is_final check (state <> 'ended' or (status <> 'initiated' and ended_at is not null))
) with (fillfactor = 80);
create index call_by_id on call (id);
create index call_by_time on call (workspace_id, environment, created_at);
create index call_by_number on call (workspace_id, environment, number_id, id);
create index call_unfinished on call (id) where state <> 'ended';

-- A final status never changes, and an ended call stays ended.
create function guard_call() returns trigger language plpgsql as $$
begin
  if (new.workspace_id, new.environment, new.id) is distinct from (old.workspace_id, old.environment, old.id)
    or (old.status <> 'initiated' and new.status <> old.status)
    or (old.state = 'ended' and new.state <> 'ended')
  then
    raise exception 'a final call stays final' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger guard_call before update of workspace_id, environment, id, status, state on call
  for each row execute function guard_call();

create table call_event (
  workspace_id identifier not null,
  environment environment not null,
  call_id identifier not null,
  id identifier not null,
  seq bigint not null generated always as identity,
  type text not null,
  at timestamptz not null,
  data jsonb not null,
  primary key (workspace_id, environment, call_id, id),
  foreign key (workspace_id, environment, call_id) references call
);
create index call_event_in_order on call_event (call_id, seq);

create table call_turn (
  workspace_id identifier not null,
  environment environment not null,
  call_id identifier not null,
  position integer not null check (position >= 0),
  role text not null check (role in ('agent', 'caller', 'disclosure')),
  text text not null,
  heard_text text,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  interrupted boolean not null,
  primary key (workspace_id, environment, call_id, position),
  foreign key (workspace_id, environment, call_id) references call
);
create index call_turn_by_call on call_turn (call_id, position);
