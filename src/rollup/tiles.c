/*
 * tiles.c
 *		Reading the leads of days from the records, keeping them, and mending
 *		those that were written to.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/evaluation.h"
#include "engine/scan.h"
#include "miscadmin.h"
#include "rollup/build.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Conditions that are read in one pass. */
#define MAX_COLUMNS	200

/* Marks that are worked off in one go. */
#define MAX_MARKS	5000

/* Days of more leads than these are read whole. */
#define MAX_LEADS	20000

/* ---- rows of rollup ----------------------------------------------------------------------- */

ExpandedLeadset *
GetKept(int64 atom_id, DateADT first_day)
{
	SpiArgs		args = {0};
	ExpandedLeadset *leads;
	bool		isnull;

	AddBigintArg(&args, atom_id);
	AddArg(&args, DATEOID, DateADTGetDatum(first_day));
	/* what this batch has written counts as well */
	if (SpiRun("SELECT leads FROM leadflow.rollup WHERE atom_id = $1 AND first_day = $2", &args) == 0)
		return LeadsetCreate(CurrentMemoryContext);
	leads = DatumGetWritableLeadset(SpiDatum(1, 1, &isnull), CurrentMemoryContext);
	SPI_freetuptable(SPI_tuptable);
	return leads;
}

void
PutKept(int64 atom_id, Tile tile, ExpandedLeadset *leads)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, atom_id);
	AddArg(&args, DATEOID, DateADTGetDatum(tile.first));
	if (ExpandedLeadsetCardinality(leads) == 0)
	{
		SpiRun("DELETE FROM leadflow.rollup WHERE atom_id = $1 AND first_day = $2", &args);
		return;
	}
	AddArg(&args, DATEOID, DateADTGetDatum(tile.last));
	AddArg(&args, LeadflowType("leadset"), LeadsetGetDatum(leads));
	SpiRun("INSERT INTO leadflow.rollup AS r (atom_id, first_day, last_day, leads)"
		   " VALUES ($1, $2, $3, $4) ON CONFLICT (atom_id, first_day) DO UPDATE"
		   " SET last_day = excluded.last_day, leads = excluded.leads", &args);
}

/* ---- reading records ------------------------------------------------------------------------- */

/* Where tiles begin and end: the odd buckets between these are the tiles. */
static Datum
tile_bounds(const RollupSource *source, const Tile *tiles, int ntiles)
{
	Datum	   *bounds = palloc(ntiles * 2 * sizeof(Datum));
	int16		length;
	bool		byval;
	char		align;

	for (int i = 0; i < ntiles; i++)
	{
		bounds[i * 2] = TimeDatum(DayFirst(tiles[i].first, source->time_type, source->zone),
								  source->time_type);
		bounds[i * 2 + 1] = TimeDatum(DayFirst(tiles[i].last + 1, source->time_type, source->zone),
									  source->time_type);
	}
	get_typlenbyvalalign(source->time_type, &length, &byval, &align);
	return PointerGetDatum(construct_array(bounds, ntiles * 2, source->time_type, length, byval, align));
}

