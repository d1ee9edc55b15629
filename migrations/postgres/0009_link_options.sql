-- How a link redirects beside its target, and its tags. Every link that is there says what saying nothing means. Defaults are not
-- written into rows and checks do not look at them, so it takes a moment.

alter sequence urls_id_seq cache 1;
lock table urls in access exclusive mode;
alter table urls
  add column tags         text    not null default '[]',
  add column starts_at_ms bigint,
  add column status       integer not null default 302,
  add column max_age      integer,
  add column forward      text    not null default 'none',
  add column query_wins   text    not null default 'target',
  add constraint urls_tags_check check (char_length(tags) between 2 and 4000) not valid,
  add constraint urls_starts_at_ms_check check (starts_at_ms between 0 and 253402300799999) not valid,
  add constraint urls_status_check check (status in (301, 302, 307, 308)) not valid,
  add constraint urls_max_age_check check (max_age between 1 and 3600) not valid,
  add constraint urls_forward_check check (forward ~ '^[a-z_]{1,32}$') not valid,
  add constraint urls_query_wins_check check (query_wins ~ '^[a-z_]{1,32}$') not valid;

-- What follows from links: their tags, and their targets as numbers.
insert into side_tables (name, through_id, is_complete) values ('link_tags', 0, 0), ('link_targets', 0, 0);
create table link_tags (
  url_id  bigint not null,
  tag_key text   not null,
  tag     text   not null,
  primary key (url_id, tag_key)
);
create index link_tags_key on link_tags (tag_key, url_id, tag);
create table link_targets (
  url_id     bigint primary key,
  target_key bigint not null
);
create index link_targets_key on link_targets (target_key, url_id);

-- Where the public reaches redirects, as whoever serves has said: 1 where that was set, 0 where it is the listener's own address.
create table public_address (
  id       integer primary key check (id = 1),
  base_url text    not null check (char_length(base_url) between 1 and 2048),
  is_set   integer not null check (is_set in (0, 1)),
  at_ms    bigint  not null
);
