-- Hidden fields, and changes of access. After access.sql, with its roles and leads.
SET ROLE regress_owner;

-- ---- a field becomes hidden: from sales and analysts, with all that it can be read from
SELECT version FROM leadflow.set_form('lead', 'tags "タグ" multiselect; budget "予算" number hidden');
SELECT version FROM leadflow.set_form('activity', 'acted_on date required; kind text; result text; content text; source text; note text hidden; next_contact_on date');
UPDATE leadflow.lead SET fields = '{"budget": 300, "tags": ["A"]}', form_version = 2;
INSERT INTO leadflow.activity (lead_id, rep_id, fields) VALUES (3, 1, '{"acted_on": "2030-01-08", "note": "極秘"}');
UPDATE leadflow.activity SET fields = fields || '{"note": "最高機密"}' WHERE note = '極秘';
SELECT grantee, string_agg(relname || '.' || attname, ' ' ORDER BY relname COLLATE "C", attname COLLATE "C") AS withheld
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0,
       unnest('{regress_marketing,regress_tanaka,regress_analyst}'::regrole[]) AS grantee
 WHERE c.oid IN ('leadflow.lead'::regclass, 'leadflow.activity'::regclass, 'leadflow.activity_change'::regclass)
   AND NOT has_column_privilege(grantee, c.oid, a.attnum, 'SELECT')
 GROUP BY 1 ORDER BY grantee::text COLLATE "C";
SET ROLE regress_tanaka;
SELECT company FROM leadflow.lead WHERE lead_id = 3;
SELECT c.command, public.refused(c.command)
  FROM (VALUES ('SELECT fields FROM leadflow.lead'), ('SELECT l FROM leadflow.lead AS l'),
               ('SELECT note FROM leadflow.activity'), ('SELECT before FROM leadflow.activity_change'),
               ('UPDATE leadflow.activity SET fields = fields || ''{}'''),
               ('SELECT leadflow.evaluate(''activity(note = ''''最高機密'''')'')')) AS c (command);
SELECT leadflow.shown_fields('lead', 3), leadflow.shown_fields('lead', 6) AS not_his, leadflow.shown_fields('activity', 3, max(activity_id)) AS activity
  FROM leadflow.activity WHERE lead_id = 3;
SELECT leadflow.sees_hidden(), convert_from(leadflow.export_csv('all', '{会社名,タグ}'), 'UTF8');
SELECT convert_from(leadflow.export_csv('east'), 'UTF8') LIKE '%予算%' AS has_budget, convert_from(leadflow.export_csv('east'), 'UTF8') LIKE '%タグ%' AS has_tags;
SELECT public.refused('SELECT leadflow.export_csv(''all'', ''{予算}'')'), public.refused('SELECT leadflow.export_query(''SELECT fields FROM leadflow.lead'')'),
       public.refused('SELECT * FROM leadflow.lead_view'), public.refused('SELECT leadflow.shown_fields(''leads'', 1)')
\gx
SELECT activity_id > 0 AS recorded FROM leadflow.record_activity(3, note => '隠し');
-- who takes leads asks for nothing that is hidden, and no view is granted that cannot be read
BEGIN;
SELECT count(*) AS taken FROM leadflow.list AS l, leadflow.rep AS r, LATERAL leadflow.next_lead(l.list_id, r.rep_id) WHERE l.status = 'open' AND r.db_role = current_user;
ROLLBACK;
SELECT has_table_privilege('leadflow.schedule_status', 'SELECT') AS granted;
SET ROLE regress_analyst;
SELECT count(*) FROM leadflow.activity;
SELECT public.refused('SELECT note FROM leadflow.activity');
SET ROLE regress_marketing;
SELECT note FROM leadflow.activity WHERE note IS NOT NULL ORDER BY activity_id;
SELECT leadflow.sees_hidden(), convert_from(leadflow.export_csv('all', '{会社名,予算}'), 'UTF8'), leadflow.shown_fields('lead', 6);
SELECT budget FROM leadflow.lead_view WHERE lead_id = 6;
-- and is shown again
SET ROLE regress_owner;
SELECT version FROM leadflow.set_form('lead', 'tags "タグ" multiselect; budget "予算" number');
SET ROLE regress_analyst;
SELECT DISTINCT fields FROM leadflow.lead;

-- ---- columns, tables and views of the owner's own
SET ROLE regress_owner;
ALTER TABLE leadflow.lead ADD COLUMN x_grade text;
CREATE TABLE leadflow.x_invoice (lead_id bigint REFERENCES leadflow.lead, amount numeric);
CREATE TABLE leadflow.x_price (name text, amount numeric);
CREATE VIEW leadflow.x_leaky AS SELECT * FROM leadflow.lead;
INSERT INTO leadflow.x_invoice SELECT lead_id, 1000 + lead_id FROM leadflow.lead;
CALL leadflow.install();
SET ROLE regress_marketing;
UPDATE leadflow.lead SET x_grade = 'A' WHERE lead_id = 1;
SELECT count(*) FROM leadflow.x_invoice;
SET ROLE regress_tanaka;
SELECT lead_id, amount FROM leadflow.x_invoice ORDER BY 1;
SELECT public.refused('SELECT * FROM leadflow.x_price'), public.refused('SELECT * FROM leadflow.x_leaky');

-- ---- other access, and none
SET ROLE regress_owner;
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_tanaka', 'analyst');
SET ROLE regress_tanaka;
SELECT count(*) FROM leadflow.lead;
SELECT public.refused('UPDATE leadflow.member SET memo = ''x''');
SET ROLE regress_owner;
SELECT leadflow.revoke_access('regress_tanaka'), leadflow.revoke_access('regress_sato'), leadflow.revoke_access('regress_reader');
SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'leadflow' AND policyname LIKE 'sales%';
SELECT public.refused('SELECT leadflow.grant_access(''regress_tanak'', ''sales'')'),
       public.refused('SELECT leadflow.grant_access(''regress_sato'', ''boss'')'),
       public.refused('SELECT leadflow.grant_access(NULL, ''sales'')'),
       public.refused('SELECT leadflow.grant_access(''regress_owner'', ''sales'')'),
       public.refused('SELECT leadflow.visible_leads(''chance'')')
\gx
-- a group's access is its members'
RESET ROLE;
GRANT regress_reader TO regress_sato;
SET ROLE regress_owner;
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_reader', 'sales');
SET ROLE regress_sato;
SELECT leadflow.leadset_agg(lead_id) FROM leadflow.lead;
-- who is exempt from row-level security is told so
RESET ROLE;
GRANT regress_owner TO regress_analyst;
SET ROLE regress_owner;
SELECT count(*) > 0 AS granted FROM leadflow.grant_access('regress_analyst', 'sales');
SELECT leadflow.revoke_access('regress_analyst'), leadflow.revoke_access('regress_marketing'), leadflow.revoke_access('regress_reader');
-- nothing is left of them
RESET ROLE;
REVOKE USAGE ON SCHEMA leadflow FROM regress_reader;
DROP ROLE regress_tanaka;
DROP ROLE regress_sato;
DROP ROLE regress_analyst;
DROP ROLE regress_marketing;
DROP ROLE regress_reader;
DROP FUNCTION public.seen, public.refused;
SET client_min_messages = warning;
DROP SCHEMA leadflow CASCADE;
DROP OWNED BY regress_owner;
DROP ROLE regress_owner;
