-- leads, visits over a year, and the rest in proportion: :leads and :visits say how many.

SELECT setseed(0.42);

INSERT INTO leadflow.rep (name) SELECT '営業' || i FROM generate_series(1, 50) AS i;
INSERT INTO leadflow.campaign (name) SELECT 'キャンペーン' || i FROM generate_series(1, 20) AS i;

INSERT INTO leadflow.lead (email, company, last_name, first_name, prefecture, employees,
                           competitor, nurturing, created_at)
SELECT CASE WHEN random() < 0.95 THEN 'lead' || i || '@example.jp' END,
       '会社' || i % 20000, '姓' || i % 1000, '名' || i % 997,
       (ARRAY['東京都', '大阪府', '愛知県', '福岡県', '北海道'])[1 + i % 5],
       (10 ^ (random() * 4))::int, random() < 0.02, random() < 0.95,
       now() - random() * interval '3 years'
  FROM generate_series(1, :leads) AS i;

-- 1 + an exponential number of pages: 3% of the visits reach 15. The leads are there:
-- looking them up, a visit at a time, would take most of the time.
SET session_replication_role = replica;
INSERT INTO leadflow.visit (lead_id, visited_at, pages)
SELECT 1 + floor(random() * :leads)::bigint, now() - random() * interval '365 days',
       1 + floor(-4 * ln(1 - random()))::int
  FROM generate_series(1, :visits);
RESET session_replication_role;

INSERT INTO leadflow.application (lead_id, campaign_id, applied_at)
SELECT 1 + floor(random() * :leads)::bigint, 1 + floor(random() * 20)::bigint,
       now() - random() * interval '365 days'
  FROM generate_series(1, :leads / 2);

INSERT INTO leadflow.activity (lead_id, rep_id, fields)
SELECT 1 + floor(random() * :leads)::bigint, 1 + floor(random() * 50)::bigint,
       jsonb_build_object('acted_on', (now() - random() * interval '365 days')::date,
                          'kind', '電話', 'result', '継続フォロー')
  FROM generate_series(1, :leads / 4);

VACUUM ANALYZE;
