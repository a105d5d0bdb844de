/*
 * plan.c
 *		Which conditions to keep, and the first steps for that: follow the
 *		writes to their relations, and wait for those who wrote before. Read
 *		rollup.h first.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "engine/evaluation.h"
#include "miscadmin.h"
#include "rollup/build.h"
#include "rollup/followed.h"
#include "rollup/rollup.h"
#include "spi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "zone.h"

PG_FUNCTION_INFO_V1(may_build_rollups);
PG_FUNCTION_INFO_V1(plan_rollups);
PG_FUNCTION_INFO_V1(settle_rollups);

/* Days from the longest window's that are not folded yet, and from today. */
#define FOLD_SLACK	8
#define FOLD_RECENT	45

/*
 * Of the present day whole quarters of an hour are kept, but for the latest one:
 * records that take this long to come are not marked.
 */
#define PART_TIME	(15 * USECS_PER_MINUTE)

/* Queries of segments in use, of other rooms. */
static List *in_use = NIL;

void
RegisterSegmentsInUse(const char *sql)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	in_use = lappend(in_use, unconstify(char *, sql));
	MemoryContextSwitchTo(old);
}

static void
require_owner(void)
{
	if (!OwnsRollups())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only the owner of leadflow's tables may build rollups"),
				 errhint("Leave it to the tick, CALL leadflow.run_due().")));
}

Datum
may_build_rollups(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;

	if (RecoveryInProgress())
		PG_RETURN_BOOL(false);
	if (!SPI_inside_nonatomic_context())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("leadflow.build_rollups() cannot run inside a transaction"),
				 errdetail("It commits after each batch."),
				 errhint("Send CALL leadflow.build_rollups() by itself: not in a transaction block, a function, or a query of several statements.")));
	frame = EnterSpi(false);
	require_owner();
	LeaveSpi(frame);
	PG_RETURN_BOOL(true);
}

void
TakeTurn(const char *function)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("leadflow.%s() cannot run in a transaction of isolation level %s", function,
						XactIsoLevel == XACT_SERIALIZABLE ? "serializable" : "repeatable read"),
				 errdetail("Its snapshot may be older than what others have built meanwhile.")));
	require_owner();
	SpiRun("LOCK TABLE leadflow.rollup_atom IN SHARE UPDATE EXCLUSIVE MODE", NULL);
}

void
ForgetKept(int64 source_id)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, source_id);
	SpiRun("DELETE FROM leadflow.rollup AS r USING leadflow.rollup_atom AS a"
		   " WHERE a.source_id = $1 AND r.atom_id = a.atom_id", &args);
	SpiRun("UPDATE leadflow.rollup_atom SET sealed_through = NULL, complete = false, newest = NULL"
		   " WHERE source_id = $1", &args);
	SpiRun("UPDATE leadflow.rollup_source SET folded_through = NULL, part_before = NULL WHERE source_id = $1",
		   &args);
}

/* ---- conditions in use ------------------------------------------------------------- */

/* A text[] or oid[] of something of each shape. */
typedef struct Column
{
	ArrayBuildState *state;
	Oid			type;
} Column;

static void
add_value(Column *column, Oid type, Datum value, bool isnull)
{
	column->type = type;
	column->state = accumArrayResult(column->state, value, isnull, type, CurrentMemoryContext);
}

