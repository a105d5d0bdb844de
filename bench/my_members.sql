-- What a rep reads who has 200 of a million members, on open lists and closed to
-- everybody else by row-level security; and one like him whom no policy holds for.

SET client_min_messages = warning;
INSERT INTO leadflow.list (list_id, name, visibility)
SELECT 2000 + i, 'bench my_members ' || i, '{nobody}' FROM generate_series(1, 10) AS i;
INSERT INTO leadflow.rep (rep_id, name) SELECT i, '担当' || i FROM generate_series(51, 5000) AS i;
CREATE ROLE bench_caller;
CREATE ROLE bench_bypass BYPASSRLS;
SELECT FROM leadflow.grant_access('bench_caller', 'sales');
SELECT FROM leadflow.grant_access('bench_bypass', 'sales');
UPDATE leadflow.rep SET db_role = 'bench_caller' WHERE rep_id = 1000;
UPDATE leadflow.rep SET db_role = 'bench_bypass' WHERE rep_id = 2000;

SET session_replication_role = replica;
INSERT INTO leadflow.member (lead_id, list_id, entered_at, rep_id, due_on, next_contact_on)
SELECT l.lead_id, 2000 + i, now() - interval '3 days',
       1 + (l.lead_id * 7919 + i * 104729) % 5000,
       current_date + (l.lead_id % 9)::int - 4, CASE WHEN l.lead_id % 3 = 0 THEN current_date END
  FROM (SELECT lead_id FROM leadflow.lead ORDER BY lead_id LIMIT 100000) AS l, generate_series(1, 10) AS i;
RESET session_replication_role;
VACUUM ANALYZE;

DO $$
DECLARE
    reader text;
    members int;
BEGIN
    FOREACH reader IN ARRAY '{bench_caller,bench_bypass}'::text[] LOOP
        EXECUTE 'SET LOCAL ROLE ' || reader;
        SELECT count(*) INTO members FROM leadflow.my_members;
        RESET ROLE;
        IF members <> 200 THEN
            RAISE EXCEPTION '% reads % members, not 200', reader, members;
        END IF;
    END LOOP;
END
$$;
CALL public.measure('my_members, 200 of 1M members: with row-level security / without',
    'SET LOCAL ROLE bench_caller; SELECT * FROM leadflow.my_members ORDER BY rank, due_on',
    'SET LOCAL ROLE bench_bypass; SELECT * FROM leadflow.my_members ORDER BY rank, due_on', '≤ 1.3, < 5 ms', rounds => 29);
