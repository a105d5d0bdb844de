-- Templates, and mails to many: what is written, to whom, and to whom not.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET TimeZone = 'America/St_Johns';
SET DateStyle = 'SQL, DMY';
CREATE FUNCTION pg_temp.refused(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE sql;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '| ' || nullif(detail, ''), '| ' || nullif(hint, ''));
END $$;

-- a value in a line, a text, html and slack
SELECT value, leadflow.merge_value(value, 'line') AS line, leadflow.merge_value(value, 'text') AS text, leadflow.merge_value(value, 'html') AS html, leadflow.merge_value(value, 'slack') AS slack
  FROM (VALUES (E'　A&B <"x''">\r\nBcc: a@b.example '), ('全角　空白'), (E'a\tb\x7Fc\u0085d\u2028e'), ('{{lead.email}}'), (''), (E' \u3000\n'), ('%s \1 $1')) AS v (value);
SELECT pg_temp.refused($$SELECT leadflow.merge_value('a', 'rtf')$$);
SELECT address, leadflow.mail_address(address)
  FROM unnest(ARRAY['A.Tanaka+x@Example.CO.JP', E' \u3000x@y.example\r\n', 'a@b', 'a b@c.example', E'a@b.example\nBcc: c@d.example', 'a@b.example, c@d.example', '<a@b.example>', 'a@b.example x', '@b.example', 'ａ@b.example', '']) AS address;

-- what is wrong with a template is told when it is saved
SELECT pg_temp.refused(format('SELECT leadflow.save_template(%L, %L, %L%s)', name, subject, body, more))
  FROM (VALUES (1, 'x', 'a', '{{lead.compny}}', ''), (2, 'x', '{{リード.会社}}', '', ''), (3, 'x', 'a', E'一行目\n{{company}}', ''), (4, 'x', 'a', '{{}}', ''), (5, 'x', 'a', '{{lead.company', ''),
               (6, 'x', 'a', '{{lead.company|{{lead.last_name}}}}', ''), (7, 'x', 'a', '｛｛lead.company｝｝', ''), (8, 'x', E'a\nBcc: b@c.example', '', ''), (9, 'x', 'a', '{{lead.fields}}', ''),
               (10, 'x', 'a', '{{count}}', ''), (11, 'x', '{{lead.company}}', '', $$, kind => 'members'$$), (12, 'x', 'a', '', $$, kind => 'meeting'$$), (13, 'x', 'a', '', $$, format => 'htm'$$), (14, '', 'a', '', ''), (15, 'x', NULL, '', ''),
               (16, 'x', 'a', '{{rep.name}} {{list.name}} {{worked}} {{report}}', $$, kind => 'check'$$)) AS t (n, name, subject, body, more) ORDER BY n;
SELECT pg_temp.refused($$INSERT INTO leadflow.template (name, subject, body) VALUES ('x', E'a\nb', '')$$) LIKE '23514 %' AS refused;
-- saved again, it keeps what is not said; the seeded ones are what save_template takes
BEGIN;
SELECT leadflow.save_template('x', 'a', '{{day}}', kind => 'members', channel => 'slack', format => 'slack'), leadflow.save_template('x', 'b', '{{count|0}}');
SELECT kind, channel, format, subject, body FROM leadflow.template WHERE name = 'x';
SELECT name FROM leadflow.template WHERE leadflow.save_template(name, subject, body) IS DISTINCT FROM name;
ROLLBACK;

BEGIN;
INSERT INTO leadflow.rep (rep_id, name, email) VALUES (1, '田中', 'tanaka@us.example'), (2, '鈴木', NULL);
INSERT INTO leadflow.lead (lead_id, company, last_name, email, email_opt_out, do_not_contact, rep_id, created_at)
VALUES (1, 'A社', '青木', 'Aoki@a.example ', false, false, 1, '2020-05-31 20:00+00'), (2, 'A社', '青木', E'\u3000aoki@A.example', false, false, NULL, '2020-01-01'),
       (3, 'B社', '馬場', 'baba@b.example', true, false, NULL, '2020-01-01'), (4, 'B社', '馬場', 'BABA@b.example', false, false, NULL, '2020-01-01'),
       (5, 'C社', NULL, 'c@c.example', false, false, NULL, '2020-01-01'), (6, E'D社\r\nBcc: x@y.example', '　', 'd@d.example', false, false, 2, '2020-01-01'),
       (7, 'E社', '江口', 'eguchi@e', false, false, NULL, '2020-01-01'), (8, 'F社', '藤田', NULL, false, false, NULL, '2020-01-01'),
       (9, 'G社', '後藤', 'goto@g.example', false, false, NULL, '2020-01-01'), (10, 'H社', '原', 'hara@h.example', false, true, NULL, '2020-01-01'),
       (11, 'H社', '原2', 'hara@h.example', false, false, NULL, '2020-01-01'), (12, 'I社', '伊藤', 'ito@i.example', false, false, NULL, '2020-01-01'),
       -- the first of an address has no name, the second has
       (13, 'J社', NULL, 'info@j.example', false, false, NULL, '2020-01-01'), (14, 'J社', '神保', 'info@j.example', false, false, NULL, '2020-01-01');
