/*
 * mark.c
 *		The trigger that notes which leads and days a statement wrote to, where
 *		these may be kept.
 *
 * It runs for every statement that writes to a relation that is followed, so
 * what it has to know is remembered, until an invalidation of the relation.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "leadset/leadset.h"
#include "miscadmin.h"
#include "rollup/followed.h"
#include "rollup/shape.h"
#include "spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(rollup_mark);

/* One row of rollup_source. */
typedef struct Watch
{
	int64		source_id;
	AttrNumber	lead;			/* 0 when there is no such column any more */
	Oid			lead_type;
	AttrNumber	time;			/* 0: every write counts, of whatever time */
	Oid			time_type;
	int64		marked_before;
} Watch;

typedef struct WatchedRelation
{
	Oid			relation;
	bool		known;
	int			nwatches;
	Watch	   *watches;
} WatchedRelation;

static HTAB *watched = NULL;
static MemoryContext watch_context = NULL;

static void
forget(Datum unused, Oid relation)
{
	HASH_SEQ_STATUS scan;
	WatchedRelation *entry;

	hash_seq_init(&scan, watched);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (!OidIsValid(relation) || relation == entry->relation)
			entry->known = false;
}

/* ---- what is watched ----------------------------------------------------------------- */

/* A column by its quoted name, and what its type is over; 0 when there is none. */
static AttrNumber
find_column(TupleDesc columns, const char *quoted, Oid *type)
{
	for (int i = 0; quoted != NULL && i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (column->attisdropped || strcmp(quote_identifier(NameStr(column->attname)), quoted) != 0)
			continue;
		*type = getBaseType(column->atttypid);
		return column->attnum;
	}
	return 0;
}

