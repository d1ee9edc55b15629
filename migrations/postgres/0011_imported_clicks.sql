-- What other products had counted before their links were imported. Kept apart: nobody can tell people from programs in it.

create table imported_clicks (
  url_id bigint primary key references urls (id),
  clicks bigint not null check (clicks > 0)
);
