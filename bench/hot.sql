-- HOT by evaluate against the query one would write by hand, and a refresh
-- against that query inserting into a table like member.

\set hand 'select l.lead_id from leadflow.lead l where l.email is not null and not l.competitor and l.nurturing and l.deleted_at is null and l.merged_into is null and exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 15 and v.visited_at >= (date_trunc(''day'', now() at time zone ''Asia/Tokyo'') - interval ''30 days'') at time zone ''Asia/Tokyo'' and v.visited_at <= now()) and exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at <= now()) and not exists (select from leadflow.activity a where a.lead_id = l.lead_id and a.acted_on <= (now() at time zone ''Asia/Tokyo'')::date)'

CREATE TABLE public.member_by_hand (LIKE leadflow.member INCLUDING ALL);
ALTER TABLE public.member_by_hand
    ADD FOREIGN KEY (lead_id) REFERENCES leadflow.lead,
    ADD FOREIGN KEY (list_id) REFERENCES leadflow.list,
    ADD FOREIGN KEY (run_id) REFERENCES leadflow.refresh_run,
    ADD FOREIGN KEY (rep_id) REFERENCES leadflow.rep;

SELECT list_id FROM leadflow.list WHERE name = 'HOTリードリスト' \gset
INSERT INTO leadflow.refresh_run (list_id, as_of, started) VALUES (:list_id, now(), now()) RETURNING run_id \gset

-- the two must agree before they are compared
DO $$ BEGIN RAISE NOTICE 'HOT: % leads', (SELECT leadflow.cardinality(leadflow.evaluate('segment(''hot'')'))); END $$;
SELECT CASE WHEN leadflow.evaluate('segment(''hot'')') OPERATOR(leadflow.=) (SELECT leadflow.leadset_agg(lead_id) FROM (:hand) AS h)
            THEN 'DO $$ BEGIN END $$' ELSE 'DO $$ BEGIN RAISE ''the hand-written query disagrees''; END $$' END AS agree \gset
:agree;

-- by hand over visits as they are kept elsewhere: in the order of time, with an index on it
CREATE TABLE public.visit_by_hand AS
SELECT lead_id, visit_id, visited_at, pages FROM leadflow.visit ORDER BY visited_at;
ALTER TABLE public.visit_by_hand ADD PRIMARY KEY (lead_id, visit_id);
CREATE INDEX ON public.visit_by_hand (visited_at);
VACUUM ANALYZE public.visit_by_hand;
CALL public.measure('HOT: evaluate / hand-written query, visits indexed by time',
    'SELECT leadflow.evaluate(''segment(''''hot'''')'')',
    format('SELECT count(*) FROM (%s) AS h', replace(:'hand', 'leadflow.visit', 'public.visit_by_hand')), '≤ 0.5');
DROP TABLE public.visit_by_hand;

-- and over ours, whose index has the pages beside the time
CALL public.measure('HOT: evaluate / hand-written query, visits as in leadflow',
    'SELECT leadflow.evaluate(''segment(''''hot'''')'')',
    format('SELECT count(*) FROM (%s) AS h', :'hand'), '≤ 0.5');

CALL public.measure('HOT: refresh / hand-written query and INSERT … SELECT',
    'SELECT leadflow.refresh_list(''HOTリードリスト'')',
    format('INSERT INTO public.member_by_hand (lead_id, list_id, entered_at, run_id, due_on)
            SELECT h.lead_id, %s, now(), %s, current_date + 7 FROM (%s) AS h', :list_id, :run_id, :'hand'),
    '≤ 1.3', prepare => 'TRUNCATE leadflow.member, public.member_by_hand CASCADE');

TRUNCATE leadflow.member, public.member_by_hand CASCADE;
