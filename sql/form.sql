SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
RESET client_min_messages;

-- What a form is kept as, once its text has been read twice; or why it is refused.
CREATE FUNCTION pg_temp.read(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    once text;
    detail text;
BEGIN
    once := input::leadflow.form::text;
    IF once <> once::leadflow.form::text THEN
        RETURN format('%s IS READ AS %s', once, once::leadflow.form);
    END IF;
    RETURN CASE WHEN length(once) < 1000 THEN once ELSE 'kept' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s %s', SQLSTATE, left(SQLERRM, 100), left(detail, 200));
END $$;

\pset format unaligned
\pset tuples_only on
-- fields, types and options, written as they are kept
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    '', ' ', 'a text', ' A  Text ;', '"A" text; a text', 'a "" text',
    'a checkbox; b date; c email; d integer; e multiselect; f number; g phone; h radio(''x''); i select(''x''); j text; k textarea; l timestamp; m url',
    'a "あ" text', 'a "a" text', '"x y" "z ""z""" text', E'a "line\nbreak \\" text',
    'n number retired hidden default 007.50 max 8', 'n number hidden default -0.0 max 7.10 min - 00.50 required', 'n integer max -1',
    't text pattern ''^\d+''''$'' max_length 010 required', 't textarea default ''''', 'e email default ''a@b.jp''', 'c checkbox default FALSE', 'd date max ''2026-12-31'' min ''2026-01-01'' default ''2026-06-01'' required',
    's timestamp min ''2026-06-01'' max ''2026-06-01 09:30+09'' retired', 'r radio(''x'') default ''x''']) AS input;
-- choices
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'r radio(''x'',''y'' "Y" retired closes effective)', 's select (''x'' "x", ''it''''s'' "say ""so""")', 'm multiselect(''x'' retired retired)',
    'r radio(''x'' only list (9,7) closes only list(9223372036854775807, 7))', 'except radio(''x'' EXCEPT list (9, 7) effective except list(8, 9), ''y'')']) AS input;
-- any word may be a name
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'date date; text text; list "only" radio(''a'' "select"); required url required; "Date" date', 'true checkbox; min number min 1; max_length text max_length 1; default text default ''x''',
    'and text; or text; varchar text; _1 text', '"1" text; "a.b" text; "a;b" text']) AS input;
-- names in any script, the signs an IME types, and comments
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    '日付 "訪問日" date required; 種別　"種別"　radio（''メール''，''電話（代理）''　"１"　only　list（１，２））　required　；金額　number　min　－１．５',
    '"（全角）" text; ー text; ｔｅｘｔ text; 🦊 "🦊" text', E'a -- it''s （\n text /* ; /* " */ ; */ required']) AS input;
