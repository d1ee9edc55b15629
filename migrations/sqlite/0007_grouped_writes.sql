-- PostgreSQL's own: there what is counted and checked beside changes is so once a statement. A trigger of SQLite's is once a row.
select 1;
