SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;

CREATE FUNCTION pg_temp.refused(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '| ' || nullif(regexp_replace(detail, '^Failing row.*', ''), ''));
END $$;
CREATE FUNCTION pg_temp.members(list text) RETURNS text LANGUAGE sql AS $$
    SELECT leadflow.leadset_agg(m.lead_id)::text FROM leadflow.member AS m
      JOIN leadflow.list AS l USING (list_id) WHERE l.name = members.list AND m.left_at IS NULL
$$;

BEGIN;
INSERT INTO leadflow.lead (lead_id, email, created_at, do_not_contact, deleted_at, merged_into)
SELECT n, n || '@example.com', '2000-01-01', n = 7, CASE WHEN n = 8 THEN '2001-01-01'::date END, CASE WHEN n = 9 THEN 1 END
  FROM generate_series(1, 12) AS n;

-- a list, with what is taken when nothing is said and with everything
SELECT leadflow.create_list('plain') > 0 AS made;
SELECT leadflow.create_list('full', 'lead(lead_id <= 3)', 'daily at 07:00', 'mirror', 'Europe/Paris', 'why', 'phone',
           'hello', ARRAY['east'], 'someone', '7 days', '30 days', 100, 5) > 0 AS made;
SELECT purpose, kind, status, talk_script, visibility, owner = current_user AS mine, segment, mode, cadence, zone,
       due_after, return_after, max_members, priority, changed_at, done_through, closed_at
  FROM leadflow.list WHERE name IN ('plain', 'full') ORDER BY list_id \gx
SELECT leadflow.create_list(E'O''Brien "and"\nsons\\; DROP TABLE leadflow.list; --', 'list(''plain'')') > 0 AS made;
SELECT leadflow.add_to_list(E'O''Brien "and"\nsons\\; DROP TABLE leadflow.list; --', '{1}'::leadflow.leadset);

-- what is no list
SELECT command, pg_temp.refused('SELECT leadflow.create_list(' || command || ')')
  FROM unnest(ARRAY[
         $$null$$, $$''$$, $$'plain'$$, $$'x', mode => 'replace'$$, $$'x', mode => null$$, $$'x', cadence => 'hourly'$$,
         $$'x', zone => 'Asia/Tokio'$$, $$'x', 'visits(pages > 3)'$$, $$'x', 'list(''x'')'$$, $$'x', 'segment(''hott'')'$$,
         $$'x', max_members => -1$$, $$'x', due_after => '-1 day'$$, $$'x', return_after => '-1 day'$$]) AS command;
SELECT command, pg_temp.refused('SELECT leadflow.' || command)
  FROM unnest(ARRAY[
         $$refresh_list('plane')$$, $$refresh_list('zzz zzz zzz')$$, $$refresh_list(-1)$$, $$refresh_list(null::text)$$,
         $$refresh_list('full', null)$$, $$refresh_list('plain')$$, $$refresh_list('full', 'infinity')$$, $$refresh_list('full', '-infinity')$$,
         $$add_to_list('plain', null::leadflow.leadset)$$, $$add_to_list('plain', null::leadflow.segment)$$,
         $$add_to_list('plain', '{1}')$$, $$add_to_list('plain', 'visits'::leadflow.segment)$$,
         $$add_to_list('plain', '{1,100-102}'::leadflow.leadset)$$, $$add_to_list('plain', '{1,100-999}'::leadflow.leadset)$$,
         $$remove_from_list('none', '{1}'::leadflow.leadset)$$, $$close_list(null::bigint)$$,
         $$remove_from_list('plain', '{1}'::leadflow.leadset, hold_for => '-1 day')$$]) AS command;
SELECT pg_temp.members('plain');

-- in and out, by name and by id, with a set and with a segment
SELECT list_id AS plain FROM leadflow.list WHERE name = 'plain' \gset
SELECT leadflow.add_to_list('plain', '{1-3}'::leadflow.leadset, 'called in');
SELECT leadflow.add_to_list(:plain, '{2-4}'::leadflow.leadset);
SELECT leadflow.add_to_list('plain', 'lead(lead_id = 5)'::leadflow.segment);
SELECT leadflow.add_to_list(:plain, 'lead(lead_id <= 6)'::leadflow.segment, dry_run => true);
SELECT leadflow.add_to_list(:plain, 'no one'::leadflow.segment), leadflow.add_to_list(:plain, '{}'::leadflow.leadset);
SELECT pg_temp.members('plain');
SELECT leadflow.remove_from_list('plain', '{1,11}'::leadflow.leadset, 'wrong number');
SELECT leadflow.remove_from_list('plain', 'lead(lead_id = 2)'::leadflow.segment, hold_for => '3 days');
SELECT leadflow.remove_from_list(:plain, 'lead(lead_id = 3)'::leadflow.segment, dry_run => true);
SELECT leadflow.remove_from_list(:plain, '{3,4}'::leadflow.leadset, dry_run => true);
SELECT pg_temp.members('plain');
SELECT lead_id, entered_by = current_user AS by_me, entered_reason, left_at >= entered_at AS later, left_by = current_user AS left_by_me,
       left_reason, run_id, state, due_on FROM leadflow.member WHERE list_id = :plain ORDER BY lead_id;
SELECT h.lead_id, h.until - m.left_at AS until, h.reason, h.held_by = current_user AS by_me
  FROM leadflow.hold AS h JOIN leadflow.member AS m USING (lead_id, list_id) WHERE list_id = :plain ORDER BY 1;

