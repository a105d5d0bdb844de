SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET datestyle = ISO;
SET timezone = 'UTC';

-- SQLSTATE, message, detail and hint of a command's error, or "done"
CREATE FUNCTION pg_temp.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n  ', SQLSTATE || ' ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END
$$;
\pset format unaligned
\pset tuples_only on
\pset null NULL


-- a view for each form, made by install()
SELECT c.relname, c.reloptions, obj_description(c.oid), string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || coalesce(' ' || col_description(c.oid, a.attnum), ''), E'\n  ' ORDER BY a.attnum)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.relname IN ('activity_view', 'application_view') GROUP BY c.oid ORDER BY 1;

BEGIN;
CREATE FUNCTION pg_temp.columns(name) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || coalesce(': ' || col_description(a.attrelid, a.attnum), '')
      FROM pg_attribute AS a WHERE a.attrelid = ('leadflow.' || $1)::regclass AND a.attnum > 18 ORDER BY a.attnum $$;
CREATE VIEW public.mine AS SELECT lead_id, kind, result FROM leadflow.activity_view;
SELECT version FROM leadflow.set_form('activity', $$acted_on date required; kind "手段" radio('tel' "電話", 'mail' "it's"); result radio('商談化', '継続フォロー', 'アーカイブ'); budget "予算" integer hidden; met timestamp;
    done "済" checkbox; media multiselect('web' "ウェブ", 'tv'); rep text; "select" "A ""b""" text; content "内容" textarea hidden$$);
SELECT pg_temp.columns('activity_view');
INSERT INTO leadflow.rep (rep_id, name) VALUES (1, '田中');
INSERT INTO leadflow.lead (lead_id, rep_id, fields) VALUES (1, 1, '{"tags": ["VIP"]}');
INSERT INTO leadflow.activity (lead_id, activity_id, rep_id, list_id, fields) VALUES
    (1, 1, 1, (SELECT list_id FROM leadflow.list WHERE name = 'HOTリードリスト'), '{"acted_on": "2026-06-01", "kind": "mail", "budget": 99999999999999999999, "met": "2026-06-01 09:30", "done": true, "media": ["tv", "web"], "rep": "hidden", "select": "x", "content": "secret"}'),
    (1, 2, NULL, NULL, '{"acted_on": "2026-06-02"}');
SELECT list, rep, acted_on, kind, kind_label, budget, met, done, media, media_label, "select", content FROM leadflow.activity_view ORDER BY activity_id;
SELECT rep, tags FROM leadflow.lead_view;

-- a new form leaves columns where they are; retired and dropped ones too
SELECT version FROM leadflow.set_form('activity', $$acted_on date required; next "次" text; kind "手段" radio('tel', 'mail', 'fax' "FAX送信"); result radio('商談化', '継続フォロー', 'アーカイブ'); done checkbox retired;
    rep text; media multiselect('web', 'tv'); met timestamp; budget number hidden; "select" text; content text$$);
SELECT pg_temp.columns('activity_view');
SELECT kind_label, media_label, next FROM leadflow.activity_view ORDER BY activity_id;
SELECT * FROM public.mine ORDER BY kind;
CALL leadflow.install();

-- hidden fields are for the owner of the tables, and who has the owner's rights
CREATE ROLE regress_form_reader;
GRANT USAGE ON SCHEMA leadflow TO regress_form_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_form_reader;
SET LOCAL ROLE regress_form_reader;
SELECT leadflow.sees_hidden(), budget, content, media FROM leadflow.activity_view ORDER BY activity_id;
-- nor does why() show them
SELECT found FROM leadflow.why(1, 'activity(budget > 5 and media contains ''tv'')', '2100-01-01') WHERE depth = 0;
RESET ROLE;

-- another type makes another view, with the grants of the one before, unless something depends on it
GRANT SELECT ON leadflow.activity_view TO PUBLIC;
GRANT SELECT (kind) ON leadflow.activity_view TO regress_form_reader WITH GRANT OPTION;
CREATE FUNCTION public.one() RETURNS SETOF text BEGIN ATOMIC SELECT "select" FROM leadflow.activity_view; END;
SELECT pg_temp.refused(format($f$SELECT leadflow.set_form('activity', 'acted_on date required; next text; kind radio(''tel'', ''mail'', ''fax''); result radio(''商談化'', ''継続フォロー'', ''アーカイブ''); done checkbox; rep text; media text; met date; budget number; "select" text; content text', dry_run => %L)$f$, dry_run)) FROM unnest(ARRAY[true, false]) AS dry_run;
DROP VIEW public.mine;
DROP FUNCTION public.one();
SELECT version FROM leadflow.set_form('activity', $$acted_on date required; next text; kind radio('tel', 'mail', 'fax'); result radio('商談化', '継続フォロー', 'アーカイブ'); done checkbox; rep text; media text; met date; budget number hidden; "select" text; content text$$);
SELECT pg_temp.columns('activity_view');
SELECT relacl IS NOT NULL, (SELECT attacl FROM pg_attribute WHERE attrelid = c.oid AND attname = 'kind')::text ~ 'regress_form_reader=r\*' FROM pg_class AS c WHERE relname = 'activity_view'
UNION ALL SELECT has_table_privilege('regress_form_reader', 'leadflow.activity_view', 'SELECT'), has_column_privilege('regress_form_reader', 'leadflow.activity_view', 'kind', 'SELECT WITH GRANT OPTION');
ROLLBACK;

-- columns of one's own are there after the next install()
BEGIN;
ALTER TABLE leadflow.lead ADD vip boolean, ADD "Größe" numeric(5, 2);
CALL leadflow.install();
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'leadflow.lead_view'::regclass AND attnum > 26;
SELECT pg_temp.refused('SELECT leadflow.form_view(''visit'')'), pg_temp.refused('SELECT leadflow.form_view(NULL)');
ROLLBACK;
-- a column that is generated from a field is that field, hidden as it is
BEGIN;
ALTER TABLE leadflow.lead ADD rank text GENERATED ALWAYS AS (fields ->> 'rank') STORED;
SELECT version FROM leadflow.set_form('lead', $$tags multiselect; rank "ランク" select('a' "上", 'b' "下") hidden$$);
INSERT INTO leadflow.lead (lead_id, fields) VALUES (1, '{"rank": "a"}');
SELECT rank, rank_label, col_description('leadflow.lead_view'::regclass, attnum) FROM leadflow.lead_view, pg_attribute WHERE attrelid = 'leadflow.lead_view'::regclass AND attname = 'rank';
SELECT leadflow.evaluate('lead(ランク = ''上'')'), leadflow.to_sql('lead(ランク = ''下'')');
CREATE ROLE regress_form_reader;
GRANT USAGE ON SCHEMA leadflow TO regress_form_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_form_reader;
SET LOCAL ROLE regress_form_reader;
SELECT rank, rank_label FROM leadflow.lead_view;
ROLLBACK;
-- every table that can have a form has its view, and all of them follow install()
BEGIN;
ALTER TABLE leadflow.activity ADD cost numeric;
ALTER TABLE leadflow.deal ADD margin numeric;
ALTER TABLE leadflow.application ADD booth text;
CALL leadflow.install();
SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid::regclass::text ~ '_view$' AND attname IN ('cost', 'margin', 'booth') ORDER BY 1;
ROLLBACK;
