-- Links that replicas followed lately, a bounded number: one that is cold learns them while the database is up. Nothing of it is
-- audited; a row that is wrong costs a lookup.
create table hot_links (
  url_id     integer primary key,
  used_at_ms integer not null
) strict;
create index hot_links_used on hot_links (used_at_ms);
