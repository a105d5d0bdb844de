/*
 * sieve.h
 *		One pass over the records of a source, for many conditions at once.
 *
 * leadflow.sieve(lead_id, program, fields ...) is an aggregate that is given a
 * record's fields as they are. Each field is looked up once among the bounds of
 * all ranges that the conditions ask of it; the place found there tells by a
 * mask of bits which conditions it meets, and the record meets those that all of
 * its fields do. What a lead's records have met so far is a few words per lead.
 */
#ifndef LEADFLOW_SIEVE_H
#define LEADFLOW_SIEVE_H

#include "engine/ranges.h"

/* Fields of one sieve: a function has at most FUNC_MAX_ARGS arguments. */
#define SIEVE_MAX_FIELDS	64
#define SIEVE_MAX_TERMS		512

/* A condition that a record meets when its fields are all in these ranges. */
typedef struct SieveTerm
{
	Ranges	   *ranges[SIEVE_MAX_FIELDS];	/* NULL is everything */
	bool		of_edge;		/* only the first or last record is tested for it */
} SieveTerm;

/* What is kept of the records of a lead that meet a term. */
typedef enum SieveFunction
{
	SIEVE_COUNT,
	SIEVE_SUM,					/* of field, as all below */
	SIEVE_MIN,
	SIEVE_MAX,
	SIEVE_FIRST,				/* field is the event time, key tells ties apart */
	SIEVE_LAST
} SieveFunction;

typedef struct SieveTally
{
	SieveFunction function;
	int			term;
	int			field;			/* or -1 */
	int			key;			/* field, or -1: all records that tie count */
	List	   *edge_terms;		/* int: those that the first or last record is tested for */
} SieveTally;

/* A set of leads that is asked for. */
typedef struct SieveOutput
{
	List	   *terms;			/* int: a record has met one of these, */
	int			tally;			/* or, when there are none, the tally of records, */
	Ranges	   *ranges;			/* of which there are some, is in these */
} SieveOutput;

typedef struct SieveProgram
{
	int			nfields;
	List	   *terms;			/* of SieveTerm */
	List	   *tallies;		/* of SieveTally */
	List	   *outputs;		/* of SieveOutput */
} SieveProgram;

/* The program as the aggregate takes it, a bigint[]. */
extern Datum SieveEncode(const SieveProgram *program);

#endif							/* LEADFLOW_SIEVE_H */
