-- 500k leads get a rep and a tag: update_leads(), which also locks them in the order of
-- their ids, leaves alone those that have both and counts what the others had before;
-- and the UPDATE that somebody would write for it.

SET client_min_messages = warning;
INSERT INTO leadflow.rep (name) VALUES ('田中');
INSERT INTO leadflow.lead (email, company, prefecture, created_at)
SELECT 'more' || i || '@example.jp', '会社' || i % 20000, '東京都', '2020-01-01'
  FROM generate_series(1, 500000 - (SELECT count(*) FROM leadflow.lead)) AS i;
CREATE TABLE public.kept AS SELECT * FROM leadflow.lead ORDER BY lead_id LIMIT 500000;

CALL public.measure('update_leads() of 500k leads / UPDATE',
    $$SELECT * FROM leadflow.update_leads('everyone'::leadflow.segment, '{"rep": "田中", "tags": ["VIP"]}')$$,
    $$UPDATE leadflow.lead AS l SET rep_id = r.rep_id, fields = l.fields || '{"tags": ["VIP"]}', updated_at = now()
        FROM leadflow.rep AS r WHERE r.name = '田中' AND l.deleted_at IS NULL AND l.merged_into IS NULL$$, '≤ 1.1',
    prepare => 'TRUNCATE leadflow.lead CASCADE; INSERT INTO leadflow.lead SELECT * FROM public.kept; ANALYZE leadflow.lead',
    rounds => 3);
