-- 200 segments of 60 distinct blocks in one evaluate_all, against the 200 queries
-- one would write by hand, one after another; and one lead by its e-mail address.

-- A block as a segment has it, and as a condition on lead l: day(n) stands for the
-- beginning of the local day n days ago.
CREATE TABLE public.block (seq serial, kind text, segment text, hand text, n int);
INSERT INTO public.block (kind, segment, hand) VALUES
    ('visit', 'visit(pages >= 3 and visited_at within 7 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 3 and v.visited_at >= day(7) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 5 and visited_at within 7 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 5 and v.visited_at >= day(7) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 10 and visited_at within 7 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 10 and v.visited_at >= day(7) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 5 and visited_at within 14 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 5 and v.visited_at >= day(14) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 3 and visited_at within 30 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 3 and v.visited_at >= day(30) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 5 and visited_at within 30 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 5 and v.visited_at >= day(30) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 10 and visited_at within 30 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 10 and v.visited_at >= day(30) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 15 and visited_at within 30 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 15 and v.visited_at >= day(30) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 20 and visited_at within 30 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 20 and v.visited_at >= day(30) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 5 and visited_at within 60 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 5 and v.visited_at >= day(60) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 10 and visited_at within 90 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 10 and v.visited_at >= day(90) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 15 and visited_at within 90 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 15 and v.visited_at >= day(90) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 30 and visited_at within 180 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 30 and v.visited_at >= day(180) and v.visited_at <= now())'),
    ('visit', 'visit(visited_at within 7 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(7) and v.visited_at <= now())'),
    ('visit', 'visit(visited_at within 14 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(14) and v.visited_at <= now())'),
    ('visit', 'visit(visited_at within 30 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(30) and v.visited_at <= now())'),
    ('visit', 'visit(visited_at within 60 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(60) and v.visited_at <= now())'),
    ('visit', 'visit(visited_at within 90 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(90) and v.visited_at <= now())'),
    ('visit', 'visit(visited_at within 180 days)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(180) and v.visited_at <= now())'),
    ('visit', 'visit(pages >= 30)', 'exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.pages >= 30 and v.visited_at <= now())'),
    ('visit', 'count(visit where visited_at within 7 days) >= 2', 'l.lead_id in (select v.lead_id from leadflow.visit v where v.visited_at >= day(7) and v.visited_at <= now() group by v.lead_id having count(*) >= 2)'),
    ('visit', 'count(visit where visited_at within 30 days) >= 3', 'l.lead_id in (select v.lead_id from leadflow.visit v where v.visited_at >= day(30) and v.visited_at <= now() group by v.lead_id having count(*) >= 3)'),
    ('visit', 'count(visit where visited_at within 90 days) >= 5', 'l.lead_id in (select v.lead_id from leadflow.visit v where v.visited_at >= day(90) and v.visited_at <= now() group by v.lead_id having count(*) >= 5)'),
    ('visit', 'count(visit) >= 25', 'l.lead_id in (select v.lead_id from leadflow.visit v where v.visited_at <= now() group by v.lead_id having count(*) >= 25)'),
    ('visit', 'count(visit where visited_at within 30 days) < 2', 'l.lead_id not in (select v.lead_id from leadflow.visit v where v.visited_at >= day(30) and v.visited_at <= now() group by v.lead_id having count(*) >= 2)'),
    ('visit', 'sum(visit.pages where visited_at within 7 days) >= 10', 'l.lead_id in (select v.lead_id from leadflow.visit v where v.visited_at >= day(7) and v.visited_at <= now() group by v.lead_id having sum(v.pages) >= 10)'),
    ('visit', 'sum(visit.pages where visited_at within 30 days) >= 15', 'l.lead_id in (select v.lead_id from leadflow.visit v where v.visited_at >= day(30) and v.visited_at <= now() group by v.lead_id having sum(v.pages) >= 15)'),
    ('visit', 'sum(visit.pages where visited_at within 90 days) >= 40', 'l.lead_id in (select v.lead_id from leadflow.visit v where v.visited_at >= day(90) and v.visited_at <= now() group by v.lead_id having sum(v.pages) >= 40)'),
    ('visit', 'max(visit.visited_at) at least 30 days ago', '(exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at < day(29)) and not exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(29) and v.visited_at <= now()))'),
    ('visit', 'max(visit.visited_at) at least 60 days ago', '(exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at < day(59)) and not exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(59) and v.visited_at <= now()))'),
    ('visit', 'min(visit.visited_at) within 180 days', '(exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at >= day(180) and v.visited_at <= now()) and not exists (select from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at < day(180)))'),
    ('visit', 'last(visit)(pages >= 10)', '(select v.pages from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at <= now() order by v.visited_at desc, v.visit_id desc limit 1) >= 10'),
    ('visit', 'first(visit)(pages >= 5)', '(select v.pages from leadflow.visit v where v.lead_id = l.lead_id and v.visited_at <= now() order by v.visited_at, v.visit_id desc limit 1) >= 5'),
    ('application', 'application', 'exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at <= now())'),
    ('application', 'application(applied_at within 30 days)', 'exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at >= day(30) and a.applied_at <= now())'),
    ('application', 'application(applied_at within 90 days)', 'exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at >= day(90) and a.applied_at <= now())'),
    ('application', 'application(applied_at within 180 days)', 'exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at >= day(180) and a.applied_at <= now())'),
    ('application', 'application(campaign = ''キャンペーン3'')', 'exists (select from leadflow.application a join leadflow.campaign c on c.campaign_id = a.campaign_id where a.lead_id = l.lead_id and c.name = ''キャンペーン3'' and a.applied_at <= now())'),
    ('application', 'application(campaign in (''キャンペーン5'', ''キャンペーン6'', ''キャンペーン7'') and applied_at within 180 days)', 'exists (select from leadflow.application a join leadflow.campaign c on c.campaign_id = a.campaign_id where a.lead_id = l.lead_id and c.name in (''キャンペーン5'', ''キャンペーン6'', ''キャンペーン7'') and a.applied_at >= day(180) and a.applied_at <= now())'),
    ('application', 'count(application) >= 2', 'l.lead_id in (select a.lead_id from leadflow.application a where a.applied_at <= now() group by a.lead_id having count(*) >= 2)'),
    ('application', 'max(application.applied_at) at least 90 days ago', '(exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at < day(89)) and not exists (select from leadflow.application a where a.lead_id = l.lead_id and a.applied_at >= day(89) and a.applied_at <= now()))'),
    ('activity', 'activity', 'exists (select from leadflow.activity a where a.lead_id = l.lead_id and a.acted_on <= today())'),
    ('activity', 'activity(acted_on within 30 days)', 'exists (select from leadflow.activity a where a.lead_id = l.lead_id and a.acted_on between today() - 30 and today())'),
    ('activity', 'activity(acted_on within 90 days)', 'exists (select from leadflow.activity a where a.lead_id = l.lead_id and a.acted_on between today() - 90 and today())'),
    ('activity', 'max(activity.acted_on) at least 60 days ago', 'l.lead_id in (select a.lead_id from leadflow.activity a where a.acted_on <= today() group by a.lead_id having max(a.acted_on) <= today() - 60)'),
    ('activity', 'activity(result = ''継続フォロー'' and acted_on within 60 days)', 'exists (select from leadflow.activity a where a.lead_id = l.lead_id and a.result = ''継続フォロー'' and a.acted_on between today() - 60 and today())'),
    ('activity', 'count(activity) >= 2', 'l.lead_id in (select a.lead_id from leadflow.activity a where a.acted_on <= today() group by a.lead_id having count(*) >= 2)'),
    ('activity', 'activity(kind = ''電話'')', 'exists (select from leadflow.activity a where a.lead_id = l.lead_id and a.kind = ''電話'' and a.acted_on <= today())'),
    ('lead', 'lead(email is not null and not competitor and nurturing)', 'l.email is not null and not l.competitor and l.nurturing'),
    ('lead', 'lead(prefecture = ''東京都'')', 'l.prefecture = ''東京都'''),
    ('lead', 'lead(prefecture = ''大阪府'')', 'l.prefecture = ''大阪府'''),
    ('lead', 'lead(prefecture in (''福岡県'', ''北海道''))', 'l.prefecture in (''福岡県'', ''北海道'')'),
    ('lead', 'lead(employees >= 100)', 'l.employees >= 100'),
    ('lead', 'lead(employees >= 300)', 'l.employees >= 300'),
    ('lead', 'lead(employees >= 1000)', 'l.employees >= 1000'),
    ('lead', 'lead(employees < 50)', 'l.employees < 50'),
    ('lead', 'lead(employees between 50 and 299)', 'l.employees between 50 and 299'),
    ('lead', 'lead(created_at within 30 days)', 'l.created_at >= day(30)'),
    ('lead', 'lead(created_at within 1 year)', 'l.created_at >= (date_trunc(''day'', now() at time zone ''Asia/Tokyo'') - interval ''1 year'') at time zone ''Asia/Tokyo'''),
    ('lead', 'lead(company ends with ''7'')', 'l.company ilike ''%7''');
