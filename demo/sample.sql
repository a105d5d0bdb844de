-- 3,000 Japanese leads with their visits of the last 120 days, applications and
-- activities. Every choice is taken from a hash of a number, so that the sample is
-- the same each time; every time counts back from the psql variable "today".
-- People and companies are invented; domains end in .example and phone numbers hold
-- a run of zeros, so that nobody is reached by them.

\if :{?today}
\else
SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date AS today \gset
\endif

BEGIN;

-- 0 … below - 1, by the subject of the choice and a number.
CREATE FUNCTION pg_temp.pick(subject text, n bigint, below integer) RETURNS integer
LANGUAGE sql IMMUTABLE
RETURN ('x' || substr(md5(subject || n), 1, 7))::bit(28)::integer % below;

CREATE FUNCTION pg_temp.one_of(subject text, n bigint, choices text[]) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN choices[1 + pg_temp.pick(subject, n, cardinality(choices))];

-- A time of a day so many days before today: mostly in office hours, some at night.
CREATE FUNCTION pg_temp.days_ago(today date, days integer, subject text, n bigint) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN (today - days + make_interval(
            hours => CASE WHEN pg_temp.pick(subject || 'night', n, 10) = 0
                          THEN pg_temp.pick(subject || 'hour', n, 24)
                          ELSE 9 + pg_temp.pick(subject || 'hour', n, 10) END,
            mins => pg_temp.pick(subject || 'minute', n, 60),
            secs => pg_temp.pick(subject || 'second', n, 60))) AT TIME ZONE 'Asia/Tokyo';

-- ---- who sells, and what leads can apply for ---------------------------------

INSERT INTO leadflow.rep (name, email, team)
SELECT name, mail || '@sales.example', team
  FROM (VALUES ('田中', 'tanaka', '東日本営業'), ('佐藤', 'sato', '東日本営業'),
               ('鈴木', 'suzuki', '東日本営業'), ('高橋', 'takahashi', '西日本営業'),
               ('伊藤', 'ito', '西日本営業'), ('渡辺', 'watanabe', 'インサイドセールス'),
               ('山本', 'yamamoto', 'インサイドセールス'), ('中村', 'nakamura', 'インサイドセールス'))
       AS rep (name, mail, team);

INSERT INTO leadflow.campaign (name, kind, starts_on, ends_on)
SELECT name, kind, :'today'::date - first_day, :'today'::date - last_day
  FROM (VALUES ('春の展示会', '展示会', 200, 198), ('秋の展示会', '展示会', 45, 43),
               ('ホワイトペーパー「リード育成の教科書」', 'ホワイトペーパー', 300, 0),
               ('ホワイトペーパー「失注分析入門」', 'ホワイトペーパー', 120, 0),
               ('製品資料請求', '資料請求', 360, 0), ('導入事例セミナー', 'セミナー', 75, 75),
               ('オンライン相談会', 'セミナー', 20, 20), ('無料トライアル', 'トライアル', 360, 0))
       AS campaign (name, kind, first_day, last_day);

-- ---- 720 companies, at least one in each prefecture ----------------------------