-- who is taken off again and put back has two stays, and no hold
SELECT leadflow.add_to_list('plain', '{1}'::leadflow.leadset), leadflow.remove_from_list('plain', '{1}'::leadflow.leadset),
       leadflow.add_to_list('plain', '{1}'::leadflow.leadset);
SELECT count(*), count(left_at), bool_and(left_at >= entered_at) AS in_order FROM leadflow.member WHERE list_id = :plain AND lead_id = 1;
SELECT count(*) FROM leadflow.hold WHERE list_id = :plain AND lead_id = 1;

-- who must not be contacted, is deleted or is merged does not get in
SELECT leadflow.add_to_list('plain', '{7-9,11}'::leadflow.leadset);
SELECT leadflow.add_to_list('plain', 'lead(do_not_contact)'::leadflow.segment);
SELECT pg_temp.members('plain');

-- a list with a limit takes no more by hand
UPDATE leadflow.list SET max_members = 5 WHERE name = 'plain';
SELECT pg_temp.refused($$SELECT leadflow.add_to_list('plain', '{6,12}'::leadflow.leadset)$$);
SELECT pg_temp.refused($$SELECT leadflow.add_to_list('plain', '{5}'::leadflow.leadset)$$);

-- due_on is counted in the list's zone, from the day that it is there
UPDATE leadflow.list SET due_after = '7 days', max_members = NULL, zone = 'Pacific/Kiritimati' WHERE name = 'plain';
SELECT leadflow.add_to_list('plain', '{12}'::leadflow.leadset);
SELECT due_on = leadflow.local_date(entered_at, 'Pacific/Kiritimati') + 7 AS due FROM leadflow.member WHERE list_id = :plain AND lead_id = 12;

-- an error undoes the verb, not the transaction
SAVEPOINT before;
SELECT leadflow.add_to_list('plain', '{10,13}'::leadflow.leadset);
ROLLBACK TO before;
SELECT leadflow.add_to_list('plain', '{10}'::leadflow.leadset), pg_temp.members('plain');
SHOW search_path;
SHOW row_security;

-- a transaction is one instant: what it did is seen as of it, and a refresh may follow
SELECT leadflow.add_to_list('full', '{2,12}'::leadflow.leadset), leadflow.remove_from_list('full', '{12}'::leadflow.leadset);
SELECT leadflow.evaluate('list(''full'')');
SELECT added, removed, kept FROM leadflow.refresh_list('full');
SELECT leadflow.evaluate('list(''full'')'), leadflow.evaluate('list(''full'')', now() - interval '1 second') AS before;

-- a closed list has no members and takes none; what is told twice is done once
SELECT leadflow.close_list('plain', dry_run => true) = :plain AS same, pg_temp.members('plain');
SELECT leadflow.close_list('plain', 'season over') = :plain AS same, pg_temp.members('plain');
SELECT leadflow.close_list(:plain) = :plain AS same;
SELECT status, closed_at = changed_at AS changed_then FROM leadflow.list WHERE name = 'plain';
SELECT left_reason, count(*) FROM leadflow.member WHERE list_id = :plain GROUP BY left_reason ORDER BY 1;
SELECT command, pg_temp.refused('SELECT leadflow.' || command)
  FROM unnest(ARRAY[$$refresh_list('plain')$$, $$add_to_list('plain', '{1}'::leadflow.leadset)$$]) AS command;
SELECT leadflow.remove_from_list('plain', '{1}'::leadflow.leadset);
ROLLBACK;

-- a dry run that fails leaves no subtransaction behind, in a transaction or outside of one
SELECT leadflow.close_list('none', dry_run => true);
BEGIN;
SELECT leadflow.create_list('plain') > 0 AS made;
SELECT pg_temp.refused($$SELECT leadflow.add_to_list('plain', '{1}'::leadflow.leadset, dry_run => true)$$);
SAVEPOINT before;
SELECT leadflow.refresh_list('plain', dry_run => true);
ROLLBACK TO before;
SELECT count(*) FROM leadflow.list WHERE name = 'plain';
ROLLBACK;
SELECT count(*) FROM leadflow.list WHERE name = 'plain';

-- what a statement saves, a list made by the same statement may refer to
BEGIN;
SELECT leadflow.save_segment('fresh', 'visit'), leadflow.create_list('of the fresh', 'segment(''fresh'')') > 0 AS made;
ROLLBACK;

-- the id of a name is kept as long as nothing changes
BEGIN;
SELECT leadflow.create_list('one') > 0 AND leadflow.create_list('another') > 0 AS made;
SELECT bool_and(leadflow.list_id(name) = list_id AND leadflow.list_id(list_id) = list_id), count(*) FROM leadflow.list, generate_series(1, 2);
CREATE FUNCTION pg_temp.renamed() RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    names text[];
    id bigint;
BEGIN
    FOR i IN 1 .. 2 LOOP
        id := leadflow.list_id('one');
        names := names || (SELECT purpose FROM leadflow.list WHERE list_id = id);
        UPDATE leadflow.list SET name = CASE name WHEN 'one' THEN 'another' ELSE 'one' END WHERE name IN ('one', 'another');
    END LOOP;
    RETURN names;
END $$;
ALTER TABLE leadflow.list DROP CONSTRAINT list_name_key, ADD CONSTRAINT list_name_key UNIQUE (name) DEFERRABLE;
UPDATE leadflow.list SET purpose = 'first ' || name WHERE name IN ('one', 'another');
SELECT pg_temp.renamed();
ROLLBACK;
