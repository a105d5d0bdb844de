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

-- lenient readers: what is not there or not of the type is null
SELECT key, leadflow.form_number(document, key), leadflow.form_boolean(document, key), leadflow.form_choices(document, key),
       leadflow.form_date(document, key), leadflow.form_timestamp(document, key, 'Asia/Tokyo') AS at
  FROM (SELECT '{"int": 5.0, "big": 1e100, "text": "5", "true": true, "null": null, "tags": ["a", "い"], "none": [], "mixed": ["a", 1], "object": {},
                 "date": "2026-06-01", "local": "2026-06-01 09:30", "offset": "2026-06-01T09:30:15.5+01:00", "no date": "2026-02-30"}'::jsonb AS document) AS d,
       unnest(ARRAY['int', 'big', 'text', 'true', 'null', 'tags', 'none', 'mixed', 'object', 'date', 'local', 'offset', 'no date', 'missing']) AS key;
SELECT leadflow.form_number('[5]', '0'), leadflow.form_number('5', 'x'), leadflow.form_choices('["a"]', 'a'), leadflow.form_number(NULL, 'a');
-- a local time that is skipped, and one that comes twice
SELECT leadflow.form_timestamp(jsonb_build_object('t', t), 't', 'America/New_York') FROM unnest(ARRAY['2026-03-08 02:30', '2026-11-01 01:30']) AS t;

BEGIN;
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 6) AS n;
SELECT version FROM leadflow.set_form('activity', $$
    acted_on "実施日" date; kind "種別" radio('tel' "電話", 'mail' "メール", 'fax' "FAX" retired);
    result radio('継続フォロー', '商談化', 'アーカイブ'); budget "予算" number; seats integer; met "面談" timestamp; done "済" checkbox;
    media "媒体" multiselect('web' "ウェブ", 'tv' "テレビ"); free "自由" multiselect; memo "メモ" text; due "期日" date; list "Liste" text; recorded_at "記録" text$$);
INSERT INTO leadflow.activity (lead_id, activity_id, recorded_at, fields) VALUES
    (1, 1, '2000-01-01', '{"acted_on": "2026-01-05", "kind": "tel", "budget": 100, "seats": 3, "met": "2026-06-01 00:30", "done": true, "media": ["web", "tv"], "free": ["x"], "memo": "a%b", "due": "2026-06-01", "list": "theirs"}'),
    (2, 2, '2000-01-01', '{"kind": "mail", "budget": 99.5, "met": "2026-05-31T15:30:00Z", "done": false, "media": ["tv"], "memo": ""}'),
    (3, 3, '2000-01-01', '{"budget": 100, "met": "2026-05-31 23:59", "media": []}');
-- held to no form
INSERT INTO leadflow.activity (lead_id, recorded_at, form_version, fields) VALUES (4, '2000-01-01', 0, '{"kind": "電話", "budget": "100", "done": "true", "media": "tv", "met": "soon", "memo": 7}');
SELECT segment, leadflow.evaluate(segment, '2026-07-01', 'Asia/Tokyo') FROM unnest(ARRAY[
    'activity(budget >= 100)', '活動履歴(予算 between 99 and 99.9)', 'activity(not budget > 0)', 'activity(budget is null)', 'sum(activity.budget) > 99', 'avg(activity.予算) = 100', 'max(activity.due) at least 1 days ago', 'count(activity.budget) = 0', 'count(distinct activity.seats) = 1',
    'activity(done)', 'activity(済 = false)', 'activity(not done)', 'activity(met = ''2026-06-01'')', 'activity(面談 before ''2026-06-01'')', 'activity(met >= ''2026-05-31T15:30Z'')', 'activity(met is null)', 'activity(met within 60 days)', 'activity(met more than 700 hours ago)',
    'activity(media contains ''tv'')', 'activity(媒体 contains ''テレビ'' and not media contains ''web'')', 'activity(media is empty)', 'activity(media is not empty)', 'activity(free contains ''x'')', 'activity(memo is empty)', 'activity(メモ contains ''%'')', 'activity(memo = ''7'')', 'max(activity.memo) >= ''a''',
    'activity(due in this month)', 'activity(due 30 days ago)', 'last(activity)(budget = 100)', 'first(activity where budget > 0)(kind = ''電話'')',
    'activity(kind = ''tel'')', 'activity(kind = ''電話'')', 'activity(種別 in (''電話'', ''mail''))', 'activity(kind not in (''FAX'', ''電話''))', 'activity(kind <> ''メール'')', 'activity(kind like ''電話'')', 'activity(実施日 = ''2026-01-05'')', 'activity(list = ''theirs'')', 'activity(リスト is null)']::leadflow.segment[]) AS segment;