SELECT leadflow.create_list('mails') > 0 AS made, leadflow.add_to_list('mails', '{1-9,11-14}'::leadflow.leadset);
SELECT leadflow.create_list('other') > 0 AS made, leadflow.add_to_list('other', '{12}'::leadflow.leadset), leadflow.remove_from_list('other', '{12}'::leadflow.leadset);
INSERT INTO leadflow.hold (lead_id, list_id, until) SELECT lead_id, list_id, until FROM leadflow.list, (VALUES (9, NULL), (14, now() - interval '1 s')) AS h (lead_id, until) WHERE name = 'mails';
UPDATE leadflow.lead SET deleted_at = now() WHERE lead_id = 11;
UPDATE leadflow.member SET rep_id = 2 WHERE lead_id = 1;
SELECT leadflow.save_template('greeting', '{{リード.会社名}} {{lead.last_name}}様', '{{list.name|-}} {{rep.name|nobody}} {{lead.created_at}} {{ lead.employees | ? }} {{lead.rep|}}');
CREATE FUNCTION pg_temp.mails() RETURNS TABLE (lead_id bigint, address text, subject text, body text, reply_to text) LANGUAGE sql AS $$
    SELECT lead_id, address, subject, body, payload ->> 'reply_to' FROM leadflow.notification ORDER BY notification_id
$$;
-- a dry run says all, and leaves nothing
SELECT * FROM leadflow.queue_mail('mails', 'greeting', dry_run => true);
SELECT (SELECT count(*) FROM leadflow.mailing), (SELECT count(*) FROM leadflow.mailing_result), (SELECT count(*) FROM leadflow.notification);
SELECT outcome, count, lead_ids, missing FROM leadflow.queue_mail('mails', 'greeting', segment => 'lead(lead_id <= 12)', name => 'winter');
SELECT * FROM pg_temp.mails();
-- the same name reaches an address once, also by another way
SELECT outcome, count, lead_ids, missing FROM leadflow.queue_mail((SELECT list_id FROM leadflow.list WHERE name = 'mails'), 'greeting', name => 'winter');
SELECT outcome, lead_ids FROM leadflow.queue_mail('{1,10,12}'::leadflow.leadset, 'greeting', 'winter');
SELECT m.name, m.template, m.list_id IS NOT NULL AS list, m.queued_by = current_user AS mine, r.outcome, r.count, r.lead_ids FROM leadflow.mailing AS m JOIN leadflow.mailing_result AS r USING (mailing_id) WHERE r.outcome IN ('queued', 'already') ORDER BY m.mailing_id, r.outcome;
-- without a name it is another mailing; of no list, the holds of any count, and so it is with segments
SELECT outcome, lead_ids FROM leadflow.queue_mail('lead(lead_id in (1, 2, 9, 12))'::leadflow.segment, 'greeting', send_at => '2099-01-01 09:00+09');
SELECT lead_id, subject, due_at AT TIME ZONE 'Asia/Tokyo' AS due FROM leadflow.notification WHERE due_at > now();
SELECT count(*) FROM leadflow.queue_mail('{}'::leadflow.leadset, 'greeting');
-- what a lead would get, and why it does not
SELECT * FROM unnest(ARRAY[1, 3, 5, 6, 8, 10]) AS id, LATERAL leadflow.preview_mail('greeting', id, 'mails');
-- to see it arrive
SELECT leadflow.test_mail('greeting', 3, ' Me@us.example', 'mails') > max(notification_id) AS later FROM leadflow.notification;
SELECT address, subject, body, payload FROM leadflow.notification WHERE kind = 'test_mail';
-- what was delivered is known of the lead, and segments can ask for it; an activity it is not
SELECT leadflow.evaluate('mail'), leadflow.ack(ARRAY(SELECT notification_id FROM leadflow.claim_notifications(100)));
SELECT lead_id, m.template, m.subject, m.address, g.name, m.sent_at IS NOT NULL AS sent FROM leadflow.mail AS m LEFT JOIN leadflow.mailing AS g USING (mailing_id) ORDER BY lead_id;
SELECT leadflow.evaluate('メール(一斉配信 = ''winter'' and 送信日時 within 1 day)'), leadflow.evaluate('lead(email is not null) and not mail and not activity');