UPDATE public.block AS b SET n = (SELECT count(*) FROM public.block AS o WHERE o.kind = b.kind AND o.seq <= b.seq);

-- what the two stand for is written out, so that the planner sees constants as in hot.sql
UPDATE public.block SET hand = replace(regexp_replace(hand, 'day\((\d+)\)',
    '((date_trunc(''day'', now() at time zone ''Asia/Tokyo'') - interval ''\1 days'') at time zone ''Asia/Tokyo'')', 'g'),
    'today()', '(now() at time zone ''Asia/Tokyo'')::date');

-- Visits of a kind, or of one of two, and an application; with or without an
-- activity; of some leads.
CREATE TABLE public.combined AS
SELECT i AS id,
       (CASE WHEN i % 4 = 3 THEN format('(%s or %s) and %s and %s', v.segment, w.segment, a.segment, l.segment)
             ELSE format('%s and %s and %s%s and %s', v.segment, a.segment, CASE WHEN i % 2 = 0 THEN 'not ' END, c.segment, l.segment)
        END)::leadflow.segment AS segment,
       'select l.lead_id from leadflow.lead l where l.created_at <= now() and l.deleted_at is null and l.merged_into is null and '
       || CASE WHEN i % 4 = 3 THEN format('(%s or %s) and %s and %s', v.hand, w.hand, a.hand, l.hand)
               ELSE format('%s and %s and %s%s and %s', v.hand, a.hand, CASE WHEN i % 2 = 0 THEN 'not ' END, c.hand, l.hand)
          END AS hand
  FROM generate_series(1, 200) AS i
  JOIN public.block AS v ON v.kind = 'visit' AND v.n = 1 + i % 33
  JOIN public.block AS w ON w.kind = 'visit' AND w.n = 1 + (i + 1 + i % 31) % 33
  JOIN public.block AS a ON a.kind = 'application' AND a.n = 1 + (i * 3 + i / 33) % 8
  JOIN public.block AS c ON c.kind = 'activity' AND c.n = 1 + (i * 2 + i / 33) % 7
  JOIN public.block AS l ON l.kind = 'lead' AND l.n = 1 + (i * 7 + i / 33) % 12;

