-- 200k activities into a table held to the activity form, into the same table
-- without it, and into the same table with a trigger in PL/pgSQL that checks as much.

\set form '''acted_on "日付" date required; kind "種別" radio(''''メール'''', ''''電話'''', ''''訪問'''', ''''WEBミーティング''''); content "内容" textarea; result "活動結果" radio(''''継続フォロー'''' effective, ''''商談化'''' effective closes, ''''アーカイブ'''' closes); source "活動ソース" radio(''''ホワイトペーパー'''', ''''資料請求'''', ''''セミナー'''', ''''HOTリードリスト'''', ''''掘り起こしリスト''''); note "その他" textarea; next_contact_on "次回対応日" date'''

CREATE TABLE public.free (LIKE leadflow.activity INCLUDING ALL);
CREATE TABLE public.formed (LIKE leadflow.activity INCLUDING ALL, CHECK (form_version <> 1 OR leadflow.conforms(:form, fields, list_id)));
ALTER TABLE public.formed ALTER form_version SET DEFAULT 1;
CREATE TABLE public.triggered (LIKE leadflow.activity INCLUDING ALL);

CREATE FUNCTION public.check_activity() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key text;
BEGIN
    FOR key IN SELECT jsonb_object_keys(NEW.fields) LOOP
        IF key NOT IN ('acted_on', 'kind', 'content', 'result', 'source', 'note', 'next_contact_on') THEN
            RAISE 'unknown field %', key;
        END IF;
    END LOOP;
    IF NEW.fields ->> 'acted_on' IS NULL OR (NEW.fields ->> 'acted_on')::date IS NULL THEN
        RAISE 'acted_on is required';
    END IF;
    IF NEW.fields ->> 'kind' NOT IN ('メール', '電話', '訪問', 'WEBミーティング') THEN
        RAISE 'kind';
    END IF;
    IF NEW.fields ->> 'result' NOT IN ('継続フォロー', '商談化', 'アーカイブ') THEN
        RAISE 'result';
    END IF;
    IF NEW.fields ->> 'source' NOT IN ('ホワイトペーパー', '資料請求', 'セミナー', 'HOTリードリスト', '掘り起こしリスト') THEN
        RAISE 'source';
    END IF;
    IF (NEW.fields ->> 'next_contact_on')::date IS NULL AND NEW.fields ? 'next_contact_on' THEN
        RAISE 'next_contact_on';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER check_activity BEFORE INSERT OR UPDATE ON public.triggered
    FOR EACH ROW EXECUTE FUNCTION public.check_activity();

CREATE TABLE public.entered AS
SELECT 1 + i % 1000 AS lead_id,
       jsonb_build_object('acted_on', '2026-01-01'::date + i % 300, 'kind', '電話', 'result', '継続フォロー',
                          'source', 'セミナー', 'content', '担当者不在。' || i, 'next_contact_on', '2027-01-01') AS fields
  FROM generate_series(1, 200000) AS i;

CALL public.measure('200k activities: with a form / without',
    'INSERT INTO public.formed (lead_id, fields) SELECT * FROM public.entered',
    'INSERT INTO public.free (lead_id, fields) SELECT * FROM public.entered', '≤ 1.2',
    prepare => 'TRUNCATE public.formed, public.free, public.triggered', rounds => 5);
CALL public.measure('200k activities: with a trigger in PL/pgSQL / without',
    'INSERT INTO public.triggered (lead_id, fields) SELECT * FROM public.entered',
    'INSERT INTO public.free (lead_id, fields) SELECT * FROM public.entered', '',
    prepare => 'TRUNCATE public.formed, public.free, public.triggered', rounds => 5);
SELECT round((SELECT leadflow_ms - alternative_ms FROM public.measured WHERE what LIKE '%PL/pgSQL%')
             / nullif((SELECT leadflow_ms - alternative_ms FROM public.measured WHERE what LIKE '%with a form%'), 0), 1)
       AS "the trigger adds this many times what the form adds (≥ 5)";