-- why a form is refused, and where
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'a', 'a "b"', 'a "b" "c" text', 'a text b text', 'a text, b text', ';', 'a text;; b text', '1 text', 'a text ''x', 'a "x', '"" text', 'a text /* x', 'a :x', 'a text?', 'a <=', 'a >=', 'a radio(''x'' <>)', 'a text !=',
    'a dat', 'a boolean', 'a lisst', 'a text requird', 'a text datte', 'a radio(''x'' defalt)', 'a radio(''x'' onlylist (7))', '日付 text; 種別 "種別" radio(''メール'' retird)', 'a ｔｅｘｔ', 'a required', 'a date required kind text', 'a “日付” date', 'a 「日付」 date', 'a radio(‘x’)', 'a radio(''x'' ''y'')', 'a radio(''x'' "X" "Y")', '種別，text', 'a text efective', 'a radio(''x'' required)',
    'a text default', 'a text default x', 'a text default -''x''', 'a number min -', 'a text min 1', 'a number min ''1''', 'a number min 2 max 1', 'a date min ''2026-02-30''', 'a date max ''2026-06-01 09:30''', 'a date min ''2026-06-02'' max ''2026-06-01''',
    'a timestamp min 5', 'a date max_length 5', 'a text max_length 0', 'a text max_length 1.5', 'a text max_length -1', 'a text max_length ''5''', 'a text max_length 1234567890', 'a radio(''x'') pattern ''x''', 'a text pattern 5', 'a text pattern ''(''', 'a text pattern ''a)|(?:b''', 'a text pattern ''a)(b''', 'a text pattern ''(?i)a''',
    'a text required hidden required', 'a text required retired', 'a text; b text; A text',
    'a "x" text; b "x" date', 'a text; b "a" date', '日付 "B" date retired; "B" text']) AS input;
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'a radio()', 'a select', 'a radio(x)', 'a radio("x")', 'a radio(''x'',)', 'a radio('''')', 'a text(''x'')', 'a radio(''x'', ''y'', ''z'', ''y'', ''x'')', 'a multiselect(''x'' closes)', 'a radio(''x'' only (1))', 'a radio(''x'' only list ())',
    'a radio(''x'' only list (1.5))', 'a radio(''x'' only list (-1))', 'a radio(''x'' only list (9223372036854775808))', 'a radio(''x'' only list (''HOT''))', 'a radio(''x'' only list (7) except list (8))', 'a radio(''x'' except (7))',
    'a text required default ''''', 'a checkbox default 1', 'a integer default 1.5', 'a number max 1 default 2', 'a date default ''2026-02-30''', 'a radio(''x'') default ''y''', 'a radio(''x'' retired) default ''x''', 'a radio(''x'' only list (1)) default ''x''',
    'a text max_length 2 default ''abc''', 'a text retired default ''x''', 'a multiselect default ''x''']) AS input;
-- limits
SELECT pg_temp.read(input) FROM (VALUES
    ((SELECT string_agg('f' || i || ' text', ';') FROM generate_series(1, 1000) AS i)),
    ((SELECT string_agg('f' || i || ' text', ';') FROM generate_series(1, 1001) AS i)),
    ((SELECT 'a radio(' || string_agg(quote_literal(i), ',') || ')' FROM generate_series(1, 10000) AS i)),
    ((SELECT 'a radio(''x''); b radio(' || string_agg(quote_literal(i), ',') || ')' FROM generate_series(1, 10000) AS i)),
    (repeat('x', 63) || ' url'), (repeat('x', 64) || ' url'), ('"' || repeat('あ', 21) || '" url'), ('あ' || repeat('あ', 21) || ' url'),
    ('a text pattern ''' || repeat('あ', 1000) || ''''), ('a text pattern ''' || repeat('あ', 1001) || ''''),
    ('a "' || repeat('x', 1000000) || '" text'), ('n number min ' || repeat('9', 1000)), ('n number min ' || repeat('9', 1001)), (repeat('(', 100000))) AS v (input);
-- equal is what is kept alike
SELECT a, b, a::leadflow.form OPERATOR(leadflow.=) b::leadflow.form, a::leadflow.form OPERATOR(leadflow.<>) b::leadflow.form
  FROM (VALUES ('a text required hidden', 'A  "a" TEXT hidden required;'), ('n number min 1.0', 'n number min 1'), ('a text', 'a textarea'), ('a text; b text', 'b text; a text')) AS v (a, b);
-- so DISTINCT, GROUP BY and hash indexes work
SELECT form, count(*) FROM (VALUES (leadflow.form 'a text required hidden'), ('A "a" TEXT hidden required'), ('a text')) AS v (form) GROUP BY form ORDER BY form::text;
SELECT leadflow.form_hash('a text') = leadflow.form_hash('A  TEXT;') AND leadflow.form_hash_extended('a text', 7) = leadflow.form_hash_extended('a "a" text', 7) AS alike;
CREATE TEMP TABLE hashed (form leadflow.form);
CREATE INDEX ON hashed USING hash (form);
INSERT INTO hashed VALUES ('a text'), ('b text');
SET enable_seqscan = off;
SELECT * FROM hashed WHERE form OPERATOR(leadflow.=) 'A text;';
RESET enable_seqscan;
-- the binary form: a version, then the text
SELECT leadflow.form_send('a "あ" text');
CREATE TEMP TABLE sent (id int, f leadflow.form);
INSERT INTO sent VALUES (1, ''), (2, '種別 radio(''メール'' "E-mail", ''電話'' only list (7)) required; 備考 text pattern ''^"''''\w''');
CREATE TEMP TABLE received (LIKE sent);
\copy sent to 'results/form.copy' (format binary)
\copy received from 'results/form.copy' (format binary)
SELECT received.f FROM sent JOIN received USING (id) WHERE sent.f OPERATOR(leadflow.=) received.f ORDER BY id;

-- what a form holds
\pset null NULL
SELECT * FROM leadflow.fields('a "A" text required max_length 5 pattern ''x+'' default ''x''; b date min ''2026-01-01'' max ''2026-12-31'' hidden; c number min -1 max 1.50 default 0; d checkbox retired; r radio(''x'')');
SELECT * FROM leadflow.choices('a text; r radio(''x'' "X" effective, ''y'' closes only list (7, 9)); m multiselect(''x'' retired, ''y'' except list (7)); n multiselect');
SELECT count(*) FROM leadflow.fields(''), leadflow.choices('a text');
SELECT count(*) FROM leadflow.fields(NULL);

-- each rule, one document each; and what each type takes
CREATE TEMP TABLE f AS SELECT leadflow.form 'name "氏名" text required max_length 5 pattern ''\w+''; old text retired; memo textarea; mail email; tel phone; site url; n number min -1 max 10.5;
    i integer; c checkbox; d date min ''2026-01-01'' max ''2026-12-31''; s timestamp min ''2026-06-01 09:00+09'' max ''2026-06-01 10:00+09''; r radio(''a'', ''b'' retired, ''c'' only list (7, 9), ''d'' retired only list (7));
    p select(''a'', ''x'', ''y'' except list (7, 9)); m multiselect(''a'', ''b'' retired, ''c'' only list (7), ''e''); tags multiselect' AS form;
SELECT document, v.* FROM f, unnest(ARRAY['{}', '{"name": null}', '{"name": ""}', '{"name": []}', '[]', '"x"', 'null', '{"nama": 1}', '{"氏名": {"a": [1]}}', '{"": 1}', NULL]::jsonb[]) AS document, leadflow.violations(form, document) AS v;
CREATE FUNCTION pg_temp.verdicts(field text, list_id bigint, VARIADIC documents text[]) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', value, (SELECT string_agg(concat_ws(' ', CASE WHEN v.field <> $1 THEN v.field END, rule, '"' || v.value || '":', message), ' + ')
                                    FROM f, leadflow.violations(form, '{"name": "x"}' || jsonb_build_object($1, value::jsonb), $2) AS v))
      FROM unnest(documents) AS value $$;