CREATE TEMPORARY TABLE sample_prefecture ON COMMIT DROP AS
SELECT row_number() OVER () - 1 AS n, prefecture, city, postal, area
  FROM (VALUES
    ('北海道', '札幌市', '060', '011'), ('青森県', '青森市', '030', '017'), ('岩手県', '盛岡市', '020', '019'),
    ('宮城県', '仙台市', '980', '022'), ('秋田県', '秋田市', '010', '018'), ('山形県', '山形市', '990', '023'),
    ('福島県', '福島市', '960', '024'), ('茨城県', '水戸市', '310', '029'), ('栃木県', '宇都宮市', '320', '028'),
    ('群馬県', '前橋市', '371', '027'), ('埼玉県', 'さいたま市', '330', '048'), ('千葉県', '千葉市', '260', '043'),
    ('東京都', '千代田区', '100', '03'), ('神奈川県', '横浜市', '231', '045'), ('新潟県', '新潟市', '950', '025'),
    ('富山県', '富山市', '930', '076'), ('石川県', '金沢市', '920', '076'), ('福井県', '福井市', '910', '0776'),
    ('山梨県', '甲府市', '400', '055'), ('長野県', '長野市', '380', '026'), ('岐阜県', '岐阜市', '500', '058'),
    ('静岡県', '静岡市', '420', '054'), ('愛知県', '名古屋市', '450', '052'), ('三重県', '津市', '514', '059'),
    ('滋賀県', '大津市', '520', '077'), ('京都府', '京都市', '600', '075'), ('大阪府', '大阪市', '530', '06'),
    ('兵庫県', '神戸市', '650', '078'), ('奈良県', '奈良市', '630', '0742'), ('和歌山県', '和歌山市', '640', '073'),
    ('鳥取県', '鳥取市', '680', '0857'), ('島根県', '松江市', '690', '0852'), ('岡山県', '岡山市', '700', '086'),
    ('広島県', '広島市', '730', '082'), ('山口県', '山口市', '753', '083'), ('徳島県', '徳島市', '770', '088'),
    ('香川県', '高松市', '760', '087'), ('愛媛県', '松山市', '790', '089'), ('高知県', '高知市', '780', '088'),
    ('福岡県', '福岡市', '810', '092'), ('佐賀県', '佐賀市', '840', '0952'), ('長崎県', '長崎市', '850', '095'),
    ('熊本県', '熊本市', '860', '096'), ('大分県', '大分市', '870', '097'), ('宮崎県', '宮崎市', '880', '0985'),
    ('鹿児島県', '鹿児島市', '890', '099'), ('沖縄県', '那覇市', '900', '098'))
       AS p (prefecture, city, postal, area);

CREATE TEMPORARY TABLE sample_company ON COMMIT DROP AS
WITH stem AS (
    SELECT row_number() OVER () - 1 AS n, kanji, roman
      FROM (VALUES ('青葉', 'aoba'), ('大和', 'yamato'), ('北星', 'hokusei'), ('三栄', 'sanei'), ('東光', 'toko'),
                   ('日新', 'nisshin'), ('富士見', 'fujimi'), ('中央', 'chuo'), ('みどり', 'midori'), ('あさひ', 'asahi'),
                   ('さくら', 'sakura'), ('高砂', 'takasago'), ('千歳', 'chitose'), ('白鳥', 'hakucho'), ('明和', 'meiwa'),
                   ('協和', 'kyowa'), ('太平', 'taihei'), ('瑞穂', 'mizuho'), ('若葉', 'wakaba'), ('松風', 'matsukaze'),
                   ('七星', 'nanahoshi'), ('丸一', 'maruichi'), ('山水', 'sansui'), ('新栄', 'shinei'), ('光洋', 'koyo'),
                   ('共栄', 'kyoei'), ('あおぞら', 'aozora'), ('ひまわり', 'himawari'), ('つばさ', 'tsubasa'),
                   ('はやぶさ', 'hayabusa')) AS s (kanji, roman)),
trade AS (
    SELECT row_number() OVER () - 1 AS n, kanji, roman, industry
      FROM (VALUES ('製作所', 'seisakusho', '製造業'), ('電機', 'denki', '製造業'), ('精工', 'seiko', '製造業'),
                   ('化学', 'kagaku', '化学工業'), ('薬品', 'yakuhin', '医薬品'), ('食品', 'shokuhin', '食品'),
                   ('フーズ', 'foods', '食品'), ('印刷', 'insatsu', '印刷業'), ('建設', 'kensetsu', '建設業'),
                   ('工務店', 'komuten', '建設業'), ('不動産', 'fudosan', '不動産業'), ('商事', 'shoji', '卸売業'),
                   ('商会', 'shokai', '卸売業'), ('物流', 'butsuryu', '運輸業'), ('運輸', 'unyu', '運輸業'),
                   ('システムズ', 'systems', '情報通信業'), ('ソフト', 'soft', '情報通信業'), ('データ', 'data', '情報通信業'),
                   ('エナジー', 'energy', 'エネルギー'), ('デザイン', 'design', '専門サービス業'), ('ホテル', 'hotel', '宿泊業'),
                   ('農園', 'noen', '農業'), ('クリニック', 'clinic', '医療'), ('学園', 'gakuen', '教育'))
           AS t (kanji, roman, industry)),
