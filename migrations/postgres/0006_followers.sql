-- Who follows the log and how far each has come; and the log as a subject of its own, whose events say that it went back.

create sequence logs_id_seq;
create table logs (
  id            bigint  primary key check (id = 1),
  epoch         bigint  not null check (epoch between 1 and 9007199254740991),
  statement     text    not null check (char_length(statement) between 1 and 20000),
  created_at_ms bigint  not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms bigint  not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          bytea   not null check (octet_length(head) = 32)
);
create trigger logs_guard before insert or update or delete on logs for each row execute function guard_subject();
create trigger logs_guard_truncate before truncate on logs for each statement execute function guard_subject();
create trigger logs_guard_head after insert or update on logs for each row execute function guard_head('log');

-- Durable consumers: the next entry each will be given. Whoever holds the lease has the highest fence.
create table log_cursors (
  name           text    primary key check (name ~ '^[a-z][a-z0-9_-]{0,63}$'),
  epoch          bigint  not null check (epoch >= 0),
  next_index     bigint  not null check (next_index >= 0),
  fence          bigint  not null check (fence >= 1),
  holder         text    not null,
  lease_until_ms bigint  not null
);

-- Processes that serve: up to where each has heard the log, and a number that grows for as long as it lives.
create table replicas (
  name       text    primary key,
  host       text    not null,
  pid        integer not null,
  epoch      bigint  not null check (epoch >= 0),
  next_index bigint  not null check (next_index >= 0),
  renewals   bigint  not null,
  outage_ms  bigint  not null,
  seen_at_ms bigint  not null
);
