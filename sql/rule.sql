SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

SELECT name, enabled, watches FROM leadflow.rule ORDER BY name;

BEGIN;
INSERT INTO leadflow.rep (rep_id, name, email) VALUES (1001, '田中', 't@example.jp'), (1002, '鈴木', 's@example.jp');
INSERT INTO leadflow.lead (lead_id, company, email, prefecture, created_at)
SELECT n, '会社' || n, n || '@example.jp', CASE WHEN n % 2 = 1 THEN '東京都' ELSE '大阪府' END, '2026-01-01' FROM generate_series(1, 9) AS n;
INSERT INTO leadflow.list (list_id, name) VALUES (1001, '営業'), (1002, '醸成');
SELECT leadflow.save_template('お礼', 'ありがとうございます', '{{lead.company}} 様'), leadflow.save_template('引継ぎ', '{{lead.company}}', '担当: {{rep.name|-}}');
CREATE FUNCTION pg_temp.log() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', r.name, lead_id, status, array_to_string(did, ', '), replace(g.error, E'\n', ' '), 'caused by ' || (SELECT name FROM leadflow.rule_log AS p JOIN leadflow.rule USING (rule_id) WHERE p.log_id = g.caused_by))
      FROM leadflow.rule_log AS g JOIN leadflow.rule AS r USING (rule_id) ORDER BY log_id $$;

-- what happened, if, then: all that a rule can do, in one statement with its cause
SELECT leadflow.create_rule('商談化を営業へ', '{"result": "商談化"}', '[{"add_to_list": "営業"}, {"assign": "田中"}, {"create_task": "日程調整", "due_in": 2},
    {"open_deal": "新規", "amount": 100, "close_in": 30}, {"set": {"ナーチャリング対象": false}}, {"notify": "rep", "template": "引継ぎ"}, {"mail": "お礼"}]', 'リード(都道府県 = ''東京都'')') > 0;
SELECT leadflow.create_rule('営業に入った', '{"enters": "営業"}', '[{"notify": "鈴木", "subject": "営業リスト", "channel": "slack"}, {"notify": "boss@example.jp"}]') > 0;
SELECT event, condition FROM leadflow.rule WHERE name = '商談化を営業へ';
SELECT count(*) FROM leadflow.record_activity(1, '2026-06-08', '電話', '商談化', content => '来週訪問');
SELECT count(*) FROM leadflow.record_activities('[{"lead_id": 2, "acted_on": "2026-06-08", "result": "商談化"}, {"lead_id": 3, "acted_on": "2026-06-08", "result": "継続フォロー"}]');
SELECT pg_temp.log();
SELECT lead_id, rep_id, entered_reason FROM leadflow.member;
SELECT lead_id, title, due_on = leadflow.local_date(now(), 'Asia/Tokyo') + 2, rep_id, note, activity_id IS NOT NULL FROM leadflow.task;
SELECT lead_id, name, stage, amount, rep_id, note FROM leadflow.deal;
SELECT nurturing FROM leadflow.lead WHERE lead_id IN (1, 2) ORDER BY lead_id;
SELECT kind, channel, rep_id, address, lead_id, subject, body FROM leadflow.notification ORDER BY notification_id;
-- once for an activity, whatever is corrected; a correction that makes it so is a transition
UPDATE leadflow.activity SET fields = fields || '{"result": "アーカイブ"}' WHERE lead_id = 1;
UPDATE leadflow.activity SET fields = fields || '{"result": "商談化"}' WHERE lead_id IN (1, 3);
SELECT pg_temp.log() OFFSET 3;
-- history that is brought along is no cause; what came where no trigger was is, at the tick
INSERT INTO leadflow.activity (lead_id, fields, applied_at) VALUES (5, '{"acted_on": "2026-06-08", "result": "商談化"}', '2026-06-08');
INSERT INTO leadflow.member (lead_id, list_id, entered_at) VALUES (5, 1001, '2026-06-08');
SET LOCAL session_replication_role = replica;
INSERT INTO leadflow.activity (lead_id, fields) VALUES (7, '{"acted_on": "2026-06-08", "result": "商談化"}');
SET LOCAL session_replication_role = origin;
SELECT count(*) FROM pg_temp.log();
SELECT leadflow.apply_activities();
SELECT pg_temp.log() OFFSET 5;
SELECT count(*) FROM leadflow.record_activity(9, '2026-06-08', '電話', '商談化', dry_run => true);
SELECT count(*) FROM pg_temp.log();
-- what it would have done
SELECT lead_id, cause ~ '^activity', status, did[1], error FROM leadflow.try_rule('商談化を営業へ', '2026-01-01');
SELECT count(*) FROM pg_temp.log();
UPDATE leadflow.rule SET enabled = false;

