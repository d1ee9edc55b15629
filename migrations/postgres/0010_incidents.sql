-- Incidents: links that do harm, taken down together. A link says which one took it down, as long as it is down for that.

alter sequence urls_id_seq cache 1;
lock table urls in access exclusive mode;
alter table urls
  add column incident_id bigint,
  add constraint urls_incident_id_check check (incident_id between 1 and 9007199254740991) not valid;
create index urls_incident on urls (incident_id, id) where incident_id is not null;

create sequence incidents_id_seq;
create table incidents (
  id            bigint  primary key check (id between 1 and 9007199254740991),
  match         text    not null check (char_length(match) between 2 and 100000),
  reason        text    not null check (char_length(reason) between 1 and 500),
  hold          integer not null check (hold in (0, 1)),
  is_open       integer not null check (is_open in (0, 1)),
  taken         bigint  not null check (taken >= 0),
  undone        bigint  not null check (undone >= 0),
  created_at_ms bigint  not null check (created_at_ms between 0 and 253402300799999),
  updated_at_ms bigint  not null check (updated_at_ms between 0 and 253402300799999),
  version       integer not null,
  head          bytea   not null check (octet_length(head) = 32)
);
create index incidents_holding on incidents (id) where is_open = 1 and hold = 1;
create trigger incidents_guard before insert or update or delete on incidents for each row execute function guard_subject();
create trigger incidents_guard_truncate before truncate on incidents for each statement execute function guard_subject();
create trigger incidents_guard_head_insert after insert on incidents
  referencing new table as new_rows for each statement execute function guard_heads('incident');
create trigger incidents_guard_head_update after update on incidents
  referencing new table as new_rows for each statement execute function guard_heads('incident');
