/*
 * atom.h
 *		The unit of an evaluation's work: a condition on the records of one
 *		source, or one named set, and the leads it holds for.
 *
 * Two segments that share a condition share its atom.
 */
#ifndef LEADFLOW_ATOM_H
#define LEADFLOW_ATOM_H

#include "engine/bind.h"
#include "engine/ranges.h"
#include "leadset/leadset.h"
#include "portability/instr_time.h"

/* How an atom's leads were got. */
typedef enum AtomWay
{
	ATOM_NOT_GOT,
	ATOM_PROVIDED,
	ATOM_SCANNED,				/* with others, in one pass over the source */
	ATOM_QUERIED,				/* by a statement of its own */
	ATOM_PROBED,				/* of the candidates that were left alone */
	ATOM_WALKED					/* the same, by a walk to their records */
} AtomWay;

typedef struct Atom
{
	const BoundNode *node;		/* BLOCK, AGGREGATE, EDGE, NAMED, or EVERYONE: the universe */
	bool		fails;			/* AGGREGATE: its leads are those with records that fail the test */
	bool		live;			/* are its leads all in the universe? */
	const Source *source;		/* whose records are scanned for it; NULL for none */
	char	   *leads_sql;		/* its query, of lead_id, over $1 and $2; the same for equal atoms */
	char	   *probe_sql;		/* the same of the leads in $3, a bigint[] */
	char	   *walk_sql;		/* the same of the records in $3, a tid[]; NULL without a source */
	char	   *records_sql;	/* the records it looks at, for estimates */

	/* estimates; negative when there are none */
	double		cost;
	double		rows;

	/* what became of it */
	bool		asked;			/* have the providers been asked? */
	ExpandedLeadset *leads;		/* NULL until known */
	AtomWay		way;
	int			step;			/* number of the statement that got it */
	int64		candidates;		/* PROBED, WALKED: how many were asked for */
	int64		found;
} Atom;

/*
 * A provider of atoms knows the leads of some without looking at records, as of
 * an instant in a zone. It returns them, in context; or NULL. They are asked in
 * the order in which they were registered, from _PG_init.
 */
typedef ExpandedLeadset *(*AtomProvider) (const Atom *atom, const Clock *clock, MemoryContext context);

extern void RegisterAtomProvider(AtomProvider provider);
extern ExpandedLeadset *AskProviders(const Atom *atom, const Clock *clock, MemoryContext context);

/* The atoms of an evaluation, in the order in which they were first asked for. */
typedef struct AtomTable
{
	List	   *atoms;			/* of Atom */
	struct atoms_hash *index;	/* by query */
} AtomTable;

/* The atom of a condition, among those there are or new. */
extern Atom *FindAtom(AtomTable *table, const BoundNode *node);

/* Is a field this column, quoted, of its source? */
extern bool IsColumn(const SourceField *field, const char *column);

/* The column of a source's lead id as bigint, or NULL where it is no integer. */
extern char *LeadIdSql(const Source *source);

#endif							/* LEADFLOW_ATOM_H */