-- lists: who enters and leaves, and what does not change
SELECT leadflow.create_rule('去った', '{"leaves": "営業"}', '[{"add_to_list": "醸成"}, {"remove_from_list": "営業"}]') > 0;
SELECT leadflow.add_to_list('醸成', '{3}'::leadflow.leadset);
INSERT INTO leadflow.hold (lead_id, list_id) VALUES (5, 1002);
UPDATE leadflow.lead SET do_not_contact = true WHERE lead_id = 7;
SELECT leadflow.remove_from_list('営業', '{1,3,5,7}'::leadflow.leadset);
SELECT pg_temp.log() OFFSET 7;
SELECT leadflow.create_rule('均等', '{"enters": "営業"}', '[{"distribute": "even", "reps": ["田中", "鈴木"]}]') > 0;
SELECT leadflow.create_rule('育成', '{"enters": "醸成"}', '[{"assign": "田中", "list": "営業"}]') > 0;
SELECT leadflow.add_to_list('営業', '{2,4,6}'::leadflow.leadset), leadflow.add_to_list('醸成', '{2,8}'::leadflow.leadset);
SELECT pg_temp.log() OFFSET 11;
UPDATE leadflow.rule SET enabled = false;

-- deals: a stage, or a kind of stage
SELECT leadflow.create_rule('提案以降', '{"stage": ["提案", "見積"]}', '[{"create_task": "見積"}]') > 0, leadflow.create_rule('成約', '{"deal": "won"}', '[{"create_task": "契約書"}]') > 0;
UPDATE leadflow.rule SET enabled = true WHERE name = '失注リードをナーチャリングへ';
INSERT INTO leadflow.deal (lead_id, name, stage) VALUES (2, 'a', '提案'), (4, 'b', 'ヒアリング');
UPDATE leadflow.lead SET nurturing = false WHERE lead_id = 4;
UPDATE leadflow.deal SET stage = '見積' WHERE lead_id = 2;
UPDATE leadflow.deal SET stage = '失注' WHERE lead_id = 4;
UPDATE leadflow.deal SET stage = '受注' WHERE lead_id IN (2, 4);
UPDATE leadflow.deal SET amount = 5;
SELECT pg_temp.log() OFFSET 16;
SELECT nurturing FROM leadflow.lead WHERE lead_id = 4;
UPDATE leadflow.rule SET enabled = false;

-- fields: that become a value, or another; by names and labels
SELECT leadflow.create_rule('規模', '{"field": "リード.従業員数"}', '[{"create_task": "規模"}]') > 0, leadflow.create_rule('VIP', '{"field": "lead.tags", "to": "VIP"}', '[{"create_task": "VIP"}]') > 0,
    leadflow.create_rule('担当', '{"field": "lead.rep", "to": ["田中", "鈴木"]}', '[{"create_task": "引継ぎ"}]') > 0, leadflow.create_rule('電話', '{"field": "activity.kind", "to": "電話", "list": "営業"}', '[{"create_task": "電話"}]') > 0;
