/*
 * build.c
 *		Batches of work on what is kept: marks worked off, days added, days
 *		folded. Each is a transaction of its own, so an interrupt loses one.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rollup/build.h"
#include "rollup/followed.h"
#include "source/source.h"
#include "spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "zone.h"

PG_FUNCTION_INFO_V1(build_rollup_batch);

/* Days that a batch adds, as far as there are records. */
#define BATCH_DAYS	32

/* Folding rewrites the days before all windows; so not daily. */
#define FOLD_DAYS	7

/* ---- what is to be built --------------------------------------------------------------- */

static DateADT
date_or_none(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SpiDatum(row, column, &isnull);

	return isnull ? NO_DAY : DatumGetDateADT(value);
}

static int64
part_or_none(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SpiDatum(row, column, &isnull);

	return isnull ? NO_PART : DatumGetInt64(value);
}

/* What the source's columns are now; false when the relation is not as it was when planned. */
static bool
load_columns(RollupSource *source)
{
	Relation	relation = try_relation_open(source->relation, AccessShareLock);
	char	   *fingerprint;
	bool		found = false;

	if (relation == NULL)
		return false;
	fingerprint = WhyNotKept(relation, source->followed) == NULL && SeesAllRows(relation) &&
		HoldTree(relation) ? Fingerprint(relation, source->followed) : NULL;
	if (fingerprint != NULL && strcmp(fingerprint, source->fingerprint) == 0)
	{
		TupleDesc	columns = RelationGetDescr(relation);

		found = true;
		source->relation_name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
														   RelationGetRelationName(relation));
		source->lead_id = psprintf("r.%s::bigint", source->lead_column);
		for (int i = 0; source->time_column != NULL && i < columns->natts; i++)
		{
			Form_pg_attribute column = TupleDescAttr(columns, i);

			if (column->attisdropped ||
				strcmp(quote_identifier(NameStr(column->attname)), source->time_column) != 0)
				continue;
			source->time_type = getBaseType(column->atttypid);
			source->time_not_null = ColumnHasNoNulls(relation, i);
		}
	}
	table_close(relation, NoLock);
	return found;
}

List *
FollowedSources(void)
{
	List	   *rows_read = NIL;
	List	   *sources = NIL;
	ListCell   *lc;
	char	   *default_zone = ResolveZone(NULL);
	bool		isnull;
	uint64		rows = SpiRead("SELECT source_id, relation, lead_column, time_column, zone, fingerprint,"
							   " settled_before, folded_through, settles_after IS NULL, part_before FROM leadflow.rollup_source"
							   " WHERE fingerprint IS NOT NULL AND waits_for IS NULL ORDER BY source_id", NULL);

	for (uint64 row = 1; row <= rows; row++)
	{
		RollupSource *source = palloc0(sizeof(RollupSource));

		source->source_id = SpiBigint(row, 1);
		source->relation = DatumGetObjectId(SpiDatum(row, 2, &isnull));
		source->lead_column = SpiText(row, 3);
		source->time_column = SpiText(row, 4);
		source->zone_name = SpiText(row, 5);
		if (source->zone_name[0] == '\0')
			source->zone_name = default_zone;
		source->zone = LookupZone(cstring_to_text(source->zone_name));
		source->fingerprint = SpiText(row, 6);
		source->settled_before = SpiBigint(row, 7);
		source->folded_through = date_or_none(row, 8);
		source->followed = DatumGetBool(SpiDatum(row, 9, &isnull));
		source->part_before = part_or_none(row, 10);
		source->part_from = PG_INT64_MIN;
		rows_read = lappend(rows_read, source);
	}
	foreach(lc, rows_read)
		if (load_columns(lfirst(lc)))
			sources = lappend(sources, lfirst(lc));
	return sources;
}

void
ReportUnread(const RollupSource *source, const ErrorData *error)
{
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("rollups of %s could not be built or verified", source->relation_name),
			 errdetail("Reading it failed: %s", error->message),
			 errhint("The next tick tries again. What is in the way: SELECT relation, waits_for FROM leadflow.rollup_progress;")));
}

