SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS leadflow;
CALL leadflow.install('Asia/Tokyo');
RESET client_min_messages;
BEGIN;

-- What a segment is kept as, once its text has been read twice; or why it is refused.
CREATE FUNCTION pg_temp.read(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    once text;
    detail text;
BEGIN
    once := input::leadflow.segment::text;
    IF once <> once::leadflow.segment::text THEN
        RETURN format('%s IS READ AS %s', once, once::leadflow.segment);
    END IF;
    RETURN CASE WHEN length(once) < 1000 THEN once ELSE 'kept' END;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s %s', SQLSTATE, left(SQLERRM, 100), left(detail, 140));
END $$;

\pset format unaligned
\pset tuples_only on
-- terms
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'application', 'Visit ( Pages>=15 AND visited_at  WITHIN 30 Days )', 'lead(competitor)', 'lead((not (competitor)))',
    'everyone', 'No  One', 'list(''HOTリスト'')', 'segment(''it''''s'')', 'score(''fit'')>=80', 'score(''fit'') not between 1 and 2',
    'count(visit)>=3', 'count ( visit.pages ) = 0', 'count(visit where pages>1)<>2', 'count(visit.pages where pages>1)<2',
    'count(distinct visit.entry_url)>2', 'count(distinct visit.entry_url where pages > 1) in (1,2)',
    'count("distinct") > 1', 'count("distinct" where x) > 1', 'count(distinct distinct.distinct) > 1', 'count("distinct".x) > 1',
    'sum(visit.pages where visited_at within 30 days) >= 15', 'MIN(a.b) = ''x''', 'max(activity.acted_on) at least 60 days ago', 'avg(v.p) < -1.50',
    'first(visit where pages > 1)(referrer is null)', 'LAST(activity) (result = ''継続'' or result is empty)']) AS input;
-- chains, and no more parentheses than are needed
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'a and b and c', '(a and b) and c', 'a and (b and c)', '((a)) or (b or (c or d))', 'a or b and c', 'a or (b and c)', '(a or b) and c',
    'not a and b', 'not (a and b)', 'not (not (a))', 'not ((a))', 'not a or not (b or c)', 'a and not (b or c) and (d or e and f)',
    'v((a or b) and not (c and d) or (e))', 'v(not not a and (not b))']) AS input;
-- comparisons
SELECT pg_temp.read('v(f ' || input || ')') FROM unnest(ARRAY[
    '=1', '<>1', '!= 1', '< 1', '<=1', '>1', '>=1', '=-1', '= - 1', '= -0', '= -0.00', '= 007', '= 00.50', '= 1.0', '= 10', '= ''''', '= TRUE', '= False',
    'in(1,''a'',true)', 'not in ( -1 )', 'between 1 and 2', 'not between ''a'' and ''b''', 'between 1 and 2 days ago', 'not between 0 and 1 year ago', 'between 1 and 1 minute ago',
    'is null', 'is not null', 'is empty', 'is not empty', 'contains ''x''', 'not contains ''%''', 'starts with ''x''', 'not starts with ''x''', 'ends with ''x''', 'not ends with ''x''',
    'like ''x%''', 'not like ''x_''', 'matches ''^x$''', 'not matches ''(a*)*b''',
    'within 30 days', 'within the last 1 hours', 'within the last 2 hour', 'within the next 0 weeks', 'within 1 month',
    'at least 60 days ago', 'more than 1 days ago', 'at most 2 year ago', 'less than 90 minutes ago', '3 weeks ago', '1 days ago',
    'in this day', 'in last day', 'in next day', 'today', 'YESTERDAY', 'tomorrow', 'in this week', 'in last month', 'in next quarter', 'in  LAST  year',
    'before ''2026-06-01''', 'after ''2026-06-01 09:30'' and g before ''x''']) AS input;
-- a keyword is one only where it opens or continues something
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'today', 'within(within within 1 day)', 'last(last)(last in last week)', 'first(first where first)(first)', 'max(max.max) = 1', 'lead(no and one)', '"no"(one)',
    'count(count) = 1', 'count(no.one where everyone) = 1', '"count"(count = 1)', 'lead("and" or "or" or "not")', 'lead("not" not in (1))', 'in(in in (1))', 'null(null is null)',
    'empty(empty is empty)', 'true(true = true)', 'month(days 3 days ago)', '"Lead"("E-mail" = 1 and "a""b" = 2)', '"lead"("email" is null)', 'LEAD(ÉMAIL is null)', 'score', 'grade and score']) AS input;
