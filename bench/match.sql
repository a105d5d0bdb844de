-- HOT for one lead, warm: matches against the query one would write by hand, as PL/pgSQL
-- keeps it prepared; and for all leads in one query, against evaluate.

CREATE FUNCTION public.hot_by_hand(lead bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM leadflow.lead l
         WHERE l.lead_id = lead AND l.email IS NOT NULL AND NOT l.competitor AND l.nurturing
           AND l.created_at <= now() AND l.deleted_at IS NULL AND l.merged_into IS NULL
           AND EXISTS (SELECT FROM leadflow.visit v WHERE v.lead_id = l.lead_id AND v.pages >= 15
                          AND v.visited_at >= (date_trunc('day', now() AT TIME ZONE 'Asia/Tokyo') - interval '30 days') AT TIME ZONE 'Asia/Tokyo'
                          AND v.visited_at <= now())
           AND EXISTS (SELECT FROM leadflow.application a WHERE a.lead_id = l.lead_id AND a.applied_at <= now())
           AND NOT EXISTS (SELECT FROM leadflow.activity a WHERE a.lead_id = l.lead_id
                              AND a.acted_on <= (now() AT TIME ZONE 'Asia/Tokyo')::date));
END
$$;
CREATE FUNCTION public.hot_by_matches(lead bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN leadflow.matches(lead, 'segment(''hot'')');
END
$$;

-- 20,000 leads one by one: how many of them are hot
CREATE FUNCTION public.ask_many(how text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    leads bigint[] := ARRAY(SELECT lead_id FROM leadflow.lead ORDER BY hashint8(lead_id) LIMIT 20000);
    lead bigint;
    hot integer := 0;
BEGIN
    IF how = 'matches' THEN
        FOREACH lead IN ARRAY leads LOOP
            hot := hot + public.hot_by_matches(lead)::integer;
        END LOOP;
    ELSE
        FOREACH lead IN ARRAY leads LOOP
            hot := hot + public.hot_by_hand(lead)::integer;
        END LOOP;
    END IF;
    RETURN hot;
END
$$;

-- the two must agree before they are compared
DO $$
BEGIN
    IF public.ask_many('matches') <> public.ask_many('by hand') THEN
        RAISE 'the hand-written query disagrees';
    END IF;
END
$$;

CALL public.measure('HOT for one lead, 20,000 times: matches / hand-written EXISTS, prepared',
    'SELECT public.ask_many(''matches'')', 'SELECT public.ask_many(''by hand'')', '≤ 1.2', rounds => 5);

CALL public.measure('HOT for all leads: WHERE matches / evaluate',
    'SELECT count(*) FROM leadflow.lead AS l WHERE leadflow.matches(l.lead_id, ''segment(''''hot'''')'')',
    'SELECT leadflow.cardinality(leadflow.evaluate(''segment(''''hot'''')''))', '≤ 2.5');