List *
SourceAtoms(const RollupSource *source)
{
	List	   *atoms = NIL;
	SpiArgs		args = {0};
	uint64		rows;

	AddBigintArg(&args, source->source_id);
	rows = SpiRead("SELECT atom_id, kind, value, condition, sealed_through, complete, newest"
				   " FROM leadflow.rollup_atom WHERE source_id = $1 ORDER BY atom_id", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		RollupAtom *atom = palloc0(sizeof(RollupAtom));
		char	   *kind = SpiText(row, 2);
		bool		isnull;
		Datum		newest = SpiDatum(row, 7, &isnull);

		atom->atom_id = SpiBigint(row, 1);
		atom->newest = isnull ? DT_NOBEGIN : DatumGetTimestampTz(newest);
		atom->kind = strcmp(kind, "days") == 0 ? ROLLUP_DAYS :
			strcmp(kind, "sums") == 0 ? ROLLUP_SUMS : ROLLUP_WHOLE;
		atom->value = SpiText(row, 3);
		atom->condition = SpiText(row, 4);
		atom->sealed_through = date_or_none(row, 5);
		atom->complete = DatumGetBool(SpiDatum(row, 6, &isnull));
		atoms = lappend(atoms, atom);
	}
	return atoms;
}

/* ---- adding days -------------------------------------------------------------------------- */

/* The day of the first record from an instant on, or from the beginning; NO_DAY for none. */
static DateADT
first_day(const RollupSource *source, DateADT from)
{
	SpiArgs		args = {0};
	bool		isnull;
	Datum		first;

	AddArg(&args, source->time_type,
		   TimeDatum(from == NO_DAY ? LowestTime(source->time_type) :
					 DayFirst(from, source->time_type, source->zone), source->time_type));
	SpiRead(psprintf("select min(r.%s) from %s as r where r.%s >= $1", source->time_column,
					 source->relation_name, source->time_column), &args);
	first = SpiDatum(1, 1, &isnull);
	if (isnull || (source->time_type == DATEOID ? DATE_NOT_FINITE(DatumGetDateADT(first)) :
				   TIMESTAMP_NOT_FINITE(DatumGetTimestamp(first))))
		return NO_DAY;
	return DayOf(TimeNumber(first, source->time_type), source->time_type, source->zone);
}

static void
seal(const RollupAtom *atom, DateADT through, bool complete)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, atom->atom_id);
	AddArg(&args, DATEOID, DateADTGetDatum(through));
	AddArg(&args, BOOLOID, BoolGetDatum(complete));
	SpiRun("UPDATE leadflow.rollup_atom SET sealed_through = $2, complete = complete OR $3,"
		   " built_at = clock_timestamp() WHERE atom_id = $1", &args);
}

/*
 * What lies outside of all days: records without an event time, and those of
 * -infinity. Where more may be added unseen, it is looked up when asked for.
 */
static void
add_undated(const RollupSource *source, const List *atoms)
{
	static const Tile undated[] = {{DATEVAL_NOBEGIN, DATEVAL_NOBEGIN}, {DATEVAL_NOEND, DATEVAL_NOEND}};

	for (int i = 0; i < (source->time_not_null ? 1 : 2); i++)
	{
		Content    *contents = ReadTiles(source, atoms, &undated[i], 1, (Datum) 0);
		ListCell   *lc;

		foreach(lc, atoms)
			PutKept(lfirst(lc), undated[i], &contents[foreach_current_index(lc)]);
	}
}

/* Add days to atoms that have come as far as each other; returns the last one. */
static DateADT
add_days(const RollupSource *source, const List *atoms, DateADT first, DateADT last)
{
	Tile	   *tiles = palloc((last - first + 1) * sizeof(Tile));
	int			ntiles = 0;
	Content    *contents;
	ListCell   *lc;

	/* what is folded for others is for these */
	for (DateADT day = first; day <= last; day++)
	{
		bool		folded = source->folded_through != NO_DAY && day <= source->folded_through;

		tiles[ntiles].first = day;
		tiles[ntiles].last = folded ? Min(last, source->folded_through) : day;
		day = tiles[ntiles++].last;
	}
	contents = ReadTiles(source, atoms, tiles, ntiles, (Datum) 0);
	foreach(lc, atoms)
	{
		const RollupAtom *atom = lfirst(lc);
		Content    *of_atom = contents + foreach_current_index(lc) * ntiles;

		for (int i = 0; i < ntiles; i++)
		{
			Tile		tile = tiles[i];

			if (source->folded_through != NO_DAY && tile.last <= source->folded_through)
			{
				tile.first = FIRST_DAY;
				tile.last = source->folded_through;
				AddKept(&of_atom[i], atom, FIRST_DAY);
			}
			PutKept(atom, tile, &of_atom[i]);
			FreeContent(&of_atom[i]);
		}
	}
	return last;
}

