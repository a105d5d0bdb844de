-- Who may see and do what: two reps, marketing and an analyst, as roles of their own.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS leadflow CASCADE;
DROP SCHEMA IF EXISTS leadflow CASCADE;
CREATE EXTENSION leadflow;
CREATE ROLE regress_owner;
CREATE ROLE regress_marketing;
CREATE ROLE regress_tanaka;
CREATE ROLE regress_sato;
CREATE ROLE regress_analyst;
CREATE ROLE regress_reader;
GRANT USAGE, CREATE ON SCHEMA leadflow TO regress_owner WITH GRANT OPTION;
GRANT USAGE ON SCHEMA leadflow TO regress_reader;
RESET client_min_messages;
SET ROLE regress_owner;
CALL leadflow.install('Asia/Tokyo');
GRANT SELECT ON leadflow.lead TO regress_reader;

SELECT relation, privileges FROM leadflow.grant_access('regress_tanaka', 'sales', dry_run => true) WHERE privileges <> 'SELECT' OR relation IN ('lead', 'list', 'refresh_run', 'rep', 'rule_log', 'schedule');
SELECT relrowsecurity FROM pg_class WHERE oid = 'leadflow.lead'::regclass;
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_tanaka', 'sales');
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_sato', 'sales');
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_marketing', 'marketing');
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_analyst', 'analyst');
-- again, and after install(): the same
CREATE TEMP VIEW granted AS
SELECT c.relname, c.relrowsecurity, c.relacl::text, p.policies, a.columns
  FROM pg_class AS c,
       LATERAL (SELECT string_agg(p::text, ' ' ORDER BY p.policyname) AS policies FROM pg_policies AS p
                 WHERE p.schemaname = 'leadflow' AND p.tablename = c.relname) AS p,
       LATERAL (SELECT string_agg(concat(a.attname, a.attacl), ' ' ORDER BY a.attnum) AS columns FROM pg_attribute AS a
                 WHERE a.attrelid = c.oid) AS a
 WHERE c.relnamespace = 'leadflow'::regnamespace;
CREATE TEMP TABLE granted_before AS TABLE granted;
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_tanaka', 'sales');
CALL leadflow.install();
TABLE granted EXCEPT TABLE granted_before;
-- every table with rows of leads has row-level security, forced on nobody
SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'lead_id'
 WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind = 'r' AND (NOT c.relrowsecurity OR c.relforcerowsecurity);
SELECT relname FROM pg_class WHERE relnamespace = 'leadflow'::regnamespace AND relkind = 'v'
   AND NOT 'security_invoker=true' = ANY (reloptions);
SELECT proname FROM pg_proc WHERE pronamespace = 'leadflow'::regnamespace AND prosecdef;

-- Tanaka is of team east, Sato of team west
INSERT INTO leadflow.rep (name, team, db_role) VALUES ('田中', 'east', 'regress_tanaka'), ('佐藤', 'west', 'regress_sato');
INSERT INTO leadflow.lead (company, email) SELECT '秘密' || n, 'lead' || n || '@example.jp' FROM generate_series(1, 9) AS n;
INSERT INTO leadflow.visit (lead_id, visited_at, pages, entry_url)
SELECT lead_id, now() - interval '1 day', 20, '/秘密' || lead_id FROM leadflow.lead;
INSERT INTO leadflow.application (lead_id, status) SELECT lead_id, '秘密' || lead_id FROM leadflow.lead;
INSERT INTO leadflow.activity (lead_id, fields, recorded_at)
SELECT lead_id, jsonb_build_object('acted_on', '2020-01-06', 'kind', '電話', 'content', '秘密' || lead_id), '2020-01-06' FROM leadflow.lead;
INSERT INTO leadflow.deal (lead_id, name, stage) SELECT lead_id, '秘密' || lead_id, '提案' FROM leadflow.lead;
INSERT INTO leadflow.task (lead_id, title) SELECT lead_id, '秘密' || lead_id FROM leadflow.lead;
UPDATE leadflow.lead SET rep_id = 1 WHERE lead_id = 1;
SELECT leadflow.create_list('all'), leadflow.create_list('east', visibility => '{east}'),
       leadflow.create_list('west', visibility => '{west}'), leadflow.create_list('closed');