/* The pass for some atoms over the records of some tiles. */
static void
read_some(const RollupSource *source, const List *atoms, const Tile *tiles, int ntiles, Datum among,
		  ExpandedLeadset **leads)
{
	SpiArgs		args = {0};
	StringInfoData sql;
	ListCell   *lc;
	SPITupleTable *table;
	uint64		rows;
	bool		undated = DATE_NOT_FINITE(tiles[0].first);

	AddTimeArg(&args, 0);
	AddTextArg(&args, source->zone_name);
	initStringInfo(&sql);
	if (undated)
		appendStringInfoString(&sql, "select 1");
	else
	{
		AddArg(&args, get_array_type(source->time_type), tile_bounds(source, tiles, ntiles));
		AddArg(&args, source->time_type,
			   TimeDatum(DayFirst(tiles[0].first, source->time_type, source->zone), source->time_type));
		AddArg(&args, source->time_type,
			   TimeDatum(DayFirst(tiles[ntiles - 1].last + 1, source->time_type, source->zone),
						 source->time_type));
		appendStringInfo(&sql, "select width_bucket(r.%s, $3)", source->time_column);
	}
	foreach(lc, atoms)
	{
		const RollupAtom *atom = lfirst(lc);

		appendStringInfo(&sql, ", leadflow.leadset_agg(%s)", source->lead_id);
		if (atom->condition[0] != '\0')
			appendStringInfo(&sql, " filter (where %s)", atom->condition);
	}
	appendStringInfo(&sql, " from %s as r where r.%s >= 0", source->relation_name, source->lead_column);
	if (!undated)
		appendStringInfo(&sql, " and r.%s >= $4 and r.%s < $5", source->time_column, source->time_column);
	else if (tiles[0].first == DATEVAL_NOBEGIN)
		appendStringInfo(&sql, " and r.%s = '-infinity'", source->time_column);
	else
		appendStringInfo(&sql, " and r.%s is null", source->time_column);
	if (DatumGetPointer(among) != NULL)
	{
		AddArg(&args, INT8ARRAYOID, among);
		appendStringInfo(&sql, " and r.%s = any($%d)", source->lead_column, args.n);
	}
	if (!undated)
		appendStringInfoString(&sql, " group by 1");

	rows = SpiRead(sql.data, &args);
	table = SPI_tuptable;
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		int			bucket = DatumGetInt32(SPI_getbinval(table->vals[row], table->tupdesc, 1, &isnull));

		if (bucket % 2 == 0)
			continue;
		foreach(lc, atoms)
		{
			int			i = foreach_current_index(lc);
			ExpandedLeadset **tile = &leads[i * ntiles + bucket / 2];

			*tile = DatumGetWritableLeadset(SPI_getbinval(table->vals[row], table->tupdesc, i + 2, &isnull),
											CurrentMemoryContext);
		}
	}
	SPI_freetuptable(table);
}

ExpandedLeadset **
ReadTiles(const RollupSource *source, const List *atoms, const Tile *tiles, int ntiles, Datum among)
{
	int			natoms = list_length(atoms);
	ExpandedLeadset **leads = palloc0(Max(natoms * ntiles, 1) * sizeof(ExpandedLeadset *));

	for (int i = 0; i < natoms; i += MAX_COLUMNS)
	{
		List	   *some = list_truncate(list_copy_tail(atoms, i), MAX_COLUMNS);

		read_some(source, some, tiles, ntiles, among, leads + i * ntiles);
	}
	for (int i = 0; i < natoms * ntiles; i++)
		if (leads[i] == NULL)
			leads[i] = LeadsetCreate(CurrentMemoryContext);
	return leads;
}

/* ---- leads whatever the time -------------------------------------------------------------------- */

/* Every lead that is there, whenever it was created. */
ExpandedLeadset *
ReadWhole(const RollupAtom *atom, const RollupSource *source, Datum among)
{
	Clock		clock = {.as_of = DT_NOEND, .zone_name = source->zone_name};
	char	   *sql = unconstify(char *, atom->condition);

	if (DatumGetPointer(among) != NULL)
		sql = psprintf("select w.lead_id from (%s) as w where w.lead_id = any($3)", sql);
	return QueryLeads(sql, &clock, among, CurrentMemoryContext);
}