company AS (
    SELECT trade.n * 30 + stem.n AS n, stem.kanji || trade.kanji AS short,
           stem.roman || '-' || trade.roman || '.example' AS domain, trade.industry
      FROM stem CROSS JOIN trade),
-- The first 47 companies go to one prefecture each, half of the others to the big four.
placed AS (
    SELECT company.*,
           CASE WHEN n < 47 THEN n
                WHEN pg_temp.pick('region', n, 100) < 30 THEN 12
                WHEN pg_temp.pick('region', n, 100) < 40 THEN 26
                WHEN pg_temp.pick('region', n, 100) < 47 THEN 22
                WHEN pg_temp.pick('region', n, 100) < 53 THEN 13
                ELSE pg_temp.pick('prefecture', n, 47) END AS prefecture_n
      FROM company)
SELECT placed.n, placed.short,
       CASE WHEN placed.industry = '医療' THEN '医療法人' || placed.short
            WHEN placed.industry = '教育' THEN '学校法人' || placed.short
            WHEN pg_temp.pick('legal', placed.n, 100) < 55 THEN '株式会社' || placed.short
            WHEN pg_temp.pick('legal', placed.n, 100) < 85 THEN placed.short || '株式会社'
            WHEN pg_temp.pick('legal', placed.n, 100) < 93 THEN '有限会社' || placed.short
            ELSE '合同会社' || placed.short END AS name,
       placed.domain, placed.industry,
       (ARRAY[8, 25, 60, 120, 350, 900, 2500, 12000])[1 + pg_temp.pick('size', placed.n, 8)]
           + pg_temp.pick('staff', placed.n, 20) AS employees,
       pg_temp.pick('competitor', placed.n, 50) = 0 AS competitor,
       p.prefecture,
       p.city || '中央' || 1 + pg_temp.pick('block', placed.n, 9) || '丁目' || 1 + pg_temp.pick('house', placed.n, 30) AS address,
       p.postal || '-00' || lpad(pg_temp.pick('post', placed.n, 100)::text, 2, '0') AS postal_code,
       p.area || '-' || repeat('0', 6 - length(p.area)) AS phone
  FROM placed JOIN sample_prefecture AS p ON p.n = placed.prefecture_n;

-- ---- 3,000 leads ---------------------------------------------------------------

INSERT INTO leadflow.lead (external_id, email, company, company_short, last_name, first_name, department, job_title,
                           phone, postal_code, prefecture, address, country, industry, employees,
                           competitor, nurturing, email_opt_out, do_not_contact, created_at, updated_at)
