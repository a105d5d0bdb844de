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

-- As a client reads it who keeps the plan. Plans are one role's, so each role reads
-- several times in a row, of which the first is not counted; each read is a transaction.
CREATE PROCEDURE public.read_members(reader text, INOUT ms numeric[]) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
BEGIN
    EXECUTE format('SET ROLE %I', reader);
    FOR i IN 0 .. 10 LOOP
        COMMIT;
        started := clock_timestamp();
        PERFORM * FROM leadflow.my_members ORDER BY rank, due_on;
        COMMIT;
        IF i > 0 THEN
            ms := ms || extract(epoch FROM clock_timestamp() - started) * 1000;
        END IF;
    END LOOP;
    RESET ROLE;
END
$$;
DO $$
DECLARE
    ours numeric[] := '{}';
    theirs numeric[] := '{}';
BEGIN
    FOR i IN 1 .. 5 LOOP
        CALL public.read_members('bench_caller', ours);
        CALL public.read_members('bench_bypass', theirs);
    END LOOP;
    INSERT INTO public.measured (what, leadflow_ms, alternative_ms, ratio, target)
    SELECT 'my_members, 200 of 1M members: with row-level security / without', round(o::numeric, 1), round(t::numeric, 1), round((o / t)::numeric, 2), '≤ 1.3, < 5 ms'
      FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest(ours) AS x) AS o (o),
           (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest(theirs) AS x) AS t (t);
END
$$;
