-- The signed log: one order of all events, its tree hashes and its newest checkpoint. Only the sequencer writes here.

-- A person's disclosures may be erased, by an event that says so. SQLite cannot alter a check, so the table is made anew
-- (lang_altertable.html, section 7), with all that hangs on it. Event ids are still never used again.
create table events_next (
  id           integer primary key autoincrement,
  subject_type text    not null check (subject_type in ('url', 'user', 'key')),
  subject_id   integer not null check (subject_id between 1 and 9007199254740991),
  version      integer not null check (version >= 1),
  op           text    not null check (op in ('created', 'updated', 'deleted', 'restored', 'imported', 'erased')),
  at_ms        integer not null check (at_ms between 0 and 253402300799999),
  leaf         blob    not null,
  leaf_hash    blob    not null unique check (length(leaf_hash) = 32),
  tag          blob    not null check (length(tag) = 32),
  actor        text,
  state        text,
  user_id      integer,
  unique (subject_type, subject_id, version)
) strict;
insert into events_next select * from events;
update sqlite_sequence set seq = (select seq from sqlite_sequence where name = 'events') where name = 'events_next';
drop table events;
alter table events_next rename to events;
create index events_at on events (at_ms, id);
create index events_op_at on events (op, at_ms, id);
create index events_user_at on events (user_id, at_ms, id);

create trigger events_counted after insert on events begin
  insert into counters (name, shard, value) values ('events:' || new.subject_type || ':' || new.op, 0, 1)
  on conflict (name, shard) do update set value = value + excluded.value;
end;

-- The one change of an event allowed: erasing what a disclosure says about a person. Digests and the leaf stay.
create trigger events_guard_update before update on events
when not (
  new.id is old.id and new.subject_type is old.subject_type and new.subject_id is old.subject_id
  and new.version is old.version and new.op is old.op and new.at_ms is old.at_ms and new.leaf is old.leaf
  and new.leaf_hash is old.leaf_hash and new.tag is old.tag
  and ((new.actor is null and new.user_id is null) or (new.actor is old.actor and new.user_id is old.user_id))
  and (new.state is old.state
       or (new.state is null and not exists (
         -- Not of a newest event: it is what the subject's row is checked against.
         select 1 from urls where old.subject_type = 'url' and id = old.subject_id and head = old.leaf_hash
         union all
         select 1 from users where old.subject_type = 'user' and id = old.subject_id and head = old.leaf_hash
         union all
         select 1 from keys where old.subject_type = 'key' and id = old.subject_id and head = old.leaf_hash)))
) begin
  select raise(abort, 'deadletter guard: the audit log is append-only');
end;
create trigger events_guard_delete before delete on events begin
  select raise(abort, 'deadletter guard: the audit log is append-only');
end;

-- Without a foreign key: checking one locks, and so rewrites, every event's row once more, and events are never deleted.
create table log_leaf (
  idx       integer primary key check (idx between 0 and 9007199254740991),
  event_id  integer not null unique,
  leaf_hash blob    not null check (length(leaf_hash) = 32)
) strict;

-- The hash of each full tile: level 1 over 256 leaves, level 2 over 256 hashes of level 1, and so on.
create table log_node (
  level integer not null check (level between 1 and 6),
  idx   integer not null check (idx >= 0),
  hash  blob    not null check (length(hash) = 32),
  primary key (level, idx)
) strict, without rowid;

-- One row: the newest checkpoint, as signed. The empty note is that of a log no sequencer has started.
create table log_head (
  id    integer primary key check (id = 1),
  size  integer not null check (size between 0 and 9007199254740991),
  note  text    not null,
  at_ms integer not null
) strict;
insert into log_head (id, size, note, at_ms) values (1, 0, '', 0);

-- Events that were found false on their way into the log. They stay here until somebody has looked at them.
create table log_quarantine (
  event_id integer primary key,
  reason   text    not null,
  at_ms    integer not null
) strict;

create trigger log_leaf_guard_update before update on log_leaf begin
  select raise(abort, 'deadletter guard: the signed log is append-only');
end;
create trigger log_leaf_guard_delete before delete on log_leaf begin
  select raise(abort, 'deadletter guard: the signed log is append-only');
end;
create trigger log_node_guard_update before update on log_node begin
  select raise(abort, 'deadletter guard: the signed log is append-only');
end;
create trigger log_node_guard_delete before delete on log_node begin
  select raise(abort, 'deadletter guard: the signed log is append-only');
end;
create trigger log_head_guard_update before update on log_head
when not (new.id = old.id and (new.size > old.size or (old.note = '' and new.size >= old.size))) begin
  select raise(abort, 'deadletter guard: the signed log only grows');
end;
create trigger log_head_guard_delete before delete on log_head begin
  select raise(abort, 'deadletter guard: the signed log only grows');
end;