SELECT pg_temp.refused(call) FROM unnest(ARRAY[
    $$SELECT leadflow.queue_mail('mail', 'greeting')$$, $$SELECT leadflow.queue_mail('mails', 'greting')$$, $$SELECT leadflow.queue_mail('mails', '対応期限通知')$$, $$SELECT leadflow.queue_mail('mails', NULL)$$,
    $$SELECT leadflow.queue_mail(NULL::text, 'greeting')$$, $$SELECT leadflow.queue_mail(NULL::leadflow.leadset, 'greeting')$$, $$SELECT leadflow.queue_mail('mails', 'greeting', name => '')$$, $$SELECT leadflow.queue_mail('mails', 'greeting', segment => 'visits')$$,
    $$SELECT leadflow.preview_mail('greeting', 99)$$, $$SELECT leadflow.preview_mail('greeting', 1, 'mail')$$, $$SELECT leadflow.preview_mail('greeting', NULL)$$,
    $$SELECT leadflow.test_mail('greeting', 1, 'me@us.example, you@us.example', 'mails')$$, $$SELECT leadflow.test_mail('greeting', 5, 'me@us.example')$$, $$SELECT leadflow.test_mail('greeting', 1, NULL)$$]) AS call;
-- a column of the user's own is a field at once; one that is gone is an error, not a blank
ALTER TABLE leadflow.lead ADD COLUMN budget numeric, ADD COLUMN visits_on date, ADD COLUMN interests text[];
UPDATE leadflow.lead SET budget = 1200000, visits_on = '2020-06-01', interests = '{B,A}' WHERE lead_id = 1;
SELECT leadflow.save_template('own', 'x', '{{lead.budget}} {{lead.visits_on}} {{lead.interests}}');
SELECT body, missing FROM leadflow.preview_mail('own', 1);
SELECT body, missing FROM leadflow.preview_mail('own', 2);
ALTER TABLE leadflow.lead DROP COLUMN budget;
SELECT pg_temp.refused($$SELECT leadflow.preview_mail('own', 1)$$);
-- fields of the form are fields too, and people read the labels of their choices; what is hidden is not for everybody
SELECT version AS form FROM leadflow.set_form('lead', $$rank "ランク" radio('a' "最重要", 'b' "重要"); products "製品" multiselect('x' "製品X", 'y' "製品Y"); met_on "面談日" date; secret "社外秘" text hidden$$) \gset
UPDATE leadflow.lead SET form_version = :form, fields = '{"rank": "a", "products": ["y", "x"], "met_on": "2020-06-02", "secret": "s"}' WHERE lead_id = 1;
SELECT leadflow.save_template('form', '{{リード.ランク}}', '{{lead.rank}} {{lead.products}} {{リード.面談日}} {{lead.secret}}');
SELECT subject, body FROM leadflow.preview_mail('form', 1);
SELECT missing FROM leadflow.preview_mail('form', 2);
CREATE ROLE regress_leadflow_mail;
GRANT USAGE ON SCHEMA leadflow TO regress_leadflow_mail;
GRANT SELECT ON ALL TABLES IN SCHEMA leadflow TO regress_leadflow_mail;
SET ROLE regress_leadflow_mail;
SELECT pg_temp.refused($$SELECT leadflow.preview_mail('form', 1)$$);
RESET ROLE;
-- and the timeline has what was delivered
SELECT lead_id, kind, what, detail FROM leadflow.lead_timeline WHERE kind = 'mail' ORDER BY lead_id;
ROLLBACK;