-- names in any script, and the signs an IME types
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'トラッキング(閲覧ページ数 >= 15 and 訪問日時 within 30 days) and 申込 and not 活動履歴', 'トラッキング（閲覧ページ数　＞＝　１５　ａ）',
    'トラッキング（閲覧ページ数　＞＝　１５）　and　not　申込', 'リード（役職 in （''部長（代理）''，''課長''））', 'リード（従業員数 ！＝ １．５ or 従業員数 ＝ －２）', 'ｖ(ａ)',
    '"全角（括弧）"（"１" ＜＝ ３）', '項目１（あ）', 'count（申込）＞０', '/* ''（ */ 申込（ステータス ＝ ''済''）', E'申込 -- ''（\n（ステータス ＝ ''済''）', '🦊（尾 = ９）', E'申込 －－ it''s （\n（a）', E'申込 -－（\n（a ＝ －１）']) AS input;
-- comments and strings
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    'a--b', E'a -- or b\nand c', E'a -- x\rand c', 'a/* or /* nested */ b */and c', 'a/***/and/**/b', 'a /* -- */ and b', E'\n\t a \f\x0b\r ', 'a(b = ''--'' and c = ''/*'')',
    'a(b = ''it''''s'' or c = ''\'' or d = ''$1'')', 'a(b = ''C:\new'')', E'a(b = ''two\nlines'')']) AS input;

-- what is refused, and where
SELECT pg_temp.read(input) FROM unnest(ARRAY[
    '', '   ', 'a b', 'a and', 'and a', 'a or or b', '(a', 'a)', 'a()', 'not', 'lead(email)(x)', 'a.b', 'no', 'one one', '5', 'a and 5',
    'v(f = )', 'v(f = 1 2)', 'v(f = g)', 'v(f in ())', 'v(f in (1,))', 'v(f in 1)', 'v(f between 1)', 'v(f between 1 or 2)', 'v(f not = 1)', 'v(f not is null)', 'v(f is 1)', 'v(f contains 1)', 'v(f = --1)',
    'v(f not within 3 days)', 'v(f not today)', 'v(f within 3)', 'v(f within 3 fortnights)', 'v(f within -3 days)', 'v(f within 1.5 days)', 'v(f within the 3 days)', 'v(f in this hour)', 'v(f within 1 quarter)', 'v(f at least 3 days)',
    'v(f 3 hours ago)', 'v(f between ''a'' and 2 days ago)', 'v(f between 2 and ''a'' days ago)', 'v(f between -1 and 2 days ago)', 'v(f between 3 and 2 days ago)', 'v(f within 99999 years)', 'v(f within 99999999999999999999 minutes)',
    'count(v)', 'count() > 1', 'count(distinct v) > 1', 'count(distinct where x) > 1', 'count(distinct.x) > 1', 'sum(v) > 1', 'sum(v.p)', 'max(v.p) is null', 'count(v) is not null', 'first(v)', 'last(v.p)(x)', 'list(''x'') is null', 'list(''x'', ''y'')', 'avg(v.p where) > 1',
    'v(f = :name)', 'v(f = $1)', 'v(f = 1; drop table x)', 'v(f % 2)', 'v(f = 1e5)', 'v(f = .5)', 'v(f = 1.)', 'v(f = 0x10)', 'v(f = ''a)', 'v("f = 1)', 'v("" = 1)', 'a /* b', 'リード（メール　＝＝　１）', '申込 と 活動履歴', 'v(a） and ('
    ]) AS input;
-- too long, too deep, too many: always the segment's own error
SELECT what, pg_temp.read(input) FROM (VALUES
    ('parentheses', repeat('(', 10000000)), ('full-width parentheses', repeat('（', 1000000)), ('nots', repeat('not ', 1000000) || 'a'), ('rows', repeat('v(', 100000)),
    ('9,000 parentheses', repeat('(', 9000) || 'a' || repeat(')', 9000)), ('10,000 terms', repeat('a or ', 9999) || 'a'), ('10,001 terms', repeat('a or ', 10000) || 'a'),
    ('9,998 values', 'v(f in (' || repeat('1,', 9997) || '1))'), ('9,999 values', 'v(f in (' || repeat('1,', 9998) || '1))'), ('1,000 digits', 'v(f = ' || repeat('9', 1000) || ')'), ('1,001 digits', 'v(f = ' || repeat('9', 1001) || ')'),
    ('a long name', repeat('字', 1000000) || '@'), ('a long string', 'v(f = ''' || repeat('x', 10000000)), ('a long comment', '/*' || repeat('x/*', 1000000)), ('a long window', 'v(f within ' || repeat('9', 1000000) || ' days)')) AS attack (what, input);

