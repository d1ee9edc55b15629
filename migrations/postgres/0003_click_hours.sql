-- Clicks by hour: traffic, not changes, so nothing of it is audited. Retention deletes old hours; totals stay for ever.
create table click_hours (
  url_id   bigint not null,
  -- Hours since the epoch.
  hour     integer not null,
  kind     text   not null check (kind in ('click', 'bot', 'prefetch', 'head')),
  device   text   not null,
  referrer text   not null,
  clicks   bigint not null,
  primary key (url_id, hour, kind, device, referrer)
);
create index click_hours_hour on click_hours (hour);

-- Batches that were recorded while their file may still be there: none is recorded twice.
create table click_batches (
  id text primary key
);
