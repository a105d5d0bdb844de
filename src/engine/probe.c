/*
 * probe.c
 *		The plans of index probes, kept for the session; see probe.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "engine/bind.h"
#include "engine/engine.h"
#include "engine/probe.h"
#include "engine/sql.h"
#include "engine/standing.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "nodes/plannodes.h"
#include "spi.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Plans kept in a session */
#define MAX_KEPT	64

/* An evaluation reads about every record once; a probe takes as long as reading these many. */
#define RECORDS_PER_PROBE	5000
#define MIN_WORTH	32

/*
 * Texts that segments of one shape differ in, and parameters with the instant, the
 * zone and the lead
 */
#define MAX_TEXTS	8
#define PARAMETERS	3
#define MAX_PARAMETERS	(PARAMETERS + MAX_TEXTS)

/*
 * What the planner may think a query costs to be run as it is: by then the time
 * goes into the preparation of an evaluation.
 */
#define NEEDLE_COST	200

typedef struct KeptProbe
{
	dlist_node	node;
	MemoryContext context;		/* of all of it; a child of CacheMemoryContext */

	/* what it is for; a shape is kept as a segment that no text can be */
	uint32		hash;
	Segment    *segment;
	int			ntexts;			/* that a shape leaves open: parameters from $4 on */
	Standing	standing;

	SPIPlanPtr	plan;			/* over $1, $2 and the lead $3 */
	char	   *leads_sql;		/* all its leads, where one plan is good for that; else NULL */
	SPIPlanPtr	leads_plan;		/* once asked for */
	bool		is_kept;
	int			nusers;			/* executions under way */
	char	   *zone;			/* the installation's, once asked for; else NULL */
	double		worth;
	SegmentEstimate *estimate;	/* once asked for; else NULL */
} KeptProbe;

/* The most recently used first. */
static dlist_head kept_probes = DLIST_STATIC_INIT(kept_probes);

static Oid
leadflow_table(const char *name)
{
	return get_relname_relid(name, get_namespace_oid("leadflow", false));
}

static void
free_kept(KeptProbe *kept)
{
	dlist_delete(&kept->node);
	EndStanding(&kept->standing);
	SPI_freeplan(kept->plan);
	if (kept->leads_plan != NULL)
		SPI_freeplan(kept->leads_plan);
	MemoryContextDelete(kept->context);
}

/* Drop what is no longer good, and the least recently used if there are too many. */
static void
make_room(void)
{
	dlist_mutable_iter iter;
	int			place = 0;

	dlist_foreach_modify(iter, &kept_probes)
	{
		KeptProbe  *kept = dlist_container(KeptProbe, node, iter.cur);

		if ((!kept->standing.valid || ++place >= MAX_KEPT) && kept->nusers == 0)
			free_kept(kept);
	}
}

/* ---- making one ----------------------------------------------------------------- */

/* How many records the relations of a plan have, as far as is known. */
static double
count_records(List *relations)
{
	double		records = 0;
	ListCell   *lc;

	foreach(lc, relations)
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			continue;
		records += Max(((Form_pg_class) GETSTRUCT(tuple))->reltuples, 0);
		ReleaseSysCache(tuple);
	}
	return records;
}

static Oid	parameter_types[MAX_PARAMETERS] = {
	TIMESTAMPTZOID, TEXTOID, INT8OID,
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID
};

static uint32
segment_hash(const Segment *segment)
{
	return hash_bytes((unsigned char *) VARDATA_ANY(segment), VARSIZE_ANY_EXHDR(segment));
}

/* ---- shapes ---------------------------------------------------------------------- */

/*
 * Segments that differ in nothing but the texts that fields are equal to, such as
 * an e-mail address, have one shape. A tree is made into its shape, and the texts
 * are noted; false where it has none, or too many, or stands on definitions.
 */
static bool
take_texts(SegmentNode *node, List **texts)
{
	SegmentTest *test = node->test;
	ListCell   *lc;

	check_stack_depth();

	if (node->kind == SEGMENT_NAMED)
		return false;
	if (node->kind == SEGMENT_FIELD && test != NULL && test->kind == SEGMENT_COMPARE &&
		test->op == SEGMENT_EQ)
	{
		SegmentValue *value = linitial(test->values);

		if (value->kind == SEGMENT_STRING)
		{
			*texts = lappend(*texts, value->text);
			value->kind = SEGMENT_PARAMETER;
			value->text = psprintf("$%d", PARAMETERS + list_length(*texts));
		}
	}
	foreach(lc, node->args)
		if (!take_texts(lfirst(lc), texts))
			return false;
	if (node->where != NULL && !take_texts(node->where, texts))
		return false;
	return node->row == NULL || take_texts(node->row, texts);
}

