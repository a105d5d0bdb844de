/*
 * segment.c
 *		The SQL type "segment": input and composition. What it has of a text,
 *		output and equality among it, is in canonical.c.
 */
#include "postgres.h"

#include "canonical.h"
#include "catalog/pg_type.h"
#include "segment/segment.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(segment_in);
PG_FUNCTION_INFO_V1(segment_recv);
PG_FUNCTION_INFO_V1(segment_and);
PG_FUNCTION_INFO_V1(segment_or);
PG_FUNCTION_INFO_V1(segment_not);
PG_FUNCTION_INFO_V1(segment_compose);

/* The canonical text of a segment, palloc'd. */
char *
SegmentText(const Segment *segment)
{
	return text_to_cstring((const text *) segment);
}

Segment *
SegmentFromTree(const SegmentNode *node)
{
	return (Segment *) cstring_to_text(SegmentDeparse(node));
}

static SegmentNode *
segment_tree(const Segment *segment)
{
	return SegmentParse(SegmentText(segment));
}

/*
 * A new value of a tree put together from values: parsed once more, so that
 * the limits that hold for text hold for it.
 */
static Datum
checked_datum(const SegmentNode *node)
{
	return PointerGetDatum(SegmentFromTree(SegmentParse(SegmentDeparse(node))));
}

Datum
segment_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(SegmentFromTree(SegmentParse(PG_GETARG_CSTRING(0))));
}

Datum
segment_recv(PG_FUNCTION_ARGS)
{
	char	   *text = CanonicalReceive((StringInfo) PG_GETARG_POINTER(0), "segment");

	PG_RETURN_POINTER(SegmentFromTree(SegmentParse(text)));
}

Datum
segment_and(PG_FUNCTION_ARGS)
{
	return checked_datum(SegmentMakeBool(SEGMENT_AND,
										 segment_tree(PG_GETARG_SEGMENT_PP(0)),
										 segment_tree(PG_GETARG_SEGMENT_PP(1))));
}

Datum
segment_or(PG_FUNCTION_ARGS)
{
	return checked_datum(SegmentMakeBool(SEGMENT_OR,
										 segment_tree(PG_GETARG_SEGMENT_PP(0)),
										 segment_tree(PG_GETARG_SEGMENT_PP(1))));
}

Datum
segment_not(PG_FUNCTION_ARGS)
{
	SegmentNode node = {.kind = SEGMENT_NOT};

	node.args = list_make1(segment_tree(PG_GETARG_SEGMENT_PP(0)));
	return checked_datum(&node);
}

Datum
segment_compose(PG_FUNCTION_ARGS)
{
	char	   *formula = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	Datum	   *elements;
	bool	   *nulls;
	int			nblocks;
	SegmentNode **blocks;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &elements, &nulls, &nblocks);
	blocks = palloc(Max(nblocks, 1) * sizeof(SegmentNode *));
	for (int i = 0; i < nblocks; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("block %d of the formula is null", i + 1)));
		blocks[i] = segment_tree(DatumGetSegmentPP(elements[i]));
	}
	return checked_datum(SegmentParseFormula(formula, blocks, nblocks));
}