-- another zone, another day
SELECT leadflow.evaluate('activity(met = ''2026-06-01'')', '2026-07-01', 'UTC');
-- one lead, and why
SELECT leadflow.matches(1, 'activity(予算 >= 100 and 媒体 contains ''テレビ'')', '2026-07-01'), leadflow.matches(2, 'activity(予算 >= 100)', '2026-07-01'), leadflow.matches(4, 'activity(budget is null)', '2026-07-01');
SELECT segment, w.holds, w.found, w.evidence FROM unnest(ARRAY['activity(予算 >= 200 and 媒体 contains ''ウェブ'')', 'activity(met within 5 days)', 'sum(activity.seats) >= 5', 'max(activity.met) at least 1 day ago', 'count(activity.budget) = 1', 'last(activity)(done)', 'not activity(種別 = ''電話'')']::leadflow.segment[]) AS segment,
    LATERAL leadflow.why(1, segment, '2026-07-01', 'Asia/Tokyo') AS w WHERE w.depth = 0;

-- what does not bind: the nearest name, the type, the choice
SELECT segment, c.position, c.sqlstate, c.message, c.detail, c.hint FROM unnest(ARRAY[
    'activity(budgett > 1)', 'activity(予算額 > 1)', 'activity(日付 today)', 'activity(budget contains ''1'')', 'activity(budget = ''many'')', 'activity(memo > 5)', 'activity(done > true)', 'activity(memo)', 'activity(media = ''tv'')', 'activity(met = ''soon'')', 'activity(due = ''2026-06-01 09:00'')',
    'activity(kind = ''電話機'')', 'activity(kind in (''tel'', ''x'', ''mial''))', 'activity(kind not in (''ファックス''))', 'activity(media contains ''ラジオ'')', 'activity(kind = ''電話'' or kind = ''tell'')', 'activity(kind = 5)', 'sum(activity.memo) > 1',
    'activity(kind starts with ''x'' and kind > ''x'' and free contains ''zz'')', 'last(activity where kind = ''x'')(kind = ''y'')']) AS segment, LATERAL leadflow.check_segment(segment::leadflow.segment) AS c;

-- names are stored, of fields and of choices
SELECT leadflow.save_segment('by labels', '活動履歴(種別 in (''電話'', ''メール'') and 媒体 contains ''テレビ'' and 予算 > 1)');
SELECT segment FROM leadflow.saved_segment WHERE name = 'by labels';
SELECT leadflow.create_list('by labels', '活動履歴(種別 <> ''電話'')') > 0;
SELECT segment FROM leadflow.list WHERE name = 'by labels';

-- so a label can change; what could be chosen before is still known, by key and by label
SELECT version FROM leadflow.set_form('activity', $$
    acted_on date; kind "種別" radio('tel' "TEL", 'mail' "メール", 'fax' retired);
    result radio('継続フォロー', '商談化', 'アーカイブ'); budget "ご予算" number; seats integer; met timestamp; done checkbox;
    media multiselect('web', 'tv'); free multiselect; memo text; due date; list text; recorded_at text$$);
SELECT segment, leadflow.evaluate(segment, '2026-07-01') FROM unnest(ARRAY['segment(''by labels'')', 'activity(kind = ''電話'')', 'activity(種別 = ''TEL'')', 'activity(kind = ''FAX'')', 'activity(media contains ''テレビ'')', 'activity(ご予算 = 100)', 'activity(日付 is not null)']::leadflow.segment[]) AS segment;

-- what segments use is neither dropped nor changed; labels name it as well
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'kind radio(''tel'', ''mail'', ''fax''); result radio(''商談化''); media multiselect(''web'', ''tv'')')$$);
UPDATE leadflow.activity SET form_version = 0, fields = '{}';
SELECT leadflow.save_segment('unnamed', 'everyone');
UPDATE leadflow.saved_segment SET segment = '活動履歴(種別 = ''TEL'')' WHERE name = 'unnamed';
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'acted_on date; kind radio(''mail'', ''fax''); result radio(''商談化''); media multiselect(''web''); budget number')$$);
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'acted_on date; kind radio(''tel'', ''mail''); result radio(''商談化''); media multiselect(''web'', ''tv''); budget text')$$);
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'acted_on date; kind radio(''tel'', ''mail''); result radio(''商談化''); media multiselect(''web'', ''tv''); budget text', dry_run => true)$$);
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'acted_on date; kind radio(''tel'', ''mail''); result radio(''商談化''); media multiselect(''web'', ''tv''); budget integer; memo text')$$);
SELECT leadflow.save_segment('memo', 'activity(memo = ''x'')');
SELECT pg_temp.refused($$SELECT leadflow.set_form('activity', 'acted_on date; kind radio(''tel'', ''mail''); result radio(''商談化''); media multiselect(''web'', ''tv''); budget integer; memo select(''y'')')$$);
ROLLBACK;

