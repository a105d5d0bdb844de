/*
 * form_read.c
 *		Lenient readers of a form's document, for generated columns, segments,
 *		views and indexes: generated columns are computed before any CHECK can
 *		complain, and old rows were held to other forms or to none, so a reader
 *		gives NULL for what is not there or not of its type, and no error.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "iso.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "zone.h"

PG_FUNCTION_INFO_V1(form_date);
PG_FUNCTION_INFO_V1(form_timestamp);
PG_FUNCTION_INFO_V1(form_number);
PG_FUNCTION_INFO_V1(form_boolean);
PG_FUNCTION_INFO_V1(form_selected);

/* The field that the arguments name, if it is there and of the JSON type, in buffer. */
static bool
read_field(FunctionCallInfo fcinfo, enum jbvType type, JsonbValue *buffer)
{
	Jsonb	   *document = PG_GETARG_JSONB_P(0);
	text	   *field = PG_GETARG_TEXT_PP(1);

	return JB_ROOT_IS_OBJECT(document) &&
		getKeyJsonValueFromContainer(&document->root, VARDATA_ANY(field), VARSIZE_ANY_EXHDR(field),
									 buffer) != NULL &&
		buffer->type == type;
}

static bool
read_time(FunctionCallInfo fcinfo, IsoTime *iso)
{
	JsonbValue	value;

	return read_field(fcinfo, jbvString, &value) &&
		ParseIsoTime(pnstrdup(value.val.string.val, value.val.string.len), iso);
}

/* A field of a document as a date; NULL unless it is an ISO date. */
Datum
form_date(PG_FUNCTION_ARGS)
{
	IsoTime		iso;

	if (!read_time(fcinfo, &iso) || iso.has_time)
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(iso.date);
}

/*
 * A field of a document as an instant; NULL unless it is an ISO time. Without an
 * offset it is what the clocks of the zone show.
 */
Datum
form_timestamp(PG_FUNCTION_ARGS)
{
	IsoTime		iso;
	Timestamp	local;

	if (!read_time(fcinfo, &iso) || !iso.has_time)
		PG_RETURN_NULL();
	local = iso.date * USECS_PER_DAY + iso.time;
	if (iso.has_offset)
		PG_RETURN_TIMESTAMPTZ(local - iso.offset * USECS_PER_SEC);
	PG_RETURN_DATUM(DirectFunctionCall2(instant, TimestampGetDatum(local), PG_GETARG_DATUM(2)));
}

/* A field of a document as a number; NULL unless it is one. */
Datum
form_number(PG_FUNCTION_ARGS)
{
	JsonbValue	value;

	if (!read_field(fcinfo, jbvNumeric, &value))
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(DatumGetNumericCopy(NumericGetDatum(value.val.numeric)));
}

/* A field of a document as a boolean; NULL unless it is true or false. */
Datum
form_boolean(PG_FUNCTION_ARGS)
{
	JsonbValue	value;

	if (!read_field(fcinfo, jbvBool, &value))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(value.val.boolean);
}

/* A field of a document as what is selected; NULL unless it is an array of texts. */
Datum
form_selected(PG_FUNCTION_ARGS)
{
	JsonbValue	value;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;
	Datum	   *selected;
	int			n = 0;

	if (!read_field(fcinfo, jbvBinary, &value) ||
		!JsonContainerIsArray(value.val.binary.data))
		PG_RETURN_NULL();
	selected = palloc(JsonContainerSize(value.val.binary.data) * sizeof(Datum));
	iterator = JsonbIteratorInit(value.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			PG_RETURN_NULL();
		selected[n++] = PointerGetDatum(cstring_to_text_with_len(element.val.string.val,
																 element.val.string.len));
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(selected, n, TEXTOID, -1, false, TYPALIGN_INT));
}
