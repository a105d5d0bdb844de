/*
 * note_update.c
 *		When a row was last changed. Outside systems are synchronised by it, so a
 *		plain UPDATE keeps it as the verbs do.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "spi.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(note_update);

static bool
is_changed(HeapTuple old, HeapTuple new)
{
	HeapTupleHeader before = old->t_data;
	HeapTupleHeader after = new->t_data;

	return old->t_len != new->t_len || before->t_hoff != after->t_hoff ||
		HeapTupleHeaderGetNatts(before) != HeapTupleHeaderGetNatts(after) ||
		((before->t_infomask ^ after->t_infomask) & ~HEAP_XACT_MASK) != 0 ||
		memcmp((char *) before + SizeofHeapTupleHeader, (char *) after + SizeofHeapTupleHeader,
			   old->t_len - SizeofHeapTupleHeader) != 0;
}

/* Before each row, WHEN (NEW.updated_at = OLD.updated_at): a time that is given stays. */
Datum
note_update(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	descriptor;
	int			column;
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	bool		isnull = false;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"note_update\" is a trigger before each row of an update")));
	descriptor = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(descriptor, "updated_at");
	if (column <= 0 || TupleDescAttr(descriptor, column - 1)->atttypid != TIMESTAMPTZOID)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("relation \"%s\" has no column \"updated_at\" of type timestamptz",
						RelationGetRelationName(trigger->tg_relation))));
	if (!is_changed(trigger->tg_trigtuple, trigger->tg_newtuple))
		PG_RETURN_POINTER(trigger->tg_newtuple);
	PG_RETURN_POINTER(heap_modify_tuple_by_cols(trigger->tg_newtuple, descriptor, 1, &column,
												&now, &isnull));
}
