-- Deliveries keep the order of each call's events and are claimed endpoint by endpoint, and every event is kept for a
-- while in a feed of its own, whoever subscribed to it.

-- `seq` is the order in which events were written; those of one call are written one after the other.
alter table delivery add column call_id identifier;
alter table delivery add column seq bigint not null generated always as identity;

-- What is owed to each endpoint, oldest first; one index over all of them let a slow endpoint stand before the others.
drop index delivery_due;
-- Both begin with the endpoint, whose id is nobody else's, so that no other index can be taken for them: right after the
-- start the planner has no figures yet, and a wrong one reads the whole queue for each row.
create index delivery_owed on delivery (webhook_id, due_at, seq) where due_at is not null;
create index delivery_first_of_call on delivery (webhook_id, call_id, seq)
  where status = 'pending' and call_id is not null;
create index delivery_by_time on delivery (workspace_id, environment, webhook_id, created_at, id);
create index delivery_dead on delivery (workspace_id, environment, webhook_id, id)
  where status = 'dead';

-- `position` is given after the commit, under the lock of the feed's end: a reader that goes by it misses nothing that
-- was committed later than its neighbours. Null until somebody reads.
create table event_feed (
  workspace_id identifier not null references workspace,
  environment environment not null,
  seq bigint not null generated always as identity,
  position bigint check (position > 0),
  event_type text not null,
  payload jsonb not null,
  created_at timestamptz not null,
  primary key (workspace_id, environment, seq),
  unique (workspace_id, environment, position)
);
create index event_feed_unplaced on event_feed (workspace_id, environment, seq) where position is null;
create index event_feed_by_time on event_feed (created_at);

create table event_feed_end (
  workspace_id identifier not null references workspace,
  environment environment not null,
  position bigint not null default 0,
  primary key (workspace_id, environment)
);
