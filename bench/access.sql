-- What row-level security costs a rep: reading the leads that are assigned to him
-- with their history, and those that his team shares, against who owns the tables.
-- Without JIT, which takes longer to compile either than to run it.

SET client_min_messages = warning;
CREATE ROLE bench_rep;
SELECT FROM leadflow.grant_access('bench_rep', 'sales');
UPDATE leadflow.rep SET db_role = 'bench_rep', team = 'east' WHERE rep_id = 1;
SELECT leadflow.create_list('assigned', visibility => '{nobody}'), leadflow.create_list('shared', visibility => '{east}') \g /dev/null
SELECT leadflow.add_to_list('assigned', 'lead(lead_id <= 15000)'::leadflow.segment) \g /dev/null
SELECT leadflow.add_to_list('shared', 'lead(lead_id between 20000 and 30000)'::leadflow.segment) \g /dev/null
UPDATE leadflow.member SET rep_id = 1 + lead_id % 50 WHERE left_at IS NULL AND lead_id <= 15000;
VACUUM ANALYZE leadflow.member;

CREATE FUNCTION public.read_members(role text, condition text) RETURNS text LANGUAGE sql AS $$
    SELECT format('SET LOCAL jit = off; SET LOCAL ROLE %s; SELECT count(x) FROM (SELECT (m.lead_id, d.company, d.phone, m.due_on, m.memo,
        (SELECT max(v.visited_at) FROM leadflow.visit AS v WHERE v.lead_id = m.lead_id),
        (SELECT max(p.applied_at) FROM leadflow.application AS p WHERE p.lead_id = m.lead_id),
        (SELECT max(a.acted_on) FROM leadflow.activity AS a WHERE a.lead_id = m.lead_id)) AS x
        FROM leadflow.member AS m JOIN leadflow.lead AS d USING (lead_id) JOIN leadflow.list AS l USING (list_id)
        WHERE m.left_at IS NULL AND %s) AS s', role, condition)
$$;
CALL public.measure('300 members assigned to a rep: with row-level security / without',
    public.read_members('bench_rep', 'm.rep_id = 1'), public.read_members('postgres', 'm.rep_id = 1'), '≤ 1.3');
CALL public.measure('10,000 members shared by a team: with row-level security / without',
    public.read_members('bench_rep', 'l.name = ''shared'''), public.read_members('postgres', 'l.name = ''shared'''), '≤ 1.5');
CALL public.measure('one lead of a rep: with row-level security / without',
    'SET LOCAL ROLE bench_rep; SELECT company FROM leadflow.lead WHERE lead_id = 50', 'SET LOCAL ROLE postgres; SELECT company FROM leadflow.lead WHERE lead_id = 50', '',
    rounds => 99);
