-- Subjects (users, keys, links), their audit events, and the guards that bind the two together.
-- Times are milliseconds since the epoch; booleans are 0 or 1, so that both engines speak of the same values.

create table events (
  id           bigint generated always as identity primary key,
  subject_type text    not null check (subject_type in ('url', 'user', 'key')),
  subject_id   bigint  not null check (subject_id between 1 and 9007199254740991),
  version      integer not null check (version >= 1),
  op           text    not null check (op in ('created', 'updated', 'deleted', 'restored', 'imported')),
  at_ms        bigint  not null check (at_ms between 0 and 253402300799999),
  leaf         bytea   not null,
  leaf_hash    bytea   not null check (octet_length(leaf_hash) = 32),
  tag          bytea   not null check (octet_length(tag) = 32),
  actor        text,
  state        text,
  user_id      bigint,
  constraint events_subject_key unique (subject_type, subject_id, version),
  constraint events_leaf_hash_key unique (leaf_hash)
);
create index events_at on events (at_ms, id);
create index events_op_at on events (op, at_ms, id);
create index events_user_at on events (user_id, at_ms, id);

-- Committed events that no sequencer has put into the signed log yet.
create table log_queue (
  id       bigint generated always as identity primary key,
  event_id bigint not null unique references events (id)
);

create sequence users_id_seq;
create table users (
  id            bigint  primary key check (id between 1 and 9007199254740991),
  username      text    not null check (char_length(username) between 1 and 64),
  email         text    not null check (char_length(email) between 3 and 254),
  is_active     integer not null check (is_active in (0, 1)),
  created_at_ms bigint  not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms bigint  not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          bytea   not null references events (leaf_hash)
);
create unique index users_username_key on users (lower(username));
create unique index users_email_key on users (lower(email));

create sequence keys_id_seq;
create table keys (
  id            bigint  primary key check (id between 1 and 9007199254740991),
  user_id       bigint  not null references users (id),
  name          text    not null check (char_length(name) between 1 and 100),
  role          text    not null check (role in ('reader', 'creator', 'editor', 'admin')),
  key_hash      text    not null,
  expires_at_ms bigint check (expires_at_ms between 0 and 253402300799999),
  revoked_at_ms bigint check (revoked_at_ms between 0 and 253402300799999),
  created_at_ms bigint  not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms bigint  not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          bytea   not null references events (leaf_hash),
  constraint keys_key_hash_key unique (key_hash)
);
create index keys_user on keys (user_id, id);

create sequence urls_id_seq;
create table urls (
  id            bigint  primary key check (id between 1 and 9007199254740991),
  short_code    text    not null check (char_length(short_code) between 3 and 64),
  original_url  text    not null check (octet_length(original_url) between 1 and 2048),
  title         text    not null check (char_length(title) <= 255),
  is_active     integer not null check (is_active in (0, 1)),
  expires_at_ms bigint check (expires_at_ms between 0 and 253402300799999),
  user_id       bigint  references users (id),
  created_at_ms bigint  not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms bigint  not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          bytea   not null references events (leaf_hash),
  constraint urls_short_code_key unique (short_code)
);
create index urls_newest on urls (created_at_ms, id);
create index urls_newest_by_user on urls (user_id, created_at_ms, id);
create index urls_newest_inactive on urls (created_at_ms, id) where is_active = 0;

-- Click totals are not audited: they count traffic, not changes.
create table click_totals (
  url_id bigint primary key references urls (id),
  clicks bigint not null
);

-- Totals for /stats and /metrics, so that nobody counts a big table. Sharded by backend, so that writers do not queue.
create table counters (
  name  text    not null,
  shard integer not null,
  value bigint  not null,
  primary key (name, shard)
);

create function count_up(counter text, amount bigint) returns void language sql as $$
  insert into counters (name, shard, value) values (counter, pg_backend_pid() % 64, amount)
  on conflict (name, shard) do update set value = counters.value + excluded.value
$$;

create function count_event() returns trigger language plpgsql as $$
begin
  perform count_up('events:' || new.subject_type || ':' || new.op, 1);
  return null;
end $$;
create trigger events_counted after insert on events for each row execute function count_event();

create function count_link() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    perform count_up(case old.is_active when 1 then 'links:active' else 'links:inactive' end, -1);
  end if;
  perform count_up(case new.is_active when 1 then 'links:active' else 'links:inactive' end, 1);
  return null;
end $$;
create trigger urls_counted_insert after insert on urls for each row execute function count_link();
create trigger urls_counted_update after update on urls for each row
  when (old.is_active <> new.is_active) execute function count_link();

create function guard_event() returns trigger language plpgsql as $$
begin
  -- The one change allowed: erasing what a disclosure says about a person. Digests and the leaf stay.
  if tg_op = 'UPDATE' then
    if (new.id, new.subject_type, new.subject_id, new.version, new.op, new.at_ms, new.leaf, new.leaf_hash, new.tag)
       is not distinct from
       (old.id, old.subject_type, old.subject_id, old.version, old.op, old.at_ms, old.leaf, old.leaf_hash, old.tag)
       and ((new.actor is null and new.user_id is null)
            or (new.actor is not distinct from old.actor and new.user_id is not distinct from old.user_id))
       and (new.state is not distinct from old.state
            or (new.state is null and not exists (
              -- Not of a newest event: it is what the subject's row is checked against.
              select 1 from urls where old.subject_type = 'url' and id = old.subject_id and head = old.leaf_hash
              union all
              select 1 from users where old.subject_type = 'user' and id = old.subject_id and head = old.leaf_hash
              union all
              select 1 from keys where old.subject_type = 'key' and id = old.subject_id and head = old.leaf_hash))) then
      return new;
    end if;
  end if;
  raise exception 'deadletter guard: the audit log is append-only' using errcode = 'DL001';
end $$;
create trigger events_guard before update or delete on events for each row execute function guard_event();
create trigger events_guard_truncate before truncate on events for each statement execute function guard_event();

create function guard_subject() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.version = 1 then return new; end if;
    raise exception 'deadletter guard: a subject starts at version 1' using errcode = 'DL001';
  elsif tg_op = 'UPDATE' then
    if new.id = old.id and new.version = old.version + 1 and new.head <> old.head then return new; end if;
    raise exception 'deadletter guard: a subject changes only with its next event' using errcode = 'DL001';
  end if;
  raise exception 'deadletter guard: subjects are never deleted' using errcode = 'DL001';
end $$;
create trigger users_guard before insert or update or delete on users for each row execute function guard_subject();
create trigger users_guard_truncate before truncate on users for each statement execute function guard_subject();
create trigger keys_guard before insert or update or delete on keys for each row execute function guard_subject();
create trigger keys_guard_truncate before truncate on keys for each statement execute function guard_subject();
create trigger urls_guard before insert or update or delete on urls for each row execute function guard_subject();
create trigger urls_guard_truncate before truncate on urls for each statement execute function guard_subject();