-- the numbered form
CREATE FUNCTION pg_temp.composed(formula text, VARIADIC blocks leadflow.segment[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    RETURN leadflow.compose(formula, VARIADIC blocks);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s %s', SQLSTATE, SQLERRM, detail);
END $$;
SELECT pg_temp.composed(formula, 'visit(pages > 1 or pages < 0)', 'a and b', 'not c') FROM unnest(ARRAY[
    '1 AND 2 AND NOT 3', '1 and (2 or 3)', 'not (1 or 2) and 3', '３　or　not　（１ and ２）', '1 and 1 and 2 and 3 and 2', '1 and 2', '1 and 2 and 3 and 4', '0 or 1', '1.0', '', '1 and lead', '1 2', 'not not 1 and not 2 and not not 3']) AS formula;
-- a block named again and again counts each time
SELECT left(pg_temp.composed(repeat('1 and ', 8999) || '1', (repeat('a and ', 8999) || 'a')::leadflow.segment), 60), left(pg_temp.composed('1 or 1', (repeat('not ', 5000) || 'a')::leadflow.segment), 60), left(pg_temp.composed('1 or 1', (repeat('not ', 4997) || 'v(f in (1))')::leadflow.segment), 60);
SELECT pg_temp.composed('1', NULL), leadflow.compose('1 and 2', VARIADIC ARRAY['a', 'b or c']::leadflow.segment[]);

-- operators
SELECT leadflow.segment 'a or b' OPERATOR(leadflow.&) 'c and d', leadflow.segment 'a and b' OPERATOR(leadflow.|) 'c or d',
       OPERATOR(leadflow.!) leadflow.segment 'a and b', OPERATOR(leadflow.!) leadflow.segment 'not a', leadflow.segment 'a' OPERATOR(leadflow.&) NULL;
-- equality is of what is kept
SELECT a, b, a::leadflow.segment OPERATOR(leadflow.=) b::leadflow.segment, a::leadflow.segment OPERATOR(leadflow.<>) b::leadflow.segment,
       leadflow.segment_hash(a::leadflow.segment) = leadflow.segment_hash(b::leadflow.segment),
       leadflow.segment_hash_extended(a::leadflow.segment, 7) = leadflow.segment_hash_extended(b::leadflow.segment, 7)
  FROM (VALUES ('A and (b and c)', '((a and b)) and c'), ('v(f!=1.0)', 'v(f <> 1)'), ('a and b', 'b and a'), ('v(f=''x'')', 'v(f=''X'')'), ('v(f <1)', 'v(f before 1)')) AS pair (a, b);
SELECT s, count(*) FROM (VALUES (leadflow.segment 'a'), ('(A)'), ('not a'), ('not(a)'), (NULL)) AS v (s) GROUP BY s ORDER BY s::text;

-- in a table, and through the binary form
CREATE TEMP TABLE kept (s leadflow.segment);
INSERT INTO kept SELECT ('visit(pages in (' || string_agg(n::text, ',') || '))')::leadflow.segment FROM unnest(ARRAY[1, 9000]) AS m, generate_series(1, m) AS n GROUP BY m;
INSERT INTO kept VALUES ('トラッキング(閲覧ページ数 >= 15) and not "a b"'), (NULL);
SELECT bool_and(pg_column_size(s) > 0), bool_and(leadflow.segment_send(s) = '\x01'::bytea || convert_to(s::text, 'UTF8')) FROM kept;
CREATE TEMP TABLE back (s leadflow.segment);
\copy kept to 'results/segment.copy' (format binary)
\copy back from 'results/segment.copy' (format binary)
SELECT count(*) FROM kept JOIN back ON kept.s OPERATOR(leadflow.=) back.s;
ROLLBACK;

-- a sign in a name is one in quotes only
SELECT 'visit("pages≧3" = 1)'::leadflow.segment, 'visit("a<>b" = 1)'::leadflow.segment;

-- what was probably meant is said, to be pasted
DO $$
DECLARE
    input text;
    hint text;
BEGIN
    FOREACH input IN ARRAY ARRAY['visit(pages ≧ 3)', 'visit(閲覧ページ数≧3)', 'visit(pages≠3)', 'visit(pages ≦ 3)', 'visit(pages ≠ 3)', 'visit(pages => 3)', 'visit(pages ＝＜ 3)', 'visit(pages == 3)', 'lead(company = "it''s")', 'lead(company in (''x'', "y"))', 'lead(company like "a%")',
        'lead(company = 「あ い」)', 'lead(company = “a b”)', 'lead(company = ’a’)', 'lead(company = 東京)', 'lead(company <> abc)', 'visit && application', 'visit || application', 'visit ) 3', 'visit(pages = )', 'visit(pages', 'lead(company = "a', 'visit(pages 3)'] LOOP
        BEGIN
            PERFORM input::leadflow.segment;
            RAISE NOTICE '% is read', input;
        EXCEPTION WHEN syntax_error THEN
            GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
            RAISE NOTICE '%: %', input, hint;
        END;
    END LOOP;
END $$;
