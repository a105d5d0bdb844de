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

/* Rows of sums that are fetched at a time. */
#define FETCH_ROWS	10000

/* Marks that are worked off in one go. */
#define MAX_MARKS	5000

/* Days of more leads than these are read whole. */
#define MAX_LEADS	20000

/* ---- rows of rollup ----------------------------------------------------------------------- */

Content
MakeContent(const RollupAtom *atom)
{
	Content		content = {0};

	if (atom->kind == ROLLUP_SUMS)
		content.sums = SumsCreate(CurrentMemoryContext);
	else
		content.leads = LeadsetCreate(CurrentMemoryContext);
	return content;
}

bool
IsEmpty(const Content *content)
{
	return content->sums != NULL ? !SumsAreThere(content->sums) :
		ExpandedLeadsetCardinality(content->leads) == 0;
}

void
FreeContent(Content *content)
{
	if (content->sums != NULL)
		SumsFree(content->sums);
	if (content->leads != NULL)
		LeadsetDelete(content->leads);
	content->sums = NULL;
	content->leads = NULL;
}

static void
drop_leads(Content *content, ExpandedLeadset *leads)
{
	if (content->sums != NULL)
		SumsDrop(content->sums, leads);
	else
		LeadsetSubtract(content->leads, leads);
}

/* Add one to another, of other records or other leads. */
static void
add_content(Content *content, const Content *other)
{
	if (content->sums != NULL)
		SumsAddAll(content->sums, other->sums);
	else
		LeadsetUnion(content->leads, other->leads);
}

void
AddKept(Content *content, const RollupAtom *atom, DateADT first_day)
{
	SpiArgs		args = {0};
	bool		isnull;

	AddBigintArg(&args, atom->atom_id);
	AddArg(&args, DATEOID, DateADTGetDatum(first_day));
	/* what this batch has written counts as well */
	if (SpiRun("SELECT leads, sums FROM leadflow.rollup WHERE atom_id = $1 AND first_day = $2", &args) == 0)
		return;
	if (content->sums != NULL)
		SumsAddKept(content->sums, SpiDatum(1, 1, &isnull), SpiDatum(1, 2, &isnull));
	else
		LeadsetUnion(content->leads, DatumGetExpandedLeadset(SpiDatum(1, 1, &isnull), CurrentMemoryContext));
	SPI_freetuptable(SPI_tuptable);
}

void
PutKept(const RollupAtom *atom, Tile tile, Content *content)
{
	SpiArgs		args = {0};
	ExpandedLeadset *leads = content->leads;
	Datum		numbers = (Datum) 0;

	if (content->sums != NULL)
		leads = SumsToKeep(content->sums, &numbers);
	AddBigintArg(&args, atom->atom_id);
	AddArg(&args, DATEOID, DateADTGetDatum(tile.first));
	if (ExpandedLeadsetCardinality(leads) == 0)
	{
		SpiRun("DELETE FROM leadflow.rollup WHERE atom_id = $1 AND first_day = $2", &args);
		return;
	}
	AddArg(&args, DATEOID, DateADTGetDatum(tile.last));
	AddArg(&args, LeadflowType("leadset"), LeadsetGetDatum(leads));
	if (content->sums != NULL)
		AddArg(&args, BYTEAOID, numbers);
	else
		AddNullArg(&args, BYTEAOID);
	SpiRun("INSERT INTO leadflow.rollup AS r (atom_id, first_day, last_day, leads, sums)"
		   " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (atom_id, first_day) DO UPDATE"
		   " SET last_day = excluded.last_day, leads = excluded.leads, sums = excluded.sums", &args);
}

/* ---- reading records ------------------------------------------------------------------------- */

/* When the records of a tile begin. */
static int64
tile_first(const RollupSource *source, Tile tile)
{
	return Max(DayFirst(tile.first, source->time_type, source->zone), source->part_from);
}

/* When they end: of a day that is kept in part, where that does. */
static int64
tile_end(const RollupSource *source, Tile tile)
{
	return Min(DayFirst(tile.last + 1, source->time_type, source->zone), source->part_before);
}

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
		bounds[i * 2] = TimeDatum(tile_first(source, tiles[i]), source->time_type);
		bounds[i * 2 + 1] = TimeDatum(tile_end(source, tiles[i]), source->time_type);
	}
	get_typlenbyvalalign(source->time_type, &length, &byval, &align);
	return PointerGetDatum(construct_array(bounds, ntiles * 2, source->time_type, length, byval, align));
}