SELECT event FROM leadflow.rule WHERE name = '規模';
UPDATE leadflow.lead SET employees = 10, fields = '{"tags": ["A", "VIP"]}', rep_id = 1001 WHERE lead_id = 6;
UPDATE leadflow.lead SET employees = 10, fields = '{"tags": ["VIP"]}', rep_id = 1002 WHERE lead_id = 6;
UPDATE leadflow.lead SET employees = NULL, fields = '{}', rep_id = NULL WHERE lead_id = 6;
INSERT INTO leadflow.lead (lead_id, employees, created_at) VALUES (20, 5, now()), (21, 5, '2026-01-01'), (22, NULL, now());
SELECT count(*) FROM leadflow.record_activities('[{"lead_id": 6, "kind": "電話"}, {"lead_id": 6, "kind": "電話", "list": "営業"}, {"lead_id": 6, "kind": "メール", "list": "営業"}]');
SELECT pg_temp.log() OFFSET 21;
UPDATE leadflow.rule SET enabled = false;

-- of applications, by campaign, column and form; one that comes with its history is no cause, whatever becomes of it later is
SELECT version FROM leadflow.set_form('application', 'plan "プラン" select(''basic'' "基本", ''pro'' "上位"); seats "席数" number');
INSERT INTO leadflow.campaign (campaign_id, name) VALUES (1001, '展示会');
SELECT leadflow.create_rule('上位プラン', '{"field": "申込.プラン", "to": "上位"}', '[{"create_task": "提案"}]') > 0, leadflow.create_rule('席数', '{"field": "application.seats"}', '[{"create_task": "見積"}]') > 0,
    leadflow.create_rule('来場', '{"field": "application.campaign", "to": "展示会"}', '[{"create_task": "お礼電話"}, {"notify": "rep", "subject": "来場"}]') > 0;
SELECT event, watches FROM leadflow.rule WHERE name = '上位プラン';
INSERT INTO leadflow.application (lead_id, applied_at, campaign_id, fields) VALUES (2, DEFAULT, 1001, '{"plan": "basic"}'), (4, '2026-06-01', 1001, '{"plan": "pro", "seats": 5}'), (6, DEFAULT, NULL, '{"plan": "pro"}');
UPDATE leadflow.application SET fields = '{"plan": "pro", "seats": 5}';
UPDATE leadflow.application SET fields = '{"plan": "pro", "seats": 9}', status = '済' WHERE lead_id = 4;
SELECT r.name, g.lead_id, g.status, g.did, regexp_replace(g.cause, '[0-9]+', 'N', 'g') AS cause, g.detail = jsonb_build_object('application_id', p.application_id)
  FROM leadflow.rule_log AS g JOIN leadflow.rule AS r USING (rule_id) JOIN leadflow.application AS p USING (lead_id) WHERE r.name IN ('上位プラン', '席数', '来場') ORDER BY g.log_id;
UPDATE leadflow.rule SET enabled = false;

-- notices: to a role too; nothing in a lead's name ends the subject, and html is said to be html
SELECT leadflow.save_template('html', '{{lead.company}}', '<p>{{lead.company}}</p>', format => 'html') <> '';
SELECT leadflow.create_rule('知らせ', '{"leaves": "営業"}', '[{"notify": "marketing", "subject": "離脱"}, {"notify": "田中", "template": "html"}]') > 0;
UPDATE leadflow.lead SET company = E'A&B\r\nBcc: x@evil.example', last_name = E'\u2028山田' WHERE lead_id = 4;
SELECT leadflow.add_to_list('営業', '{4}'::leadflow.leadset), leadflow.remove_from_list('営業', '{4}'::leadflow.leadset);
SELECT rep_id, role, address, to_json(subject), to_json(body), payload - '{cause,list_id,member_id}'::text[] FROM leadflow.notification WHERE payload ->> 'rule' = '知らせ' ORDER BY notification_id;

