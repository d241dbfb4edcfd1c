-- The signalling of ended calls, masked, for whoever has to explain one; kept for a while.

create table call_signalling (
  workspace_id identifier not null,
  environment environment not null,
  call_id identifier not null,
  -- JSON, deflated: SIP repeats itself, and its bytes need not be text.
  messages bytea not null check (octet_length(messages) <= 1048576),
  kept_at timestamptz not null,
  primary key (call_id),
  foreign key (workspace_id, environment, call_id) references call
);
create index call_signalling_by_time on call_signalling (kept_at);
