-- PostgreSQL's own.
select 1;