static bool
make_shape(SegmentNode *tree, List **texts)
{
	return take_texts(tree, texts) && *texts != NIL && list_length(*texts) <= MAX_TEXTS;
}

/*
 * The same texts of a bound tree; false where one is not compared as a text by
 * itself, but for instance as a date or a choice of a form.
 */
static bool
leave_texts(BoundNode *node, int *ntexts)
{
	const SegmentTest *test = node->test ? node->test->test : NULL;
	const SourceField *field = node->field;
	ListCell   *lc;

	check_stack_depth();

	if (node->kind == SEGMENT_FIELD && test != NULL && test->kind == SEGMENT_COMPARE &&
		test->op == SEGMENT_EQ && ((SegmentValue *) linitial(test->values))->kind == SEGMENT_STRING)
	{
		if ((field->base_type != TEXTOID && field->base_type != VARCHAROID) ||
			field->lookup_relation != NULL || (field->form != NULL && field->form->choices != NIL))
			return false;
		linitial(node->test->constants) = psprintf("$%d", PARAMETERS + ++*ntexts);
	}
	foreach(lc, node->args)
		if (!leave_texts(lfirst(lc), ntexts))
			return false;
	if (node->where != NULL && !leave_texts(node->where, ntexts))
		return false;
	return node->row == NULL || leave_texts(node->row, ntexts);
}

/* Would the query of a segment's leads rather be run than anything be thought about it? */
static bool
is_needle(const char *sql)
{
	List	   *queries = pg_analyze_and_rewrite_fixedparams(linitial(pg_parse_query(sql)), sql,
															parameter_types, MAX_PARAMETERS, NULL);

	return pg_plan_query(linitial(queries), sql, 0, NULL)->planTree->total_cost <= NEEDLE_COST;
}

/*
 * Bind and plan a segment, for it alone or for all of its shape. The result
 * belongs to the connection to SPI: what an error leaves behind goes with it.
 */
static KeptProbe *
make_probe(const Segment *segment, const Segment *shape)
{
	const Segment *key = shape ? shape : segment;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "leadflow probe",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	KeptProbe  *kept = palloc0(sizeof(KeptProbe));
	BindContext binding = {0};
	BoundNode  *bound;
	bool		shared;
	char	   *sql;
	CachedPlanSource *source;

	kept->context = context;
	kept->hash = segment_hash(key);
	kept->segment = palloc(VARSIZE_ANY(key));
	memcpy(kept->segment, key, VARSIZE_ANY(key));
	StartStanding(&kept->standing, context);

	/* in the connection's own memory: what binding takes is not needed later */
	MemoryContextSwitchTo(caller);
	bound = BindSegment(&binding, SegmentText(segment));
	shared = shape == NULL || leave_texts(bound, &kept->ntexts);
	sql = SegmentSql(bound);
	if (shared && ((bound->kind == SEGMENT_BLOCK && IsUniverse(bound->source)) ||
				   (shape != NULL && is_needle(sql))))
		kept->leads_sql = MemoryContextStrdup(context,
											  psprintf("select leadflow.leadset_agg(s.lead_id) from (%s) as s", sql));
	kept->plan = SPI_prepare_cursor(psprintf("%s\n  and l.lead_id = $3", sql),
									shape ? MAX_PARAMETERS : PARAMETERS, parameter_types,
									CURSOR_OPT_GENERIC_PLAN);
	if (kept->plan == NULL)
		elog(ERROR, "SPI failed: %s: %s", SPI_result_code_string(SPI_result), sql);

	source = linitial(SPI_plan_get_plan_sources(kept->plan));
	kept->worth = Max(MIN_WORTH, count_records(source->relationOids) / RECORDS_PER_PROBE);
	StandOnRelations(&kept->standing, source->relationOids);
	StandOnSegment(&kept->standing, SegmentText(segment));
	return kept;
}

/* ---- keeping them ---------------------------------------------------------------- */

