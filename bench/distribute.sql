-- 100k members given to 50 reps, against a window function and the same two
-- writes into tables like member and assignment.

UPDATE leadflow.rep SET db_role = 'rep_' || rep_id;
INSERT INTO leadflow.list (list_id, name) VALUES (1001, 'bench distribute');

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

TRUNCATE leadflow.member, leadflow.assignment, public.member_windowed, public.assignment_windowed;
