-- Room for what later releases bring, so that they only add tables: shapes in the place of closed lists, a head that is bound to
-- (subject, version) in the place of a hash, the generation of whoever writes. Nothing is rewritten, so it takes a moment; the
-- release before goes on beside it. The index of leaf hashes, which that one asks, goes when the store is finalized
-- (store/generation.ts).

-- In the order in which changes take them, those that make a link first: they begin with drawing its id, which this keeps them from.
alter sequence urls_id_seq cache 1;
lock table users, keys, urls, events, log_queue in access exclusive mode;

-- Rows that are there met a narrower rule.
alter table events
  drop constraint events_subject_type_check,
  drop constraint events_op_check,
  add constraint events_subject_type_check check (subject_type ~ '^[a-z_]{1,32}$') not valid,
  add constraint events_op_check check (op ~ '^[a-z_]{1,32}$') not valid;
alter table keys
  drop constraint keys_role_check,
  add constraint keys_role_check check (role ~ '^[a-z_]{1,32}$') not valid;

-- Erasing a state is refused for the newest event of any kind of subject: it is what the subject's row is checked against.
create or replace function guard_event() returns trigger language plpgsql as $$
begin
  -- The one change allowed: erasing what a disclosure says about a person. Digests and the leaf stay.
  if tg_op = 'UPDATE' then
    if (new.id, new.subject_type, new.subject_id, new.version, new.op, new.at_ms, new.leaf, new.leaf_hash, new.tag)
       is not distinct from
       (old.id, old.subject_type, old.subject_id, old.version, old.op, old.at_ms, old.leaf, old.leaf_hash, old.tag)
       and ((new.actor is null and new.user_id is null)
            or (new.actor is not distinct from old.actor and new.user_id is not distinct from old.user_id))
       and (new.state is not distinct from old.state
            or (new.state is null and exists (
              select 1 from events later
              where later.subject_type = old.subject_type and later.subject_id = old.subject_id
                and later.version = old.version + 1))) then
      return new;
    end if;
  end if;
  raise exception 'deadletter guard: the audit log is append-only' using errcode = 'DL001';
end $$;

-- A subject's head is the leaf hash of the event of its version: looked for when the statement has ended, so that one statement
-- may write both. Its argument is the type that events have. It takes the place of a foreign key to the hash.
create function guard_head() returns trigger language plpgsql as $$
begin
  if exists (select 1 from events e where e.subject_type = tg_argv[0] and e.subject_id = new.id
             and e.version = new.version and e.leaf_hash = new.head) then
    return null;
  end if;
  raise exception 'deadletter guard: a subject changes only with its event' using errcode = 'DL001';
end $$;
alter table users drop constraint users_head_fkey;
alter table keys drop constraint keys_head_fkey;
alter table urls drop constraint urls_head_fkey;
create trigger users_guard_head after insert or update on users for each row execute function guard_head('user');
create trigger keys_guard_head after insert or update on keys for each row execute function guard_head('key');
create trigger urls_guard_head after insert or update on urls for each row execute function guard_head('url');

-- Who writes states the generation of its release here, where every change inserts; the release before does not know of it.
alter table log_queue add column generation integer not null default 1
  constraint log_queue_generation_check check (generation >= 1);
create table store_generation (
  id         integer primary key check (id = 1),
  generation integer not null check (generation >= 1)
);
insert into store_generation (id, generation) values (1, 1);

-- Tables that follow from the subjects': how far each is filled, and whether it may be relied on.
create table side_tables (
  name        text    primary key,
  through_id  bigint  not null,
  is_complete integer not null check (is_complete in (0, 1))
);
insert into side_tables (name, through_id, is_complete) values ('link_hosts', 0, 0);
create table link_hosts (
  url_id bigint primary key,
  host   text   not null
);
create index link_hosts_host on link_hosts (host, url_id);