-- more leads than a segment has room for
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2026-01-01' FROM generate_series(1001, 11001) AS n;
INSERT INTO leadflow.list (list_id, name) VALUES (1003, '大勢');
SELECT leadflow.create_rule('大勢を均等', '{"enters": "大勢"}', '[{"distribute": "even", "reps": ["田中", "鈴木"]}]') > 0;
SELECT leadflow.add_to_list('大勢', 'lead(lead_id > 1000)'::leadflow.segment);
SELECT status, did, count(*) FROM leadflow.rule_log JOIN leadflow.rule AS r USING (rule_id) WHERE r.name = '大勢を均等' GROUP BY 1, 2 ORDER BY 2;
ROLLBACK;

-- dates and segments come with the tick; who was there before the rule was is no cause
BEGIN;
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2026-01-01' FROM generate_series(1, 5) AS n;
INSERT INTO leadflow.list (list_id, name) VALUES (1001, '営業');
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (1, now(), 1);
CREATE FUNCTION pg_temp.day(n integer) RETURNS date LANGUAGE sql AS $$ SELECT leadflow.local_date(now(), 'Asia/Tokyo') + n $$;
CREATE FUNCTION pg_temp.tick(days integer) RETURNS SETOF text LANGUAGE sql AS $$
    WITH ran AS MATERIALIZED (SELECT max(leadflow.run_rule(rule_id, now() + days * interval '1 day')) FROM (SELECT * FROM leadflow.rule ORDER BY rule_id) AS r)
    SELECT 'tick ' || days FROM ran $$;
CREATE FUNCTION pg_temp.new() RETURNS SETOF text LANGUAGE sql AS $$
    UPDATE leadflow.rule_log AS g SET detail = '{"shown": true}' FROM leadflow.rule AS r WHERE r.rule_id = g.rule_id AND NOT g.detail ? 'shown'
    RETURNING concat_ws(' | ', r.name, lead_id, regexp_replace(cause, '(member|deal|at) .*', '\1'), status) $$;
SELECT leadflow.create_rule('来訪', '{"enters_segment": "トラッキング(訪問日時 within 1 day)"}', '[{"create_task": "電話"}]') > 0, leadflow.create_rule('離脱', '{"leaves_segment": "visit(visited_at within 1 day)"}', '[{"create_task": "メール"}]') > 0,
    leadflow.create_rule('完了3日前', '{"date": "deal.expected_close_on", "days": -3}', '[{"create_task": "クロージング"}]') > 0, leadflow.create_rule('再連絡', '{"date": "member.next_contact_on"}', '[{"create_task": "再連絡"}]') > 0;