void
PutWhole(const RollupAtom *atom, const RollupSource *source, ExpandedLeadset *leads, Datum among)
{
	static const Tile whole = {DATEVAL_NOBEGIN, DATEVAL_NOEND};
	SpiArgs		args = {0};

	PutKept(atom->atom_id, whole, leads);
	AddBigintArg(&args, atom->atom_id);
	if (DatumGetPointer(among) == NULL)
		SpiRead("SELECT max(created_at) FROM leadflow.lead", NULL);
	else
	{
		SpiArgs		these = {0};

		AddArg(&these, INT8ARRAYOID, among);
		SpiRead("SELECT max(created_at) FROM leadflow.lead WHERE lead_id = any($1)", &these);
	}
	{
		bool		isnull;
		Datum		newest = SpiDatum(1, 1, &isnull);

		AddTimeArg(&args, isnull ? DT_NOBEGIN : Max(DatumGetTimestampTz(newest), atom->newest));
	}
	SpiRun("UPDATE leadflow.rollup_atom SET complete = true, built_at = clock_timestamp(),"
		   " newest = CASE WHEN newest > $2 THEN newest ELSE $2 END WHERE atom_id = $1", &args);
}

static void
repair_whole(const RollupSource *source, const RollupAtom *atom, ExpandedLeadset *written)
{
	ExpandedLeadset *leads;
	Datum		among = (Datum) 0;

	if (!atom->complete)
		return;
	if (ExpandedLeadsetCardinality(written) <= MAX_LEADS)
		among = LeadsArray(written);
	leads = ReadWhole(atom, source, among);
	if (DatumGetPointer(among) != NULL)
	{
		ExpandedLeadset *kept = GetKept(atom->atom_id, DATEVAL_NOBEGIN);

		LeadsetSubtract(kept, written);
		LeadsetUnion(kept, leads);
		leads = kept;
	}
	PutWhole(atom, source, leads, among);
}

/* ---- days that were written to --------------------------------------------------------------------- */

/* Marks of a source that are visible, together. */
typedef struct Marks
{
	ArrayBuildState *ids;
	ExpandedLeadset *days;
	ExpandedLeadset *leads;
	bool		all;
} Marks;

static bool
read_marks(const RollupSource *source, Marks *marks)
{
	SpiArgs		args = {0};
	uint64		rows;

	AddBigintArg(&args, source->source_id);
	AddArg(&args, INT4OID, Int32GetDatum(MAX_MARKS));
	rows = SpiRead("SELECT dirty_id, days, leads FROM leadflow.rollup_dirty WHERE source_id = $1"
				   " ORDER BY dirty_id LIMIT $2", &args);
	marks->days = LeadsetCreate(CurrentMemoryContext);
	marks->leads = LeadsetCreate(CurrentMemoryContext);
	for (uint64 row = 1; row <= rows; row++)
	{
		bool		isnull;
		Datum		set = SpiDatum(row, 2, &isnull);

		marks->ids = accumArrayResult(marks->ids, Int64GetDatum(SpiBigint(row, 1)), false, INT8OID,
									  CurrentMemoryContext);
		marks->all |= isnull;
		if (isnull)
			continue;
		LeadsetUnion(marks->days, DatumGetExpandedLeadset(set, CurrentMemoryContext));
		LeadsetUnion(marks->leads, DatumGetExpandedLeadset(SpiDatum(row, 3, &isnull), CurrentMemoryContext));
	}
	return rows > 0;
}

/* The local days that a day of marks meets. */
static void
local_days(const RollupSource *source, int64 mark, DateADT *first, DateADT *last)
{
	int64		day = mark - 2 - POSTGRES_EPOCH_JDATE;

	*first = *last = (DateADT) day;
	if (source->time_type == TIMESTAMPTZOID)
	{
		int64		start = Max(day * USECS_PER_DAY, LowestTime(source->time_type));

		*first = DayOf(start, source->time_type, source->zone);
		*last = DayOf(day * USECS_PER_DAY + USECS_PER_DAY - 1, source->time_type, source->zone);
	}
}