SELECT 'S' || lpad(i::text, 5, '0'),
       CASE WHEN pg_temp.pick('no mail', i, 20) > 0 THEN surname.roman || i || '@' || company.domain END,
       company.name, company.short, surname.kanji, given.name,
       pg_temp.one_of('department', i, '{営業部,営業企画部,経営企画部,情報システム部,マーケティング部,総務部,人事部,購買部,製造部,研究開発部,経理部}'),
       pg_temp.one_of('title', i, '{代表取締役,取締役,部長,部長,次長,課長,課長,係長,主任,主任,担当,担当,担当}'),
       company.phone || '-' || lpad(pg_temp.pick('phone', i, 10000)::text, 4, '0'),
       company.postal_code, company.prefecture, company.address, '日本', company.industry, company.employees,
       company.competitor,
       pg_temp.pick('nurturing', i, 20) > 0,
       pg_temp.pick('opt out', i, 33) = 0,
       pg_temp.pick('do not contact', i, 100) = 0,
       created.at, created.at
  FROM generate_series(1, 3000) AS i
  -- the smaller of two choices: some companies have many leads, most have few
  JOIN sample_company AS company
    ON company.n = least(pg_temp.pick('company', i, 720), pg_temp.pick('other company', i, 720))
  JOIN (SELECT row_number() OVER () - 1 AS n, kanji, roman
          FROM (VALUES ('佐藤', 'sato'), ('鈴木', 'suzuki'), ('高橋', 'takahashi'), ('田中', 'tanaka'), ('伊藤', 'ito'),
                       ('渡辺', 'watanabe'), ('山本', 'yamamoto'), ('中村', 'nakamura'), ('小林', 'kobayashi'),
                       ('加藤', 'kato'), ('吉田', 'yoshida'), ('山田', 'yamada'), ('佐々木', 'sasaki'),
                       ('山口', 'yamaguchi'), ('松本', 'matsumoto'), ('井上', 'inoue'), ('木村', 'kimura'),
                       ('林', 'hayashi'), ('斎藤', 'saito'), ('清水', 'shimizu'), ('山崎', 'yamazaki'), ('森', 'mori'),
                       ('池田', 'ikeda'), ('橋本', 'hashimoto'), ('阿部', 'abe'), ('石川', 'ishikawa'), ('前田', 'maeda'),
                       ('藤田', 'fujita'), ('小川', 'ogawa'), ('後藤', 'goto'), ('岡田', 'okada'), ('長谷川', 'hasegawa'))
               AS s (kanji, roman)) AS surname ON surname.n = pg_temp.pick('surname', i, 32)
 CROSS JOIN LATERAL (SELECT pg_temp.one_of('given', i, '{健太,大輔,翔太,拓也,直樹,誠,浩二,隆,和也,雄一,亮,大樹,悠斗,蓮,陽介,美咲,陽子,由美,愛,彩,真由美,恵子,直美,さくら,結衣,葵,美穂,智子,千尋,沙織}') AS name) AS given
 CROSS JOIN LATERAL (SELECT pg_temp.days_ago(:'today', 2 + pg_temp.pick('created', i, 400), 'created', i) AS at) AS created
 ORDER BY i;

-- What follows is a lead's own history: it begins when the lead was acquired.
CREATE TEMPORARY TABLE sample_lead ON COMMIT DROP AS
SELECT lead_id, substr(external_id, 2)::integer AS n, company_short,
       :'today'::date - (created_at AT TIME ZONE 'Asia/Tokyo')::date AS age,
       pg_temp.pick('applies', substr(external_id, 2)::bigint, 100) < 45 AS applies,
       pg_temp.pick('worked', substr(external_id, 2)::bigint, 100) < 55 AS worked
  FROM leadflow.lead WHERE external_id ~ '^S\d{5}$';

-- Most leads come rarely, a few often; who has applied comes more often.
INSERT INTO leadflow.visit (lead_id, visited_at, pages, duration, entry_url, referrer)
SELECT lead_id,
       pg_temp.days_ago(:'today', days, 'visit', id), pages,
       make_interval(secs => (pages - 1) * (15 + pg_temp.pick('pace', id, 80))),
       'https://www.leadflow.example' ||
           pg_temp.one_of('entry', id, '{/,/,/products/,/products/pricing,/cases/,/cases/manufacturing,/seminar/,/whitepaper/,/blog/lead-nurturing,/blog/inside-sales,/faq/}'),
       pg_temp.one_of('referrer', id, '{https://www.google.com/,https://www.google.com/,https://search.yahoo.co.jp/,https://www.bing.com/,https://mail.leadflow.example/news,NULL,NULL}')
  FROM sample_lead AS l
 CROSS JOIN LATERAL (SELECT pg_temp.pick('visitor', n, 100) AS class) AS visitor
 CROSS JOIN LATERAL generate_series(1, CASE WHEN class < 35 THEN pg_temp.pick('visits', n, 2)
                                            WHEN class < 75 THEN 1 + pg_temp.pick('visits', n, 3)
                                            WHEN class < 93 THEN 3 + pg_temp.pick('visits', n, 6)
                                            ELSE 8 + pg_temp.pick('visits', n, 12) END + CASE WHEN applies THEN 1 ELSE 0 END) AS k
 CROSS JOIN LATERAL (SELECT n * 100 + k AS id) AS visit
 CROSS JOIN LATERAL (SELECT 1 + pg_temp.pick('visit day', id, least(l.age, 120)) AS days,
                            pg_temp.pick('depth', id, 1000) AS depth) AS chance
 CROSS JOIN LATERAL (SELECT CASE WHEN depth < 550 THEN 1 + pg_temp.pick('pages', id, 3)
                                 WHEN depth < 820 THEN 4 + pg_temp.pick('pages', id, 4)
                                 WHEN depth < 950 THEN 8 + pg_temp.pick('pages', id, 7)
                                 ELSE 15 + pg_temp.pick('pages', id, 25) END AS pages) AS depth_of_visit;

