-- SQLite's own: what a search asks of its blocks the index there is answers as well.
select 1;
