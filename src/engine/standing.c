/*
 * standing.c
 *		What kept bindings stand on; see standing.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "engine/standing.h"
#include "miscadmin.h"
#include "segment/segment.h"
#include "source/source.h"
#include "spi.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

/* A row that a binding stands on: a saved segment, or that of a named set. */
typedef struct StandingName
{
	const char *table;
	char	   *name;
	uint64		version;
} StandingName;

static dlist_head standings = DLIST_STATIC_INIT(standings);

/* Definitions that row-level security could hide from some. */
static const char *const definition_tables[] = {"source", "saved_segment", "setting"};

static Oid
leadflow_table(const char *name)
{
	return get_relname_relid(name, get_namespace_oid("leadflow", false));
}

/* ---- invalidation -------------------------------------------------------------- */

static void
forget_relation(Datum argument, Oid relation)
{
	dlist_iter	iter;

	dlist_foreach(iter, &standings)
	{
		Standing   *standing = dlist_container(Standing, node, iter.cur);

		if (!OidIsValid(relation) || list_member_oid(standing->relations, relation))
			standing->valid = false;
	}
}

static void
forget_all(Datum argument, int cache, uint32 hash)
{
	forget_relation(argument, InvalidOid);
}

static void
listen_once(void)
{
	static bool listening = false;

	if (listening)
		return;
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_all, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_all, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_all, (Datum) 0);
	listening = true;
}

/* ---- noting ---------------------------------------------------------------------- */

void
StandOnRelations(Standing *standing, const List *relations)
{
	MemoryContext caller = MemoryContextSwitchTo(standing->context);

	standing->relations = list_concat_unique_oid(standing->relations, relations);
	MemoryContextSwitchTo(caller);
}

static void
stand_on_table(Standing *standing, const char *table)
{
	StandOnRelations(standing, list_make1_oid(leadflow_table(table)));
}

void
StartStanding(Standing *standing, MemoryContext context)
{
	listen_once();
	memset(standing, 0, sizeof(*standing));
	standing->context = context;
	standing->role = GetUserId();
	standing->row_security = row_security;
	standing->valid = true;
	standing->sources = TableVersion("source");
	standing->settings = TableVersion("setting");
	standing->forms = TableVersion("form_version");
	for (size_t i = 0; i < lengthof(definition_tables); i++)
		stand_on_table(standing, definition_tables[i]);
	/* forms are read as their owner: no policy hides one */
	stand_on_table(standing, "form_version");
}

/* Note a row; false if it was noted before. */
static bool
stand_on_name(Standing *standing, const char *table, const char *name)
{
	MemoryContext caller;
	StandingName *noted;
	ListCell   *lc;

	foreach(lc, standing->names)
	{
		noted = lfirst(lc);
		if (strcmp(noted->table, table) == 0 && strcmp(noted->name, name) == 0)
			return false;
	}

	caller = MemoryContextSwitchTo(standing->context);
	noted = palloc(sizeof(StandingName));
	noted->table = table;
	noted->name = pstrdup(name);
	noted->version = RowVersion(table, name);
	standing->names = lappend(standing->names, noted);
	MemoryContextSwitchTo(caller);
	stand_on_table(standing, table);
	return true;
}

/* Note the rows that the named terms of a segment stand on. */
static void
stand_on_names(Standing *standing, const SegmentNode *node)
{
	ListCell   *lc;

	check_stack_depth();

	foreach(lc, node->args)
		stand_on_names(standing, lfirst(lc));
	if (node->kind == SEGMENT_NAMED)
	{
		bool		is_saved = strcmp(node->source, "segment") == 0;
		const NamedSetDetails *details = is_saved ? NULL : FindNamedSetDetails(node->source);
		const char *table = is_saved ? "saved_segment" : details ? details->table : NULL;
		SpiArgs		args = {0};

		if (table == NULL)
			standing->asks_again = true;
		else if (!stand_on_name(standing, table, node->name))
			return;
		if (!is_saved)
			return;
		AddTextArg(&args, node->name);
		if (SpiReadKept("SELECT segment FROM leadflow.saved_segment WHERE name = $1", &args) == 1)
			stand_on_names(standing, SegmentParse(SpiText(1, 1)));
	}
}

void
StandOnSegment(Standing *standing, const char *text)
{
	stand_on_names(standing, SegmentParse(text));
}

/* ---- keeping --------------------------------------------------------------------- */

/* Does row-level security come between the caller and the definitions? */
static bool
is_filtered(const Standing *standing)
{
	ListCell   *lc;

	for (size_t i = 0; i < lengthof(definition_tables); i++)
		if (check_enable_rls(leadflow_table(definition_tables[i]), InvalidOid, true) == RLS_ENABLED)
			return true;
	foreach(lc, standing->names)
		if (check_enable_rls(leadflow_table(((StandingName *) lfirst(lc))->table), InvalidOid,
							 true) == RLS_ENABLED)
			return true;
	return false;
}

bool
CanBeKept(const Standing *standing)
{
	return standing->valid && !standing->asks_again && !is_filtered(standing);
}

void
KeepStanding(Standing *standing)
{
	dlist_push_head(&standings, &standing->node);
}

void
EndStanding(Standing *standing)
{
	dlist_delete(&standing->node);
}

bool
IsCallers(const Standing *standing)
{
	return standing->valid && standing->role == GetUserId() && standing->row_security == row_security;
}

bool
IsStanding(Standing *standing)
{
	SnapshotStamp stamp = StampSnapshot();
	ListCell   *lc;

	foreach(lc, standing->relations)
		LockRelationOid(lfirst_oid(lc), AccessShareLock);
	/* a serializable transaction is to be known to have read them */
	if (standing->valid && !IsolationIsSerializable() && SameStamp(&stamp, &standing->seen))
		return true;
	if (!standing->valid || TableVersion("source") != standing->sources ||
		TableVersion("setting") != standing->settings ||
		TableVersion("form_version") != standing->forms)
		standing->valid = false;
	foreach(lc, standing->names)
	{
		const StandingName *noted = lfirst(lc);

		if (!standing->valid)
			break;
		if (RowVersion(noted->table, noted->name) != noted->version)
			standing->valid = false;
	}
	standing->seen = stamp;
	/* opening the tables may have brought invalidations, too */
	return standing->valid;
}