SELECT leadflow.add_to_list('all', '{2}'::leadflow.leadset), leadflow.add_to_list('east', '{3,4}'::leadflow.leadset),
       leadflow.add_to_list('west', '{5,6,7}'::leadflow.leadset), leadflow.add_to_list('closed', '{8}'::leadflow.leadset);
SELECT leadflow.close_list('closed') IS NOT NULL AS closed;
-- 5 is Tanaka's although Sato's team shares it
UPDATE leadflow.member SET rep_id = 1 WHERE lead_id = 5;

-- ---- what each sees
RESET ROLE;
CREATE FUNCTION public.seen(OUT of text, OUT leads leadflow.leadset) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    FOR of IN SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'lead_id'
               WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind IN ('r', 'v')
                AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname COLLATE "C" LOOP
        EXECUTE format('SELECT leadflow.leadset_agg(lead_id) FROM leadflow.%I', of) INTO leads;
        RETURN NEXT;
    END LOOP;
END $$;
SET ROLE regress_tanaka;
SELECT * FROM public.seen() WHERE of IN ('activity', 'handoff_member', 'lead', 'member', 'visit');
SELECT of FROM public.seen() WHERE NOT leads OPERATOR(leadflow.<@) '{1-5}';
SELECT name FROM leadflow.list ORDER BY name COLLATE "C";
SELECT leadflow.evaluate('everyone'), leadflow.evaluate('visit(pages >= 15)'), leadflow.evaluate('not visit'),
       leadflow.evaluate('list(''west'')');
SELECT leadflow.evaluate('list(''no such list'')');
SET ROLE regress_sato;
SELECT * FROM public.seen() WHERE of IN ('activity', 'handoff_member', 'lead', 'member', 'visit');
SELECT of FROM public.seen() WHERE NOT leads OPERATOR(leadflow.<@) '{2,5-7}';
SET ROLE regress_marketing;
SELECT * FROM public.seen() WHERE of IN ('activity', 'handoff_member', 'lead', 'member', 'visit');
SET ROLE regress_analyst;
SELECT * FROM public.seen() WHERE of IN ('activity', 'handoff_member', 'lead', 'member', 'visit');
SELECT leadflow.evaluate('visit(pages >= 15) and not list(''west'')');
SET ROLE regress_reader;
SELECT count(*) FROM leadflow.lead;
SET ROLE regress_owner;
-- a rep who has left, or been moved
UPDATE leadflow.rep SET active = false WHERE name = '田中';
SET ROLE regress_tanaka;
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead;
SET ROLE regress_owner;
UPDATE leadflow.rep SET active = true, team = 'west' WHERE name = '田中';
SET ROLE regress_tanaka;
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead;
SET ROLE regress_owner;
UPDATE leadflow.rep SET team = 'east' WHERE name = '田中';

-- within one transaction, what is visible follows what is done
SET ROLE regress_tanaka;
BEGIN;
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead;
SAVEPOINT s;
SET ROLE regress_owner;
UPDATE leadflow.lead SET rep_id = 1 WHERE lead_id = 9;
SET ROLE regress_tanaka;
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead;
ROLLBACK TO s;
SET ROLE regress_tanaka;
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead;
COMMIT;

-- ---- what each may do
SET ROLE regress_tanaka;
SELECT closed, continued FROM leadflow.record_activity(3, kind => '電話', result => '継続フォロー', list => 'east', next_contact_on => '2030-01-07');
INSERT INTO leadflow.activity (lead_id, rep_id, fields) VALUES (5, 1, '{"acted_on": "2030-01-07", "result": "商談化"}');
INSERT INTO leadflow.deal (lead_id, rep_id, name, stage) VALUES (5, 1, '商談', '提案') RETURNING deal_id > 0 AS made;
INSERT INTO leadflow.task (lead_id, title, rep_id) VALUES (3, '資料送付', 2) RETURNING task_id > 0 AS made;
UPDATE leadflow.member SET memo = '不在', state = 'in_progress', next_contact_on = '2030-02-01' WHERE lead_id = 4;
-- and takes the next lead of a list that he sees, for himself
SELECT lead_id, list_name, company FROM leadflow.next_lead('all', '田中');
-- what it caused was done as the owner: the stay on Sato's list has ended
SET ROLE regress_owner;
SELECT lead_id, list_id, state, left_at IS NOT NULL AS gone, left_by, next_contact_on, memo FROM leadflow.member ORDER BY lead_id;
SELECT rep_id, recorded_by, form_version, applied_at IS NOT NULL AS applied FROM leadflow.activity WHERE activity_id > 9 ORDER BY activity_id;
SET ROLE regress_tanaka;
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead; -- 5 still is, as one he has worked

