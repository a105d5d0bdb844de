SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

CREATE FUNCTION pg_temp.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '| ' || nullif(detail, ''), '| ' || nullif(regexp_replace(hint, '[0-9]+', 'N'), ''));
END $$;
-- who has whom
CREATE FUNCTION pg_temp.reps(list text) RETURNS TABLE (rep text, leads text) LANGUAGE sql AS $$
    SELECT r.name, leadflow.leadset_agg(m.lead_id)::text FROM leadflow.member AS m JOIN leadflow.list AS l USING (list_id)
      LEFT JOIN leadflow.rep AS r USING (rep_id) WHERE l.name = reps.list AND m.left_at IS NULL GROUP BY r.name ORDER BY r.name
$$;
CREATE FUNCTION pg_temp.log(after bigint DEFAULT 0) RETURNS TABLE (lead_id bigint, from_rep text, to_rep text, strategy text, reason text) LANGUAGE sql AS $$
    SELECT h.lead_id, h.from_rep, h.to_rep, h.strategy, h.reason FROM leadflow.assignment_history AS h WHERE assignment_id > after ORDER BY assignment_id
$$;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';

BEGIN;
INSERT INTO leadflow.rep (rep_id, name, team, weight, active)
VALUES (101, '田中', '東', 3, true), (102, '佐藤', '東', 1, true), (103, '鈴木', '西', 1, true), (104, '高橋', '西', 1, false);
INSERT INTO leadflow.lead (lead_id, company, prefecture, created_at)
SELECT n, '会社' || n % 4, CASE WHEN n % 3 = 0 THEN '東京都' ELSE '大阪府' END, '2000-01-01' FROM generate_series(1, 10) AS n;
SELECT leadflow.create_list('calls', 'everyone') AS list_id \gset
SELECT added FROM leadflow.refresh_list('calls');

-- ---- assign: in bulk, again, by names and ids ----
SELECT leadflow.assign('calls', '田中', segment => 'lead(prefecture = ''東京都'')', due_on => '2030-01-31', reason => '東京エリア');
SELECT leadflow.assign(:list_id, 102, '{1,2,3}'::leadflow.leadset), leadflow.assign('calls', 102, '{1,2,3}'::leadflow.leadset) AS again;
SELECT leadflow.assign(:list_id, '佐藤', leads => '{}'), leadflow.assign('calls', '鈴木', dry_run => true) AS dry;
SELECT * FROM pg_temp.reps('calls');
SELECT leadflow.assign('calls', '佐藤', segment => 'lead(lead_id = 1)', due_on => '2030-02-28') AS due_only;
SELECT lead_id, due_on, assigned_at = now() AS now FROM leadflow.member WHERE rep_id IS NOT NULL ORDER BY 1;
SELECT * FROM pg_temp.log();
SELECT command, pg_temp.refused('SELECT leadflow.assign(' || command || ')')
  FROM unnest(ARRAY[$$'calls', '田仲'$$, $$'calls', 'nobody at all'$$, $$'calls', 999$$, $$'calls', '高橋'$$, $$'calls', null::text$$, $$'call', '田中'$$,
         $$'calls', '田中', null::leadflow.leadset$$, $$'calls', '田中', 'visits'::leadflow.segment$$]) AS command;

