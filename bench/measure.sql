-- measure(): two statements in turn, several times, and the ratio of their medians.

CREATE TABLE public.measured (
    seq serial,
    what text,
    leadflow_ms numeric,
    alternative_ms numeric,
    ratio numeric,
    target text
);

-- prepare is run, unmeasured, before each of the two
CREATE PROCEDURE public.measure(what text, ours text, theirs text, target text,
                                prepare text DEFAULT 'SELECT', rounds int DEFAULT 9)
LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz;
    ms numeric[][] := ARRAY[ARRAY[]::numeric[], ARRAY[]::numeric[]];
    statements text[] := ARRAY[ours, theirs];
    times_ours numeric[] := '{}';
    times_theirs numeric[] := '{}';
    elapsed numeric;
BEGIN
    FOR round IN 0 .. rounds LOOP
        FOR side IN 1 .. 2 LOOP
            EXECUTE prepare;
            COMMIT;
            started := clock_timestamp();
            EXECUTE statements[side];
            COMMIT;
            elapsed := extract(epoch FROM clock_timestamp() - started) * 1000;
            -- the first round only warms up
            IF round > 0 AND side = 1 THEN
                times_ours := times_ours || elapsed;
            ELSIF round > 0 THEN
                times_theirs := times_theirs || elapsed;
            END IF;
        END LOOP;
    END LOOP;
    INSERT INTO public.measured (what, leadflow_ms, alternative_ms, ratio, target)
    SELECT measure.what, round(o::numeric, 1), round(t::numeric, 1), round((o / t)::numeric, CASE WHEN o / t < 0.1 THEN 4 ELSE 2 END), measure.target
      FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS o FROM unnest(times_ours) AS x) AS o,
           (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS t FROM unnest(times_theirs) AS x) AS t;
END
$$;
