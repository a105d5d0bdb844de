/*
 * rule_event.c
 *		What a rule waits for: read from its JSON, and as SQL that finds it.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "lexer.h"
#include "rule/rule.h"
#include "segment/segment.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/* The words of an event; the first of each row says what kind it is. */
static const struct
{
	const char *word;
	RuleEventKind kind;
	const char *others[2];
}			words[] = {
	{"result", EVENT_FIELD, {"list"}},
	{"field", EVENT_FIELD, {"to", "list"}},
	{"enters", EVENT_ENTERS, {NULL}},
	{"leaves", EVENT_LEAVES, {NULL}},
	{"stage", EVENT_STAGE, {NULL}},
	{"deal", EVENT_DEAL, {NULL}},
	{"enters_segment", EVENT_ENTERS_SEGMENT, {NULL}},
	{"leaves_segment", EVENT_LEAVES_SEGMENT, {NULL}},
	{"date", EVENT_DATE, {"days"}}
};

#define EVENT_HINT \
	"Write it as {\"result\": \"...\"}, {\"field\": \"lead.rank\", \"to\": \"A\"}, {\"enters\": \"a list\"}," \
	" {\"leaves\": \"a list\"}, {\"enters_segment\": \"a segment\"}, {\"leaves_segment\": \"a segment\"}," \
	" {\"stage\": \"...\"}, {\"deal\": \"lost\"} or {\"date\": \"deal.expected_close_on\", \"days\": -7}."

/* What a row of member can be dated by */
static const char *const member_dates[] = {"due_on", "entered_at", "next_contact_on"};

/* ---- reading ------------------------------------------------------------------------ */

static JsonbValue *
get(Jsonb *object, const char *key)
{
	return getKeyJsonValueFromContainer(&object->root, key, strlen(key), NULL);
}

static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static char *
json_of(JsonbValue *value)
{
	Jsonb	   *json = JsonbValueToJsonb(value);

	return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

static JsonbValue *
string_value(const char *text)
{
	JsonbValue *value = palloc0(sizeof(JsonbValue));

	value->type = jbvString;
	value->val.string.val = unconstify(char *, text);
	value->val.string.len = strlen(text);
	return value;
}

static JsonbValue *
copy_value(const JsonbValue *value)
{
	JsonbValue *copy = palloc(sizeof(JsonbValue));

	*copy = *value;
	return copy;
}

static char *
text_of(Jsonb *event, const char *key)
{
	JsonbValue *value = get(event, key);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" of the event must be a text, not %s", key, json_of(value)),
				 errhint(EVENT_HINT)));
	return string_of(value);
}

/* One value or an array of them. */
static List *
values_of(Jsonb *event, const char *key)
{
	JsonbValue *value = get(event, key);
	List	   *values = NIL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (value == NULL)
		return NIL;
	if (value->type != jbvBinary)
		return list_make1(copy_value(value));
	if (JsonContainerIsArray(value->val.binary.data))
	{
		iterator = JsonbIteratorInit(value->val.binary.data);
		while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
			if (token == WJB_ELEM && element.type != jbvBinary)
				values = lappend(values, copy_value(&element));
	}
	if (values == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" of the event must be a value or an array of values", key),
				 errhint(EVENT_HINT)));
	return values;
}

