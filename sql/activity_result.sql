-- What results count as, to the views and to who asks for one.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

BEGIN;
SELECT result, leadflow.is_effective(1, result), leadflow.is_appointment(1, result)
  FROM unnest('{継続フォロー,商談化,アーカイブ,継続,"",NULL}'::text[]) AS result;
SELECT leadflow.is_effective(NULL, '商談化'), leadflow.is_effective(0, '商談化'), leadflow.is_appointment(99, '商談化');

-- a later form: what was entered under the first counts as it did
CREATE FUNCTION pg_temp.each_version() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT string_agg(leadflow.is_effective(f.version, 'アーカイブ')::text, ' ' ORDER BY f.version)
              FROM leadflow.form_version AS f WHERE f.entity = 'activity');
END
$$;
CREATE FUNCTION pg_temp.as_it_changes(OUT before boolean, OUT after boolean, OUT corrected boolean) LANGUAGE plpgsql AS $$
DECLARE
    latest integer := (SELECT max(version) FROM leadflow.form_version WHERE entity = 'activity');
    answers boolean[];
BEGIN
    -- the same expression each time, which keeps what it has read
    FOR i IN 1 .. 3 LOOP
        IF i = 2 THEN
            PERFORM leadflow.set_form('activity', replace(f.form::text, $q$'アーカイブ' closes$q$, $q$'アーカイブ' effective closes$q$)::leadflow.form)
               FROM leadflow.form_version AS f WHERE f.entity = 'activity' AND f.version = latest;
        ELSIF i = 3 THEN
            UPDATE leadflow.form_version AS f SET form = replace(f.form::text, 'effective', '')::leadflow.form
             WHERE f.entity = 'activity' AND f.version = latest + 1;
        END IF;
        answers[i] := leadflow.is_effective(latest + 1, 'アーカイブ');
    END LOOP;
    before := answers[1];
    after := answers[2];
    corrected := answers[3];
END
$$;
SELECT pg_temp.each_version();
SAVEPOINT changes;
SELECT * FROM pg_temp.as_it_changes();
SELECT pg_temp.each_version();
ROLLBACK TO changes;
SELECT pg_temp.each_version();

-- what is called otherwise since is called as it was, and new records as it is now
SAVEPOINT labels;
INSERT INTO leadflow.lead (lead_id, company) VALUES (901, '甲'), (902, '乙');
INSERT INTO leadflow.activity (lead_id, fields) VALUES (901, '{"acted_on": "2026-04-01", "kind": "電話", "result": "アーカイブ"}');
SELECT s.version > f.version AS set
  FROM (SELECT version, form FROM leadflow.form_version WHERE entity = 'activity' ORDER BY version DESC LIMIT 1) AS f,
       leadflow.set_form('activity', replace(replace(f.form::text, $q$'アーカイブ' closes$q$, $q$'アーカイブ' "見送り" closes$q$), $q$'電話'$q$, $q$'電話' "架電"$q$)::leadflow.form) AS s;
INSERT INTO leadflow.activity (lead_id, fields) VALUES (902, '{"acted_on": "2026-04-01", "kind": "電話", "result": "アーカイブ", "content": "不要"}');
SELECT lead_id, what, detail FROM leadflow.lead_timeline WHERE kind = 'activity' AND lead_id > 900 ORDER BY lead_id;
SELECT leadflow.create_list('呼称') > 0 AS made;
SELECT leadflow.add_to_list('呼称', leadflow.leadset_agg(lead_id)) FROM leadflow.lead WHERE lead_id > 900;
SELECT lead_id, last_kind, last_result, pages, history FROM leadflow.handoff('呼称') ORDER BY lead_id;
SELECT lead_id, last_kind, last_result FROM leadflow.member_status WHERE list = '呼称' ORDER BY lead_id;
SELECT result, label, count(*) FROM leadflow.activity_daily AS a JOIN leadflow.activity_choice AS c ON c.field = 'result' AND c.key = a.result GROUP BY result, label;
SELECT leadflow.activity_label(1, 'kind', 'なし'), leadflow.activity_label(9, 'kind', '電話'), leadflow.activity_label(1, 'kind', NULL);
ROLLBACK TO labels;

-- workers know as well
INSERT INTO leadflow.lead (company) SELECT '会社' || i FROM generate_series(1, 100) AS i;
INSERT INTO leadflow.activity (lead_id, fields)
SELECT l.lead_id, jsonb_build_object('acted_on', '2026-04-01', 'kind', '電話', 'result', r) FROM leadflow.lead AS l, unnest('{継続フォロー,商談化,アーカイブ}'::text[]) AS r WHERE l.company LIKE '会社%';
ALTER TABLE leadflow.activity SET (parallel_workers = 2);
ANALYZE leadflow.activity;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL parallel_leader_participation = off;
SELECT result, count(*), count(*) FILTER (WHERE effective) AS effective, count(*) FILTER (WHERE appointment) AS appointments
  FROM leadflow.activity_detail GROUP BY result ORDER BY result COLLATE "C";
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN ' || query;
END
$$;
SELECT bool_or(line ~ 'Gather') AS by_workers
  FROM pg_temp.plan('SELECT result, count(*) FILTER (WHERE effective) FROM leadflow.activity_detail GROUP BY result') AS line;
ROLLBACK;
