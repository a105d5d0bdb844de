/*
 * provide.c
 *		The leads of an atom from what is kept of it. Only reads: it serves
 *		standbys and read-only transactions as well.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "engine/evaluation.h"
#include "engine/scan.h"
#include "engine/sql.h"
#include "miscadmin.h"
#include "rollup/followed.h"
#include "rollup/kept.h"
#include "rollup/rollup.h"
#include "rollup/sums.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"

/* Days that are not kept are looked up, unless they are more than these. */
#define MAX_LIVE_DAYS	62

/* Leads in doubt are probed for, unless they are more than these. */
#define MAX_DOUBTFUL	20000

/* leadflow.use_rollups */
static bool use_rollups = true;

static ExpandedLeadset *provide_rollup(const Atom *atom, const Clock *clock, MemoryContext context);

void
RollupInit(void)
{
	DefineCustomBoolVariable("leadflow.use_rollups",
							 "Uses what is kept of conditions by day when segments are evaluated.",
							 "Results are the same without; evaluation then reads the records.",
							 &use_rollups, true, PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterAtomProvider(provide_rollup);
}

/* ---- what there is --------------------------------------------------------------------- */

/* Read what is kept of a shape; false when nothing is, or not of the relation as it is now. */
static bool
find_kept(const RollupShape *shape, const char *fingerprint, RollupSource *source, RollupAtom *atom)
{
	SpiArgs		args = {0};
	bool		isnull;
	Datum		value;

	AddArg(&args, OIDOID, ObjectIdGetDatum(shape->relation));
	AddTextArg(&args, shape->lead_column);
	AddTextArg(&args, shape->time_column);
	AddTextArg(&args, shape->zone);
	AddTextArg(&args, KindName(shape->kind));
	AddTextArg(&args, shape->value);
	AddTextArg(&args, shape->condition);
	AddTextArg(&args, fingerprint);
	AddTextArg(&args, shape->settles_after);
	if (SpiReadKept("SELECT s.source_id, a.atom_id, a.sealed_through, s.folded_through, a.newest, s.part_before"
					" FROM leadflow.rollup_source AS s"
					" JOIN leadflow.rollup_atom AS a ON a.source_id = s.source_id"
					" WHERE s.relation = $1 AND s.lead_column = $2"
					" AND s.time_column IS NOT DISTINCT FROM $3 AND s.zone = $4"
					" AND s.settles_after IS NOT DISTINCT FROM $9::interval AND s.fingerprint = $8 AND a.complete AND a.kind = $5 AND a.value = $6"
					" AND a.condition = $7 AND md5(a.value || '|' || a.condition) = md5($6 || '|' || $7)",
					&args) == 0)
		return false;
	source->source_id = SpiBigint(1, 1);
	atom->atom_id = SpiBigint(1, 2);
	value = SpiDatum(1, 3, &isnull);
	atom->sealed_through = isnull ? NO_DAY : DatumGetDateADT(value);
	value = SpiDatum(1, 4, &isnull);
	source->folded_through = isnull ? NO_DAY : DatumGetDateADT(value);
	value = SpiDatum(1, 5, &isnull);
	atom->newest = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
	value = SpiDatum(1, 6, &isnull);
	source->part_before = isnull ? NO_PART : DatumGetInt64(value);
	return true;
}

/* The leads that were written to since; NULL when they are too many to ask for. */
static ExpandedLeadset *
doubtful_leads(int64 source_id)
{
	ExpandedLeadset *leads = LeadsetCreate(CurrentMemoryContext);
	SpiArgs		args = {0};
	uint64		rows;

	AddBigintArg(&args, source_id);
	rows = SpiReadKept("SELECT leads FROM leadflow.rollup_dirty WHERE source_id = $1", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		bool		isnull;
		Datum		set = SpiDatum(row, 1, &isnull);

		if (isnull)
			return NULL;
		LeadsetUnion(leads, DatumGetExpandedLeadset(set, CurrentMemoryContext));
		if (ExpandedLeadsetCardinality(leads) > MAX_DOUBTFUL)
			return NULL;
	}
	return leads;
}

/* ---- leads by day ------------------------------------------------------------------------- */

int64
KeptBefore(const RollupSource *source, const RollupAtom *atom)
{
	DateADT		next = atom->sealed_through + 1;
	int64		before = DayFirst(next, source->time_type, source->zone);

	/* of an atom that is further behind there is no part */
	if (source->part_before != NO_PART && source->part_before > before &&
		source->part_before < DayFirst(next + 1, source->time_type, source->zone))
		return source->part_before;
	return before;
}

/*
 * What is covered of one range by what is kept: from first through last, none
 * when first > last, of the last day what was before an instant.
 */
typedef struct Covered
{
	DateADT		first;
	DateADT		last;
	int64		before;
} Covered;

static Covered
covered_days(const Range *range, const RollupSource *source, const RollupAtom *atom)
{
	Oid			type = source->time_type;
	pg_tz	   *zone = source->zone;
	DateADT		folded_through = source->folded_through;
	int64		kept_before = KeptBefore(source, atom);
	Covered		covered = {.first = FIRST_DAY, .last = DayOf(kept_before - 1, type, zone)};

	if (range->first > LowestTime(type))
	{
		covered.first = DayOf(range->first, type, zone);
		if (DayFirst(covered.first, type, zone) < range->first)
			covered.first++;
		/* days that are folded into one can only be had all together */
		covered.first = Max(covered.first, folded_through == NO_DAY ? FIRST_DAY : folded_through + 1);
	}
	covered.before = kept_before;
	if (range->last < kept_before - 1)
	{
		DateADT		day = Max(range->last, LowestTime(type)) == LowestTime(type) ? FIRST_DAY :
			DayOf(range->last, type, zone);

		covered.last = DayFirst(day + 1, type, zone) - 1 == range->last ? day : day - 1;
		if (folded_through != NO_DAY && covered.last < folded_through)
			covered.last = FIRST_DAY - 1;
		covered.before = DayFirst(covered.last + 1, type, zone);
	}
	return covered;
}

/* What is being put together: leads, or sums. */
typedef struct Gathered
{
	const Atom *atom;
	const RollupShape *shape;
	const Clock *clock;
	const RollupSource *source;
	const RollupAtom *kept;
	List	   *days;			/* of Leadset: as kept, to be united */
	ExpandedLeadset *leads;		/* others */
	Sums	   *sums;			/* NULL for leads */
} Gathered;

/* Add the rows of rollup whose days are all within. */
static void
add_kept(Gathered *all, DateADT first, DateADT last)
{
	SpiArgs		args = {0};
	SPITupleTable *table;
	uint64		rows;
	bool		isnull;

	AddBigintArg(&args, all->kept->atom_id);
	AddArg(&args, DATEOID, DateADTGetDatum(first));
	AddArg(&args, DATEOID, DateADTGetDatum(last));
	rows = SpiReadKept("SELECT leads, sums FROM leadflow.rollup"
					   " WHERE atom_id = $1 AND first_day >= $2 AND first_day <= $3 AND last_day <= $3",
					   &args);
	table = SPI_tuptable;
	for (uint64 row = 1; row <= rows; row++)
	{
		CHECK_FOR_INTERRUPTS();
		if (all->sums != NULL)
			SumsAddKept(all->sums, SpiDatum(row, 1, &isnull), SpiDatum(row, 2, &isnull));
		else
			all->days = lappend(all->days, DatumGetLeadset(SpiDatum(row, 1, &isnull)));
	}
	/* small sets are read where they lie */
	if (all->sums != NULL)
		SPI_freetuptable(table);
}

static void
add_live_leads(Gathered *all, const char *records, SpiArgs *args)
{
	bool		isnull;

	SpiReadPlanned(psprintf("select leadflow.leadset_agg(%s)%s", all->shape->lead_id, records), args);
	LeadsetUnion(all->leads, DatumGetExpandedLeadset(SpiDatum(1, 1, &isnull), CurrentMemoryContext));
	SPI_freetuptable(SPI_tuptable);
}

static void
add_live_sums(Gathered *all, const char *records, SpiArgs *args)
{
	const char *value = all->shape->value;
	const char *sum = value[0] == '\0' ? "count(*)" : psprintf("coalesce(sum(%s), 0)::bigint", value);
	uint64		rows = SpiReadPlanned(psprintf("select %s, %s%s group by r.%s", all->shape->lead_id, sum,
											   records, all->shape->lead_column), args);

	for (uint64 row = 1; row <= rows; row++)
		SumsAdd(all->sums, SpiBigint(row, 1), SpiBigint(row, 2));
	SPI_freetuptable(SPI_tuptable);
}

/* Look up the records for which a test of their time holds. */
static void
add_records(Gathered *all, const char *test, SpiArgs *args)
{
	const RollupShape *shape = all->shape;
	char	   *records = psprintf(" from %s as r where r.%s >= 0 and %s%s%s%s",
								   all->atom->source->relation, shape->lead_column, test,
								   shape->condition[0] ? " and (" : "", shape->condition,
								   shape->condition[0] ? ")" : "");

	if (all->sums != NULL)
		add_live_sums(all, records, args);
	else
		add_live_leads(all, records, args);
}

/* What lies outside of all days. */
static void
add_undated(Gathered *all, DateADT tile, const char *test)
{
	SpiArgs		args = {0};

	if (all->shape->settles_after == NULL)
	{
		add_kept(all, tile, tile);
		return;
	}
	AddTimeArg(&args, all->clock->as_of);
	AddTextArg(&args, all->clock->zone_name);
	add_records(all, psprintf("r.%s %s", all->shape->time_column, test), &args);
}

/* Look up the records of times that are not kept; false when these are too many. */
static bool
add_live(Gathered *all, int64 first, int64 last)
{
	const RollupShape *shape = all->shape;
	int64		day = shape->time_type == DATEOID ? 1 : USECS_PER_DAY;
	SpiArgs		args = {0};

	if (first > last)
		return true;
	if (first < 0 && last > PG_INT64_MAX + first)
		return false;
	if ((last - first) / day >= MAX_LIVE_DAYS)
		return false;
	AddTimeArg(&args, all->clock->as_of);
	AddTextArg(&args, all->clock->zone_name);
	AddArg(&args, shape->time_type, TimeDatum(first, shape->time_type));
	AddArg(&args, shape->time_type, TimeDatum(last, shape->time_type));
	add_records(all, psprintf("r.%s >= $3 and r.%s <= $4", shape->time_column, shape->time_column), &args);
	return true;
}

/* Gather the records of these times, kept or not; false when too much is not. */
static bool
gather(Gathered *all, const Ranges *times)
{
	Oid			type = all->shape->time_type;

	if (times->null)
		add_undated(all, DATEVAL_NOEND, "is null");
	for (int i = 0; i < times->n; i++)
	{
		const Range *range = &times->range[i];
		int64		lowest = Max(range->first, LowestTime(type));
		bool		begins = IsBeginning(range->first, type);
		Covered		covered = {.first = FIRST_DAY, .last = FIRST_DAY - 1};

		if (range->last >= LowestTime(type))
			covered = covered_days(range, all->source, all->kept);
		/* what is before all days is read with these, if it is kept */
		if (begins && all->shape->settles_after == NULL && covered.first <= covered.last)
			covered.first = DATEVAL_NOBEGIN;
		else if (begins)
			add_undated(all, DATEVAL_NOBEGIN, "= '-infinity'");
		if (range->last < LowestTime(type))
			continue;
		if (covered.first > covered.last)
		{
			if (!add_live(all, lowest, range->last))
				return false;
			continue;
		}
		add_kept(all, covered.first, covered.last);
		if ((covered.first > FIRST_DAY &&
			 !add_live(all, lowest, DayFirst(covered.first, type, all->source->zone) - 1)) ||
			!add_live(all, covered.before, range->last))
			return false;
	}
	return true;
}

/* The leads with a record in these times; NULL when too much of that is not kept. */
static ExpandedLeadset *
gather_leads(Gathered *all, const Ranges *times)
{
	ExpandedLeadset *leads;

	all->days = NIL;
	all->leads = LeadsetCreate(CurrentMemoryContext);
	if (!gather(all, times))
		return NULL;
	leads = DatumGetWritableLeadset(PointerGetDatum(LeadsetUnionAll(all->days)), CurrentMemoryContext);
	LeadsetUnion(leads, all->leads);
	return leads;
}

static ExpandedLeadset *
provide_days(Gathered *all)
{
	ExpandedLeadset *leads = gather_leads(all, all->shape->times);
	ExpandedLeadset *others;

	if (leads == NULL || all->shape->without == NULL)
		return leads;
	others = gather_leads(all, all->shape->without);
	if (others == NULL)
		return NULL;
	LeadsetSubtract(leads, others);
	return leads;
}

static ExpandedLeadset *
provide_sums(Gathered *all)
{
	ExpandedLeadset *leads = NULL;

	all->sums = SumsCreate(CurrentMemoryContext);
	if (gather(all, all->shape->times))
		leads = SumsWithin(all->sums, all->shape->test);
	SumsFree(all->sums);
	return leads;
}

static ExpandedLeadset *
provide_whole(Gathered *all)
{
	add_kept(all, DATEVAL_NOBEGIN, DATEVAL_NOEND);
	return all->days == NIL ? LeadsetCreate(CurrentMemoryContext) :
		DatumGetWritableLeadset(PointerGetDatum(linitial(all->days)), CurrentMemoryContext);
}

/* ---- all kinds ------------------------------------------------------------------------------ */

/* The leads in doubt are those that a probe finds; the others are as kept. */
static void
settle_doubts(const Atom *atom, const Clock *clock, ExpandedLeadset *leads, ExpandedLeadset *doubtful)
{
	if (ExpandedLeadsetCardinality(doubtful) == 0)
		return;
	LeadsetSubtract(leads, doubtful);
	LeadsetUnion(leads, QueryLeads(atom->probe_sql, clock, LeadsArray(doubtful), CurrentMemoryContext));
}

/* What is kept of a shape, and of which leads that may not be so any more. */
static ExpandedLeadset *
provide_shape(const Atom *atom, const RollupShape *shape, const Clock *clock, const char *fingerprint,
			  ExpandedLeadset **doubtful)
{
	RollupSource source = {.time_type = shape->time_type, .zone = clock->zone};
	RollupAtom	kept = {0};
	Gathered	all = {.atom = atom, .shape = shape, .clock = clock, .source = &source, .kept = &kept};

	if (!find_kept(shape, fingerprint, &source, &kept))
		return NULL;
	if (shape->kind == ROLLUP_WHOLE && shape->universe && clock->as_of < kept.newest)
		return NULL;
	*doubtful = doubtful_leads(source.source_id);
	if (*doubtful == NULL)
		return NULL;
	return shape->kind == ROLLUP_DAYS ? provide_days(&all) :
		shape->kind == ROLLUP_SUMS ? provide_sums(&all) : provide_whole(&all);
}

/* A shape and what it excepts are of one source: the same leads are in doubt. */
static ExpandedLeadset *
provide_atom(const Atom *atom, const RollupShape *shape, const Clock *clock, const char *fingerprint)
{
	ExpandedLeadset *doubtful;
	ExpandedLeadset *leads = provide_shape(atom, shape, clock, fingerprint, &doubtful);

	if (leads != NULL && shape->except != NULL)
	{
		ExpandedLeadset *others = provide_shape(atom, shape->except, clock, fingerprint, &doubtful);

		if (others == NULL)
			return NULL;
		LeadsetSubtract(leads, others);
	}
	if (leads != NULL)
		settle_doubts(atom, clock, leads, doubtful);
	return leads;
}

/* The same, of the relation as it is before and after. */
static ExpandedLeadset *
provide_from(const Atom *atom, const RollupShape *shape, const Clock *clock)
{
	Relation	relation = relation_open(shape->relation, AccessShareLock);
	bool		followed = shape->settles_after == NULL;
	char	   *fingerprint = NULL;
	ExpandedLeadset *leads = NULL;

	if (SeesAllRows(relation) && WhyNotKept(relation, followed) == NULL)
		fingerprint = Fingerprint(relation, followed);
	if (fingerprint != NULL)
		leads = provide_atom(atom, shape, clock, fingerprint);
	/* relations are put below others, and taken away, while these are read */
	if (leads != NULL && followed && relation->rd_rel->relhassubclass)
	{
		char	   *now;

		AcceptInvalidationMessages();
		now = Fingerprint(relation, followed);
		if (now == NULL || strcmp(now, fingerprint) != 0)
			leads = NULL;
	}
	relation_close(relation, NoLock);
	return leads;
}

/*
 * Who does not own what is kept might learn from it of records that are none of
 * his business; he reads the records. So does whoever is in the middle of
 * writing: a trigger before ours sees records that are not marked yet.
 */
static ExpandedLeadset *
provide_rollup(const Atom *atom, const Clock *clock, MemoryContext context)
{
	MemoryContext work;
	MemoryContext caller;
	RollupShape shape;
	ExpandedLeadset *leads = NULL;

	if (!use_rollups || DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) > 0 ||
		!OwnsRollups())
		return NULL;
	work = AllocSetContextCreate(context, "rollup", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(work);
	if (ShapeAtom(atom, clock, &shape))
		leads = provide_from(atom, &shape, clock);
	if (leads != NULL)
		(void) TransferExpandedObject(LeadsetGetDatum(leads), context);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	return leads;
}
