/*
 * form_read.c
 *		Lenient readers of a form's document, for generated columns: those are
 *		computed before any CHECK can complain, so a reader gives NULL for what
 *		is not there or not valid, and never an error.
 */
#include "postgres.h"

#include "fmgr.h"
#include "iso.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(form_date);

/* A field of a document as a date; NULL unless it is an ISO date. */
Datum
form_date(PG_FUNCTION_ARGS)
{
	Jsonb	   *document = PG_GETARG_JSONB_P(0);
	text	   *key = PG_GETARG_TEXT_PP(1);
	JsonbValue	buffer;
	JsonbValue *value;
	IsoTime		iso;

	if (!JB_ROOT_IS_OBJECT(document))
		PG_RETURN_NULL();
	value = getKeyJsonValueFromContainer(&document->root, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key),
										 &buffer);
	if (value == NULL || value->type != jbvString ||
		!ParseIsoTime(pnstrdup(value->val.string.val, value->val.string.len), &iso) ||
		iso.has_time)
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(iso.date);
}