-- two of a label
BEGIN;
SELECT version FROM leadflow.set_form('lead', 'tags "タグ" multiselect; mobile "電話番号" phone; rank "ランク" select(''a'' "上", ''b'' "上", ''c'' "下"); email "連絡先" text; size "従業員数" integer');
SELECT c.sqlstate, c.message, c.detail, c.hint FROM leadflow.check_segment('lead(電話番号 is null or 連絡先 is null or rank = ''上'' or rank in (''下'') or 従業員数 > 5)') AS c;
-- a column hides the field of its name
INSERT INTO leadflow.lead (lead_id, email, fields, created_at) VALUES (1, 'a@b.jp', '{"email": "x", "tags": ["VIP"], "rank": "c", "size": 5}', '2000-01-01');
SELECT leadflow.evaluate('lead(email = ''a@b.jp'')'), leadflow.evaluate('lead(email = ''x'')'), leadflow.evaluate('lead(tags contains ''VIP'' and rank = ''下'' and size = 5)'), leadflow.evaluate('lead(not タグ contains ''VIP'')');
SELECT version FROM leadflow.set_form('application', 'plan "プラン" radio(''A'', ''B''); seats integer');
SELECT version FROM leadflow.set_form('deal', 'probability "確度" number min 0 max 100; stage text');
INSERT INTO leadflow.application (lead_id, applied_at, fields) VALUES (1, '2001-01-01', '{"plan": "A", "seats": 12}');
INSERT INTO leadflow.deal (lead_id, name, stage, opened_at, fields) VALUES (1, 'x', '提案', '2001-01-01', '{"probability": 60}');
SELECT leadflow.evaluate('申込(プラン = ''A'' and seats > 10)'), leadflow.evaluate('商談(確度 >= 50 and 商談ステージ = ''提案'')'), leadflow.evaluate('deal(probability > 60)');
-- a source of the same table has its fields, one of a view over it has not
CREATE VIEW public.big AS SELECT * FROM leadflow.application;
SELECT leadflow.register_source('applied', 'leadflow.application', 'lead_id', 'application_id', 'applied_at'), leadflow.register_source('big', 'public.big', 'lead_id', 'application_id', 'applied_at');
SELECT leadflow.evaluate('applied(plan = ''A'')'), (SELECT message FROM leadflow.check_segment('big(plan = ''A'')'));
ROLLBACK;

-- what a condition on a field is in SQL, and the index that it can use
BEGIN;
SELECT version FROM leadflow.set_form('activity', $$acted_on date required; result radio('商談化'); budget number; met timestamp; "it's" text; done checkbox$$);
SELECT leadflow.to_sql('activity(budget >= 100 and met >= ''2026-06-01'' and "it''s" is not empty and done)');
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2000-01-01' FROM generate_series(1, 1000) AS n;
INSERT INTO leadflow.activity (lead_id, fields) SELECT n, jsonb_build_object('acted_on', '2026-01-01', 'budget', n, 'it''s', 'x' || n) FROM generate_series(1, 1000) AS n;
CREATE INDEX by_budget ON leadflow.activity (leadflow.form_number(fields, 'budget'));
CREATE INDEX by_text ON leadflow.activity ((fields ->> 'it''s'));
CREATE INDEX by_met ON leadflow.activity (leadflow.form_timestamp(fields, 'met', 'Asia/Tokyo'));
ANALYZE leadflow.lead, leadflow.activity;
CREATE FUNCTION pg_temp.uses(segment leadflow.segment) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || replace(replace(leadflow.to_sql(segment), '$1', '''2026-07-01''::timestamptz'), '$2', '''Asia/Tokyo''') LOOP
        IF line ~ 'by_|Index Cond: .*form|Index Cond: .*>>' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END
$$;
SELECT pg_temp.uses('activity(budget >= 999)');
SELECT pg_temp.uses('activity("it''s" = ''x5'')');
SELECT pg_temp.uses('activity(met > ''2026-06-15'')');
ROLLBACK;

-- the forms are gone by without the privilege to read them
BEGIN;
CREATE ROLE regress_form_reader;
GRANT USAGE ON SCHEMA leadflow TO regress_form_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_form_reader;
SET LOCAL ROLE regress_form_reader;
SELECT leadflow.evaluate('activity(result = ''商談化'')');
RESET ROLE;
REVOKE SELECT ON leadflow.form_version FROM regress_form_reader;
SET LOCAL ROLE regress_form_reader;
SELECT leadflow.evaluate('activity(result = ''商談化'')'), current_user;
SELECT pg_temp.refused($$SELECT leadflow.evaluate('activity(result = ''商談'')')$$), current_user;
ROLLBACK;
