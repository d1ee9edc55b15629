-- SQLite's own.
select 1;