SELECT event, seen FROM leadflow.rule WHERE name = '来訪';
INSERT INTO leadflow.deal (lead_id, name, stage, expected_close_on) VALUES (1, 'a', '提案', pg_temp.day(3)), (2, 'b', '提案', pg_temp.day(5)), (3, 'c', '受注', pg_temp.day(3)), (4, 'past', '提案', pg_temp.day(-30));
SELECT leadflow.add_to_list('営業', '{4,5}'::leadflow.leadset);
UPDATE leadflow.member SET next_contact_on = pg_temp.day(1);
SELECT pg_temp.tick(0); SELECT pg_temp.new() ORDER BY 1;
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (2, now(), 1);
SELECT pg_temp.tick(0), pg_temp.tick(0); SELECT pg_temp.new() ORDER BY 1;
SELECT leadflow.remove_from_list('営業', '{5}'::leadflow.leadset);
SELECT pg_temp.tick(1); SELECT pg_temp.new() ORDER BY 1;
-- days without a tick are caught up with; a date that moves is another
SELECT pg_temp.tick(4); SELECT pg_temp.new() ORDER BY 1;
UPDATE leadflow.deal SET expected_close_on = expected_close_on + 1 WHERE name = 'b';
UPDATE leadflow.deal SET expected_close_on = pg_temp.day(4) WHERE name = 'past';
SELECT pg_temp.tick(5); SELECT pg_temp.new() ORDER BY 1;
-- while it is disabled nothing is a cause, nor is it when it is enabled again
UPDATE leadflow.rule SET enabled = false WHERE name IN ('来訪', '再連絡');
SELECT pg_temp.tick(6);
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (3, now() + interval '6 days', 1);
UPDATE leadflow.rule SET enabled = true WHERE name IN ('来訪', '再連絡');
SELECT pg_temp.tick(6); SELECT pg_temp.new() ORDER BY 1;
INSERT INTO leadflow.visit (lead_id, visited_at, pages) VALUES (4, now() + interval '6 days', 1);
SELECT pg_temp.tick(6); SELECT pg_temp.new() ORDER BY 1;
SELECT lead_id, status, did FROM leadflow.try_rule('来訪', now() - interval '2 days', now() + interval '7 days');
SELECT lead_id, cause ~ 'expected_close_on', did FROM leadflow.try_rule('完了3日前', now() - interval '2 days');
INSERT INTO leadflow.application (lead_id, applied_at) VALUES (5, now() - interval '1 day'), (3, now() - interval '30 days');
SELECT leadflow.create_rule('申込1週間後', '{"date": "application.applied_at", "days": 7}', '[{"create_task": "その後"}]') > 0;
SELECT pg_temp.tick(6); SELECT pg_temp.new() ~ '申込1週間後 . 5 .*applied_at .*done';
-- a date of a form, whatever it is called
SELECT version FROM leadflow.set_form('lead', '"o''clock%s" date');
SELECT leadflow.create_rule('時刻', '{"date": "lead.o''clock%s"}', '[{"create_task": "時刻"}]') > 0;
UPDATE leadflow.lead SET form_version = DEFAULT, fields = jsonb_build_object('o''clock%s', pg_temp.day(7)) WHERE lead_id = 1;
SELECT pg_temp.tick(7); SELECT pg_temp.new() ~ '時刻.*o''clock%s .*done';
ROLLBACK;

-- what fails is undone and tried again, each lead by itself, and stops nobody
BEGIN;
INSERT INTO leadflow.lead (lead_id, created_at) SELECT n, '2026-01-01' FROM generate_series(1, 5) AS n;
INSERT INTO leadflow.list (list_id, name, max_members) VALUES (1001, '営業', 1);
CREATE FUNCTION pg_temp.log() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', r.name, lead_id, status, attempts, retry_at - g.fired_at, array_to_string(did, ', '), replace(g.error, E'\n', ' '))
      FROM leadflow.rule_log AS g JOIN leadflow.rule AS r USING (rule_id) ORDER BY log_id $$;
