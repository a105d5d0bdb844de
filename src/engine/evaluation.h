/*
 * evaluation.h
 *		One evaluation: any number of segments at one instant in one zone, whose
 *		atoms are got once.
 */
#ifndef LEADFLOW_EVALUATION_H
#define LEADFLOW_EVALUATION_H

#include "engine/atom.h"

typedef enum PartKind
{
	PART_AND,
	PART_OR,
	PART_NOT,
	PART_ATOM,
	PART_EVERYONE,
	PART_NO_ONE
} PartKind;

/* A segment over atoms. */
typedef struct Part
{
	PartKind	kind;
	List	   *args;			/* of Part */
	Atom	   *atom;
	const BoundNode *node;		/* what it came from */
	double		cost;			/* of what it needs, and */
	double		rows;			/* how many leads it may have */
	double		rank;			/* among the operands it is one of */
	bool		asked;			/* has it been evaluated? */
	int64		found;			/* leads that it gave; counted to explain */
} Part;

/* To read the records of a source one by one. */
typedef struct SourceCost
{
	const Source *source;
	double		cost;
} SourceCost;

typedef struct Evaluation
{
	Clock		clock;
	MemoryContext context;		/* of the sets */
	BindContext binding;
	AtomTable	table;
	List	   *roots;			/* of Part: the segments, in order */
	double		universe_size;	/* as estimated */
	int			waiting;		/* how many of them are not evaluated yet */
	Atom	   *universe;		/* the live leads; NULL until needed */
	List	   *source_costs;	/* of SourceCost */
	bool		weighed;		/* are the costs of atoms known? */
	bool		explain;		/* count what each part gives */
	List	   *steps;			/* of double *: the milliseconds each took */
} Evaluation;

/* Needs a connection to SPI, as all below; everything is read under the active snapshot. */
extern Evaluation *StartEvaluation(TimestampTz as_of, const char *zone);

/* Bind a segment, to be evaluated with the others; or take one that is bound, to be evaluated alone. */
extern Part *AddSegment(Evaluation *evaluation, const char *text);
extern Part *AddBound(Evaluation *evaluation, const BoundNode *node);

/* Are all atoms known without a look at records? */
extern bool IsKnown(Evaluation *evaluation);

/* The leads of a segment that was added: a set of the caller's own. */
extern ExpandedLeadset *EvaluatePart(Evaluation *evaluation, Part *root);

/* The same of a part of one, among leads of the universe. */
extern ExpandedLeadset *EvaluateAmong(Evaluation *evaluation, Part *part, ExpandedLeadset *among);

extern Atom *UniverseAtom(Evaluation *evaluation);
extern ExpandedLeadset *AtomLeads(Evaluation *evaluation, Atom *atom);
extern ExpandedLeadset *CopyLeads(Evaluation *evaluation, ExpandedLeadset *leads);

/* The leads as a bigint[]. */
extern Datum LeadsArray(ExpandedLeadset *leads);

#endif							/* LEADFLOW_EVALUATION_H */