/* What kind of event it is, all of its keys being known. */
static int
find_word(Jsonb *event)
{
	int			found = -1;
	List	   *known = NIL;
	JsonbIterator *iterator = JsonbIteratorInit(&event->root);
	JsonbIteratorToken token;
	JsonbValue	key;

	if (!JB_ROOT_IS_OBJECT(event))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the event of a rule must be a JSON object"),
				 errhint(EVENT_HINT)));
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		known = lappend(known, unconstify(char *, words[i].word));
		if (get(event, words[i].word) != NULL && found < 0)
			found = i;
	}
	if (found >= 0)
		known = list_make1(unconstify(char *, words[found].word));
	for (int i = 0; found >= 0 && i < 2 && words[found].others[i] != NULL; i++)
		known = lappend(known, unconstify(char *, words[found].others[i]));
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		char	   *name;
		bool		is_known = false;
		const char *nearest;
		ListCell   *lc;

		if (token != WJB_KEY)
			continue;
		name = string_of(&key);
		foreach(lc, known)
			is_known |= strcmp(lfirst(lc), name) == 0;
		if (is_known)
			continue;
		nearest = NearestName(name, known);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the event of a rule has no \"%s\"%s", name,
						found >= 0 ? psprintf(" beside \"%s\"", words[found].word) : ""),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) : errhint(EVENT_HINT)));
	}
	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the event of a rule is empty"),
				 errhint(EVENT_HINT)));
	return found;
}

static void
require_name(const char *what, const char *name, const char *lookup, const char *all)
{
	SpiArgs		args = {0};
	const char *nearest;

	AddTextArg(&args, name);
	if (SpiRun(lookup, &args) > 0)
		return;
	nearest = NearestName(name, SpiNames(all));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s \"%s\" does not exist", what, name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : errhint("%s; lists them.", all)));
}

static void
require_list(const char *name)
{
	require_name("list", name, "SELECT FROM leadflow.list WHERE name = $1",
				 "SELECT name FROM leadflow.list ORDER BY name");
}

/* The source of leadflow's own table of a name; NULL where it is none or another's. */
static Source *
own_source(const char *name)
{
	ListCell   *lc;

	foreach(lc, LoadSources())
	{
		Source	   *source = lfirst(lc);

		if ((strcmp(source->name, name) == 0 ||
			 (source->label != NULL && strcmp(source->label, name) == 0)) &&
			SourceLoadFields(source) &&
			strcmp(source->relation, psprintf("leadflow.%s", source->name)) == 0)
			return source;
	}
	return NULL;
}

/* Resolve "deal.amount": a table, among those given, and a field of its records. */
static Source *
find_field(RuleEvent *event, const char *path, const char *const *entities, int n)
{
	const char *dot = path ? strchr(path, '.') : NULL;
	char	   *entity = dot ? pnstrdup(path, dot - path) : pstrdup(path);
	Source	   *source = NULL;
	SourceField *second = NULL;
	List	   *known = NIL;
	const char *nearest;

	for (int i = 0; i < n; i++)
		known = lappend(known, unconstify(char *, entities[i]));
	if (dot != NULL)
		source = own_source(entity);
	if (source != NULL)
	{
		bool		is_known = false;

		for (int i = 0; i < n; i++)
			is_known |= strcmp(entities[i], source->name) == 0;
		if (!is_known)
			source = NULL;
	}
	if (source == NULL)
	{
		nearest = NearestName(entity, known);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a rule cannot watch \"%s\"", path),
				 errdetail("It can watch fields of %s.", n == 4 ? "activity, application, deal and lead" :
						   "activity, application, deal, lead, member and task"),
				 nearest ? errhint("Did you mean \"%s.%s\"?", nearest, dot ? dot + 1 : "...") :
				 errhint("Write it as table.field, for instance lead.employees.")));
	}
	event->entity = source->name;
	event->key = psprintf("%s_id", source->name);
	event->field = SourceFindField(source, dot + 1, &second);
	if (event->field == NULL)
	{
		nearest = NearestName(dot + 1, SourceFieldNames(source));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s has no field \"%s\"", source->name, dot + 1),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
	}
	if (second != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_COLUMN),
				 errmsg("field label \"%s\" is ambiguous", dot + 1),
				 errdetail("Fields \"%s\" and \"%s\" both have it.", event->field->name, second->name),
				 errhint("Use the field's name.")));
	return source;
}