static KeptProbe *
find_kept(const Segment *segment, uint32 hash)
{
	dlist_iter	iter;

	dlist_foreach(iter, &kept_probes)
	{
		KeptProbe  *kept = dlist_container(KeptProbe, node, iter.cur);

		if (kept->hash == hash && IsCallers(&kept->standing) &&
			VARSIZE_ANY_EXHDR(kept->segment) == VARSIZE_ANY_EXHDR(segment) &&
			memcmp(VARDATA_ANY(kept->segment), VARDATA_ANY(segment),
				   VARSIZE_ANY_EXHDR(segment)) == 0)
			return kept;
	}
	return NULL;
}

/* The plan kept for a segment, if it is still good. */
static KeptProbe *
find_current(const Segment *segment)
{
	KeptProbe  *kept = find_kept(segment, segment_hash(segment));

	if (kept == NULL || !IsStanding(&kept->standing))
		return NULL;
	dlist_move_head(&kept_probes, &kept->node);
	return kept;
}

/* A new plan, which is kept if it can be. */
static KeptProbe *
new_probe(const Segment *segment, const Segment *shape)
{
	KeptProbe  *kept = make_probe(segment, shape);

	if (!CanBeKept(&kept->standing))
		return kept;
	make_room();
	MemoryContextSetParent(kept->context, CacheMemoryContext);
	SPI_keepplan(kept->plan);
	kept->is_kept = true;
	KeepStanding(&kept->standing);
	dlist_push_head(&kept_probes, &kept->node);
	return kept;
}

/* A plan for a segment: the kept one, or a new one. */
static KeptProbe *
get_probe(const Segment *segment)
{
	KeptProbe  *kept = find_current(segment);

	return kept != NULL ? kept : new_probe(segment, NULL);
}

/* Run a plan of a kept one. A view in it may ask for other segments meanwhile. */
static void
run_plan(KeptProbe *kept, SPIPlanPtr plan, Datum *values, const char *nulls)
{
	int			result;

	kept->nusers++;
	PG_TRY();
	{
		result = SPI_execute_plan(plan, values, nulls, true, 1);
	}
	PG_FINALLY();
	{
		kept->nusers--;
	}
	PG_END_TRY();
	if (result < 0)
		elog(ERROR, "SPI failed: %s", SPI_result_code_string(result));
}

static const char *
kept_zone(KeptProbe *kept, const char *zone)
{
	if (zone != NULL)
		return ResolveZone(zone);
	if (kept->zone == NULL)
		kept->zone = MemoryContextStrdup(kept->context, ResolveZone(NULL));
	return kept->zone;
}

bool
ProbeSegment(const Segment *segment, int64 lead_id, TimestampTz as_of, const char *zone,
			 double *worth)
{
	SpiFrame	frame = EnterSpi(false);
	KeptProbe  *kept = get_probe(segment);
	Datum		values[3];
	bool		found;

	values[0] = TimestampTzGetDatum(as_of);
	values[1] = CStringGetTextDatum(kept_zone(kept, zone));
	values[2] = Int64GetDatum(lead_id);

	run_plan(kept, kept->plan, values, NULL);
	found = SPI_processed > 0;
	*worth = kept->worth;
	LeaveSpi(frame);
	return found;
}

/*
 * Was a segment, by its hash, asked for before, not too long ago? To keep a plan
 * takes longer than to make one.
 */
static bool
asked_before(uint32 hash)
{
	static uint32 asked[MAX_KEPT];
	static int	next = 0;

	for (int i = 0; i < MAX_KEPT; i++)
		if (asked[i] == hash)
			return true;
	asked[next] = hash;
	next = (next + 1) % MAX_KEPT;
	return false;
}

/*
 * The plan for the leads of a segment, kept for it or for its shape, with the
 * texts that the shape leaves open; NULL where there is none to be kept.
 */
static KeptProbe *
find_leads_plan(const Segment *segment, List **texts)
{
	KeptProbe  *kept = find_current(segment);
	SegmentNode *tree;
	bool		is_block;

	if (kept != NULL)
		return kept->leads_sql ? kept : NULL;
	tree = SegmentParse(SegmentText(segment));
	is_block = tree->kind == SEGMENT_BLOCK;
	if (make_shape(tree, texts))
	{
		Segment    *shape = SegmentFromTree(tree);

		kept = find_current(shape);
		if (kept == NULL && !asked_before(segment_hash(shape)))
			return NULL;
		if (kept == NULL)
			kept = new_probe(segment, shape);
		if (kept->leads_sql != NULL)
			return kept;
	}
	*texts = NIL;
	if (!is_block || !asked_before(segment_hash(segment)))
		return NULL;
	kept = new_probe(segment, NULL);
	return kept->leads_sql ? kept : NULL;
}

