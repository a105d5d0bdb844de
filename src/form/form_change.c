/*
 * form_change.c
 *		Change what is selected in a document, for updates of many at once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(form_change_choices);

typedef struct Texts
{
	Datum	   *texts;
	int			n;
} Texts;

static Texts
texts_argument(FunctionCallInfo fcinfo, int argument)
{
	Texts		result;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), TEXTOID, -1, false, TYPALIGN_INT,
					  &result.texts, NULL, &result.n);
	return result;
}

/* Which of the texts a string is; -1 for none. */
static int
find_text(Texts among, const JsonbValue *string)
{
	for (int i = 0; i < among.n; i++)
	{
		text	   *one = DatumGetTextPP(among.texts[i]);

		if (VARSIZE_ANY_EXHDR(one) == (size_t) string->val.string.len &&
			memcmp(VARDATA_ANY(one), string->val.string.val, string->val.string.len) == 0)
			return i;
	}
	return -1;
}

/*
 * The elements of an array, or of nothing, without some of them and with others,
 * which come last where they are not there. NULL when none are left.
 */
static JsonbValue *
changed_array(const JsonbValue *array, Texts add, Texts remove)
{
	JsonbParseState *state = NULL;
	bool	   *present = palloc0(add.n * sizeof(bool));
	JsonbValue	element;
	JsonbValue *result;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	if (array != NULL)
	{
		JsonbIterator *iterator = JsonbIteratorInit(array->val.binary.data);
		JsonbIteratorToken token;

		while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		{
			bool		is_string = element.type == jbvString;
			int			i;

			if (token != WJB_ELEM || (is_string && find_text(remove, &element) >= 0))
				continue;
			if (is_string && (i = find_text(add, &element)) >= 0)
				present[i] = true;
			pushJsonbValue(&state, WJB_ELEM, &element);
		}
	}
	for (int i = 0; i < add.n; i++)
	{
		text	   *added = DatumGetTextPP(add.texts[i]);

		if (present[i])
			continue;
		element.type = jbvString;
		element.val.string.val = VARDATA_ANY(added);
		element.val.string.len = VARSIZE_ANY_EXHDR(added);
		pushJsonbValue(&state, WJB_ELEM, &element);
	}
	result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return result->val.array.nElems > 0 ? result : NULL;
}

/*
 * A document with some choices of a field added and others taken away. A document
 * whose field is no array, which is empty otherwise, stays as it is.
 */
Datum
form_change_choices(PG_FUNCTION_ARGS)
{
	Jsonb	   *document = PG_GETARG_JSONB_P(0);
	text	   *field = PG_GETARG_TEXT_PP(1);
	Texts		add = texts_argument(fcinfo, 2);
	Texts		remove = texts_argument(fcinfo, 3);
	JsonbParseState *state = NULL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	JsonbValue	buffer;
	JsonbValue *old;
	JsonbValue *new;

	if (!JB_ROOT_IS_OBJECT(document))
		PG_RETURN_JSONB_P(document);
	old = getKeyJsonValueFromContainer(&document->root, VARDATA_ANY(field),
									   VARSIZE_ANY_EXHDR(field), &buffer);
	if (old != NULL &&
		(old->type == jbvNull || (old->type == jbvString && old->val.string.len == 0)))
		old = NULL;
	if (old != NULL &&
		(old->type != jbvBinary || !JsonContainerIsArray(old->val.binary.data)))
		PG_RETURN_JSONB_P(document);
	new = changed_array(old, add, remove);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	iterator = JsonbIteratorInit(&document->root);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (key.val.string.len == (int) VARSIZE_ANY_EXHDR(field) &&
			memcmp(key.val.string.val, VARDATA_ANY(field), key.val.string.len) == 0)
			continue;
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	if (new != NULL)
	{
		key.type = jbvString;
		key.val.string.val = VARDATA_ANY(field);
		key.val.string.len = VARSIZE_ANY_EXHDR(field);
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, new);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
