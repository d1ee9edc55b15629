-- How a link redirects beside its target, and its tags. Every link that is there says what saying nothing means.

alter table urls add column tags text not null default '[]' check (length(tags) between 2 and 4000);
alter table urls add column starts_at_ms integer check (starts_at_ms between 0 and 253402300799999);
alter table urls add column status integer not null default 302 check (status in (301, 302, 307, 308));
alter table urls add column max_age integer check (max_age between 1 and 3600);
alter table urls add column forward text not null default 'none'
  check (length(forward) between 1 and 32 and forward not glob '*[^a-z_]*');
alter table urls add column query_wins text not null default 'target'
  check (length(query_wins) between 1 and 32 and query_wins not glob '*[^a-z_]*');

-- What follows from links: their tags, and their targets as numbers.
insert into side_tables (name, through_id, is_complete) values ('link_tags', 0, 0), ('link_targets', 0, 0);
create table link_tags (
  url_id  integer not null,
  tag_key text    not null,
  tag     text    not null,
  primary key (url_id, tag_key)
) strict, without rowid;
create index link_tags_key on link_tags (tag_key, url_id, tag);
create table link_targets (
  url_id     integer primary key,
  target_key integer not null
) strict;
create index link_targets_key on link_targets (target_key, url_id);

-- Where the public reaches redirects, as whoever serves has said: 1 where that was set, 0 where it is the listener's own address.
create table public_address (
  id       integer primary key check (id = 1),
  base_url text    not null check (length(base_url) between 1 and 2048),
  is_set   integer not null check (is_set in (0, 1)),
  at_ms    integer not null
) strict;