/* The records of the tiles, as a FROM clause, and what it takes. */
static char *
tile_records(const RollupSource *source, const Tile *tiles, int ntiles, Datum among, SpiArgs *args)
{
	StringInfoData sql;
	const char *time = source->time_column;

	AddTimeArg(args, 0);
	AddTextArg(args, source->zone_name);
	initStringInfo(&sql);
	appendStringInfo(&sql, " from %s as r where r.%s >= 0", source->relation_name, source->lead_column);
	if (DATE_IS_NOBEGIN(tiles[0].first))
		appendStringInfo(&sql, " and r.%s = '-infinity'", time);
	else if (DATE_IS_NOEND(tiles[0].first))
		appendStringInfo(&sql, " and r.%s is null", time);
	else
	{
		AddArg(args, get_array_type(source->time_type), tile_bounds(source, tiles, ntiles));
		AddArg(args, source->time_type, TimeDatum(tile_first(source, tiles[0]), source->time_type));
		AddArg(args, source->time_type, TimeDatum(tile_end(source, tiles[ntiles - 1]), source->time_type));
		appendStringInfo(&sql, " and r.%s >= $4 and r.%s < $5", time, time);
	}
	if (DatumGetPointer(among) != NULL)
	{
		AddArg(args, INT8ARRAYOID, among);
		appendStringInfo(&sql, " and r.%s = any($%d)", source->lead_column, args->n);
	}
	return sql.data;
}

/* Which bucket a record is in. */
static char *
tile_bucket(const RollupSource *source, const Tile *tiles)
{
	return DATE_NOT_FINITE(tiles[0].first) ? "1" : psprintf("width_bucket(r.%s, $3)", source->time_column);
}

static void
put_filter(StringInfo sql, const RollupAtom *atom)
{
	if (atom->condition[0] != '\0')
		appendStringInfo(sql, " filter (where %s)", atom->condition);
}