static void
add_text(Column *column, const char *value)
{
	add_value(column, TEXTOID, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

static void
add_atoms(AtomTable *table, const BoundNode *node)
{
	ListCell   *lc;

	check_stack_depth();

	switch (node->kind)
	{
		case SEGMENT_AND:
		case SEGMENT_OR:
		case SEGMENT_NOT:
			foreach(lc, node->args)
				add_atoms(table, lfirst(lc));
			break;
		case SEGMENT_BLOCK:
		case SEGMENT_AGGREGATE:
			(void) FindAtom(table, node);
			break;
		default:
			break;
	}
}

static void
add_shapes(List **shapes, const AtomTable *table, TimestampTz at, const char *zone)
{
	Clock		clock = MakeClock(at, zone);
	ListCell   *lc;

	foreach(lc, table->atoms)
	{
		RollupShape *shape = palloc(sizeof(RollupShape));

		if (ShapeAtom(lfirst(lc), &clock, shape))
			for (; shape != NULL; shape = shape->except)
				*shapes = lappend(*shapes, shape);
	}
}

/* Segments of one zone, bound together; one that does not bind is left out. */
static void
add_segments(List **shapes, const List *segments, TimestampTz at, const char *zone)
{
	AtomTable	table = {0};
	BindContext context = {.collect = true};
	ListCell   *lc;
	static const SegmentNode everyone = {.kind = SEGMENT_EVERYONE};
	BoundNode  *universe = palloc0(sizeof(BoundNode));

	universe->kind = SEGMENT_EVERYONE;
	universe->written = &everyone;
	(void) FindAtom(&table, universe);
	foreach(lc, segments)
	{
		BoundNode  *node;

		CHECK_FOR_INTERRUPTS();
		context.problems = NIL;
		context.nnodes = 0;
		node = BindSegment(&context, lfirst(lc));
		if (context.problems == NIL)
			add_atoms(&table, node);
	}
	add_shapes(shapes, &table, at, zone);
}

/* The shapes of all that is in use. */
static List *
wanted_shapes(TimestampTz at)
{
	StringInfoData sql;
	List	   *shapes = NIL;
	List	   *segments = NIL;
	List	   *texts = NIL;
	List	   *zones = NIL;
	const char *zone = NULL;
	uint64		rows;
	ListCell   *lc;
	ListCell   *zone_lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT u.segment, coalesce(u.zone, s.value) FROM leadflow.setting AS s,"
						   " (SELECT segment, NULL::text FROM leadflow.saved_segment");
	foreach(lc, in_use)
		appendStringInfo(&sql, " UNION ALL %s", (char *) lfirst(lc));
	appendStringInfoString(&sql, ") AS u (segment, zone) WHERE s.name = 'zone' ORDER BY 2, 1::text");
	rows = SpiRead(sql.data, NULL);
	for (uint64 row = 1; row <= rows; row++)
	{
		texts = lappend(texts, SpiText(row, 1));
		zones = lappend(zones, SpiText(row, 2));
	}
	forboth(lc, texts, zone_lc, zones)
	{
		if (zone != NULL && strcmp(zone, lfirst(zone_lc)) != 0)
		{
			add_segments(&shapes, segments, at, zone);
			segments = NIL;
		}
		zone = lfirst(zone_lc);
		segments = lappend(segments, lfirst(lc));
	}
	if (zone != NULL)
		add_segments(&shapes, segments, at, zone);
	return shapes;
}

#define WANTED " unnest($1, $2, $3, $4, $5, $6, $7, $8)" \
	" AS w (relation, lead_column, time_column, zone, kind, value, condition, settles_after)"
#define SAME_SOURCE " s.relation = w.relation AND s.lead_column = w.lead_column" \
	" AND s.time_column IS NOT DISTINCT FROM w.time_column AND s.zone = w.zone" \
	" AND s.settles_after IS NOT DISTINCT FROM w.settles_after::interval"

/* Make the tables say what is wanted; what is no longer, goes. */
static void
store_shapes(const List *shapes)
{
	static const char *const statements[] = {
		"INSERT INTO leadflow.rollup_source (relation, lead_column, time_column, zone, settles_after)"
		" SELECT DISTINCT w.relation, w.lead_column, w.time_column, w.zone, w.settles_after::interval FROM" WANTED
		" WHERE NOT EXISTS (SELECT FROM leadflow.rollup_source AS s WHERE" SAME_SOURCE ")",
		"INSERT INTO leadflow.rollup_atom (source_id, kind, value, condition)"
		" SELECT DISTINCT s.source_id, w.kind, w.value, w.condition FROM" WANTED
		" JOIN leadflow.rollup_source AS s ON" SAME_SOURCE
		" WHERE NOT EXISTS (SELECT FROM leadflow.rollup_atom AS a WHERE a.source_id = s.source_id"
		"  AND a.kind = w.kind AND md5(a.value || '|' || a.condition) = md5(w.value || '|' || w.condition))",
		"DELETE FROM leadflow.rollup_atom AS a WHERE NOT EXISTS (SELECT FROM" WANTED
		" JOIN leadflow.rollup_source AS s ON" SAME_SOURCE
		" WHERE s.source_id = a.source_id AND a.kind = w.kind AND a.value = w.value AND a.condition = w.condition)"
	};
	Column		columns[8] = {0};
	SpiArgs		args = {0};
	ListCell   *lc;

	foreach(lc, shapes)
	{
		const RollupShape *shape = lfirst(lc);

		add_value(&columns[0], OIDOID, ObjectIdGetDatum(shape->relation), false);
		add_text(&columns[1], shape->lead_column);
		add_text(&columns[2], shape->time_column);
		add_text(&columns[3], shape->zone);
		add_text(&columns[4], KindName(shape->kind));
		add_text(&columns[5], shape->value);
		add_text(&columns[6], shape->condition);
		add_text(&columns[7], shape->settles_after);
	}
	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		Oid			type = i == 0 ? OIDOID : TEXTOID;

		AddArg(&args, i == 0 ? OIDARRAYOID : TEXTARRAYOID, columns[i].state ?
			   makeArrayResult(columns[i].state, CurrentMemoryContext) :
			   PointerGetDatum(construct_empty_array(type)));
	}
	for (int i = 0; i < (int) lengthof(statements); i++)
		SpiRun(statements[i], &args);
	SpiRun("DELETE FROM leadflow.rollup AS r"
		   " WHERE NOT EXISTS (SELECT FROM leadflow.rollup_atom AS a WHERE a.atom_id = r.atom_id)", NULL);
	SpiRun("DELETE FROM leadflow.rollup_source AS s"
		   " WHERE NOT EXISTS (SELECT FROM leadflow.rollup_atom AS a WHERE a.source_id = s.source_id)", NULL);
	SpiRun("DELETE FROM leadflow.rollup_dirty AS d"
		   " WHERE NOT EXISTS (SELECT FROM leadflow.rollup_source AS s WHERE s.source_id = d.source_id)", NULL);
}