-- a plain UPDATE is logged; one that changes no rep is not
SELECT max(assignment_id) AS seen FROM leadflow.assignment \gset
UPDATE leadflow.member SET memo = 'hello', rep_id = rep_id;
UPDATE leadflow.member SET rep_id = CASE lead_id WHEN 1 THEN 103 WHEN 2 THEN NULL WHEN 4 THEN 103 ELSE rep_id END;
SELECT * FROM pg_temp.log(:seen);
SELECT pg_temp.refused('CREATE TRIGGER wrong BEFORE UPDATE ON leadflow.member FOR EACH ROW EXECUTE FUNCTION leadflow.log_assignments();
    UPDATE leadflow.member SET memo = NULL');
UPDATE leadflow.member SET rep_id = NULL;

-- ---- distribute ----
SELECT * FROM leadflow.distribute('calls', dry_run => true);
SELECT list, lead_id, company, place FROM leadflow.assignment_queue WHERE place <= 2 OR place = 10;
SELECT max(assignment_id) AS seen FROM leadflow.assignment \gset
SELECT * FROM leadflow.distribute(:list_id, segment => 'lead(lead_id <= 4)');
SELECT * FROM leadflow.distribute('calls', segment => 'lead(lead_id <= 7)');
SELECT * FROM leadflow.distribute('calls');
SELECT * FROM leadflow.distribute('calls');
SELECT * FROM pg_temp.log(:seen);
SELECT command, pg_temp.refused('SELECT leadflow.distribute(' || command || ')')
  FROM unnest(ARRAY[$$'calls', 'wieghted'$$, $$'calls', null$$, $$'calls', reps => ARRAY['田中', '田仲']$$, $$'calls', reps => ARRAY['高橋']$$, $$'calls', reps => ARRAY[101, 999]$$,
         $$'calls', reps => ARRAY[null::text]$$, $$'calls', as_of => null$$, $$'calls', as_of => 'infinity'$$, $$'calls', 'rules'$$, $$'none'$$]) AS command;

-- by weight; by ids; who has no weight gets nothing, and what nobody may take waits
UPDATE leadflow.member SET rep_id = NULL;
SELECT * FROM leadflow.distribute('calls', 'weighted', dry_run => true);
SELECT * FROM leadflow.distribute('calls', reps => ARRAY[102, 103], dry_run => true);
UPDATE leadflow.rep SET weight = 0;
SELECT * FROM leadflow.distribute('calls', ARRAY[101], 'weighted', dry_run => true);
UPDATE leadflow.rep SET weight = 1;

-- a list of a team is for its reps, unless others are named
UPDATE leadflow.list SET visibility = '{西}' WHERE name = 'calls';
SELECT * FROM leadflow.distribute('calls', dry_run => true);
SELECT * FROM leadflow.distribute('calls', reps => ARRAY['田中'], dry_run => true);
UPDATE leadflow.list SET visibility = '{北}' WHERE name = 'calls';
SELECT * FROM leadflow.distribute('calls', dry_run => true);
UPDATE leadflow.list SET visibility = NULL WHERE name = 'calls';

-- the capacity of a week, which begins on Monday in the list's zone; the rest waits, and goes first
DELETE FROM leadflow.assignment;
UPDATE leadflow.rep SET weekly_capacity = CASE rep_id WHEN 101 THEN 2 WHEN 102 THEN 3 WHEN 103 THEN 0 END;
SELECT * FROM leadflow.distribute('calls', as_of => '2100-01-08 12:00+09');
SELECT leadflow.leadset_agg(lead_id) AS waiting FROM leadflow.assignment_queue;
SELECT * FROM leadflow.distribute('calls', as_of => '2100-01-10 23:59:59+09');
-- what is taken away again does not count
UPDATE leadflow.member SET rep_id = NULL WHERE lead_id = 1;
SELECT * FROM leadflow.distribute('calls', as_of => '2100-01-10 23:59:59+09', dry_run => true);
SELECT * FROM leadflow.distribute('calls', as_of => '2100-01-11 00:00+09');
SELECT leadflow.leadset_agg(lead_id) AS waiting FROM leadflow.assignment_queue;
UPDATE leadflow.rep SET weekly_capacity = NULL;

-- who is away gets nothing, on the first and on the last day
UPDATE leadflow.member SET rep_id = NULL;
UPDATE leadflow.rep SET away_from = '2100-02-01', away_until = '2100-02-05' WHERE rep_id = 101;
UPDATE leadflow.rep SET away_from = '2100-02-03' WHERE rep_id = 102;
SELECT at, string_agg(rep || ' ' || assigned, ', ' ORDER BY assigned DESC, rep)
  FROM unnest(ARRAY['2100-01-31 23:59+09', '2100-02-01 00:00+09', '2100-02-05 23:59+09', '2100-02-06 00:00+09']::timestamptz[]) AS at,
       LATERAL leadflow.distribute('calls', as_of => at, dry_run => true) GROUP BY at ORDER BY at;
UPDATE leadflow.rep SET away_from = NULL, away_until = NULL;

-- least loaded: open work counts, and who is just back does not get it all
UPDATE leadflow.member SET rep_id = 101 WHERE lead_id <= 4;
UPDATE leadflow.member SET rep_id = 102 WHERE lead_id = 5;
SELECT * FROM leadflow.distribute('calls', 'least_loaded', dry_run => true);
UPDATE leadflow.rep SET away_from = '2100-02-01', away_until = '2100-02-05' WHERE rep_id = 103;
SELECT at, string_agg(rep || ' ' || assigned, ', ' ORDER BY assigned DESC, rep)
  FROM unnest(ARRAY['2100-02-06', '2100-02-12', '2100-02-13']::timestamptz[]) AS at, LATERAL leadflow.distribute('calls', 'least_loaded', as_of => at, dry_run => true) GROUP BY at ORDER BY at;
UPDATE leadflow.rep SET away_from = NULL, away_until = NULL;

-- sticky: in charge, had it, has the company; leads of a new company stay together; a rep who left counts for nothing
UPDATE leadflow.member SET rep_id = NULL;
INSERT INTO leadflow.list (list_id, name) VALUES (900, 'old'), (901, 'other');
INSERT INTO leadflow.member (lead_id, list_id, entered_at, left_at, rep_id)
VALUES (1, 900, '2020-01-01', '2026-10-01 12:00+09', 103), (1, 900, '2021-01-01', '2027-10-01', 104), (6, 901, '2020-01-01', NULL, 102);
UPDATE leadflow.lead SET rep_id = 101 WHERE lead_id = 3;
SELECT max(assignment_id) AS seen FROM leadflow.assignment \gset
SELECT * FROM leadflow.distribute('calls', 'sticky');
SELECT * FROM pg_temp.log(:seen) ORDER BY lead_id;

-- rules: a list's own first, then by position; the first whose rep can take it; without a rep, evenly; in none, waiting
UPDATE leadflow.member SET rep_id = NULL;
INSERT INTO leadflow.territory (list_id, position, segment, rep_id)
VALUES (NULL, 1, 'lead(lead_id <= 3)', 101), (:list_id, 9, 'lead(prefecture = ''東京都'')', 102), (NULL, 2, 'lead(lead_id <= 5)', NULL), (900, 1, 'everyone', 103);
SELECT max(assignment_id) AS seen FROM leadflow.assignment \gset
SELECT * FROM leadflow.distribute('calls', 'rules');
SELECT * FROM pg_temp.log(:seen) ORDER BY lead_id;
UPDATE leadflow.member SET rep_id = NULL;
UPDATE leadflow.rep SET weekly_capacity = 0 WHERE rep_id = 102;
SELECT * FROM leadflow.distribute('calls', 'rules');
SELECT * FROM pg_temp.reps('calls');

-- the members of a rep who is not active any more are nobody's; who must not be called is given to nobody
UPDATE leadflow.rep SET active = rep_id <> 101 AND active, weekly_capacity = NULL;
UPDATE leadflow.lead SET do_not_contact = true WHERE lead_id = 10;
SELECT leadflow.leadset_agg(lead_id) AS waiting FROM leadflow.assignment_queue WHERE list = 'calls';
SELECT max(assignment_id) AS seen FROM leadflow.assignment \gset
SELECT * FROM leadflow.distribute('calls');
SELECT count(*), count(from_rep) AS from_rep FROM pg_temp.log(:seen);
SELECT leadflow.close_list('calls') > 0 AS closed;
SELECT command, pg_temp.refused('SELECT leadflow.' || command)
  FROM unnest(ARRAY[$$assign('calls', '佐藤')$$, $$distribute('calls')$$, $$next_lead('calls', '佐藤')$$]) AS command;
ROLLBACK;

-- ---- next_lead ----
BEGIN;
INSERT INTO leadflow.rep (rep_id, name, active) VALUES (101, '田中', true), (102, '佐藤', true), (103, '鈴木', false);
INSERT INTO leadflow.lead (lead_id, company, last_name, first_name, phone, created_at, do_not_contact)
SELECT n, '会社' || n, '姓' || n, '名', '03-0000-000' || n % 10, '2000-01-01', n = 4 FROM generate_series(1, 12) AS n;
SELECT leadflow.create_list('calls', zone => 'Asia/Tokyo', talk_script => 'もしもし') AS list_id \gset
INSERT INTO leadflow.member (lead_id, list_id, entered_at, rep_id, state, due_on, next_contact_on)
SELECT v.lead_id, :list_id, '2020-01-01', v.rep_id, v.state, leadflow.local_date(now(), 'Asia/Tokyo') + v.due, leadflow.local_date(now(), 'Asia/Tokyo') + v.contact
  FROM (VALUES (1, NULL, 'not_started', NULL, NULL), (2, 102, 'not_started', -9, NULL), (3, NULL, 'not_started', 3, NULL), (4, NULL, 'not_started', -9, NULL),
               (5, 101, 'in_progress', 9, 0), (6, NULL, 'in_progress', 9, -1), (7, NULL, 'in_progress', -9, 1), (8, NULL, 'done', -9, NULL), (9, 103, 'not_started', 2, NULL),
               (10, NULL, 'in_progress', -9, NULL)) AS v (lead_id, rep_id, state, due, contact);
-- called today, and by somebody else before
INSERT INTO leadflow.activity (lead_id, activity_id, fields)
SELECT v.lead_id, v.n, jsonb_build_object('acted_on', leadflow.local_date(now(), 'Asia/Tokyo') - v.ago, 'kind', '電話', 'result', '継続フォロー', 'content', v.content)
  FROM (VALUES (10, 901, 0, NULL), (6, 902, 3, '留守'), (6, 903, 2, '折り返し')) AS v (lead_id, n, ago, content);
SELECT lead_id, list_name, company, name, phone, talk_script, last_kind, last_result, last_content FROM leadflow.next_lead('calls', '田中') \gx
SELECT lead_id FROM leadflow.next_lead(:list_id, 101);
CREATE FUNCTION pg_temp.call_all(rep bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    called bigint[] := '{}';
    next bigint;
BEGIN
    LOOP
        SELECT n.lead_id INTO next FROM leadflow.next_lead('calls', rep) AS n;
        EXIT WHEN next IS NULL;
        called := called || next;
        INSERT INTO leadflow.activity (lead_id, activity_id, fields) VALUES (next, 910 + next, jsonb_build_object('acted_on', leadflow.local_date(now(), 'Asia/Tokyo')));
    END LOOP;
    RETURN called;
END $$;
SELECT pg_temp.call_all(101) AS called, pg_temp.call_all(102) AS by_other;
SELECT * FROM pg_temp.log();
SELECT command, pg_temp.refused('SELECT leadflow.next_lead(' || command || ')') FROM unnest(ARRAY[$$'calls', '鈴木'$$, $$'call', '田中'$$, $$'calls', 999$$]) AS command;
ROLLBACK;
-- an absence that ends before it begins is a slip
\set VERBOSITY terse
INSERT INTO leadflow.rep (name, away_from, away_until) VALUES ('鈴木', '2100-02-05', '2100-02-01');
\set VERBOSITY default