SELECT leadflow.create_rule('満員', '{"deal": "open"}', '[{"create_task": "x"}, {"add_to_list": "営業"}]') AS id \gset
SELECT leadflow.create_rule('その後', '{"deal": "open"}', '[{"create_task": "y"}]') > 0;
INSERT INTO leadflow.deal (lead_id, name, stage) VALUES (1, 'a', '提案'), (2, 'b', '提案'), (3, 'c', '提案');
SELECT pg_temp.log();
SELECT title, count(*) FROM leadflow.task GROUP BY title ORDER BY title;
SELECT leadflow.run_rule(:id, now());
SELECT leadflow.run_rule(:id, now() + interval '5 minutes');
SELECT pg_temp.log() LIMIT 3;
UPDATE leadflow.list SET max_members = NULL;
SELECT leadflow.run_rule(:id, now() + interval '15 minutes'), leadflow.run_rule(:id, now() + interval '1 day');
SELECT pg_temp.log() LIMIT 3;
SELECT title, count(*) FROM leadflow.task GROUP BY title ORDER BY title;
-- rules that cause each other have an end, and nothing of it stays; who wants no warnings gets none
SELECT leadflow.create_rule('入', '{"enters": "営業"}', '[{"remove_from_list": "営業", "hold_for": "0"}]') > 0, leadflow.create_rule('出', '{"leaves": "営業"}', '[{"add_to_list": "営業"}]') > 0;
SELECT leadflow.add_to_list('営業', '{5}'::leadflow.leadset);
SELECT pg_temp.log() OFFSET 6;
SET LOCAL client_min_messages = error;
SELECT leadflow.add_to_list('営業', '{4}'::leadflow.leadset);
SET LOCAL client_min_messages = notice;
SELECT left_at IS NULL, count(*) FROM leadflow.member WHERE lead_id = 5 GROUP BY 1;
-- nor gets who may not read the log, by verb or statement: what fails may speak of what they do not see
CREATE ROLE regress_rule_sales;
INSERT INTO leadflow.rep (rep_id, name, db_role) VALUES (1001, '田中', 'regress_rule_sales');
INSERT INTO leadflow.lead (lead_id, rep_id, created_at) VALUES (6, 1001, '2026-01-01');
SELECT count(*) > 0 FROM leadflow.grant_access('regress_rule_sales', 'sales');
UPDATE leadflow.list SET max_members = 1, visibility = '{秘密}';
UPDATE leadflow.rule SET enabled = false WHERE name IN ('入', '出');
SELECT leadflow.create_rule('秘密', '{"result": "商談化"}', '[{"add_to_list": "営業"}]') > 0;
SET LOCAL ROLE regress_rule_sales;
SELECT count(*) FROM leadflow.record_activity(6, '2026-06-08', '電話', '商談化');
INSERT INTO leadflow.deal (lead_id, name, stage, rep_id) VALUES (6, 'd', '提案', 1001);
RESET ROLE;
SELECT pg_temp.log() OFFSET 8;
SELECT count(*) FROM leadflow.record_activity(6, '2026-06-09', '電話', '商談化');
UPDATE leadflow.rule SET enabled = false WHERE name = '秘密';
-- a column that is gone stops no one from working
ALTER TABLE leadflow.lead ADD COLUMN grade text;
SELECT leadflow.create_rule('等級', '{"field": "lead.grade", "to": "A"}', '[{"create_task": "A"}]') > 0;
UPDATE leadflow.lead SET grade = 'A' WHERE lead_id = 1;
ALTER TABLE leadflow.lead DROP COLUMN grade;
\set VERBOSITY terse
UPDATE leadflow.lead SET company = 'x' WHERE lead_id = 1;
\set VERBOSITY default
SELECT name, split_part(error, E'\n', 1) FROM leadflow.rule WHERE error IS NOT NULL;
SELECT company FROM leadflow.lead WHERE lead_id = 1;
ROLLBACK;

-- who records need not be able to do what a rule does
CREATE ROLE regress_caller;
GRANT USAGE ON SCHEMA leadflow TO regress_caller;
GRANT SELECT, INSERT ON leadflow.activity TO regress_caller;
GRANT SELECT ON leadflow.form_version, leadflow.setting, leadflow.rep, leadflow.list, leadflow.lead TO regress_caller;
GRANT USAGE ON SEQUENCE leadflow.activity_activity_id_seq TO regress_caller;
BEGIN;
INSERT INTO leadflow.lead (lead_id, created_at) VALUES (1, '2026-01-01');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"create_task": "x"}]') > 0;
SET LOCAL ROLE regress_caller;
SELECT closed FROM leadflow.record_activity(1, '2026-06-08', result => '商談化');
SELECT current_user;
-- but what comes with time is for the owner to say, as is what time it is
\set VERBOSITY terse
\set ON_ERROR_ROLLBACK on
SELECT leadflow.run_rule(1, '2100-01-01');
SELECT leadflow.apply_activities();
-- who may change rules may try them
RESET ROLE;
GRANT SELECT ON leadflow.rule TO regress_caller;
SET LOCAL ROLE regress_caller;
SELECT leadflow.try_rule('r', '2020-01-01');
RESET ROLE;
GRANT UPDATE ON leadflow.rule TO regress_caller;
SET LOCAL ROLE regress_caller;
SELECT lead_id, did FROM leadflow.try_rule('r', '2020-01-01');
SELECT current_user;
\set ON_ERROR_ROLLBACK off
\set VERBOSITY default
RESET ROLE;
SELECT title FROM leadflow.task;
ROLLBACK;
DROP OWNED BY regress_caller;
DROP ROLE regress_caller;

