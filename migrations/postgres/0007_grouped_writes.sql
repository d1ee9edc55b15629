-- Many changes go into one statement: what is counted and checked beside them is so once a statement, and not once a row.

alter sequence urls_id_seq cache 1;
lock table users, keys, urls, events, logs in access exclusive mode;

-- In the order of names, so that two backends of one shard wait for one another and not in a circle.
create function count_events() returns trigger language plpgsql as $$
begin
  insert into counters (name, shard, value)
  select 'events:' || subject_type || ':' || op, pg_backend_pid() % 64, count(*)
  from new_rows group by subject_type, op order by 1
  on conflict (name, shard) do update set value = counters.value + excluded.value;
  return null;
end $$;
drop trigger events_counted on events;
drop function count_event();
create trigger events_counted after insert on events
  referencing new table as new_rows for each statement execute function count_events();

create function count_made_links() returns trigger language plpgsql as $$
begin
  insert into counters (name, shard, value)
  select case is_active when 1 then 'links:active' else 'links:inactive' end, pg_backend_pid() % 64, count(*)
  from new_rows group by is_active order by 1
  on conflict (name, shard) do update set value = counters.value + excluded.value;
  return null;
end $$;
create function count_changed_links() returns trigger language plpgsql as $$
begin
  insert into counters (name, shard, value)
  select case is_active when 1 then 'links:active' else 'links:inactive' end, pg_backend_pid() % 64, sum(more)
  from (select is_active, 1 as more from new_rows union all select is_active, -1 from old_rows) moved
  group by is_active having sum(more) <> 0 order by 1
  on conflict (name, shard) do update set value = counters.value + excluded.value;
  return null;
end $$;
drop trigger urls_counted_insert on urls;
drop trigger urls_counted_update on urls;
drop function count_link();
drop function count_up(text, bigint);
create trigger urls_counted_insert after insert on urls
  referencing new table as new_rows for each statement execute function count_made_links();
create trigger urls_counted_update after update on urls
  referencing old table as old_rows new table as new_rows for each statement execute function count_changed_links();

-- A subject's head is the leaf hash of the event of its version. The settings keep each look-up on the index, however small the
-- table was when it was planned.
create function guard_heads() returns trigger language plpgsql
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  if not exists (
    select 1 from new_rows n where not exists (
      select 1 from events e where e.subject_type = tg_argv[0] and e.subject_id = n.id
        and e.version = n.version and e.leaf_hash = n.head)) then
    return null;
  end if;
  raise exception 'deadletter guard: a subject changes only with its event' using errcode = 'DL001';
end $$;
drop trigger users_guard_head on users;
drop trigger keys_guard_head on keys;
drop trigger urls_guard_head on urls;
drop trigger logs_guard_head on logs;
drop function guard_head();
create trigger users_guard_head_insert after insert on users
  referencing new table as new_rows for each statement execute function guard_heads('user');
create trigger users_guard_head_update after update on users
  referencing new table as new_rows for each statement execute function guard_heads('user');
create trigger keys_guard_head_insert after insert on keys
  referencing new table as new_rows for each statement execute function guard_heads('key');
create trigger keys_guard_head_update after update on keys
  referencing new table as new_rows for each statement execute function guard_heads('key');
create trigger urls_guard_head_insert after insert on urls
  referencing new table as new_rows for each statement execute function guard_heads('url');
create trigger urls_guard_head_update after update on urls
  referencing new table as new_rows for each statement execute function guard_heads('url');
create trigger logs_guard_head_insert after insert on logs
  referencing new table as new_rows for each statement execute function guard_heads('log');
create trigger logs_guard_head_update after update on logs
  referencing new table as new_rows for each statement execute function guard_heads('log');
