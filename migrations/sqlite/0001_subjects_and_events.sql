-- Subjects (users, keys, links), their audit events, and the guards that bind the two together.
-- Times are milliseconds since the epoch; booleans are 0 or 1, so that both engines speak of the same values.

-- Event ids are never used again, not even after somebody has removed the newest event.
create table events (
  id           integer primary key autoincrement,
  subject_type text    not null check (subject_type in ('url', 'user', 'key')),
  subject_id   integer not null check (subject_id between 1 and 9007199254740991),
  version      integer not null check (version >= 1),
  op           text    not null check (op in ('created', 'updated', 'deleted', 'restored', 'imported')),
  at_ms        integer not null check (at_ms between 0 and 253402300799999),
  leaf         blob    not null,
  leaf_hash    blob    not null unique check (length(leaf_hash) = 32),
  tag          blob    not null check (length(tag) = 32),
  actor        text,
  state        text,
  user_id      integer,
  unique (subject_type, subject_id, version)
) strict;
create index events_at on events (at_ms, id);
create index events_op_at on events (op, at_ms, id);
create index events_user_at on events (user_id, at_ms, id);

-- Committed events that no sequencer has put into the signed log yet. Ids are never used again.
create table log_queue (
  id       integer primary key autoincrement,
  event_id integer not null unique references events (id)
) strict;

create table users (
  id            integer primary key check (id between 1 and 9007199254740991),
  username      text    not null check (length(username) between 1 and 64),
  email         text    not null check (length(email) between 3 and 254),
  is_active     integer not null check (is_active in (0, 1)),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null references events (leaf_hash)
) strict;
create unique index users_username_key on users (lower(username));
create unique index users_email_key on users (lower(email));

create table keys (
  id            integer primary key check (id between 1 and 9007199254740991),
  user_id       integer not null references users (id),
  name          text    not null check (length(name) between 1 and 100),
  role          text    not null check (role in ('reader', 'creator', 'editor', 'admin')),
  key_hash      text    not null unique,
  expires_at_ms integer check (expires_at_ms between 0 and 253402300799999),
  revoked_at_ms integer check (revoked_at_ms between 0 and 253402300799999),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null references events (leaf_hash)
) strict;
create index keys_user on keys (user_id, id);

create table urls (
  id            integer primary key check (id between 1 and 9007199254740991),
  short_code    text    not null unique check (length(short_code) between 3 and 64),
  original_url  text    not null check (length(cast(original_url as blob)) between 1 and 2048),
  title         text    not null check (length(title) <= 255),
  is_active     integer not null check (is_active in (0, 1)),
  expires_at_ms integer check (expires_at_ms between 0 and 253402300799999),
  user_id       integer references users (id),
  created_at_ms integer not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms integer not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          blob    not null references events (leaf_hash)
) strict;
create index urls_newest on urls (created_at_ms, id);
create index urls_newest_by_user on urls (user_id, created_at_ms, id);
create index urls_newest_inactive on urls (created_at_ms, id) where is_active = 0;

-- Click totals are not audited: they count traffic, not changes.
create table click_totals (
  url_id integer primary key references urls (id),
  clicks integer not null
) strict;

-- Totals for /stats and /metrics, so that nobody counts a big table. One writer, so one shard.
create table counters (
  name  text    not null,
  shard integer not null,
  value integer not null,
  primary key (name, shard)
) strict, without rowid;

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
