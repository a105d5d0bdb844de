/*
 * atom.c
 *		Atoms, each known by the query that gives its leads; and their providers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "engine/atom.h"
#include "engine/sql.h"
#include "utils/memutils.h"

typedef struct AtomEntry
{
	const char *query;
	Atom	   *atom;
	char		status;
} AtomEntry;

#define SH_PREFIX			atoms
#define SH_ELEMENT_TYPE		AtomEntry
#define SH_KEY_TYPE			const char *
#define SH_KEY				query
#define SH_HASH_KEY(tb, k)	hash_bytes((const unsigned char *) (k), strlen(k))
#define SH_EQUAL(tb, a, b)	(strcmp(a, b) == 0)
#define SH_SCOPE			static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

static List *providers = NIL;

void
RegisterAtomProvider(AtomProvider provider)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	providers = lappend(providers, (void *) provider);
	MemoryContextSwitchTo(old);
}

ExpandedLeadset *
AskProviders(const Atom *atom, const Clock *clock, MemoryContext context)
{
	ListCell   *lc;

	foreach(lc, providers)
	{
		ExpandedLeadset *leads = ((AtomProvider) lfirst(lc)) (atom, clock, context);

		if (leads != NULL)
			return leads;
	}
	return NULL;
}

bool
IsColumn(const SourceField *field, const char *column)
{
	return field->lookup_relation == NULL && field->column != NULL &&
		strcmp(field->column, column) == 0;
}

char *
LeadIdSql(const Source *source)
{
	ListCell   *lc;

	foreach(lc, source->fields)
	{
		SourceField *field = lfirst(lc);

		if (!IsColumn(field, source->lead_column))
			continue;
		if (field->base_type == INT8OID)
			return psprintf("r.%s", source->lead_column);
		if (field->base_type == INT2OID || field->base_type == INT4OID)
			return psprintf("r.%s::bigint", source->lead_column);
	}
	return NULL;
}

/* ---- queries --------------------------------------------------------------------- */

/* The records that exist and satisfy a row; an id below 0 is no lead's. */
static char *
records_query(const Source *source, const BoundNode *row, bool time_known, const char *probe)
{
	return psprintf("select %s as lead_id from %s as r where r.%s >= 0%s%s",
					LeadIdSql(source), source->relation, source->lead_column, probe,
					RecordsSql(source, row, time_known));
}

/* Leads whose records meet, or fail, the test of an aggregate. */
static char *
aggregate_query(const Atom *atom, const char *probe)
{
	const BoundNode *node = atom->node;
	char	   *test = TestSql(node->test, AggregateSql(node, ""));

	return psprintf("%s group by r.%s having (%s) %s",
					records_query(node->source, node->where, false, probe),
					node->source->lead_column, test, atom->fails ? "is not true" : "is true");
}

/* Leads whose first or last record satisfies the row; ties go to the higher key (5). */
static char *
edge_query(const Atom *atom, const char *probe)
{
	const BoundNode *node = atom->node;
	const Source *source = node->source;

	return psprintf("select %s as lead_id from (select r.*,"
					" rank() over (partition by r.%s order by r.%s%s%s%s%s) as leadflow_rank"
					" from %s as r where r.%s >= 0%s%s) as r where r.leadflow_rank = 1 and (%s)",
					LeadIdSql(source), source->lead_column, source->time->column,
					node->function == SEGMENT_LAST ? " desc" : "",
					source->key_column ? ", r." : "",
					source->key_column ? source->key_column : "",
					source->key_column ? " desc nulls last" : "",
					source->relation, source->lead_column, probe,
					RecordsSql(source, node->where, true), RowSql(node->row, "r"));
}

/* The query of an atom, of all records or of those whose column is in $3. */
static char *
atom_query(const Atom *atom, const char *column)
{
	const Source *source = atom->source;
	bool		of_leads = source == NULL || (atom->node->kind == SEGMENT_BLOCK && IsUniverse(source));
	char	   *these = column == NULL ? "" : psprintf(" and %s.%s = any($3)", of_leads ? "l" : "r", column);

	if (of_leads)
		return psprintf("%s%s", SegmentSql(atom->node), these);
	switch (atom->node->kind)
	{
		case SEGMENT_BLOCK:
			return records_query(source, atom->node->row, false, these);
		case SEGMENT_AGGREGATE:
			return aggregate_query(atom, these);
		case SEGMENT_EDGE:
			return edge_query(atom, these);
		default:
			elog(ERROR, "not an atom: %d", atom->node->kind);
	}
}

/* ---- atoms ------------------------------------------------------------------------- */

Atom *
FindAtom(AtomTable *table, const BoundNode *node)
{
	Atom	   *atom = palloc0(sizeof(Atom));
	AtomEntry  *entry;
	bool		found;

	atom->node = node;
	/* where a lead is not told by an integer, all is left to the plain query */
	if (node->source != NULL && LeadIdSql(node->source) != NULL)
		atom->source = node->source;
	atom->fails = atom->source != NULL && node->kind == SEGMENT_AGGREGATE &&
		HoldsWithoutRecords(node);
	atom->live = atom->source == NULL ||
		(node->kind == SEGMENT_BLOCK && IsUniverse(atom->source));
	atom->cost = atom->rows = -1;
	atom->leads_sql = atom_query(atom, NULL);

	if (table->index == NULL)
		table->index = atoms_create(CurrentMemoryContext, 16, NULL);
	entry = atoms_insert(table->index, atom->leads_sql, &found);
	if (found)
		return entry->atom;
	entry->atom = atom;
	table->atoms = lappend(table->atoms, atom);

	atom->probe_sql = atom_query(atom, atom->source != NULL ? atom->source->lead_column : "lead_id");
	if (atom->source != NULL)
		atom->walk_sql = atom_query(atom, "ctid");
	atom->records_sql = atom->leads_sql;
	if (atom->source != NULL && node->kind != SEGMENT_BLOCK)
		atom->records_sql = records_query(atom->source, node->where, node->kind == SEGMENT_EDGE, "");
	return atom;
}