/* Keep nothing of the day after the last one, which some atoms are about to have as a whole. */
static void
forget_part(RollupSource *source)
{
	SpiArgs		args = {0};

	if (source->part_before == NO_PART)
		return;
	AddBigintArg(&args, source->source_id);
	AddArg(&args, DATEOID, DateADTGetDatum(DayOf(source->part_before, source->time_type, source->zone)));
	SpiRun("DELETE FROM leadflow.rollup AS r USING leadflow.rollup_atom AS a"
		   " WHERE a.source_id = $1 AND r.atom_id = a.atom_id AND r.first_day = $2", &args);
	args.n = 1;
	SpiRun("UPDATE leadflow.rollup_source SET part_before = NULL WHERE source_id = $1", &args);
	source->part_before = NO_PART;
}

/* Add a batch of days to the atoms that are furthest behind. */
static bool
extend(RollupSource *source, const List *atoms)
{
	DateADT		may = DayOf(source->settled_before, source->time_type, source->zone) - 1;
	DateADT		sealed = DATEVAL_NOEND;
	DateADT		next = may;
	DateADT		first;
	DateADT		last;
	List	   *behind = NIL;
	ListCell   *lc;

	foreach(lc, atoms)
		sealed = Min(sealed, ((RollupAtom *) lfirst(lc))->sealed_through);
	if (sealed >= may)
		return false;
	foreach(lc, atoms)
	{
		RollupAtom *atom = lfirst(lc);

		if (atom->sealed_through == sealed)
			behind = lappend(behind, atom);
		else
			next = Min(next, atom->sealed_through);
	}
	forget_part(source);
	if (sealed == NO_DAY && source->followed)
		add_undated(source, behind);
	first = first_day(source, sealed == NO_DAY ? NO_DAY : sealed + 1);
	if (first == NO_DAY || first > next)
		last = next;
	else
		last = add_days(source, behind, first, Min(next, first + BATCH_DAYS - 1));
	foreach(lc, behind)
		seal(lfirst(lc), last, last == may);
	return true;
}

/* Add what may be kept by now of the day after the last one, which all atoms have. */
static bool
extend_part(const RollupSource *source, const List *atoms)
{
	DateADT		day = DayOf(source->settled_before, source->time_type, source->zone);
	bool		is_new = source->part_before == NO_PART;
	int64		from = is_new ? DayFirst(day, source->time_type, source->zone) : source->part_before;
	Tile		tile = {day, day};
	RollupSource part = *source;
	Content    *contents;
	ListCell   *lc;
	SpiArgs		args = {0};

	if (from >= source->settled_before || atoms == NIL)
		return false;
	part.part_from = from;
	part.part_before = source->settled_before;
	contents = ReadTiles(&part, atoms, &tile, 1, (Datum) 0);
	foreach(lc, atoms)
	{
		Content    *content = &contents[foreach_current_index(lc)];

		if (!is_new && !IsEmpty(content))
			AddKept(content, lfirst(lc), day);
		if (is_new || !IsEmpty(content))
			PutKept(lfirst(lc), tile, content);
		FreeContent(content);
	}
	AddBigintArg(&args, source->source_id);
	AddBigintArg(&args, part.part_before);
	SpiRun("UPDATE leadflow.rollup_source SET part_before = $2 WHERE source_id = $1", &args);
	return true;
}

/* Read the leads, whatever the time, of atoms that are new. */
static bool
build_whole(const RollupSource *source, const List *atoms)
{
	ListCell   *lc;

	foreach(lc, atoms)
	{
		RollupAtom *atom = lfirst(lc);

		if (atom->complete)
			continue;
		PutWhole(atom, ReadWhole(atom, source, (Datum) 0), (Datum) 0);
		return true;
	}
	return false;
}

/* ---- folding --------------------------------------------------------------------------------- */