-- errors: all is checked when the rule is made
BEGIN;
INSERT INTO leadflow.rep (name) VALUES ('田中');
INSERT INTO leadflow.list (name) VALUES ('営業');
SELECT leadflow.save_template('お礼', 'x', 'y') <> '';
\set ON_ERROR_ROLLBACK on
SELECT leadflow.create_rule(NULL, '{}', '[]');
SELECT leadflow.create_rule('', '{}', '[]');
SELECT leadflow.create_rule('r', '{}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '[]', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"resultt": "商談化"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化", "to": "A"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"result": "商談"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"result": []}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化", "list": "営行"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "leed.rank"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "visit.pages"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "employees"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "lead.emploees"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "lead.rep", "to": "田仲"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "lead.employees", "list": "営業"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "lead.employees", "to": [5, "6"]}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "lead.competitor", "to": "true"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "lead.company", "to": null}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"field": "deal.expected_close_on", "to": "2026-06-01"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"enters": "営行"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"enters": 5}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"enters_segment": "hot"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"stage": "提安"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"deal": "loss"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"date": "deal.name"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"date": "member.due_in"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"date": "deal.opened_at", "days": "7"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"date": "deal.opened_at", "days": 1.5}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"date": "deal.opened_at", "days": -36526}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '{"mail": "お礼"}');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '["mail"]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"mail": "お礼"}, {"add_to_lst": "営業"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"mail": "お札"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"add_to_list": "営行"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"remove_from_list": "営業", "hold_for": "long"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"assign": "田中"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"assign": "田仲", "list": "営業"}]');
SELECT leadflow.create_rule('r', '{"enters": "営業"}', '[{"distribute": "evenly"}]');
SELECT leadflow.create_rule('r', '{"enters": "営業"}', '[{"distribute": "even", "reps": ["田中", "田仲"]}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"set": {"nurturin": true}}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"set": 1}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"create_task": "x", "due": 1}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"open_deal": "x", "stage": "提安"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"open_deal": "x", "close_in": 36526}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"notify": "田仲"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"notify": "rep", "template": "お礼", "subject": "x"}]');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"mail": "お礼"}]', 'visits(pages > 1)');
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"mail": "お礼"}]') > 0;
SELECT leadflow.create_rule('r', '{"result": "商談化"}', '[{"mail": "お礼"}]');
SELECT leadflow.create_rule('r', '{"result": ["商談化", "アーカイブ"]}', '[{"mail": "お礼"}]', replace => true) > 0;
SELECT event FROM leadflow.rule WHERE name = 'r';
SELECT leadflow.try_rule('s', '2026-01-01');
SELECT leadflow.try_rule('r', '2026-01-01', '2025-01-01');
SELECT leadflow.create_rule('f', '{"field": "lead.employees"}', '[{"mail": "お礼"}]') > 0;
SELECT leadflow.try_rule('f', '2026-01-01');
SELECT leadflow.watch_rows();
-- a form says which rules use what it would drop
SELECT version FROM leadflow.set_form('lead', 'grade "格付" radio(''A'', ''B''); points integer');
SELECT leadflow.create_rule('g', '{"field": "lead.格付", "to": "A"}', '[{"set": {"points": 1}}]', 'lead(格付 = ''A'')') > 0;
SELECT event, condition FROM leadflow.rule WHERE name = 'g';
SELECT leadflow.set_form('lead', 'grade "格付" radio(''B'')');
ROLLBACK;