/* ---- following ------------------------------------------------------------------------ */

static void
wait_for(int64 source_id, const char *reason)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, source_id);
	AddTextArg(&args, reason);
	SpiRun("UPDATE leadflow.rollup_source SET waits_for = $2, fingerprint ="
		   " CASE WHEN $2 IS NULL THEN fingerprint END"
		   " WHERE source_id = $1 AND waits_for IS DISTINCT FROM $2", &args);
}

/* The fingerprint of a relation that has all triggers it takes; or NULL, and why. */
static char *
follow_relation(Oid relid, bool followed, const char **reason)
{
	Relation	relation = try_relation_open(relid, AccessShareLock);
	char	   *fingerprint = NULL;

	*reason = "the relation is gone";
	if (relation == NULL)
		return NULL;
	*reason = WhyNotKept(relation, followed);
	if (*reason == NULL && !SeesAllRows(relation))
		*reason = "not all of its rows are visible to the owner of the rollups";
	if (*reason == NULL)
		fingerprint = Fingerprint(relation, followed);
	relation_close(relation, NoLock);
	if (*reason != NULL || fingerprint != NULL)
		return fingerprint;

	*reason = Follow(relid);
	if (*reason != NULL)
		return NULL;
	relation = relation_open(relid, NoLock);
	fingerprint = Fingerprint(relation, followed);
	relation_close(relation, NoLock);
	return fingerprint;
}

/* A row of rollup_source, as it is to be. */
typedef struct SourcePlan
{
	int64		source_id;
	Oid			relation;
	char	   *lead_column;
	char	   *time_column;
	char	   *zone;
	int64		marked_before;
	Oid			time_type;		/* with a time_column */
	char	   *fingerprint;
	DateADT		folded_through;
	char	   *settles_after;
	TimestampTz settled;		/* then every record of before has come */
} SourcePlan;

/* Before when records may be kept at an instant, as days or as a part of one. */
static int64
keep_before(TimestampTz at, Oid type, pg_tz *zone, const char *zone_name)
{
	int64		today = DayFirst(LocalDate(at, zone), type, zone);
	int64		now = at;

	if (type == DATEOID)
		return today;
	if (type == TIMESTAMPOID)
		now = DatumGetTimestamp(DirectFunctionCall2(local_time, TimestampTzGetDatum(at),
													CStringGetTextDatum(zone_name)));
	return Max(today, (FloorDiv(now, PART_TIME) - 1) * PART_TIME);
}

/*
 * Publish the instant before which writes are marked: step 1 of rollup.h. One that
 * is not settled yet goes first, or those who write for hours would put off all.
 */
static void
publish(int64 source_id, Oid relation, int64 marked_before)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, source_id);
	AddBigintArg(&args, marked_before);
	if (SpiRun("UPDATE leadflow.rollup_source SET marked_before = $2,"
			   " published_by = pg_current_xact_id(), settles_at = NULL"
			   " WHERE source_id = $1 AND marked_before < $2 AND settled_before = marked_before", &args) > 0)
	{
		ListCell   *lc;

		foreach(lc, FollowedMembers(relation))
			CacheInvalidateRelcacheByRelid(lfirst_oid(lc));
	}
}

/*
 * Have only relations come to be below, none of which has records of days that
 * are kept? Since they have triggers nobody is at work there who has not.
 */
