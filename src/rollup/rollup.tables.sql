-- What is kept of conditions so that a refresh need not read all records again:
-- the leads of a condition by local day, and the writes that came after.

CREATE TABLE IF NOT EXISTS leadflow.rollup_source (
    source_id bigserial PRIMARY KEY,
    relation oid NOT NULL,
    lead_column text NOT NULL,
    time_column text,
    zone text NOT NULL,
    settles_after interval,
    fingerprint text,
    marked_before bigint NOT NULL DEFAULT -9223372036854775808,
    published_by xid8,
    settles_at xid8,
    settled_before bigint NOT NULL DEFAULT -9223372036854775808,
    folded_through date,
    part_before bigint,
    may_fold_through date,
    waits_for text,
    UNIQUE NULLS NOT DISTINCT (relation, lead_column, time_column, zone, settles_after)
);
COMMENT ON TABLE leadflow.rollup_source IS 'relations whose writes are followed, so that what is kept of them stays true (集計対象)';
COMMENT ON COLUMN leadflow.rollup_source.source_id IS 'key';
COMMENT ON COLUMN leadflow.rollup_source.relation IS 'the relation';
COMMENT ON COLUMN leadflow.rollup_source.lead_column IS 'its lead column';
COMMENT ON COLUMN leadflow.rollup_source.time_column IS 'its event time; null where records have none or it does not matter';
COMMENT ON COLUMN leadflow.rollup_source.zone IS 'IANA time zone of the days; empty where days need none (タイムゾーン)';
COMMENT ON COLUMN leadflow.rollup_source.settles_after IS 'as of the source: a day is kept this long after its end; null where writes are followed instead';
COMMENT ON COLUMN leadflow.rollup_source.fingerprint IS 'the relation, its columns and its triggers, as they were when what is kept was built';
COMMENT ON COLUMN leadflow.rollup_source.marked_before IS 'a write of a record with an event time before this is marked: days since 2000 or microseconds since 2000, as the column is';
COMMENT ON COLUMN leadflow.rollup_source.published_by IS 'transaction that set marked_before';
COMMENT ON COLUMN leadflow.rollup_source.settles_at IS 'when all transactions before this have ended, every write before marked_before is marked or seen';
COMMENT ON COLUMN leadflow.rollup_source.settled_before IS 'what was before this may be kept';
COMMENT ON COLUMN leadflow.rollup_source.folded_through IS 'the days through this one are kept as one';
COMMENT ON COLUMN leadflow.rollup_source.part_before IS 'of the day after the last one, what was before this is kept as well; null: nothing of it';
COMMENT ON COLUMN leadflow.rollup_source.may_fold_through IS 'the last day before all windows of the conditions that are in use';
COMMENT ON COLUMN leadflow.rollup_source.waits_for IS 'why nothing is kept or added at present; null when all is well';

CREATE TABLE IF NOT EXISTS leadflow.rollup_atom (
    atom_id bigserial PRIMARY KEY,
    source_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('days', 'sums', 'whole')),
    value text NOT NULL,
    condition text NOT NULL,
    sealed_through date,
    complete boolean NOT NULL DEFAULT false,
    newest timestamptz,
    built_at timestamptz,
    verified_at timestamptz,
    faults integer NOT NULL DEFAULT 0,
    last_fault text
);
COMMENT ON TABLE leadflow.rollup_atom IS 'conditions of saved segments and lists whose leads are kept (集計条件)';
COMMENT ON COLUMN leadflow.rollup_atom.atom_id IS 'key';
COMMENT ON COLUMN leadflow.rollup_atom.source_id IS 'the relation it is about';
COMMENT ON COLUMN leadflow.rollup_atom.kind IS 'days: the leads with a record, by day; sums: what is added up for each lead, by day; whole: its leads, regardless of time';
COMMENT ON COLUMN leadflow.rollup_atom.value IS 'of sums, what is added up; empty for a count of records';
COMMENT ON COLUMN leadflow.rollup_atom.condition IS 'the condition on a record r, or the query of the leads, in SQL';
COMMENT ON COLUMN leadflow.rollup_atom.sealed_through IS 'last local day that is kept as a whole; what is not kept of later ones is looked up when asked for';
COMMENT ON COLUMN leadflow.rollup_atom.complete IS 'has it been built up to a present day?';
COMMENT ON COLUMN leadflow.rollup_atom.newest IS 'of leads regardless of time, the latest time one was created; it answers for no instant before that';
COMMENT ON COLUMN leadflow.rollup_atom.built_at IS 'when it was last added to';
COMMENT ON COLUMN leadflow.rollup_atom.verified_at IS 'when verify_rollups() last looked at it';
COMMENT ON COLUMN leadflow.rollup_atom.faults IS 'how often verify_rollups() found a difference';
COMMENT ON COLUMN leadflow.rollup_atom.last_fault IS 'the last of them';
CREATE UNIQUE INDEX IF NOT EXISTS rollup_atom_condition ON leadflow.rollup_atom (source_id, kind, md5(value || '|' || condition));