/* The keys of choices for their labels, where they are given. */
static void
resolve_choices(RuleEvent *event, const Source *source)
{
	ListCell   *lc;

	foreach(lc, event->values)
	{
		JsonbValue *value = lfirst(lc);
		const char *second = NULL;
		const char *key;
		char	   *text;
		const char *nearest;
		List	   *known = NIL;
		ListCell   *lc2;

		if (value->type != jbvString || event->field->form == NULL || event->field->form->choices == NIL)
			continue;
		text = string_of(value);
		key = SourceFindChoice(source, event->field, text, &second);
		if (second != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("the label \"%s\" is ambiguous", text),
					 errdetail("Choices '%s' and '%s' both have it.", key, second),
					 errhint("Use the key of the choice.")));
		if (key == NULL)
		{
			foreach(lc2, event->field->form->choices)
				known = lappend(known, ((FormChoice *) lfirst(lc2))->key);
			nearest = NearestName(text, known);
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("\"%s\" is no choice of \"%s\"", text, event->field->name),
					 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
		}
		lfirst(lc) = string_value(key);
	}
}

/* The values can be those of the field: one of another type would never come. */
static void
require_type(const RuleEvent *event)
{
	const SourceField *field = event->field;
	ListCell   *lc;

	foreach(lc, event->values)
	{
		JsonbValue *value = lfirst(lc);

		switch (field->lookup_relation ? FIELD_TEXT : field->type)
		{
			case FIELD_NUMBER:
				if (value->type == jbvNumeric)
					continue;
				break;
			case FIELD_BOOLEAN:
				if (value->type == jbvBool)
					continue;
				break;
			case FIELD_TEXT:
			case FIELD_CHOICES:
				if (value->type == jbvString)
					continue;
				break;
			case FIELD_OTHER:
				continue;
			default:
				break;
		}
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is %s and does not become %s", field->name, field->type_name, json_of(value)),
				 field->type == FIELD_NUMBER ? errhint("Write a number, without quotes.") :
				 field->type == FIELD_BOOLEAN ? errhint("Write true or false, without quotes.") :
				 field->type == FIELD_TEXT || field->type == FIELD_CHOICES ?
				 errhint("Write a text, in quotes.") :
				 errhint("A day is waited for with {\"date\": \"%s.%s\"}.", event->entity, field->name)));
	}
}

/* Names in another table, such as stages: they are there. */
static void
require_names(List *values, const char *what, const char *lookup, const char *all)
{
	ListCell   *lc;

	foreach(lc, values)
	{
		JsonbValue *value = lfirst(lc);

		if (value->type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a %s is a text, not %s", what, json_of(value))));
		require_name(what, string_of(value), lookup, all);
	}
}

/* A column, known to be one from when the rule was made: without a look at what else there is. */
static bool
find_column(RuleEvent *event, const char *path, const char *const *entities, int n)
{
	const char *dot = path ? strchr(path, '.') : NULL;

	for (int i = 0; dot != NULL && i < n; i++)
	{
		Oid			relation;

		if ((int) strlen(entities[i]) != dot - path || strncmp(entities[i], path, dot - path) != 0)
			continue;
		relation = get_relname_relid(entities[i], get_namespace_oid("leadflow", false));
		if (!OidIsValid(relation) || get_attnum(relation, dot + 1) <= 0)
			return false;
		event->entity = entities[i];
		event->key = psprintf("%s_id", entities[i]);
		event->column = quote_identifier(dot + 1);
		return true;
	}
	return false;
}

static void
read_field_event(RuleEvent *event, Jsonb *json, bool is_kept)
{
	static const char *const entities[] = {"activity", "application", "deal", "lead"};
	bool		is_result = get(json, "result") != NULL;
	char	   *path = is_result ? "activity.result" : text_of(json, "field");
	Source	   *source;

	event->values = values_of(json, is_result ? "result" : "to");
	if (is_kept && find_column(event, path, entities, lengthof(entities)))
	{
		event->list = text_of(json, "list");
		return;
	}
	source = find_field(event, path, entities, lengthof(entities));
	resolve_choices(event, source);
	require_type(event);
	if (event->field->lookup_relation != NULL)
		require_names(event->values, event->field->name,
					  psprintf("SELECT FROM %s WHERE %s = $1", event->field->lookup_relation,
							   event->field->lookup_name),
					  psprintf("SELECT %s::text FROM %s ORDER BY 1", event->field->lookup_name,
							   event->field->lookup_relation));
	event->list = text_of(json, "list");
	if (event->list != NULL)
		require_list(event->list);
	if (event->list != NULL && strcmp(event->entity, "activity") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only activities are recorded for a list"),
				 errdetail("The event is about \"%s\".", event->entity)));
}