static bool
is_time(Oid type)
{
	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/*
 * Of the relation, and of those it is below of. Read as the owner of the tables, and as they are by now: an instant that was
 * published counts from its commit on, whatever snapshot we are under.
 */
static void
read_watches(WatchedRelation *entry, TupleDesc columns)
{
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	ArrayBuildState *above = NULL;
	ListCell   *lc;
	uint64		rows;

	foreach(lc, RelationsAbove(entry->relation))
		above = accumArrayResult(above, ObjectIdGetDatum(lfirst_oid(lc)), false, OIDOID, CurrentMemoryContext);
	AddArg(&args, OIDARRAYOID, makeArrayResult(above, CurrentMemoryContext));
	PushActiveSnapshot(GetLatestSnapshot());
	rows = SpiReadKept("SELECT source_id, lead_column, time_column, marked_before"
					   " FROM leadflow.rollup_source WHERE relation = any($1)", &args);
	PopActiveSnapshot();
	entry->nwatches = 0;
	entry->watches = MemoryContextAllocZero(watch_context, Max(rows, 1) * sizeof(Watch));
	for (uint64 row = 1; row <= rows; row++)
	{
		Watch	   *watch = &entry->watches[row - 1];
		char	   *time = SpiText(row, 3);

		watch->source_id = SpiBigint(row, 1);
		watch->lead = find_column(columns, SpiText(row, 2), &watch->lead_type);
		watch->time = find_column(columns, time, &watch->time_type);
		watch->marked_before = SpiBigint(row, 4);
		/* of a column that is gone, or another by now, nothing can be told */
		if (!is_integer(watch->lead_type) ||
			(time != NULL && (watch->time == 0 || !is_time(watch->time_type))))
			watch->lead = 0;
	}
	entry->nwatches = rows;
	LeaveSpi(frame);
}

/* Known is set first: what is invalidated while we read is not known. */
static WatchedRelation *
watch_relation(Relation relation)
{
	Oid			relid = RelationGetRelid(relation);
	WatchedRelation *entry;
	bool		found;

	if (watched == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(WatchedRelation)};

		watch_context = AllocSetContextCreate(TopMemoryContext, "followed relations",
											  ALLOCSET_SMALL_SIZES);
		watched = hash_create("followed relations", 16, &control, HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
	}
	AcceptInvalidationMessages();
	entry = hash_search(watched, &relid, HASH_ENTER, &found);
	if (!found)
	{
		entry->known = false;
		entry->watches = NULL;
	}
	while (!entry->known)
	{
		if (entry->watches != NULL)
			pfree(entry->watches);
		entry->watches = NULL;
		entry->known = true;
		PG_TRY();
		{
			read_watches(entry, RelationGetDescr(relation));
		}
		PG_CATCH();
		{
			entry->known = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	return entry;
}

/* ---- what was written ------------------------------------------------------------------ */

typedef struct Mark
{
	ExpandedLeadset *days;
	ExpandedLeadset *leads;
} Mark;

static void
add_record(Mark *mark, const Watch *watch, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		value;
	int64		day = 1;
	int64		lead;

	if (watch->time != 0)
	{
		value = slot_getattr(slot, watch->time, &isnull);
		if (!isnull)
		{
			int64		number = TimeNumber(value, watch->time_type);

			if (number >= watch->marked_before)
				return;
			day = MarkDay(number, watch->time_type);
		}
	}
	value = slot_getattr(slot, watch->lead, &isnull);
	if (isnull)
		return;
	lead = watch->lead_type == INT8OID ? DatumGetInt64(value) :
		watch->lead_type == INT4OID ? DatumGetInt32(value) : DatumGetInt16(value);
	if (lead < 0)
		return;
	if (mark->leads == NULL)
	{
		mark->leads = LeadsetCreate(CurrentMemoryContext);
		mark->days = LeadsetCreate(CurrentMemoryContext);
	}
	LeadsetAdd(mark->leads, lead);
	LeadsetAdd(mark->days, day);
}

static void
add_records(Mark *mark, const Watch *watch, Relation relation, Tuplestorestate *records)
{
	TupleTableSlot *slot;
	int			pointer;

	if (records == NULL)
		return;
	slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsMinimalTuple);
	pointer = tuplestore_alloc_read_pointer(records, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(records, pointer);
	tuplestore_rescan(records);
	while (tuplestore_gettupleslot(records, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		add_record(mark, watch, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* As the owner of the tables: who may write records need not have rights on marks. */
static void
put_mark(const Watch *watch, const Mark *mark)
{
	SpiFrame	frame = EnterSpi(false);
	SpiArgs		args = {0};
	Oid			leadset = LeadflowType("leadset");

	AddBigintArg(&args, watch->source_id);
	if (mark == NULL)
	{
		AddNullArg(&args, leadset);
		AddNullArg(&args, leadset);
	}
	else
	{
		AddArg(&args, leadset, LeadsetGetDatum(mark->days));
		AddArg(&args, leadset, LeadsetGetDatum(mark->leads));
	}
	SpiRun("INSERT INTO leadflow.rollup_dirty (source_id, days, leads) VALUES ($1, $2, $3)", &args);
	LeaveSpi(frame);
}

static void
mark_writes(const Watch *watch, TriggerData *trigger)
{
	Mark		mark = {0};

	if (watch->lead == 0 || TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		put_mark(watch, NULL);
		return;
	}
	add_records(&mark, watch, trigger->tg_relation, trigger->tg_oldtable);
	add_records(&mark, watch, trigger->tg_relation, trigger->tg_newtable);
	if (mark.leads != NULL)
		put_mark(watch, &mark);
}

Datum
rollup_mark(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Oid			owner = RollupOwner();
	Oid			user;
	int			security;
	WatchedRelation *entry;
	Watch	   *watches;
	int			nwatches;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("leadflow.rollup_mark() is a trigger after statements"),
				 errhint("leadflow.build_rollups() makes it where it is needed.")));
	if (!OidIsValid(owner))
		return PointerGetDatum(NULL);

	/* an error puts the user back by itself */
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(owner, security | SECURITY_LOCAL_USERID_CHANGE);
	entry = watch_relation(trigger->tg_relation);
	nwatches = entry->nwatches;
	/* what we write may itself fire triggers, and what is remembered be read anew */
	watches = palloc(Max(nwatches, 1) * sizeof(Watch));
	memcpy(watches, entry->watches, nwatches * sizeof(Watch));
	for (int i = 0; i < nwatches; i++)
		mark_writes(&watches[i], trigger);
	SetUserIdAndSecContext(user, security);
	return PointerGetDatum(NULL);
}
