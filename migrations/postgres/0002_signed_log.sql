-- The signed log: one order of all events, its tree hashes and its newest checkpoint. Only the sequencer writes here.

-- A person's disclosures may be erased, by an event that says so.
alter table events drop constraint events_op_check;
alter table events add constraint events_op_check
  check (op in ('created', 'updated', 'deleted', 'restored', 'imported', 'erased'));

-- Without a foreign key: checking one locks, and so rewrites, every event's row once more, and events are never deleted.
create table log_leaf (
  idx       bigint primary key check (idx between 0 and 9007199254740991),
  event_id  bigint not null,
  leaf_hash bytea  not null check (octet_length(leaf_hash) = 32),
  constraint log_leaf_event_id_key unique (event_id)
);

-- The hash of each full tile: level 1 over 256 leaves, level 2 over 256 hashes of level 1, and so on.
create table log_node (
  level integer not null check (level between 1 and 6),
  idx   bigint  not null check (idx >= 0),
  hash  bytea   not null check (octet_length(hash) = 32),
  primary key (level, idx)
);

-- One row: the newest checkpoint, as signed. The empty note is that of a log no sequencer has started.
create table log_head (
  id    integer primary key check (id = 1),
  size  bigint  not null check (size between 0 and 9007199254740991),
  note  text    not null,
  at_ms bigint  not null
);
insert into log_head (id, size, note, at_ms) values (1, 0, '', 0);

-- Events that were found false on their way into the log. They stay here until somebody has looked at them.
create table log_quarantine (
  event_id bigint primary key,
  reason   text   not null,
  at_ms    bigint not null
);

create function guard_log() returns trigger language plpgsql as $$
begin
  raise exception 'deadletter guard: the signed log is append-only' using errcode = 'DL001';
end $$;
create trigger log_leaf_guard before update or delete on log_leaf for each row execute function guard_log();
create trigger log_leaf_guard_truncate before truncate on log_leaf for each statement execute function guard_log();
create trigger log_node_guard before update or delete on log_node for each row execute function guard_log();
create trigger log_node_guard_truncate before truncate on log_node for each statement execute function guard_log();

create function guard_log_head() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if new.id = old.id and (new.size > old.size or (old.note = '' and new.size >= old.size)) then return new; end if;
  end if;
  raise exception 'deadletter guard: the signed log only grows' using errcode = 'DL001';
end $$;
create trigger log_head_guard before update or delete on log_head for each row execute function guard_log_head();
create trigger log_head_guard_truncate before truncate on log_head for each statement execute function guard_log();
