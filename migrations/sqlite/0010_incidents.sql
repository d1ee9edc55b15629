-- Incidents: links that do harm, taken down together. A link says which one took it down, as long as it is down for that.

alter table urls add column incident_id integer check (incident_id between 1 and 9007199254740991);
create index urls_incident on urls (incident_id, id) where incident_id is not null;

create table incidents (
  id            integer primary key check (id between 1 and 9007199254740991),
  match         text    not null check (length(match) between 2 and 100000),
  reason        text    not null check (length(reason) between 1 and 500),
  hold          integer not null check (hold in (0, 1)),
  is_open       integer not null check (is_open in (0, 1)),
  taken         integer not null check (taken >= 0),
  undone        integer not null check (undone >= 0),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null check (length(head) = 32)
) strict;
create index incidents_holding on incidents (id) where is_open = 1 and hold = 1;
create trigger incidents_guard_insert before insert on incidents when new.version <> 1 begin
  select raise(abort, 'deadletter guard: a subject starts at version 1');
end;
create trigger incidents_guard_update before update on incidents
when new.id <> old.id or new.version <> old.version + 1 or new.head = old.head begin
  select raise(abort, 'deadletter guard: a subject changes only with its next event');
end;
create trigger incidents_guard_delete before delete on incidents begin
  select raise(abort, 'deadletter guard: subjects are never deleted');
end;
create trigger incidents_guard_head_insert after insert on incidents
when not exists (select 1 from events e where e.subject_type = 'incident' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
create trigger incidents_guard_head_update after update on incidents
when not exists (select 1 from events e where e.subject_type = 'incident' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