SELECT pg_temp.verdicts('name', NULL, '"あいう"', '"abcdef"', '"あいうえおか"', '"a b"', '"a\n"', '"x\ny"', '1', '["x"]', 'true', '{}');
SELECT pg_temp.verdicts('old', NULL, 'null', '""', '"x"', '0') UNION ALL SELECT pg_temp.verdicts('memo', NULL, '"x\ny"', '1', '""', '[]');
SELECT pg_temp.verdicts('mail', NULL, '"o''b+x@sub.b-c.jp"', '"a@b"', '"@b.jp"', '"a@b.jp."', '"a@b.jp\n"', '"ａ@b.jp"', '"a@例え.jp"', '"a@b@c.jp"', '"a..b@c.jp"', '"a@-b.jp"', '"a@b-.jp"', '"a@b.-jp"', '"a@b.jp-"', '"-@b--c.jp"', '"a,b@c.jp"', '1');
SELECT length(pg_temp.verdicts('mail', NULL, to_jsonb(repeat('x', n) || '@b.jp')::text)) FROM unnest(ARRAY[249, 250]) AS n;
SELECT pg_temp.verdicts('tel', NULL, '"03-1234-5678"', '"+81 (3) 1234.5678"', '"123456"', '"12345"', '"123456789012345"', '"1234567890123456"', '"０３-1234-5678"', '"03+1234567"', '"03-1234-5678 内線"', '81312345678');
SELECT pg_temp.verdicts('site', NULL, '"https://例え.jp/日本?q#f"', '"HTTP://a"', '"ftp://a"', '"http://"', '"http:///x"', '"https://a/ b"', '"https://a\n"', '"https://a/<b>"', '"javascript:x"', '1');
SELECT pg_temp.verdicts('n', NULL, '-1', '-1.0001', '10.5', '10.50000001', '1e-3', '1e3', '"1"', '"NaN"', 'true') UNION ALL SELECT pg_temp.verdicts('i', NULL, '5', '5.0', '5.5', '-5', '1e1', '1e-1', '99999999999999999999', '"5"', 'false', '[5]');
SELECT v.field, rule, length(value) FROM f, leadflow.violations(form, '{"name": "x", "n": 1e100000, "i": 1e-10000, "d": 1e131071, "tel": -1e100000}') AS v;
SELECT pg_temp.verdicts('c', NULL, 'true', 'false', '"true"', '1', 'null');
SELECT pg_temp.verdicts('d', NULL, '"2026-02-28"', '"2026-02-29"', '"2026-02-30"', '"0000-00-00"', '"10000-01-01"', '"2025-12-31"', '"2026-01-01"', '"2026-12-31"', '"2027-01-01"', '"2026-06-01 00:00"', '"2026-6-1"', '"2026/06/01"', '"２０２６-06-01"', '" 2026-06-01"', '"today"', '20260601', '[]');
SELECT pg_temp.verdicts('s', NULL, '"2026-06-01 09:00+09"', '"2026-06-01T00:00:00.000000Z"', '"2026-06-01 00:59"', '"2026-06-01 01:00:00.000001"', '"2026-05-31 23:59:59.999999"', '"2026-06-01 09:30"', '"2026-06-01"', '"2026-06-01 24:00"', '"2026-06-01 09:30 JST"', '0');
SELECT pg_temp.verdicts('r', NULL, '"a"', '"b"', '"c"', '"d"', '"A"', '"a "', '1', '["a"]') UNION ALL SELECT pg_temp.verdicts('r', 9, '"a"', '"b"', '"c"', '"d"', '"x"') UNION ALL SELECT pg_temp.verdicts('r', 8, '"c"') UNION ALL SELECT pg_temp.verdicts('p', 7, '"x"', '"c"', '"y"') UNION ALL SELECT pg_temp.verdicts('p', 8, '"y"') UNION ALL SELECT pg_temp.verdicts('p', NULL, '"y"');
SELECT pg_temp.verdicts('m', NULL, '["a"]', '["a", "e"]', '["e", "a", "e"]', '["a", "b"]', '["c"]', '["a", "x", "y"]', '["a", 1]', '[null]', '[["a"]]', '[]', '"a"', '{"a": 1}') UNION ALL SELECT pg_temp.verdicts('m', 7, '["a", "c"]');
SELECT pg_temp.verdicts('tags', NULL, '["あ", "い", ""]', '["あ", "い", "あ"]', '[1]', '"あ"') UNION ALL SELECT pg_temp.verdicts('nx', NULL, 'null', '1', '{"a": "b"}');
-- several at once: in the form's order, then what is unknown
SELECT field, label, rule, value FROM f, leadflow.violations(form, '{"r": "b", "zz": 1, "n": 11, "x": [1, {"y": null}], "d": "2026-02-30"}');
SELECT leadflow.conforms(form, '{"r": "b", "zz": 1, "n": 11, "x": [1, {"y": null}], "d": "2026-02-30"}') FROM f;
SELECT leadflow.conforms('a "A" text max_length 3', jsonb_build_object('a', repeat('あ', 61)));
SELECT leadflow.conforms('a "A" text', '{"A": 1, "b": 1}');
-- a label where its key is due; not all of many choices
SELECT leadflow.conforms('k radio(''tel'' "電話", ''fax'' "FAX" retired)', '{"k": "電話"}');
SELECT leadflow.conforms('k radio(''tel'' "電話", ''fax'' "FAX" retired)', '{"k": "FAX"}');
SELECT length(message), right(message, 9) FROM leadflow.violations((SELECT format('k radio(%s)', string_agg(quote_literal(n), ', '))::leadflow.form FROM generate_series(1, 60) AS n), '{"k": "x"}');
SELECT leadflow.conforms('a text', NULL), leadflow.conforms('', '{}', NULL), leadflow.conforms('a radio(''x'' only list (7))', '{"a": "x"}', 7);
SELECT leadflow.conforms('a text required', NULL);
\set VERBOSITY sqlstate
-- patterns that take too long, to read and to match, can be cancelled
SET statement_timeout = 100;
SELECT ('a text pattern ''(' || repeat('(x{0,5})', 100) || '){0,9}''')::leadflow.form;
SELECT leadflow.conforms('a text pattern ''(a*)(a*)(a*)(a*)b\1\2\3\4''', jsonb_build_object('a', repeat('a', 500) || 'b' || repeat('a', 400)));
RESET statement_timeout;
SELECT leadflow.conforms('a text', '{"a": 1}');
SELECT leadflow.conforms(NULL, '{}');
SELECT * FROM leadflow.violations(NULL, '{}');
\set VERBOSITY default