static void
read_date_event(RuleEvent *event, Jsonb *json)
{
	static const char *const entities[] = {"activity", "application", "deal", "lead", "member", "task"};
	char	   *path = text_of(json, "date");
	JsonbValue *days = get(json, "days");

	if (days != NULL)
	{
		double		number = days->type != jbvNumeric ? 0.5 :
			DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(days->val.numeric)));

		if (number != rint(number) || fabs(number) > MAX_RULE_DAYS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"days\" of the event must be an integer of at most %d, not %s", MAX_RULE_DAYS,
							json_of(days)),
					 errhint("-7 is 7 days before, 7 is 7 days after.")));
		event->days = (int) number;
	}
	if (strncmp(path, "member.", 7) == 0)
	{
		List	   *known = NIL;
		const char *nearest;

		event->entity = "member";
		event->key = "member_id";
		for (size_t i = 0; i < lengthof(member_dates); i++)
		{
			if (strcmp(path + 7, member_dates[i]) == 0)
				event->column = member_dates[i];
			known = lappend(known, unconstify(char *, member_dates[i]));
		}
		if (event->column != NULL)
			return;
		nearest = NearestName(path + 7, known);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("members have no date \"%s\"", path + 7),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) :
				 errhint("They have due_on, entered_at and next_contact_on.")));
	}
	(void) find_field(event, path, entities, lengthof(entities));
	if (event->field->type != FIELD_DATE && event->field->type != FIELD_TIMESTAMPTZ &&
		event->field->type != FIELD_TIMESTAMP)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is %s, not a date", event->field->name, event->field->type_name)));
}

/* ---- as it is kept ------------------------------------------------------------------ */

static void
push_pair(JsonbParseState **state, const char *key, JsonbValue *value)
{
	pushJsonbValue(state, WJB_KEY, string_value(key));
	pushJsonbValue(state, WJB_VALUE, value);
}