SELECT count(DISTINCT segment::text) AS segments, (SELECT count(*) FROM public.block) AS blocks FROM public.combined;

-- how it is done: the parts of HOT, and the plans of the passes of evaluate_all
SELECT * FROM leadflow.explain_segment('segment(''hot'')');
LOAD 'auto_explain';
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_min_duration = 100;
SET auto_explain.log_analyze = on;
SET auto_explain.log_timing = off;
SET client_min_messages = log;
SELECT sum(leadflow.cardinality(leads)) AS leads_of_200 FROM leadflow.evaluate_all((SELECT array_agg(segment ORDER BY id) FROM public.combined));
RESET client_min_messages;
SET auto_explain.log_min_duration = -1;

-- Every query by hand is run once, and must give the leads of its segment.
DO $$
DECLARE
    combined record;
    started timestamptz;
    found leadflow.leadset;
    ours numeric[] := '{}';
    theirs numeric := 0;
BEGIN
    FOR round IN 1 .. 3 LOOP
        started := clock_timestamp();
        PERFORM leadflow.cardinality(leads) FROM leadflow.evaluate_all((SELECT array_agg(segment ORDER BY id) FROM public.combined));
        ours := ours || (extract(epoch FROM clock_timestamp() - started) * 1000)::numeric;
    END LOOP;
    FOR combined IN
        SELECT c.segment, c.hand, e.leads
          FROM public.combined AS c
          JOIN leadflow.evaluate_all((SELECT array_agg(segment ORDER BY id) FROM public.combined)) AS e ON e.position = c.id
         ORDER BY c.id
    LOOP
        started := clock_timestamp();
        EXECUTE format('SELECT leadflow.leadset_agg(lead_id) FROM (%s) AS h', combined.hand) INTO found;
        theirs := theirs + extract(epoch FROM clock_timestamp() - started) * 1000;
        IF found OPERATOR(leadflow.<>) combined.leads THEN
            RAISE 'the hand-written query disagrees: %', combined.segment;
        END IF;
    END LOOP;
    INSERT INTO public.measured (what, leadflow_ms, alternative_ms, ratio, target)
    SELECT '200 segments: evaluate_all / the 200 hand-written queries', round(median::numeric, 1), round(theirs, 1), round((median / theirs)::numeric, 3), '≤ 0.033'
      FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS median FROM unnest(ours) AS x) AS o;
END $$;

-- one lead by its address, a thousand times: the same one, and a different one each time
CREATE FUNCTION public.repeat_1000(query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 1000 LOOP
        EXECUTE replace(query, '%i', i::text);
    END LOOP;
END $$;
CALL public.measure('one lead by e-mail, again and again: evaluate / the index lookup (× 1000)',
    $$SELECT public.repeat_1000('SELECT leadflow.evaluate(''lead(email = ''''lead77@example.jp'''')'')')$$,
    $$SELECT public.repeat_1000('SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead WHERE email = ''lead77@example.jp'' AND created_at <= now() AND deleted_at IS NULL AND merged_into IS NULL')$$, '≤ 1.5');
CALL public.measure('one lead by e-mail, each time another: evaluate / the index lookup (× 1000)',
    $$SELECT public.repeat_1000('SELECT leadflow.evaluate(''lead(email = ''''lead%i@example.jp'''')'')')$$,
    $$SELECT public.repeat_1000('SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead WHERE email = ''lead%i@example.jp'' AND created_at <= now() AND deleted_at IS NULL AND merged_into IS NULL')$$, '≤ 1.5');
