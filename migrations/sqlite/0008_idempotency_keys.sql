-- What came of requests that carried an Idempotency-Key, written in the transaction of their change. Not audited; kept for a day.

create table idempotency_keys (
  key_hash     text    not null primary key check (length(key_hash) = 43),
  digest       text    not null check (length(digest) = 43),
  subject_type text    not null,
  subject_id   integer not null,
  version      integer not null,
  at_ms        integer not null
) strict, without rowid;
create index idempotency_keys_at on idempotency_keys (at_ms);
