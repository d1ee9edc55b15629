-- Who follows the log and how far each has come; and the log as a subject of its own, whose events say that it went back.

create table logs (
  id            integer primary key check (id = 1),
  epoch         integer not null check (epoch between 1 and 9007199254740991),
  statement     text    not null check (length(statement) between 1 and 20000),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null check (length(head) = 32)
) strict;
create trigger logs_guard_insert before insert on logs when new.version <> 1 begin
  select raise(abort, 'deadletter guard: a subject starts at version 1');
end;
create trigger logs_guard_update before update on logs
when new.id <> old.id or new.version <> old.version + 1 or new.head = old.head begin
  select raise(abort, 'deadletter guard: a subject changes only with its next event');
end;
create trigger logs_guard_delete before delete on logs begin
  select raise(abort, 'deadletter guard: subjects are never deleted');
end;
create trigger logs_guard_head_insert after insert on logs
when not exists (select 1 from events e where e.subject_type = 'log' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
create trigger logs_guard_head_update after update on logs
when not exists (select 1 from events e where e.subject_type = 'log' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;

-- Durable consumers: the next entry each will be given. Whoever holds the lease has the highest fence.
create table log_cursors (
  name           text    primary key check (length(name) between 1 and 64 and name not glob '*[^a-z0-9_-]*'),
  epoch          integer not null check (epoch >= 0),
  next_index     integer not null check (next_index >= 0),
  fence          integer not null check (fence >= 1),
  holder         text    not null,
  lease_until_ms integer not null
) strict, without rowid;

-- Processes that serve: up to where each has heard the log, and a number that grows for as long as it lives.
create table replicas (
  name       text    primary key,
  host       text    not null,
  pid        integer not null,
  epoch      integer not null check (epoch >= 0),
  next_index integer not null check (next_index >= 0),
  renewals   integer not null,
  outage_ms  integer not null,
  seen_at_ms integer not null
) strict, without rowid;
