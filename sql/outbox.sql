-- The outbox: claims, leases, failures, death and what wakes the workers.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'ISO';
SET application_name = 'worker';
CREATE FUNCTION pg_temp.refused(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE sql;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '| ' || nullif(hint, ''));
END $$;
CREATE FUNCTION pg_temp.outbox() RETURNS TABLE (key text, state text, attempts int, last_error text) LANGUAGE sql AS $$
    SELECT dedup_key, state, attempts, last_error FROM leadflow.notification ORDER BY dedup_key
$$;

BEGIN;
INSERT INTO leadflow.rep (rep_id, name, email, db_role) VALUES (1, '田中', 'tanaka@us.example', 'owner'), (2, '無名', NULL, NULL);
UPDATE leadflow.recipient SET address = 'is@us.example' WHERE role = 'inside_sales';
INSERT INTO leadflow.notification AS n (kind, rep_id, role, address, channel, dedup_key, due_at)
VALUES ('a', 1, NULL, NULL, 'mail', 'a rep', now() - interval '9 min'),
       ('a', 1, NULL, 'other@us.example', 'mail', 'b rep elsewhere', now() - interval '8 min'),
       ('a', NULL, 'inside_sales', NULL, 'mail', 'c role', now() - interval '7 min'),
       ('a', NULL, 'owner', NULL, 'mail', 'd role of a rep', now() - interval '6 min'),
       ('a', NULL, 'marketing', NULL, 'mail', 'e role nowhere', now() - interval '5 min'),
       ('a', 2, NULL, NULL, 'mail', 'f rep nowhere', now() - interval '4 min'),
       ('a', NULL, NULL, '#sales', 'slack', 'g channel', now() - interval '3 min'),
       ('a', NULL, NULL, 'x@us.example', 'mail', 'h tomorrow', now() + interval '1 day')
ON CONFLICT (dedup_key) DO NOTHING;
-- one of a key; what has none may be there many times
INSERT INTO leadflow.notification AS n (kind, rep_id, dedup_key) VALUES ('a', 1, 'a rep') ON CONFLICT (dedup_key) DO NOTHING;
SELECT count(*) FROM leadflow.notification;
-- the oldest first; whose address it is; those of other channels stay
SELECT channel, address, name, attempts, claimed_until > clock_timestamp() + interval '4 min' AS leased FROM leadflow.claim_notifications(2, channels => '{mail,fax}');
SELECT channel, address, name FROM leadflow.claim_notifications(100, '1 hour', '{mail}');
SELECT channel, address, name FROM leadflow.claim_notifications(worker => 'mine');
SELECT count(*) FROM leadflow.claim_notifications();
SELECT claimed_by ~ '^worker \d+$' AS session, claimed_by = 'mine' AS mine, count(*) FROM leadflow.notification WHERE state = 'claimed' GROUP BY 1, 2 ORDER BY 2;
-- what was delivered, and what was not, by whoever had it
CREATE FUNCTION pg_temp.id(VARIADIC keys text[]) RETURNS bigint[] LANGUAGE sql AS $$
    SELECT array_agg(notification_id) FROM leadflow.notification WHERE left(dedup_key, 1) = ANY (keys)
$$;
SELECT leadflow.ack(pg_temp.id('a', 'b')) AS acked, leadflow.ack(pg_temp.id('a', 'h')) AS again_and_never_claimed, leadflow.ack('{-1}') AS unknown, leadflow.ack('{}') AS none;
SELECT leadflow.fail(pg_temp.id('c', 'd', 'g', 'a'), '450 busy') AS failed, leadflow.fail(pg_temp.id('e', 'f'), 'no address', permanent => true) AS dead,
       leadflow.fail(pg_temp.id('g'), 'nobody there', worker => 'mine') AS of_mine;
SELECT * FROM pg_temp.outbox();
SELECT dedup_key, round(extract(epoch FROM due_at - clock_timestamp()) / 60) AS minutes FROM leadflow.notification WHERE state = 'failed' ORDER BY 1;
-- delivered in the end all the same, says who had given up
SELECT leadflow.ack(pg_temp.id('d'));
-- the dead come back when asked
SELECT leadflow.retry_dead(pg_temp.id('e', 'c')) AS named, leadflow.retry_dead() AS others, leadflow.retry_dead() AS left;
SELECT * FROM pg_temp.outbox();
ROLLBACK;

-- ten attempts, with growing pauses
BEGIN;
INSERT INTO leadflow.notification AS n (kind, address, dedup_key) VALUES ('a', 'x@us.example', 'x');
CREATE FUNCTION pg_temp.attempt() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint := (SELECT notification_id FROM leadflow.claim_notifications());
BEGIN
    PERFORM leadflow.fail(ARRAY[id], 'busy');
    UPDATE leadflow.notification SET due_at = now() - (due_at - clock_timestamp()) WHERE state = 'failed';
    RETURN (SELECT format('%s after %s', state, date_trunc('minute', now() - due_at + interval '30 s')) FROM leadflow.notification);
END $$;
SELECT n, pg_temp.attempt() FROM generate_series(1, 11) AS n;
-- a lease that runs out: somebody else's turn, and the first one's words count no more
UPDATE leadflow.notification SET state = 'pending', attempts = 0, due_at = now();
SELECT attempts FROM leadflow.claim_notifications(lease => '1 microsecond', worker => 'first');
SELECT attempts FROM leadflow.claim_notifications(worker => 'second');
SELECT leadflow.fail(ARRAY(SELECT notification_id FROM leadflow.notification), 'late', worker => 'first') AS first, state FROM leadflow.notification;
-- what has taken ten workers with it is dead, what came too late too
UPDATE leadflow.notification SET claimed_until = now(), attempts = 9;
SELECT attempts FROM leadflow.claim_notifications(lease => '1 microsecond', worker => 'tenth');
SELECT attempts FROM leadflow.claim_notifications();
INSERT INTO leadflow.notification AS n (kind, address, dedup_key, expires_at) VALUES ('a', 'x@us.example', 'y', now()), ('a', 'x@us.example', 'z', now() + interval '1 h');
SELECT attempts FROM leadflow.claim_notifications();
SELECT * FROM pg_temp.outbox();
SELECT leadflow.retry_dead();
SELECT count(*) FROM leadflow.claim_notifications();
ROLLBACK;

-- the words of a claim, and of a notice
SELECT pg_temp.refused(call) FROM unnest(ARRAY[
    'SELECT leadflow.claim_notifications(0)', 'SELECT leadflow.claim_notifications(-1)', 'SELECT leadflow.claim_notifications(NULL)',
    'SELECT leadflow.claim_notifications(lease => ''0'')', 'SELECT leadflow.claim_notifications(lease => ''-1 h'')', 'SELECT leadflow.claim_notifications(lease => NULL)',
    'SELECT leadflow.fail(''{1}'', NULL)', 'SELECT leadflow.fail(NULL, ''x'')',
    'SELECT leadflow.notification_queued()',
    'INSERT INTO leadflow.notification (kind) VALUES (''for nobody'')',
    'INSERT INTO leadflow.notification (kind, address, state) VALUES (''a'', ''b'', ''sent'')',
    'INSERT INTO leadflow.notification (kind, address, channel) VALUES (''a'', ''b'', '''')']) AS call;