/* One pass for some atoms whose leads are kept. */
static void
read_leads(const RollupSource *source, const List *atoms, const Tile *tiles, int ntiles, Datum among,
		   Content **contents)
{
	SpiArgs		args = {0};
	char	   *records = tile_records(source, tiles, ntiles, among, &args);
	StringInfoData sql;
	ListCell   *lc;
	SPITupleTable *table;
	uint64		rows;

	initStringInfo(&sql);
	appendStringInfo(&sql, "select %s", tile_bucket(source, tiles));
	foreach(lc, atoms)
	{
		appendStringInfo(&sql, ", leadflow.leadset_agg(%s)", source->lead_id);
		put_filter(&sql, lfirst(lc));
	}
	appendStringInfo(&sql, "%s group by 1", records);

	rows = SpiRead(sql.data, &args);
	table = SPI_tuptable;
	for (uint64 row = 1; row <= rows; row++)
	{
		bool		isnull;
		int			bucket = DatumGetInt32(SpiDatum(row, 1, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (bucket % 2 == 0)
			continue;
		foreach(lc, atoms)
		{
			int			i = foreach_current_index(lc);
			Content    *content = &contents[i][bucket / 2];

			FreeContent(content);
			content->leads = DatumGetWritableLeadset(SpiDatum(row, i + 2, &isnull), CurrentMemoryContext);
		}
	}
	SPI_freetuptable(table);
}

/* One pass for some atoms whose sums are kept: a row for each lead and tile, so with a cursor. */
static void
read_sums(const RollupSource *source, const List *atoms, const Tile *tiles, int ntiles, Datum among,
		  Content **contents)
{
	SpiArgs		args = {0};
	char	   *records = tile_records(source, tiles, ntiles, among, &args);
	StringInfoData sql;
	ListCell   *lc;
	Portal		cursor;

	initStringInfo(&sql);
	appendStringInfo(&sql, "select %s, %s", tile_bucket(source, tiles), source->lead_id);
	foreach(lc, atoms)
	{
		const RollupAtom *atom = lfirst(lc);

		if (atom->value[0] == '\0')
			appendStringInfoString(&sql, ", count(*)");
		else
			appendStringInfo(&sql, ", sum(%s)", atom->value);
		put_filter(&sql, atom);
		appendStringInfoString(&sql, "::bigint");
	}
	appendStringInfo(&sql, "%s group by 1, 2", records);

	cursor = SPI_cursor_open_with_args(NULL, sql.data, args.n, args.types, args.values, args.nulls, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(cursor, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		for (uint64 row = 1; row <= SPI_processed; row++)
		{
			bool		isnull;
			int			bucket = DatumGetInt32(SpiDatum(row, 1, &isnull));
			int64		lead = SpiBigint(row, 2);

			if (bucket % 2 == 0)
				continue;
			foreach(lc, atoms)
			{
				int64		number = SpiBigint(row, foreach_current_index(lc) + 3);

				if (number != 0)
					SumsAdd(contents[foreach_current_index(lc)][bucket / 2].sums, lead, number);
			}
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(cursor);
}

Content *
ReadTiles(const RollupSource *source, const List *atoms, const Tile *tiles, int ntiles, Datum among)
{
	Content    *contents = palloc0(Max(list_length(atoms) * ntiles, 1) * sizeof(Content));

	for (RollupKind kind = ROLLUP_DAYS; kind <= ROLLUP_SUMS; kind++)
	{
		List	   *some = NIL;
		Content    *of_some[MAX_COLUMNS];
		ListCell   *lc;

		foreach(lc, atoms)
		{
			RollupAtom *atom = lfirst(lc);
			Content    *of_atom = contents + foreach_current_index(lc) * ntiles;

			if (atom->kind == kind)
			{
				for (int i = 0; i < ntiles; i++)
					of_atom[i] = MakeContent(atom);
				of_some[list_length(some)] = of_atom;
				some = lappend(some, atom);
			}
			if (list_length(some) == MAX_COLUMNS || (some != NIL && lnext(atoms, lc) == NULL))
			{
				if (kind == ROLLUP_DAYS)
					read_leads(source, some, tiles, ntiles, among, of_some);
				else
					read_sums(source, some, tiles, ntiles, among, of_some);
				some = NIL;
			}
		}
	}
	return contents;
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
PutWhole(const RollupAtom *atom, ExpandedLeadset *leads, Datum among)
{
	static const Tile whole = {DATEVAL_NOBEGIN, DATEVAL_NOEND};
	Content		content = {.leads = leads};
	SpiArgs		args = {0};
	SpiArgs		these = {0};
	bool		isnull;
	Datum		newest;

	PutKept(atom, whole, &content);
	if (DatumGetPointer(among) == NULL)
		SpiRead("SELECT max(created_at) FROM leadflow.lead", NULL);
	else
	{
		AddArg(&these, INT8ARRAYOID, among);
		SpiRead("SELECT max(created_at) FROM leadflow.lead WHERE lead_id = any($1)", &these);
	}
	newest = SpiDatum(1, 1, &isnull);
	AddBigintArg(&args, atom->atom_id);
	AddTimeArg(&args, isnull ? DT_NOBEGIN : DatumGetTimestampTz(newest));
	SpiRun("UPDATE leadflow.rollup_atom SET complete = true, built_at = clock_timestamp(),"
		   " newest = CASE WHEN newest > $2 THEN newest ELSE $2 END WHERE atom_id = $1", &args);
}

static void
repair_whole(const RollupSource *source, const RollupAtom *atom, ExpandedLeadset *written)
{
	Content		content;
	Datum		among;

	if (!atom->complete)
		return;
	if (ExpandedLeadsetCardinality(written) > MAX_LEADS)
	{
		PutWhole(atom, ReadWhole(atom, source, (Datum) 0), (Datum) 0);
		return;
	}
	content = MakeContent(atom);
	AddKept(&content, atom, DATEVAL_NOBEGIN);
	among = LeadsArray(written);
	LeadsetSubtract(content.leads, written);
	LeadsetUnion(content.leads, ReadWhole(atom, source, among));
	PutWhole(atom, content.leads, among);
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
			/* nothing is kept from there on */
			if (DayFirst(day, source->time_type, source->zone) >=
				Min(source->settled_before, source->part_before))
				break;
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

/* Begin anew with an atom: of days that are one, but not all in it yet, nothing can be mended. */
static void
forget_atom(RollupAtom *atom)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, atom->atom_id);
	SpiRun("DELETE FROM leadflow.rollup WHERE atom_id = $1", &args);
	SpiRun("UPDATE leadflow.rollup_atom SET sealed_through = NULL, complete = false WHERE atom_id = $1", &args);
	atom->sealed_through = NO_DAY;
}

/* Put what the records give in the place of what is kept, of the leads written to. */
static void
repair_tiles(const RollupSource *source, const List *atoms, const List *tiles, const Marks *marks)
{
	bool		few = ExpandedLeadsetCardinality(marks->leads) <= MAX_LEADS;
	int			ntiles = list_length(tiles);
	Tile	   *array = palloc(Max(ntiles, 1) * sizeof(Tile));
	Content    *contents;
	ListCell   *lc;

	if (ntiles == 0 || atoms == NIL)
		return;
	foreach(lc, tiles)
		array[foreach_current_index(lc)] = *(Tile *) lfirst(lc);
	contents = ReadTiles(source, atoms, array, ntiles, few ? LeadsArray(marks->leads) : (Datum) 0);
	foreach(lc, atoms)
	{
		RollupAtom *atom = lfirst(lc);

		for (int i = 0; i < ntiles; i++)
		{
			int64		kept_before = KeptBefore(source, atom);
			Content    *now = &contents[foreach_current_index(lc) * ntiles + i];
			Content		kept = MakeContent(atom);

			CHECK_FOR_INTERRUPTS();
			/* of days that are not kept yet there is nothing to mend */
			if (DATE_NOT_FINITE(array[i].first) ||
				DayFirst(array[i].last, source->time_type, source->zone) < kept_before)
			{
				if (few)
				{
					AddKept(&kept, atom, array[i].first);
					drop_leads(&kept, marks->leads);
				}
				add_content(&kept, now);
				PutKept(atom, array[i], &kept);
			}
			else if (DayFirst(array[i].first, source->time_type, source->zone) < kept_before)
				forget_atom(atom);
			FreeContent(now);
			FreeContent(&kept);
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
