-- Conditions kept by day: HOT on a Monday morning and a windowed sum against the
-- queries one would write by hand, over all visits; what following the writes costs;
-- what more years of visits cost; and what is kept takes.

-- Records come in the order of time; the generator's do not.
CLUSTER leadflow.visit USING visit_visited_at;
CLUSTER leadflow.application USING application_applied_at;
CLUSTER leadflow.activity USING activity_acted_on;
VACUUM ANALYZE leadflow.visit, leadflow.application, leadflow.activity;

\set hand 'select l.lead_id from leadflow.lead l where l.created_at <= now() and l.email is not null and not l.competitor and l.nurturing and l.deleted_at is null and l.merged_into is null and exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 15 and v.visited_at >= (date_trunc(''day'', now() at time zone ''Asia/Tokyo'') - interval ''30 days'') at time zone ''Asia/Tokyo'' and v.visited_at <= now()) and exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at <= now()) and not exists (select from leadflow.activity a where a.lead_id = l.lead_id and a.acted_on <= (now() at time zone ''Asia/Tokyo'')::date)'
\set hand_sum 'select v.lead_id from leadflow.visit v join leadflow.lead l using (lead_id) where l.created_at <= now() and l.deleted_at is null and l.merged_into is null and v.visited_at >= (date_trunc(''day'', now() at time zone ''Asia/Tokyo'') - interval ''30 days'') at time zone ''Asia/Tokyo'' and v.visited_at <= now() group by v.lead_id having sum(v.pages) >= 15'

-- inserts without triggers, before there are any
CREATE TABLE public.visit_plain (LIKE leadflow.visit INCLUDING ALL);
ALTER TABLE public.visit_plain ADD FOREIGN KEY (lead_id) REFERENCES leadflow.lead;
CREATE TABLE public.visit_followed (LIKE leadflow.visit INCLUDING ALL);
ALTER TABLE public.visit_followed ADD FOREIGN KEY (lead_id) REFERENCES leadflow.lead;
SELECT leadflow.register_source('followed', 'public.visit_followed', 'lead_id', 'visit_id', 'visited_at');
SELECT leadflow.save_segment('followed', 'followed(pages >= 15 and visited_at within 30 days)');
SELECT leadflow.save_segment('busy', 'sum(visit.pages where visited_at within 30 days) >= 15');

SELECT clock_timestamp() AS started \gset
CALL leadflow.build_rollups();
SELECT format('first build: %s ms', round(extract(epoch FROM clock_timestamp() - :'started'::timestamptz) * 1000)) AS built \gset
\warn :built

SELECT CASE WHEN leadflow.evaluate('segment(''hot'')') OPERATOR(leadflow.=) (SELECT leadflow.leadset_agg(lead_id) FROM (:hand) AS h)
             AND leadflow.evaluate('segment(''busy'')') OPERATOR(leadflow.=) (SELECT leadflow.leadset_agg(lead_id) FROM (:hand_sum) AS h)
            THEN 'DO $$ BEGIN END $$' ELSE 'DO $$ BEGIN RAISE ''the hand-written query disagrees''; END $$' END AS agree \gset
:agree;

CALL public.measure('HOT with rollups / hand-written query',
    $$SELECT leadflow.evaluate('segment(''hot'')')$$,
    format('SELECT count(*) FROM (%s) AS h', :'hand'), '≤ 0.0033');
CALL public.measure('windowed sum with rollups / hand-written query',
    $$SELECT leadflow.evaluate('segment(''busy'')')$$,
    format('SELECT count(*) FROM (%s) AS h', :'hand_sum'), '≤ 0.01');

-- single rows of the present, in one transaction, each a statement of its own
CREATE PROCEDURE public.insert_visits(relation regclass, n int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        EXECUTE format('INSERT INTO %s (lead_id, visited_at, pages) VALUES ($1, now(), 3)', relation) USING 1 + i % 1000;
    END LOOP;
END $$;
CALL public.measure('single visits with triggers / without',
    'CALL public.insert_visits(''public.visit_followed'', 5000)',
    'CALL public.insert_visits(''public.visit_plain'', 5000)', '≤ 1.1',
    prepare => 'TRUNCATE public.visit_followed, public.visit_plain', rounds => 3);

-- a million at once, by COPY, into tables made anew
SELECT format('%s/visits.copy', current_setting('data_directory')) AS file \gset
COPY (SELECT lead_id, now(), pages FROM leadflow.visit LIMIT 1000000) TO :'file';
CALL public.measure('COPY of 1M visits with triggers / without',
    format('COPY public.visit_followed (lead_id, visited_at, pages) FROM %L', :'file'),
    format('COPY public.visit_plain (lead_id, visited_at, pages) FROM %L', :'file'), '≤ 1.1',
    prepare => 'TRUNCATE public.visit_followed, public.visit_plain', rounds => 3);

-- four more years of the same visits, side by side
CREATE TABLE public.visit_years (LIKE leadflow.visit INCLUDING ALL);
INSERT INTO public.visit_years (lead_id, visited_at, pages)
SELECT lead_id, visited_at - y * interval '365 days', pages FROM generate_series(4, 0, -1) AS y, leadflow.visit ORDER BY y DESC, visited_at;
VACUUM ANALYZE public.visit_years;
SELECT leadflow.register_source('years', 'public.visit_years', 'lead_id', 'visit_id', 'visited_at');
SELECT leadflow.save_segment('hot years', 'years(pages >= 15 and visited_at within 30 days) and application and not activity and lead(email is not null and not competitor and nurturing)');
SELECT leadflow.save_segment('ever', 'count(visit where pages >= 5) >= 3 and application');
SELECT leadflow.save_segment('ever years', 'count(years where pages >= 5) >= 3 and application');
CALL leadflow.build_rollups();
CALL public.measure('HOT, five years of visits / one year',
    $$SELECT leadflow.evaluate('segment(''hot years'')')$$,
    $$SELECT leadflow.evaluate('segment(''hot'')')$$, '≤ 1.2');
CALL public.measure('visits ever counted, five years / one year',
    $$SELECT leadflow.evaluate('segment(''ever years'')')$$,
    $$SELECT leadflow.evaluate('segment(''ever'')')$$, '≤ 1.2');

SELECT relation, kind, left(condition, 60) AS condition, rows, pg_size_pretty(bytes) AS size FROM leadflow.rollup_size ORDER BY bytes DESC;
