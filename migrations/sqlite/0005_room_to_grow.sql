-- Room for what later releases bring, so that they only add tables: shapes in the place of closed lists, a head that is bound to
-- (subject, version) in the place of a hash, the generation of whoever writes. SQLite cannot take a unique rule or a reference
-- from a table, so the tables are made anew once more (lang_altertable.html, section 7). Ids are still never used again.

drop trigger events_counted;
drop trigger events_guard_update;
drop trigger events_guard_delete;
drop trigger urls_counted_insert;
drop trigger urls_counted_update;
drop trigger users_guard_insert;
drop trigger users_guard_update;
drop trigger users_guard_delete;
drop trigger keys_guard_insert;
drop trigger keys_guard_update;
drop trigger keys_guard_delete;
drop trigger urls_guard_insert;
drop trigger urls_guard_update;
drop trigger urls_guard_delete;

create table events_next (
  id           integer primary key autoincrement,
  subject_type text    not null check (length(subject_type) between 1 and 32 and subject_type not glob '*[^a-z_]*'),
  subject_id   integer not null check (subject_id between 1 and 9007199254740991),
  version      integer not null check (version >= 1),
  op           text    not null check (length(op) between 1 and 32 and op not glob '*[^a-z_]*'),
  at_ms        integer not null check (at_ms between 0 and 253402300799999),
  leaf         blob    not null,
  leaf_hash    blob    not null check (length(leaf_hash) = 32),
  tag          blob    not null check (length(tag) = 32),
  actor        text,
  state        text,
  user_id      integer
) strict;
insert into events_next select * from events order by id;
update sqlite_sequence set seq = (select seq from sqlite_sequence where name = 'events') where name = 'events_next';
drop table events;
alter table events_next rename to events;
create unique index events_subject_key on events (subject_type, subject_id, version);
create index events_at on events (at_ms, id);
create index events_op_at on events (op, at_ms, id);
create index events_user_at on events (user_id, at_ms, id);

create table users_next (
  id            integer primary key check (id between 1 and 9007199254740991),
  username      text    not null check (length(username) between 1 and 64),
  email         text    not null check (length(email) between 3 and 254),
  is_active     integer not null check (is_active in (0, 1)),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null check (length(head) = 32)
) strict;
insert into users_next select * from users order by id;
drop table users;
alter table users_next rename to users;
create unique index users_username_key on users (lower(username));
create unique index users_email_key on users (lower(email));

create table keys_next (
  id            integer primary key check (id between 1 and 9007199254740991),
  user_id       integer not null references users (id),
  name          text    not null check (length(name) between 1 and 100),
  role          text    not null check (length(role) between 1 and 32 and role not glob '*[^a-z_]*'),
  key_hash      text    not null,
  expires_at_ms integer check (expires_at_ms between 0 and 253402300799999),
  revoked_at_ms integer check (revoked_at_ms between 0 and 253402300799999),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null check (length(head) = 32)
) strict;
insert into keys_next select * from keys order by id;
drop table keys;
alter table keys_next rename to keys;
create unique index keys_key_hash_key on keys (key_hash);
create index keys_user on keys (user_id, id);

create table urls_next (
  id            integer primary key check (id between 1 and 9007199254740991),
  short_code    text    not null check (length(short_code) between 3 and 64),
  original_url  text    not null check (length(cast(original_url as blob)) between 1 and 2048),
  title         text    not null check (length(title) <= 255),
  is_active     integer not null check (is_active in (0, 1)),
  expires_at_ms integer check (expires_at_ms between 0 and 253402300799999),
  user_id       integer references users (id),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null check (length(head) = 32)
) strict;
insert into urls_next select * from urls order by id;
drop table urls;
alter table urls_next rename to urls;
create unique index urls_short_code_key on urls (short_code);
create index urls_newest on urls (created_at_ms, id);
create index urls_newest_by_user on urls (user_id, created_at_ms, id);
create index urls_newest_inactive on urls (created_at_ms, id) where is_active = 0;

create trigger events_counted after insert on events begin
  insert into counters (name, shard, value) values ('events:' || new.subject_type || ':' || new.op, 0, 1)
  on conflict (name, shard) do update set value = value + excluded.value;
end;