/* What is kept of the days, in order. */
static List *
written_tiles(const RollupSource *source, ExpandedLeadset *days)
{
	List	   *tiles = NIL;
	Tile	   *latest = NULL;
	LeadsetIterator it;
	int64		mark;

	LeadsetIterate(&it, DatumGetLeadset(LeadsetGetDatum(days)));
	while (LeadsetNext(&it, &mark))
	{
		DateADT		first;
		DateADT		last;

		if (mark < 2)
			continue;
		local_days(source, mark, &first, &last);
		for (DateADT day = first; day <= last; day++)
		{
			if (latest != NULL && day <= latest->last)
				continue;
			latest = palloc(sizeof(Tile));
			latest->first = latest->last = day;
			if (source->folded_through != NO_DAY && day <= source->folded_through)
			{
				latest->first = FIRST_DAY;
				latest->last = source->folded_through;
			}
			tiles = lappend(tiles, latest);
		}
	}
	return tiles;
}

/* Put what the records give in the place of what is kept, of the leads written to. */
static void
repair_tiles(const RollupSource *source, const List *atoms, const List *tiles, const Marks *marks)
{
	bool		few = ExpandedLeadsetCardinality(marks->leads) <= MAX_LEADS;
	int			ntiles = list_length(tiles);
	Tile	   *array = palloc(Max(ntiles, 1) * sizeof(Tile));
	ExpandedLeadset **leads;
	ListCell   *lc;

	if (ntiles == 0 || atoms == NIL)
		return;
	foreach(lc, tiles)
		array[foreach_current_index(lc)] = *(Tile *) lfirst(lc);
	leads = ReadTiles(source, atoms, array, ntiles, few ? LeadsArray(marks->leads) : (Datum) 0);
	foreach(lc, atoms)
	{
		const RollupAtom *atom = lfirst(lc);

		for (int i = 0; i < ntiles; i++)
		{
			ExpandedLeadset *now = leads[foreach_current_index(lc) * ntiles + i];

			CHECK_FOR_INTERRUPTS();
			/* of days that are not kept yet there is nothing to mend */
			if (DATE_IS_NOBEGIN(array[i].first) || DATE_IS_NOEND(array[i].first) ||
				array[i].last <= atom->sealed_through)
			{
				if (few)
				{
					ExpandedLeadset *kept = GetKept(atom->atom_id, array[i].first);

					LeadsetSubtract(kept, marks->leads);
					LeadsetUnion(kept, now);
					LeadsetDelete(now);
					now = kept;
				}
				PutKept(atom->atom_id, array[i], now);
			}
			LeadsetDelete(now);
		}
	}
}

static void
repair_days(const RollupSource *source, const List *atoms, const Marks *marks)
{
	List	   *begun = NIL;
	ListCell   *lc;
	Tile		undated[] = {{DATEVAL_NOBEGIN, DATEVAL_NOBEGIN}, {DATEVAL_NOEND, DATEVAL_NOEND}};

	foreach(lc, atoms)
		if (((RollupAtom *) lfirst(lc))->sealed_through != NO_DAY)
			begun = lappend(begun, lfirst(lc));
	for (int i = 0; i < 2; i++)
		if (ExpandedLeadsetContains(marks->days, i))
			repair_tiles(source, begun, list_make1(&undated[i]), marks);
	repair_tiles(source, begun, written_tiles(source, marks->days), marks);
}

/* The marks that go are those that were seen, by the snapshot that the records were read under. */
bool
RepairKept(const RollupSource *source, const List *atoms)
{
	Marks		marks = {0};
	SpiArgs		args = {0};
	ListCell   *lc;

	if (!read_marks(source, &marks))
		return false;
	if (marks.all)
		ForgetKept(source->source_id);
	else if (source->time_column == NULL)
		foreach(lc, atoms)
			repair_whole(source, lfirst(lc), marks.leads);
	else
		repair_days(source, atoms, &marks);
	AddArg(&args, INT8ARRAYOID, makeArrayResult(marks.ids, CurrentMemoryContext));
	SpiRun("DELETE FROM leadflow.rollup_dirty WHERE dirty_id = any($1)", &args);
	return true;
}