-- as a CHECK constraint; a statement that fails leaves nothing
CREATE TEMP TABLE entry (id int, list_id bigint, fields jsonb, CHECK (leadflow.conforms('d date required; r radio(''a'', ''b'' only list (7))', fields, list_id)));
INSERT INTO entry VALUES (1, NULL, '{"d": "2026-06-01"}'), (2, 7, '{"d": "2026-06-01", "r": "b"}');
INSERT INTO entry VALUES (3, NULL, '{"d": "2026-06-01"}'), (4, 8, '{"r": "b"}');
COPY entry FROM STDIN;
5	7	{"d": "2026-06-01", "r": "b"}
6	\N	\N
\.
UPDATE entry SET fields = fields || '{"r": "c"}' WHERE id = 2;
UPDATE entry SET list_id = NULL WHERE id = 2;
UPDATE entry SET fields = fields || '{"r": "a"}' WHERE id = 2;
SELECT * FROM entry ORDER BY id;
-- a form that is another for each row, also one that is no form, is never the one before
CREATE TEMP TABLE several AS SELECT i, (ARRAY['a text', 'a date', 'b text'])[i % 3 + 1]::leadflow.form AS form FROM generate_series(1, 9) AS i;
SELECT string_agg(i || ':' || coalesce(rule, '-'), ' ' ORDER BY i) FROM several LEFT JOIN LATERAL leadflow.violations(form, '{"a": "x"}') ON true;
CREATE FUNCTION pg_temp.tried(VARIADIC forms text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    tried text;
BEGIN
    FOREACH tried IN ARRAY forms LOOP
        BEGIN
            RETURN NEXT leadflow.conforms(tried::leadflow.form, '{"a": "x"}');
        EXCEPTION WHEN OTHERS THEN
            RETURN NEXT SQLSTATE;
        END;
    END LOOP;
END $$;
SELECT string_agg(t, ' ') FROM pg_temp.tried('a text', 'a txt', 'a text', 'a date', 'a text pattern ''(''', 'a date', 'a text') AS t;

-- in parallel
CREATE TABLE public.form_entry AS SELECT i, jsonb_build_object('n', i) AS fields FROM generate_series(1, 20000) AS i;
ALTER TABLE public.form_entry SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT count(*) FROM public.form_entry WHERE leadflow.conforms('n integer max 20000', fields);
SELECT count(*) FROM public.form_entry WHERE leadflow.conforms('n integer max 20000', fields);
SELECT sum((SELECT count(*) FROM leadflow.violations('n integer max 15000', fields))) FROM public.form_entry;
DROP TABLE public.form_entry;

-- lenient reading
SELECT leadflow.form_date(document, 'd') FROM unnest(ARRAY['{"d": "2026-06-01"}', '{"d": "2026-02-30"}', '{"d": "2026-06-01 09:00"}', '{"d": ["2026-06-01"]}', '{"d": 1}', '{"e": "2026-06-01"}', '["d"]', '"d"', NULL]::jsonb[]) AS document;