/* The same of an atom whose sums are kept. */
static void
fold_sums(const RollupAtom *atom, DateADT through)
{
	Content		content = MakeContent(atom);
	Tile		tile = {FIRST_DAY, through};
	SpiArgs		args = {0};
	List	   *days = NIL;
	ListCell   *lc;
	bool		isnull;
	uint64		rows;

	AddBigintArg(&args, atom->atom_id);
	AddArg(&args, DATEOID, DateADTGetDatum(tile.first));
	AddArg(&args, DATEOID, DateADTGetDatum(through));
	rows = SpiRead("SELECT first_day FROM leadflow.rollup"
				   " WHERE atom_id = $1 AND first_day >= $2 AND last_day <= $3", &args);
	for (uint64 row = 1; row <= rows; row++)
		days = lappend_int(days, DatumGetDateADT(SpiDatum(row, 1, &isnull)));
	foreach(lc, days)
		AddKept(&content, atom, lfirst_int(lc));
	SpiRun("DELETE FROM leadflow.rollup WHERE atom_id = $1 AND first_day >= $2 AND last_day <= $3", &args);
	PutKept(atom, tile, &content);
	FreeContent(&content);
}

/* Make the days before all windows one. */
static bool
fold(const RollupSource *source, const List *atoms)
{
	SpiArgs		args = {0};
	DateADT		through;
	ListCell   *lc;

	AddBigintArg(&args, source->source_id);
	AddArg(&args, DATEOID, DateADTGetDatum(FIRST_DAY));
	AddArg(&args, INT4OID, Int32GetDatum(FOLD_DAYS));
	if (SpiRead("SELECT s.may_fold_through FROM leadflow.rollup_source AS s WHERE s.source_id = $1"
				" AND s.may_fold_through > $2"
				" AND (s.folded_through IS NULL OR s.folded_through + $3 <= s.may_fold_through)"
				" AND NOT EXISTS (SELECT FROM leadflow.rollup_atom AS a WHERE a.source_id = s.source_id"
				"  AND (a.sealed_through IS NULL OR a.sealed_through < s.may_fold_through))", &args) == 0)
		return false;
	through = date_or_none(1, 1);
	args.n = 2;
	AddArg(&args, DATEOID, DateADTGetDatum(through));
	SpiRun("WITH days AS (DELETE FROM leadflow.rollup AS r USING leadflow.rollup_atom AS a"
		   "  WHERE a.source_id = $1 AND a.kind = 'days' AND r.atom_id = a.atom_id"
		   "  AND r.first_day >= $2 AND r.last_day <= $3 RETURNING r.atom_id, r.leads)"
		   " INSERT INTO leadflow.rollup (atom_id, first_day, last_day, leads)"
		   " SELECT d.atom_id, $2, $3, leadflow.union_agg(d.leads) FROM days AS d GROUP BY d.atom_id", &args);
	foreach(lc, atoms)
		if (((RollupAtom *) lfirst(lc))->kind == ROLLUP_SUMS)
			fold_sums(lfirst(lc), through);
	SpiRun("UPDATE leadflow.rollup_source SET folded_through = $3 WHERE source_id = $1",
		   &args);
	return true;
}

/* ---- all ---------------------------------------------------------------------------------------- */

static bool
build_source(RollupSource *source)
{
	List	   *atoms = SourceAtoms(source);

	if (RepairKept(source, atoms))
		return true;
	if (source->time_column == NULL)
		return source->settled_before == PG_INT64_MAX && build_whole(source, atoms);
	if (source->settled_before > LowestTime(source->time_type) &&
		(extend(source, atoms) || extend_part(source, atoms)))
		return true;
	return fold(source, atoms);
}

typedef struct BuildStep
{
	RollupSource *source;
	bool		more;
} BuildStep;

static void
build_step(void *state)
{
	BuildStep  *step = state;

	step->more = build_source(step->source);
}

/*
 * A relation that cannot be read, as a foreign table whose server is down, is
 * passed over until the next plan, and keeps what it has. True when there may be
 * more to do.
 */
static bool
try_source(RollupSource *source)
{
	BuildStep	step = {.source = source};
	ErrorData  *error = Attempt(build_step, &step);
	SpiArgs		args = {0};

	if (error == NULL)
		return step.more;
	ReportUnread(source, error);
	AddBigintArg(&args, source->source_id);
	AddTextArg(&args, ErrorText(error));
	SpiRun("UPDATE leadflow.rollup_source SET waits_for = $2 WHERE source_id = $1", &args);
	return true;
}

Datum
build_rollup_batch(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);
	bool		more = false;
	ListCell   *lc;

	TakeTurn("build_rollup_batch");
	PushFreshSnapshot();
	foreach(lc, FollowedSources())
	{
		more = try_source(lfirst(lc));
		if (more)
			break;
	}
	PopActiveSnapshot();
	LeaveSpi(frame);
	PG_RETURN_BOOL(more);
}
