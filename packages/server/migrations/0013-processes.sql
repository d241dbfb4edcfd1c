-- Which process runs which call, and until when it is believed to be alive.

create table process (
  id identifier primary key,
  role text not null check (role in ('all', 'api', 'network')),
  -- On the process's own clock, as the times of its calls are: what a call is billed up to when its process is lost.
  started_at timestamptz not null,
  beat_at timestamptz not null,
  -- On the clock of the database, the one that all processes share.
  lease_until timestamptz not null,
  -- Set once and never taken back: from here on its calls are anybody's.
  lost_at timestamptz
) with (fillfactor = 50);

-- Null in calls of older versions: nobody runs them.
alter table call add column process_id identifier;

-- The live calls of a process, and those that no living process has.
create index call_by_process on call (process_id, id) where state <> 'ended';
drop index call_unfinished;