/* The event with the names of what it named by labels. */
static Jsonb *
normal_form(const RuleEvent *event, Jsonb *json)
{
	JsonbParseState *state = NULL;
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	ListCell   *lc;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		char	   *name;

		if (token != WJB_KEY)
			continue;
		name = string_of(&key);
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (event->field != NULL && (strcmp(name, "field") == 0 || strcmp(name, "date") == 0))
			push_pair(&state, name, string_value(psprintf("%s.%s", event->entity, event->field->name)));
		else if (event->segment != NULL)
			push_pair(&state, name, string_value(event->segment));
		else if (event->kind == EVENT_FIELD && (strcmp(name, "to") == 0 || strcmp(name, "result") == 0) &&
				 list_length(event->values) == 1)
			push_pair(&state, name, linitial(event->values));
		else if (event->kind == EVENT_FIELD && (strcmp(name, "to") == 0 || strcmp(name, "result") == 0))
		{
			pushJsonbValue(&state, WJB_KEY, &key);
			pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
			foreach(lc, event->values)
				pushJsonbValue(&state, WJB_ELEM, lfirst(lc));
			pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		}
		else
			push_pair(&state, name, &value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * One that is kept was found good: it is read as quickly as it can be, since that
 * is done whenever it may have come.
 */
RuleEvent *
ReadRuleEvent(Jsonb *json, bool is_kept)
{
	RuleEvent  *event = palloc0(sizeof(RuleEvent));
	int			word = find_word(json);

	event->kind = words[word].kind;
	switch (event->kind)
	{
		case EVENT_FIELD:
			read_field_event(event, json, is_kept);
			break;
		case EVENT_ENTERS:
		case EVENT_LEAVES:
			event->list = text_of(json, words[word].word);
			if (!is_kept)
				require_list(event->list);
			break;
		case EVENT_STAGE:
			event->values = values_of(json, words[word].word);
			if (is_kept)
				break;
			require_names(event->values, "deal stage", "SELECT FROM leadflow.deal_stage WHERE name = $1",
						  "SELECT name FROM leadflow.deal_stage ORDER BY position, name");
			break;
		case EVENT_DEAL:
			event->values = values_of(json, words[word].word);
			if (is_kept)
				break;
			require_names(event->values, "kind of deal stage",
						  "SELECT FROM unnest('{open,won,lost}'::text[]) AS u (kind) WHERE u.kind = $1",
						  "SELECT u.kind FROM unnest('{open,won,lost}'::text[]) AS u (kind)");
			break;
		case EVENT_ENTERS_SEGMENT:
		case EVENT_LEAVES_SEGMENT:
			event->segment = text_of(json, words[word].word);
			if (is_kept)
				break;
			PushFreshSnapshot();
			event->segment = SegmentText(DatumGetSegmentPP(NamedSegment(event->segment)));
			PopActiveSnapshot();
			break;
		case EVENT_DATE:
			read_date_event(event, json);
			break;
	}
	if (!is_kept)
		event->normal = normal_form(event, json);
	return event;
}

/* ---- as SQL ------------------------------------------------------------------------- */

Datum
RuleEventValues(const RuleEvent *event)
{
	Datum	   *values = palloc((list_length(event->values) + 1) * sizeof(Datum));
	ListCell   *lc;

	foreach(lc, event->values)
		values[foreach_current_index(lc)] = JsonbPGetDatum(JsonbValueToJsonb(lfirst(lc)));
	return PointerGetDatum(construct_array(values, list_length(event->values), JSONBOID, -1, false,
										   TYPALIGN_INT));
}

/* Is a record new, and not one that comes with its history? */
static const char *
is_new(const RuleEvent *event)
{
	return strcmp(event->entity, "activity") == 0 ? "n.applied_at = now()" :
		strcmp(event->entity, "application") == 0 ? "n.applied_at >= now()" :
		strcmp(event->entity, "deal") == 0 ? "n.stage_since = now()" : "n.created_at = now()";
}

/* An activity with a value is one cause, whatever becomes of it; others change as often as they do. */
static const char *
field_cause(const RuleEvent *event)
{
	if (strcmp(event->entity, "activity") == 0)
		return "'activity ' || n.activity_id";
	return psprintf("'%s ' || n.%s || ' change ' || nextval('leadflow.rule_log_log_id_seq')",
					event->entity, event->key);
}

/* What a row of the log says beside its cause: the record n, and what it came of. */
static const char *
detail_of(const char *entity)
{
	const char *also = strcmp(entity, "application") == 0 ? "" :
		strcmp(entity, "activity") == 0 || strcmp(entity, "member") == 0 ? ", 'list_id', n.list_id" :
		", 'activity_id', n.activity_id, 'list_id', n.list_id";

	if (strcmp(entity, "lead") == 0)
		return "'{}'::jsonb";
	return psprintf("jsonb_strip_nulls(jsonb_build_object('%s_id', n.%s_id%s))", entity, entity, also);
}

/* The value of the event's field in a record, as jsonb; of a lookup field, the name. */
static char *
value_sql(const RuleEvent *event, const char *alias)
{
	const SourceField *field = event->field;

	if (event->column != NULL)
		return psprintf("to_jsonb(%s.%s)", alias, event->column);
	if (field->lookup_relation == NULL)
		return psprintf("to_jsonb(%s)", FieldSql(field, alias));
	return psprintf("(SELECT to_jsonb(t.%s) FROM %s AS t WHERE t.%s = %s)", field->lookup_name,
					field->lookup_relation, field->lookup_key, FieldSql(field, alias));
}

/* Does the field become what the event says? Of a record that was not there, before is NULL. */
static char *
becomes(const RuleEvent *event, const char *after, const char *before)
{
	if (event->values == NIL)
		return before == NULL ? psprintf("%s <> 'null'", after) :
			psprintf("%s IS DISTINCT FROM %s", after, before);
	/* of choices, those chosen are contained */
	return psprintf("EXISTS (SELECT FROM unnest($3) AS v (value) WHERE %s @> v.value%s)", after,
					before == NULL ? "" : psprintf(" AND (%s @> v.value) IS NOT TRUE", before));
}

static char *
field_causes(const RuleEvent *event, CauseSource source)
{
	char	   *after = value_sql(event, "n");
	char	   *before = value_sql(event, "o");
	bool		is_activity = strcmp(event->entity, "activity") == 0;
	char	   *from;

	if (source == CAUSES_INSERTED)
		from = psprintf("new_rows AS n WHERE %s AND %s", is_new(event), becomes(event, after, NULL));
	else if (source == CAUSES_UPDATED)
	{
		char	   *changes = becomes(event, after, before);

		/* an activity that came without a trigger is new when the tick takes note of it */
		if (is_activity)
			changes = psprintf("CASE WHEN o.applied_at IS NULL THEN n.applied_at IS NOT NULL AND %s ELSE %s END",
							   becomes(event, after, NULL), changes);
		from = psprintf("(SELECT r.*, row_number() OVER () AS row_n FROM new_rows AS r) AS n"
						" JOIN (SELECT r.*, row_number() OVER () AS row_n FROM old_rows AS r) AS o USING (row_n)"
						" WHERE %s", changes);
	}
	else if (is_activity)
		from = psprintf("leadflow.activity AS n WHERE n.recorded_at >= $6 AND n.recorded_at <= $4 AND %s",
						becomes(event, after, NULL));
	else
		return NULL;
	return psprintf("SELECT n.lead_id, %s AS cause, %s AS at, %s AS detail FROM %s%s",
					field_cause(event), source == CAUSES_PAST ? "n.recorded_at" : "$4",
					detail_of(event->entity), from, event->list == NULL ? "" :
					" AND n.list_id = (SELECT l.list_id FROM leadflow.list AS l WHERE l.name = $5)");
}

/*
 * A stay is new when its refresh is not finished yet or, by hand, when it begins
 * now: else it is one that comes with its history.
 */
static char *
member_causes(const RuleEvent *event, CauseSource source)
{
	bool		enters = event->kind == EVENT_ENTERS;
	const char *from;

	if (source == CAUSES_PAST)
		from = enters ? "leadflow.member AS n WHERE n.entered_at >= $6 AND n.entered_at <= $4" :
			"leadflow.member AS n WHERE n.left_at >= $6 AND n.left_at <= $4";
	else if (enters && source == CAUSES_INSERTED)
		from = "new_rows AS n WHERE n.left_at IS NULL"
			" AND CASE WHEN n.run_id IS NULL THEN n.entered_at >= now()"
			" ELSE EXISTS (SELECT FROM leadflow.refresh_run AS r"
			"  WHERE r.run_id = n.run_id AND r.finished IS NULL) END";
	else if (!enters && source == CAUSES_UPDATED)
		from = "(SELECT r.*, row_number() OVER () AS row_n FROM new_rows AS r) AS n"
			" JOIN (SELECT r.left_at, row_number() OVER () AS row_n FROM old_rows AS r) AS o USING (row_n)"
			" WHERE o.left_at IS NULL AND n.left_at IS NOT NULL";
	else
		return NULL;
	return psprintf("SELECT n.lead_id, 'member ' || n.member_id || ' %s' AS cause, n.%s AS at, %s AS detail"
					" FROM %s AND n.list_id = (SELECT l.list_id FROM leadflow.list AS l WHERE l.name = $5)",
					enters ? "entered" : "left", enters ? "entered_at" : "left_at",
					detail_of("member"), from);
}

static char *
stage_causes(const RuleEvent *event, CauseSource source)
{
	const char *becomes = event->kind == EVENT_STAGE ? "to_jsonb(n.to_stage) = ANY ($3)" :
		"EXISTS (SELECT FROM leadflow.deal_stage AS s LEFT JOIN leadflow.deal_stage AS o ON o.name = n.from_stage"
		" WHERE s.name = n.to_stage AND to_jsonb(s.kind) = ANY ($3) AND s.kind IS DISTINCT FROM o.kind)";

	if (source == CAUSES_UPDATED)
		return NULL;
	return psprintf("SELECT n.lead_id, 'deal_change ' || n.change_id AS cause, n.changed_at AS at,"
					" jsonb_strip_nulls(jsonb_build_object('deal_id', n.deal_id, 'activity_id', d.activity_id,"
					"  'list_id', d.list_id, 'from', n.from_stage, 'to', n.to_stage)) AS detail"
					" FROM %s AS n JOIN leadflow.deal AS d USING (lead_id, deal_id) WHERE %s AND %s",
					source == CAUSES_PAST ? "leadflow.deal_change" : "new_rows",
					source == CAUSES_PAST ? "n.changed_at >= $6 AND n.changed_at <= $4" :
					"n.changed_at = now()", becomes);
}

char *
CausesSql(const RuleEvent *event, CauseSource source)
{
	switch (event->kind)
	{
		case EVENT_FIELD:
			return field_causes(event, source);
		case EVENT_ENTERS:
		case EVENT_LEAVES:
			return member_causes(event, source);
		case EVENT_STAGE:
		case EVENT_DEAL:
			return stage_causes(event, source);
		default:
			return NULL;
	}
}

/* What is over, or not yet to be worked, is not waited for. */
static const char *
is_pending(const RuleEvent *event)
{
	if (strcmp(event->entity, "member") == 0)
		return " AND n.left_at IS NULL";
	if (strcmp(event->entity, "task") == 0 && strcmp(event->field->name, "due_on") == 0)
		return " AND n.status = 'open'";
	if (strcmp(event->entity, "deal") == 0 && strcmp(event->field->name, "expected_close_on") == 0)
		return " AND n.closed_at IS NULL";
	return "";
}

char *
DateCausesSql(const RuleEvent *event)
{
	const char *value = event->column ? psprintf("n.%s", event->column) : FieldSql(event->field, "n");
	bool		is_instant = event->column ? strcmp(event->column, "entered_at") == 0 :
		event->field->type == FIELD_TIMESTAMPTZ;
	char	   *date = is_instant ?
		psprintf("CASE WHEN isfinite(%s) THEN leadflow.local_date(%s, $2) END", value, value) :
		psprintf("(%s)::date", value);

	return psprintf("SELECT n.lead_id, '%s ' || n.%s || %s || to_char(d.date, 'YYYY-MM-DD') AS cause,"
					" least($4, leadflow.day_start(d.date + %d, $2)) AS at, %s AS detail"
					" FROM leadflow.%s AS n, LATERAL (SELECT %s AS date) AS d"
					" WHERE isfinite(d.date) AND d.date + %d > $6 AND d.date + %d <= leadflow.local_date($4, $2)%s",
					event->entity, event->key,
					quote_literal_cstr(psprintf(" %s ", event->column ? event->column : event->field->name)),
					event->days, detail_of(event->entity), event->entity, date, event->days, event->days,
					is_pending(event));
}
