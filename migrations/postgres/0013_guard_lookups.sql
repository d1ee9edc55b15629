-- The events of the rows of a statement are looked up one by one. As a join the check was planned while the table was small, and
-- read all of it each time, however large it had grown, until the next ANALYZE.
create or replace function guard_heads() returns trigger language plpgsql set enable_seqscan = off as $$
begin
  if exists (
    select 1 from new_rows n where n.head is distinct from (
      select e.leaf_hash from events e
      where e.subject_type = tg_argv[0] and e.subject_id = n.id and e.version = n.version)) then
    raise exception 'deadletter guard: a subject changes only with its event' using errcode = 'DL001';
  end if;
  return null;
end $$;