create trigger urls_counted_insert after insert on urls begin
  insert into counters (name, shard, value)
  values (case new.is_active when 1 then 'links:active' else 'links:inactive' end, 0, 1)
  on conflict (name, shard) do update set value = value + excluded.value;
end;

create trigger urls_counted_update after update of is_active on urls when old.is_active <> new.is_active begin
  insert into counters (name, shard, value)
  values (case old.is_active when 1 then 'links:active' else 'links:inactive' end, 0, -1),
         (case new.is_active when 1 then 'links:active' else 'links:inactive' end, 0, 1)
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
       or (new.state is null and exists (
         -- Not of a newest event: it is what the subject's row is checked against.
         select 1 from events later
         where later.subject_type = old.subject_type and later.subject_id = old.subject_id
           and later.version = old.version + 1)))
) begin
  select raise(abort, 'deadletter guard: the audit log is append-only');
end;
create trigger events_guard_delete before delete on events begin
  select raise(abort, 'deadletter guard: the audit log is append-only');
end;

create trigger users_guard_insert before insert on users when new.version <> 1 begin
  select raise(abort, 'deadletter guard: a subject starts at version 1');
end;
create trigger users_guard_update before update on users
when new.id <> old.id or new.version <> old.version + 1 or new.head = old.head begin
  select raise(abort, 'deadletter guard: a subject changes only with its next event');
end;
create trigger users_guard_delete before delete on users begin
  select raise(abort, 'deadletter guard: subjects are never deleted');
end;

create trigger keys_guard_insert before insert on keys when new.version <> 1 begin
  select raise(abort, 'deadletter guard: a subject starts at version 1');
end;
create trigger keys_guard_update before update on keys
when new.id <> old.id or new.version <> old.version + 1 or new.head = old.head begin
  select raise(abort, 'deadletter guard: a subject changes only with its next event');
end;
create trigger keys_guard_delete before delete on keys begin
  select raise(abort, 'deadletter guard: subjects are never deleted');
end;

create trigger urls_guard_insert before insert on urls when new.version <> 1 begin
  select raise(abort, 'deadletter guard: a subject starts at version 1');
end;
create trigger urls_guard_update before update on urls
when new.id <> old.id or new.version <> old.version + 1 or new.head = old.head begin
  select raise(abort, 'deadletter guard: a subject changes only with its next event');
end;
create trigger urls_guard_delete before delete on urls begin
  select raise(abort, 'deadletter guard: subjects are never deleted');
end;

-- A subject's head is the leaf hash of the event of its version. It takes the place of a foreign key to the hash.
create trigger users_guard_head_insert after insert on users
when not exists (select 1 from events e where e.subject_type = 'user' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
create trigger users_guard_head_update after update on users
when not exists (select 1 from events e where e.subject_type = 'user' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
create trigger keys_guard_head_insert after insert on keys
when not exists (select 1 from events e where e.subject_type = 'key' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
create trigger keys_guard_head_update after update on keys
when not exists (select 1 from events e where e.subject_type = 'key' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
create trigger urls_guard_head_insert after insert on urls
when not exists (select 1 from events e where e.subject_type = 'url' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;
create trigger urls_guard_head_update after update on urls
when not exists (select 1 from events e where e.subject_type = 'url' and e.subject_id = new.id
                 and e.version = new.version and e.leaf_hash = new.head) begin
  select raise(abort, 'deadletter guard: a subject changes only with its event');
end;

-- Who writes states the generation of its release here, where every change inserts; the release before does not know of it.
alter table log_queue add column generation integer not null default 1
  constraint log_queue_generation_check check (generation >= 1);
create table store_generation (
  id         integer primary key check (id = 1),
  generation integer not null check (generation >= 1)
) strict;
insert into store_generation (id, generation) values (1, 1);

-- Tables that follow from the subjects': how far each is filled, and whether it may be relied on.
create table side_tables (
  name        text    not null primary key,
  through_id  integer not null,
  is_complete integer not null check (is_complete in (0, 1))
) strict, without rowid;
insert into side_tables (name, through_id, is_complete) values ('link_hosts', 0, 0);
create table link_hosts (
  url_id integer primary key,
  host   text    not null
) strict;
create index link_hosts_host on link_hosts (host, url_id);