INSERT INTO leadflow.application (lead_id, campaign_id, applied_at, status, source)
SELECT lead_id, campaign.campaign_id,
       pg_temp.days_ago(:'today', 1 + pg_temp.pick('applied', id, l.age), 'application', id),
       pg_temp.one_of('status', id, '{受付,参加,参加,欠席,資料送付済}'),
       pg_temp.one_of('source', id, '{Web,Web,Web,展示会,メルマガ,紹介,電話}')
  FROM sample_lead AS l
 CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.pick('applications', n, 3)) AS k
 CROSS JOIN LATERAL (SELECT n * 100 + k AS id) AS application
  JOIN (SELECT campaign_id, row_number() OVER (ORDER BY campaign_id) - 1 AS n FROM leadflow.campaign) AS campaign
    ON campaign.n = pg_temp.pick('campaign', id, 8)
 WHERE applies;

INSERT INTO leadflow.activity (lead_id, rep_id, fields)
SELECT lead_id, rep.rep_id,
       jsonb_strip_nulls(jsonb_build_object(
           'acted_on', acted_on,
           'kind', pg_temp.one_of('kind', id, '{電話,電話,電話,メール,訪問,WEBミーティング}'),
           'result', result,
           'source', pg_temp.one_of('activity source', id, '{ホワイトペーパー,資料請求,セミナー,HOTリードリスト,掘り起こしリスト}'),
           'content', pg_temp.one_of('content', id, '{製品の概要を案内。検討時期は未定。,来期予算での検討。資料を送付。,担当者が不在。折り返しを依頼。,課題をヒアリング。事例を希望。,他社と比較中。価格表を送付。,上長を交えた打ち合わせを打診。}'),
           'next_contact_on', CASE WHEN result = '継続フォロー' THEN acted_on + 14 + pg_temp.pick('next', id, 45) END))
  FROM sample_lead AS l
 CROSS JOIN LATERAL generate_series(1, 1 + pg_temp.pick('activities', n, 3)) AS k
 CROSS JOIN LATERAL (SELECT n * 100 + k AS id) AS activity
 CROSS JOIN LATERAL (SELECT :'today'::date - 1 - pg_temp.pick('acted', id, l.age) * pg_temp.pick('how long', id, 100) / 100 AS acted_on,
                            pg_temp.one_of('result', id, '{継続フォロー,継続フォロー,継続フォロー,継続フォロー,継続フォロー,継続フォロー,アーカイブ,アーカイブ,アーカイブ,商談化}') AS result) AS outcome
  JOIN (SELECT rep_id, row_number() OVER (ORDER BY rep_id) - 1 AS n FROM leadflow.rep) AS rep
    ON rep.n = pg_temp.pick('rep', l.n, 8)
 WHERE applies AND worked;

-- Who has been talked to belongs to the one who talked last.
UPDATE leadflow.lead AS l
   SET rep_id = latest.rep_id
  FROM (SELECT DISTINCT ON (lead_id) lead_id, rep_id
          FROM leadflow.activity ORDER BY lead_id, acted_on DESC, activity_id DESC) AS latest
 WHERE latest.lead_id = l.lead_id;

-- The lists have existed as long as the visits go back. So each is due at the next
-- tick, also the fortnightly one in the week it would rest.
UPDATE leadflow.list
   SET created_at = (:'today'::date - 120)::timestamp AT TIME ZONE 'Asia/Tokyo';

COMMIT;

ANALYZE leadflow.lead, leadflow.visit, leadflow.application, leadflow.activity;