/*
 * The planner is left to choose between a plan for any instant and texts and one
 * for these: where it takes an index lookup to find the leads, either is that.
 */
bool
KeptLeads(const Segment *segment, TimestampTz as_of, const char *zone, Datum *leads)
{
	List	   *texts = NIL;
	KeptProbe  *kept = find_leads_plan(segment, &texts);
	Datum		values[MAX_PARAMETERS] = {0};
	char		nulls[MAX_PARAMETERS];
	ListCell   *lc;
	bool		isnull;

	if (kept == NULL)
		return false;
	if (kept->leads_plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(kept->leads_sql, PARAMETERS + kept->ntexts,
											  parameter_types, CURSOR_OPT_PARALLEL_OK);

		if (plan == NULL)
			elog(ERROR, "SPI failed: %s: %s", SPI_result_code_string(SPI_result), kept->leads_sql);
		if (kept->is_kept)
			SPI_keepplan(plan);
		kept->leads_plan = plan;
	}
	memset(nulls, ' ', sizeof(nulls));
	values[0] = TimestampTzGetDatum(as_of);
	values[1] = CStringGetTextDatum(kept_zone(kept, zone));
	nulls[2] = 'n';				/* it is not one lead */
	foreach(lc, texts)
		values[PARAMETERS + foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	run_plan(kept, kept->leads_plan, values, nulls);
	*leads = SpiDatum(1, 1, &isnull);
	return true;
}

/* ---- for the planner -------------------------------------------------------------- */

/*
 * What a query of a segment would be planned as: as of now, for whichever lead if
 * it has $3. The zone makes no difference to an estimate.
 */
static Plan *
plan_query(const char *sql, int nparams)
{
	static Oid	types[] = {TIMESTAMPTZOID, TEXTOID, INT8OID};
	Datum		values[] = {
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
		CStringGetTextDatum("UTC"),
		Int64GetDatum(0)
	};
	ParamListInfo params = makeParamList(nparams);
	List	   *queries;

	for (int i = 0; i < nparams; i++)
	{
		params->params[i].ptype = types[i];
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].value = values[i];
		params->params[i].isnull = false;
	}
	queries = pg_analyze_and_rewrite_fixedparams(linitial(pg_parse_query(sql)), sql, types,
												 nparams, NULL);
	return pg_plan_query(linitial(queries), sql, 0, params)->planTree;
}

/* What the planner makes of a segment. A view in it may ask for others meanwhile. */
static SegmentEstimate
make_estimate(const BoundNode *bound)
{
	char	   *sql = SegmentSql(bound);
	Plan	   *whole = plan_query(sql, 2);
	Plan	   *probe = plan_query(psprintf("%s\n  and l.lead_id = $3", sql), 3);
	double		leads = Max(1, count_records(list_make1_oid(leadflow_table("lead"))));

	return (SegmentEstimate) {
		.selectivity = Min(1, whole->plan_rows / leads),
		.probe_cost = probe->total_cost,
		.evaluation_cost = whole->total_cost,
		.leads = leads
	};
}

bool
EstimateSegment(const Segment *segment, SegmentEstimate *estimate)
{
	BindContext binding = {.collect = true};
	Oid			namespace = get_namespace_oid("leadflow", false);
	SpiFrame	frame;
	KeptProbe  *kept;
	BoundNode  *bound;

	/* a plan is no place to raise what running it may never come to */
	if (!ActiveSnapshotSet() || !OidIsValid(get_relname_relid("setting", namespace)))
		return false;

	frame = EnterSpi(false);
	kept = find_current(segment);
	if (kept != NULL && kept->estimate != NULL)
		*estimate = *kept->estimate;
	else
	{
		bound = BindSegment(&binding, SegmentText(segment));
		if (binding.problems != NIL)
		{
			LeaveSpi(frame);
			return false;
		}
		*estimate = make_estimate(bound);
		/* looked for only now: what else was asked for may have taken its place */
		kept = get_probe(segment);
		kept->estimate = MemoryContextAlloc(kept->context, sizeof(SegmentEstimate));
		*kept->estimate = *estimate;
	}
	LeaveSpi(frame);
	return true;
}