CREATE TABLE IF NOT EXISTS leadflow.rollup (
    atom_id bigint NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    leads leadflow.leadset NOT NULL,
    sums bytea,
    PRIMARY KEY (atom_id, first_day)
);
COMMENT ON TABLE leadflow.rollup IS 'the leads of a condition by local day (日別集計)';
COMMENT ON COLUMN leadflow.rollup.atom_id IS 'the condition';
COMMENT ON COLUMN leadflow.rollup.first_day IS 'first day; infinity: records without an event time, -infinity: records of that time; a day without leads has no row';
COMMENT ON COLUMN leadflow.rollup.last_day IS 'last day: another one where days are folded into one';
COMMENT ON COLUMN leadflow.rollup.leads IS 'the leads';
COMMENT ON COLUMN leadflow.rollup.sums IS 'of sums, those of the leads, in their order: bytes of each, then each, lowest byte first';

-- numbers of a byte or two each hardly get smaller
ALTER TABLE leadflow.rollup ALTER sums SET STORAGE EXTERNAL;

-- what fits into a page stays in the row: many are read at a time
ALTER TABLE leadflow.rollup SET (toast_tuple_target = 8160);

CREATE TABLE IF NOT EXISTS leadflow.rollup_dirty (
    dirty_id bigserial PRIMARY KEY,
    source_id bigint NOT NULL,
    days leadflow.leadset,
    leads leadflow.leadset
);
COMMENT ON TABLE leadflow.rollup_dirty IS 'writes to days that are kept, each marked by the statement that wrote; the tick works them off (要再集計)';
COMMENT ON COLUMN leadflow.rollup_dirty.dirty_id IS 'key';
COMMENT ON COLUMN leadflow.rollup_dirty.source_id IS 'the relation written to';
COMMENT ON COLUMN leadflow.rollup_dirty.days IS 'the days of the records, of UTC where they are instants, as Julian day numbers plus 2; 1: without an event time, 0: -infinity; null: all';
COMMENT ON COLUMN leadflow.rollup_dirty.leads IS 'the leads of the records; null: all';
CREATE INDEX IF NOT EXISTS rollup_dirty_source ON leadflow.rollup_dirty (source_id);

CREATE OR REPLACE VIEW leadflow.rollup_progress WITH (security_invoker = true) AS
SELECT s.relation::regclass AS relation,
       nullif(s.zone, '') AS zone,
       a.kind,
       concat_ws(' where ', nullif(a.value, ''), nullif(a.condition, '')) AS condition,
       a.complete,
       a.sealed_through,
       a.built_at,
       (SELECT count(*) FROM leadflow.rollup_dirty AS d WHERE d.source_id = s.source_id) AS marks,
       coalesce(s.waits_for,
                CASE WHEN s.settled_before < s.marked_before
                     THEN 'transactions that were in progress when following began' END) AS waits_for,
       a.faults,
       a.last_fault
  FROM leadflow.rollup_atom AS a
  JOIN leadflow.rollup_source AS s ON s.source_id = a.source_id;
COMMENT ON VIEW leadflow.rollup_progress IS 'how far what is kept of each condition has come (集計状況)';
COMMENT ON COLUMN leadflow.rollup_progress.relation IS 'relation whose records are counted';
COMMENT ON COLUMN leadflow.rollup_progress.zone IS 'time zone of its days (タイムゾーン)';
COMMENT ON COLUMN leadflow.rollup_progress.kind IS 'days, sums or whole, as in rollup_atom';
COMMENT ON COLUMN leadflow.rollup_progress.condition IS 'the condition, in SQL';
COMMENT ON COLUMN leadflow.rollup_progress.complete IS 'whether evaluation can use it';
COMMENT ON COLUMN leadflow.rollup_progress.sealed_through IS 'last local day that is kept as a whole';
COMMENT ON COLUMN leadflow.rollup_progress.built_at IS 'when it was last added to';
COMMENT ON COLUMN leadflow.rollup_progress.marks IS 'writes to kept days that the tick has yet to work off';
COMMENT ON COLUMN leadflow.rollup_progress.waits_for IS 'what keeps it from going on; null when nothing does';
COMMENT ON COLUMN leadflow.rollup_progress.faults IS 'how often verify_rollups() found a difference';
COMMENT ON COLUMN leadflow.rollup_progress.last_fault IS 'the last of them';

CREATE OR REPLACE VIEW leadflow.rollup_size WITH (security_invoker = true) AS
SELECT s.relation::regclass AS relation,
       a.kind,
       concat_ws(' where ', nullif(a.value, ''), nullif(a.condition, '')) AS condition,
       count(r.atom_id) AS rows,
       coalesce(sum(pg_column_size(r.leads) + coalesce(pg_column_size(r.sums), 0)), 0)::bigint AS bytes
  FROM leadflow.rollup_atom AS a
  JOIN leadflow.rollup_source AS s ON s.source_id = a.source_id
  LEFT JOIN leadflow.rollup AS r ON r.atom_id = a.atom_id
 GROUP BY a.atom_id, s.source_id;
COMMENT ON VIEW leadflow.rollup_size IS 'what is kept of each condition takes (集計サイズ)';
COMMENT ON COLUMN leadflow.rollup_size.relation IS 'relation whose records are counted';
COMMENT ON COLUMN leadflow.rollup_size.kind IS 'days, sums or whole, as in rollup_atom';
COMMENT ON COLUMN leadflow.rollup_size.condition IS 'the condition, in SQL';
COMMENT ON COLUMN leadflow.rollup_size.rows IS 'rows of rollup: days that have leads';
COMMENT ON COLUMN leadflow.rollup_size.bytes IS 'bytes of their sets, as stored';