static bool
is_extended(const SourcePlan *source, const char *fingerprint)
{
	List	   *added;
	ListCell   *lc;

	if (source->fingerprint == NULL || !OnlyAdded(source->fingerprint, fingerprint, &added))
		return false;
	foreach(lc, added)
	{
		Oid			relation = lfirst_oid(lc);
		char	   *records = psprintf("select from %s as r",
									   quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
																  get_rel_name(relation)));
		SpiArgs		args = {0};
		bool		found;

		if (source->time_column != NULL)
		{
			AddArg(&args, source->time_type, TimeDatum(source->marked_before, source->time_type));
			records = psprintf("%s where r.%s < $1 or r.%s is null", records, source->time_column,
							   source->time_column);
		}
		PushFreshSnapshot();
		found = SpiRead(psprintf("%s limit 1", records), &args) > 0;
		PopActiveSnapshot();
		if (found)
			return false;
	}
	return true;
}

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_of_source(const RollupShape *shape, const SourcePlan *source)
{
	return shape->relation == source->relation &&
		strcmp(shape->lead_column, source->lead_column) == 0 &&
		strcmp(shape->time_column, source->time_column) == 0 &&
		strcmp(shape->zone, source->zone) == 0 &&
		is_same(shape->settles_after, source->settles_after);
}

/* The last day through which these times take all days or none. */
static DateADT
whole_through(const Ranges *times, Oid type, pg_tz *zone)
{
	DateADT		through = DATEVAL_NOEND;

	for (int i = 0; times != NULL && i < times->n; i++)
	{
		const Range *range = &times->range[i];

		if (range->first > LowestTime(type))
			through = Min(through, DayOf(range->first, type, zone) - 1);
		if (range->last < LowestTime(type))
			through = FIRST_DAY;
		else
			through = Min(through, DayOf(range->last, type, zone));
	}
	return through;
}

static void
plan_folding(const SourcePlan *source, const List *shapes, DateADT today, pg_tz *zone)
{
	DateADT		through = today - FOLD_RECENT;
	SpiArgs		args = {0};
	ListCell   *lc;

	foreach(lc, shapes)
	{
		const RollupShape *shape = lfirst(lc);

		if (shape->time_column == NULL || !is_of_source(shape, source))
			continue;
		through = Min(through, whole_through(shape->times, shape->time_type, zone));
		through = Min(through, whole_through(shape->without, shape->time_type, zone));
	}
	/* a condition that came since needs days that have been folded */
	if (source->folded_through != NO_DAY && source->folded_through > through)
		ForgetKept(source->source_id);
	AddBigintArg(&args, source->source_id);
	AddArg(&args, DATEOID, DateADTGetDatum(Max(through - FOLD_SLACK, FIRST_DAY)));
	SpiRun("UPDATE leadflow.rollup_source SET may_fold_through = $2"
		   " WHERE source_id = $1 AND may_fold_through IS DISTINCT FROM $2", &args);
}

static Oid
time_type_of(const SourcePlan *source, const List *shapes)
{
	ListCell   *lc;

	foreach(lc, shapes)
	{
		const RollupShape *shape = lfirst(lc);

		if (shape->time_column != NULL && is_of_source(shape, source))
			return shape->time_type;
	}
	elog(ERROR, "no condition on source " INT64_FORMAT " of rollups", source->source_id);
}

/* Nobody tells of writes to days that end before this: there are to be none. */
static void
settle_by_time(const SourcePlan *source, int64 before)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, source->source_id);
	AddBigintArg(&args, before);
	SpiRun("UPDATE leadflow.rollup_source SET marked_before = $2, settled_before = $2"
		   " WHERE source_id = $1 AND marked_before < $2", &args);
}

static void
plan_source(const SourcePlan *source, const List *shapes, TimestampTz at, const char *default_zone)
{
	const char *zone_name = source->zone[0] ? source->zone : default_zone;
	pg_tz	   *zone = LookupZone(cstring_to_text(zone_name));
	DateADT		today = LocalDate(at, zone);
	const char *reason;
	char	   *fingerprint = follow_relation(source->relation, source->settles_after == NULL, &reason);
	SpiArgs		args = {0};

	wait_for(source->source_id, reason);
	if (fingerprint == NULL)
		return;
	if (is_extended(source, fingerprint))
	{
		AddBigintArg(&args, source->source_id);
		AddTextArg(&args, fingerprint);
		SpiRun("UPDATE leadflow.rollup_source SET fingerprint = $2"
			   " WHERE source_id = $1 AND fingerprint <> $2", &args);
	}
	else
	{
		/* what was written meanwhile may be unmarked: as if nothing had been followed */
		ForgetKept(source->source_id);
		AddBigintArg(&args, source->source_id);
		AddTextArg(&args, fingerprint);
		SpiRun("UPDATE leadflow.rollup_source SET fingerprint = $2, marked_before = DEFAULT,"
			   " settled_before = DEFAULT WHERE source_id = $1", &args);
		args.n = 1;
		SpiRun("DELETE FROM leadflow.rollup_dirty WHERE source_id = $1", &args);
	}
	if (source->time_column == NULL)
		publish(source->source_id, source->relation, PG_INT64_MAX);
	else
	{
		if (source->settles_after == NULL)
			publish(source->source_id, source->relation, keep_before(at, source->time_type, zone, zone_name));
		else
			settle_by_time(source, DayFirst(LocalDate(source->settled, zone), source->time_type, zone));
		plan_folding(source, shapes, today, zone);
	}
}

