-- Webhook endpoints, the outbox of their deliveries, and the idempotency records of the API.

create table webhook (
  workspace_id identifier not null references workspace,
  environment environment not null,
  id identifier not null,
  url text not null,
  events text[] not null,
  description text,
  enabled boolean not null,
  secret text not null,
  previous_secret text,
  previous_secret_until timestamptz,
  created_at timestamptz not null,
  deleted_at timestamptz,
  primary key (workspace_id, environment, id)
);

-- `due_at` is when a worker may take it: the next attempt, or the end of the lease of whoever took it.
create table delivery (
  workspace_id identifier not null,
  environment environment not null,
  id identifier not null,
  webhook_id identifier not null,
  event_type text not null,
  body text not null,
  status text not null check (status in ('pending', 'delivered', 'failed', 'dead')),
  attempts integer not null check (attempts >= 0),
  response_status integer,
  last_attempt_at timestamptz,
  next_attempt_at timestamptz,
  due_at timestamptz,
  created_at timestamptz not null,
  primary key (workspace_id, environment, id),
  foreign key (workspace_id, environment, webhook_id) references webhook,
  constraint waiting_is_due check
    ((status in ('pending', 'failed')) = (due_at is not null) and (due_at is null) = (next_attempt_at is null))
) with (fillfactor = 80);
create index delivery_by_id on delivery (id);
create index delivery_due on delivery (due_at) where due_at is not null;
create index delivery_by_webhook on delivery (workspace_id, environment, webhook_id, id);

create table idempotency (
  workspace_id identifier not null,
  environment environment not null,
  key_id identifier not null,
  key text not null check (length(key) <= 255),
  request_hash text not null,
  call_id identifier,
  started_at timestamptz not null,
  status integer,
  body text,
  completed_at timestamptz,
  primary key (workspace_id, environment, key_id, key),
  foreign key (workspace_id, environment, key_id) references api_key,
  constraint answered_whole check
    ((completed_at is null) = (status is null) and (completed_at is null) = (body is null))
);
create index idempotency_by_key on idempotency (key_id, key);
create index idempotency_by_age on idempotency (workspace_id, environment, key_id, started_at);