-- ---- what each may not
RESET ROLE;
CREATE FUNCTION public.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
SET ROLE regress_tanaka;
SELECT c.command, public.refused(c.command)
  FROM (VALUES
    -- leads that are not his, or not there
    ('INSERT INTO leadflow.activity (lead_id, rep_id, fields) VALUES (6, 1, ''{"acted_on": "2030-01-07"}'')'),
    ('INSERT INTO leadflow.activity (lead_id, rep_id, fields) VALUES (999, 1, ''{"acted_on": "2030-01-07"}'')'),
    ('SELECT leadflow.record_activity(6, kind => ''電話'')'),
    ('SELECT leadflow.record_activity(999, kind => ''電話'')'),
    ('INSERT INTO leadflow.task (lead_id, title) VALUES (6, ''x'')'),
    ('INSERT INTO leadflow.deal (lead_id, rep_id, name, stage) VALUES (6, 1, ''x'', ''提案'')'),
    -- in the name of others, on lists he does not see
    ('INSERT INTO leadflow.activity (lead_id, rep_id, fields) VALUES (3, 2, ''{"acted_on": "2030-01-07"}'')'),
    ('SELECT leadflow.record_activity(3, kind => ''電話'', rep => ''佐藤'')'),
    ('SELECT leadflow.record_activities(''[{"lead_id": 3, "rep_id": 1}, {"lead_id": 3, "rep_id": 2}]'')'),
    ('INSERT INTO leadflow.deal (lead_id, rep_id, name, stage) VALUES (3, 2, ''x'', ''提案'')'),
    ('INSERT INTO leadflow.activity (lead_id, list_id, rep_id, fields) VALUES (3, 999, 1, ''{"acted_on": "2030-01-07"}'')'),
    ('SELECT lead_id FROM leadflow.next_lead(''east'', ''佐藤'')'),
    ('SELECT lead_id FROM leadflow.next_lead(''west'', ''田中'')'),
    -- what is not for him to write
    ('INSERT INTO leadflow.activity (lead_id, rep_id, form_version) VALUES (3, 1, 0)'),
    ('INSERT INTO leadflow.activity (lead_id, rep_id, applied_at) VALUES (3, 1, now())'),
    ('INSERT INTO leadflow.activity (lead_id, rep_id, recorded_by) VALUES (3, 1, ''sato'')'),
    ('SELECT leadflow.record_activity(3, recorded_at => ''2020-01-01'')'),
    ('UPDATE leadflow.activity SET lead_id = 6'),
    ('UPDATE leadflow.activity SET form_version = 0'),
    ('UPDATE leadflow.activity SET rep_id = 2'),
    ('DELETE FROM leadflow.activity'),
    ('UPDATE leadflow.member SET rep_id = 1'),
    ('UPDATE leadflow.member SET left_at = now()'),
    ('UPDATE leadflow.lead SET rep_id = 1'),
    ('UPDATE leadflow.rep SET team = ''west'''),
    ('UPDATE leadflow.list SET visibility = NULL'),
    ('INSERT INTO leadflow.lead (company) VALUES (''x'')'),
    ('TRUNCATE leadflow.activity'),
    ('SELECT FROM leadflow.schedule'),
    -- verbs on whole lists
    ('SELECT leadflow.add_to_list(''east'', ''{6}''::leadflow.leadset)'),
    ('SELECT leadflow.refresh_list(''HOTリードリスト'', dry_run => true)'),
    ('SELECT leadflow.close_list(''east'')'),
    ('SELECT leadflow.set_form(''lead'', '''', dry_run => true)'),
    ('SELECT leadflow.grant_access(''regress_tanaka'', ''marketing'')'),
    ('SELECT leadflow.revoke_access(''regress_sato'')'),
    ('SELECT leadflow.apply_access()'),
    ('SET row_security = off; SELECT FROM leadflow.lead')) AS c (command);
-- rows of others stay as they are, seen or not
UPDATE leadflow.activity SET fields = fields || '{"content": "x"}' WHERE rep_id IS DISTINCT FROM 1;
UPDATE leadflow.deal SET name = 'x' WHERE rep_id IS DISTINCT FROM 1;
UPDATE leadflow.task SET title = 'x' WHERE rep_id = 2;
SET ROLE regress_owner;
SELECT count(*) FROM leadflow.activity WHERE content = 'x';
SELECT count(*) FROM leadflow.deal WHERE name = 'x';
SELECT count(*) FROM leadflow.task WHERE title = 'x';

SET ROLE regress_analyst;
SELECT c.command, public.refused(c.command)
  FROM (VALUES ('UPDATE leadflow.lead SET company = company'), ('INSERT INTO leadflow.task (lead_id, title) VALUES (1, ''x'')'),
               ('SELECT leadflow.refresh_list(''HOTリードリスト'')'), ('SELECT leadflow.record_activity(1)')) AS c (command);

-- ---- marketing does the work of every day, but not the schema's, and nobody but the owner says under which form a row is
SET ROLE regress_marketing;
SELECT added FROM leadflow.refresh_list('HOTリードリスト', dry_run => true);
SELECT leadflow.create_list('marketing''s', 'visit', 'daily at 07:00') > 0 AS made,
       leadflow.save_segment('marketing''s', 'visit'),
       leadflow.add_to_list('marketing''s', 'visit'::leadflow.segment),
       leadflow.remove_from_list('marketing''s', '{1-8}'::leadflow.leadset),
       leadflow.close_list('marketing''s') > 0 AS closed;
SELECT closed FROM leadflow.record_activity(9, kind => '電話', recorded_at => '2020-02-01 10:00+09');
SELECT field, "to", leads FROM leadflow.update_leads('{9}'::leadflow.leadset, '{"tags": ["展示会"], "industry": "製造"}');
INSERT INTO leadflow.lead (company) VALUES ('新規') RETURNING lead_id, form_version;
DELETE FROM leadflow.lead WHERE company = '新規';
SELECT c.command, public.refused(c.command)
  FROM (VALUES
    ('INSERT INTO leadflow.activity (lead_id, form_version) VALUES (1, 0)'),
    ('INSERT INTO leadflow.lead (company, form_version) VALUES (''x'', 0)'),
    ('UPDATE leadflow.application SET form_version = 0'),
    ('UPDATE leadflow.deal SET form_version = 0'),
    ('UPDATE leadflow.activity SET recorded_by = ''x'''),
    ('INSERT INTO leadflow.form_version VALUES (''lead'', 9, '''')'),
    ('SELECT leadflow.set_form(''lead'', '''')'),
    ('DELETE FROM leadflow.activity_change'),
    ('DELETE FROM leadflow.member'),
    ('UPDATE leadflow.source SET relation = ''public.mine'''),
    ('UPDATE leadflow.setting SET value = ''UTC'''),
    ('ALTER TABLE leadflow.lead ADD x int'),
    ('CALL leadflow.install()'),
    ('CALL leadflow.run_due()')) AS c (command);
RESET ROLE;

-- a view that is granted can be read
CREATE FUNCTION public.unreadable() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    seen regclass;
BEGIN
    FOR seen IN SELECT c.oid FROM pg_class AS c WHERE c.relnamespace = 'leadflow'::regnamespace AND c.relkind = 'v' AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname LOOP
        BEGIN
            EXECUTE format('SELECT * FROM %s', seen);
        EXCEPTION WHEN insufficient_privilege THEN
            RETURN NEXT concat_ws(': ', seen, SQLERRM);
        END;
    END LOOP;
END $$;
SET ROLE regress_tanaka;
SELECT public.unreadable();
SET ROLE regress_analyst;
SELECT public.unreadable();
SET ROLE regress_marketing;
SELECT public.unreadable();
RESET ROLE;
DROP FUNCTION public.unreadable();