static void
plan_sources(const List *shapes, TimestampTz at)
{
	char	   *default_zone = ResolveZone(NULL);
	List	   *sources = NIL;
	ListCell   *lc;
	SpiArgs		args = {0};
	uint64		rows;

	AddTimeArg(&args, at);
	rows = SpiRun("SELECT source_id, relation, lead_column, time_column, zone, fingerprint, folded_through,"
				  " marked_before, extract(epoch FROM settles_after), $1 - settles_after FROM leadflow.rollup_source"
				  " ORDER BY source_id", &args);

	for (uint64 row = 1; row <= rows; row++)
	{
		SourcePlan *source = palloc0(sizeof(SourcePlan));
		bool		isnull;
		Datum		day = SpiDatum(row, 7, &isnull);

		source->folded_through = isnull ? NO_DAY : DatumGetDateADT(day);
		source->source_id = SpiBigint(row, 1);
		source->relation = DatumGetObjectId(SpiDatum(row, 2, &isnull));
		source->lead_column = SpiText(row, 3);
		source->time_column = SpiText(row, 4);
		source->zone = SpiText(row, 5);
		source->fingerprint = SpiText(row, 6);
		source->marked_before = SpiBigint(row, 8);
		source->settles_after = SpiText(row, 9);
		source->settled = DatumGetTimestampTz(SpiDatum(row, 10, &isnull));
		if (source->time_column != NULL)
			source->time_type = time_type_of(source, shapes);
		sources = lappend(sources, source);
	}
	foreach(lc, sources)
		plan_source(lfirst(lc), shapes, at, default_zone);
}

/* Steps 2 and 3 of rollup.h. */
static void
settle(void)
{
	SpiArgs		args = {0};

	/* not a snapshot's xmax: transactions in progress may be above that */
	AddTextArg(&args, psprintf(UINT64_FORMAT, U64FromFullTransactionId(ReadNextFullTransactionId())));
	SpiRun("UPDATE leadflow.rollup_source SET settles_at = $1::xid8"
		   " WHERE settles_at IS NULL AND published_by <> pg_current_xact_id()", &args);
	SpiRun("UPDATE leadflow.rollup_source SET settled_before = marked_before"
		   " WHERE settled_before < marked_before"
		   " AND settles_at <= pg_snapshot_xmin(pg_current_snapshot())", NULL);
}

Datum
plan_rollups(PG_FUNCTION_ARGS)
{
	/* days to come are not kept: every write of the present would have to be marked */
	TimestampTz at = Min(PG_GETARG_TIMESTAMPTZ(0), GetCurrentTimestamp());
	SpiFrame	frame = EnterSpi(true);
	List	   *shapes;
	int64		atoms;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time to build rollups as of must be finite"),
				 errhint("Leave it out to build them as of now.")));
	TakeTurn("plan_rollups");
	settle();
	PushFreshSnapshot();
	shapes = wanted_shapes(at);
	PopActiveSnapshot();
	store_shapes(shapes);
	plan_sources(shapes, at);
	SpiRun("SELECT count(*) FROM leadflow.rollup_atom", NULL);
	atoms = SpiBigint(1, 1);
	LeaveSpi(frame);
	PG_RETURN_INT64(atoms);
}

Datum
settle_rollups(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);
	bool		isnull;
	bool		settled;

	TakeTurn("settle_rollups");
	settle();
	SpiRun("SELECT NOT EXISTS (SELECT FROM leadflow.rollup_source"
		   " WHERE settled_before < marked_before AND waits_for IS NULL)", NULL);
	settled = DatumGetBool(SpiDatum(1, 1, &isnull));
	LeaveSpi(frame);
	PG_RETURN_BOOL(settled);
}
