/*
 * canonical.c
 *		What the types share that are stored as their canonical text: output,
 *		binary output, equality and hash.
 */
#include "postgres.h"

#include "canonical.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(canonical_out);
PG_FUNCTION_INFO_V1(canonical_send);
PG_FUNCTION_INFO_V1(canonical_eq);
PG_FUNCTION_INFO_V1(canonical_ne);
PG_FUNCTION_INFO_V1(canonical_hash);
PG_FUNCTION_INFO_V1(canonical_hash_extended);

Datum
canonical_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

Datum
canonical_send(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbyte(&buffer, CANONICAL_VERSION);
	pq_sendtext(&buffer, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

char *
CanonicalReceive(StringInfo buffer, const char *type_name)
{
	int			version = pq_getmsgbyte(buffer);
	int			length;

	if (version != CANONICAL_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported binary version %d of type %s", version, type_name),
				 errdetail("This library reads version %d.", CANONICAL_VERSION)));
	return pq_getmsgtext(buffer, buffer->len - buffer->cursor, &length);
}

static bool
same(FunctionCallInfo fcinfo)
{
	text	   *a = PG_GETARG_TEXT_PP(0);
	text	   *b = PG_GETARG_TEXT_PP(1);

	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

Datum
canonical_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(same(fcinfo));
}

Datum
canonical_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!same(fcinfo));
}

Datum
canonical_hash(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	return hash_any((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

Datum
canonical_hash_extended(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);

	return hash_any_extended((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
							 PG_GETARG_INT64(1));
}
