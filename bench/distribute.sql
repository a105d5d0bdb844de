-- 100k members given to 50 reps, against a window function and the same two
-- writes into tables like member and assignment; and what a rep reads who has
-- 200 of a million members.

UPDATE leadflow.rep SET db_role = 'rep_' || rep_id;
INSERT INTO leadflow.list (list_id, name) SELECT 1000 + i, 'bench ' || i FROM generate_series(1, 10) AS i;

CREATE TABLE public.member_windowed (LIKE leadflow.member INCLUDING ALL);
ALTER TABLE public.member_windowed
    ADD FOREIGN KEY (lead_id) REFERENCES leadflow.lead,
    ADD FOREIGN KEY (list_id) REFERENCES leadflow.list,
    ADD FOREIGN KEY (run_id) REFERENCES leadflow.refresh_run,
    ADD FOREIGN KEY (rep_id) REFERENCES leadflow.rep;
CREATE TABLE public.assignment_windowed (LIKE leadflow.assignment INCLUDING ALL);
ALTER TABLE public.assignment_windowed
    ADD FOREIGN KEY (list_id) REFERENCES leadflow.list,
    ADD FOREIGN KEY (from_rep_id) REFERENCES leadflow.rep,
    ADD FOREIGN KEY (to_rep_id) REFERENCES leadflow.rep,
    ADD FOREIGN KEY (lead_id, member_id) REFERENCES public.member_windowed;

-- both start from tables that were just filled
CREATE PROCEDURE public.fill_members() LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE leadflow.member, leadflow.assignment, public.member_windowed, public.assignment_windowed;
    SET LOCAL session_replication_role = replica;
    INSERT INTO leadflow.member (lead_id, member_id, list_id, entered_at)
    SELECT lead_id, lead_id, 1001, now() - random() * interval '30 days' FROM leadflow.lead ORDER BY lead_id LIMIT 100000;
    INSERT INTO public.member_windowed (lead_id, member_id, list_id, entered_at)
    SELECT lead_id, member_id, list_id, entered_at FROM leadflow.member;
    SET LOCAL session_replication_role = origin;
    ANALYZE leadflow.member, public.member_windowed;
END
$$;

CALL public.measure('100k members to 50 reps: distribute / window function, UPDATE and INSERT',
    'SELECT * FROM leadflow.distribute(1001)',
    $$WITH r AS (SELECT rep_id, row_number() OVER (ORDER BY rep_id) - 1 AS i FROM leadflow.rep WHERE active),
           m AS (SELECT lead_id, member_id, row_number() OVER (ORDER BY entered_at, lead_id) - 1 AS k
                   FROM public.member_windowed
                  WHERE list_id = 1001 AND left_at IS NULL AND state <> 'done' AND rep_id IS NULL),
           a AS (UPDATE public.member_windowed AS t SET rep_id = r.rep_id, assigned_at = now()
                   FROM m JOIN r ON r.i = m.k % 50
                  WHERE t.lead_id = m.lead_id AND t.member_id = m.member_id
                 RETURNING t.lead_id, t.member_id, t.list_id, t.rep_id, r.i)
      INSERT INTO public.assignment_windowed (lead_id, member_id, list_id, to_rep_id, assigned_at, strategy, reason)
      SELECT lead_id, member_id, list_id, rep_id, now(), 'even', 'even: ' || i + 1 || 'th of 50 reps in rotation' FROM a$$,
    '≤ 1.2', prepare => 'CALL public.fill_members()', rounds => 3);

-- a million members of 5,000 reps, 200 each; one of them is connected as bench_rep
TRUNCATE leadflow.member, leadflow.assignment;
SET session_replication_role = replica;
INSERT INTO leadflow.rep (rep_id, name) SELECT i, '担当' || i FROM generate_series(51, 5000) AS i;
INSERT INTO leadflow.member (lead_id, list_id, entered_at, rep_id, due_on, next_contact_on)
SELECT l.lead_id, 1000 + i, now() - interval '3 days',
       1 + (l.lead_id * 7919 + i * 104729) % 5000,
       current_date + (l.lead_id % 9)::int - 4, CASE WHEN l.lead_id % 3 = 0 THEN current_date END
  FROM (SELECT lead_id FROM leadflow.lead ORDER BY lead_id LIMIT 100000) AS l, generate_series(1, 10) AS i;
RESET session_replication_role;
CREATE ROLE bench_rep;
GRANT USAGE ON SCHEMA leadflow TO bench_rep;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO bench_rep;
UPDATE leadflow.rep SET db_role = 'bench_rep' WHERE rep_id = 1000;
VACUUM ANALYZE;

DO $$ BEGIN RAISE NOTICE 'my_members: % of % members', (SELECT count(*) FROM leadflow.member WHERE rep_id = 1000), (SELECT count(*) FROM leadflow.member); END $$;
SET ROLE bench_rep;
DO $$ BEGIN RAISE NOTICE 'my_members: % rows', (SELECT count(*) FROM leadflow.my_members); END $$;
RESET ROLE;
GRANT ALL ON SCHEMA public TO bench_rep;
GRANT ALL ON ALL TABLES IN SCHEMA public TO bench_rep;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO bench_rep;
SET ROLE bench_rep;
CALL public.measure('my_members, 200 of 1M members / the members alone (target: 5 ms)',
    'SELECT * FROM leadflow.my_members ORDER BY rank, due_on',
    'SELECT * FROM leadflow.member WHERE rep_id = 1000 AND left_at IS NULL', '< 5 ms');
RESET ROLE;
