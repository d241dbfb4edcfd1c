-- The indexes of filtered lists name their tenant in a way of their own. By the columns of the tenant the planner could
-- follow `call_by_time` as well, in the hope that what fits is near; where it is old, that reads every newer call first.

drop index call_by_number;
create index call_by_number on call ((workspace_id || ' ' || environment), number_id, created_at, id);
drop index call_by_target;
create index call_by_target on call ((workspace_id || ' ' || environment), "to", created_at, id);
drop index call_by_status;
create index call_by_status on call ((workspace_id || ' ' || environment), status, created_at, id);
