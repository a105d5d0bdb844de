/*
 * sieve_internal.h
 *		A program as the aggregate holds it.
 */
#ifndef LEADFLOW_SIEVE_INTERNAL_H
#define LEADFLOW_SIEVE_INTERNAL_H

#include "engine/sieve.h"
#include "leadset/leadset.h"
#include "utils/array.h"

#define SIEVE_WORDS(nterms)	(((nterms) + 63) / 64)
#define SIEVE_MAX_BOUNDS	100000

typedef struct SieveField
{
	int			nbounds;
	const int64 *bounds;
	const uint64 *masks;		/* nwords each: of null, then of each place */
	bool		tells;			/* does any term depend on it? */
	Oid			type;			/* base type of the argument, once it is known */
} SieveField;

typedef struct Tally
{
	SieveFunction function;
	int			term;
	int			field;
	int			key;
	int			offset;			/* of its word in those of a lead; that of the key follows */
	const uint64 *edge_terms;
} Tally;

typedef struct Output
{
	int			tally;			/* -1: a record has met one of terms */
	const uint64 *terms;
	Ranges		ranges;
} Output;

/*
 * The leads whose ids share all but the last twelve bits, in chunks of those
 * that share all but the last six: so that finding a lead takes little memory,
 * and leads that are far apart take not too much.
 */
#define CHUNK_BITS		6
#define CHUNK_LEADS		(1 << CHUNK_BITS)
#define BLOCK_CHUNKS	64

typedef struct SieveBlock
{
	int64		key;
	char		status;
	uint64	  **chunks;			/* stride words for each of the leads; NULL for none */
} SieveBlock;

#define RECENT_RECORDS	32

struct sieve_blocks_hash;

typedef struct Sieve
{
	MemoryContext context;
	ArrayType  *program;
	int			nterms;
	int			nwords;			/* of a set of terms */
	int			nfields;
	SieveField *fields;
	int			ntallies;
	Tally	   *tallies;
	int			noutputs;
	Output	   *outputs;
	uint64	   *edge_terms;		/* which only the first or last record is tested for */
	int			stride;			/* words of a lead: the terms met, then the tallies */

	MemoryContext chunk_context;
	struct sieve_blocks_hash *blocks;
	SieveBlock *latest;
	int			nchunks;
	char	   *free;			/* where the words of the next chunks go */
	Size		nfree;
	Size		memory;			/* that the chunks take */
	ExpandedLeadset **sets;		/* of the outputs; what has been put there, if anything */
	bool		overflowed;		/* tallies did not fit into memory: nothing is known */
	Size		memory_limit;

	/*
	 * The last few records. The words of their leads are far apart in memory;
	 * they are on their way into the cache while the next records are read.
	 */
	int			nrecent;
	uint64	   *recent_words[RECENT_RECORDS];
	uint64	   *met;			/* nwords each */
	int64	   *values;			/* nfields each */
	bool	   *nulls;
} Sieve;

extern void SieveRead(Sieve *sieve, ArrayType *program);

#endif							/* LEADFLOW_SIEVE_INTERNAL_H */
