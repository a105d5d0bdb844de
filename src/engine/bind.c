/*
 * bind.c
 *		Resolve the names of a segment: sources, fields, saved segments and
 *		named sets, by name and then by label.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "engine/bind.h"
#include "lexer.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/builtins.h"

/* A saved segment, read and parsed once however often it is referred to. */
typedef struct SavedDefinition
{
	char	   *name;
	char	   *text;
	SegmentNode *tree;
} SavedDefinition;

static BoundNode *bind_node(BindContext *context, const SegmentNode *node, Source *source);
static BoundNode *bind_definition(BindContext *context, char *name, const char *text,
								  const SegmentNode *tree);

/* How much of a part of a message is shown, in bytes: names and literals have no limit. */
#define SHOWN_LENGTH	1000

/* How many of a field's choices are shown */
#define SHOWN_CHOICES	10

static char *
shown(char *text)
{
	int			length;

	if (text == NULL || strlen(text) <= SHOWN_LENGTH)
		return text;
	length = pg_mbcliplen(text, strlen(text), SHOWN_LENGTH);
	return psprintf("%.*s...", length, text);
}

/* Raise a problem, or note it when collecting. */
void
BindReport(BindContext *context, int sqlstate, int location, char *message, char *detail,
		   char *hint)
{
	BindProblem *problem = palloc0(sizeof(BindProblem));

	problem->sqlstate = sqlstate;
	problem->position = CharacterPosition(context->text, location);
	problem->within = context->within ? llast(context->within) : NULL;
	problem->message = shown(message);
	problem->detail = shown(detail);
	problem->hint = shown(hint);
	if (context->collect)
	{
		context->problems = lappend(context->problems, problem);
		return;
	}
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg_internal("%s", problem->message),
			 errdetail("%s%sIt is at character %d of %s%s%s.",
					   detail ? problem->detail : "", detail ? " " : "", problem->position,
					   problem->within ? "saved segment \"" : "the segment",
					   problem->within ? problem->within : "",
					   problem->within ? "\"" : ""),
			 hint ? errhint("%s", problem->hint) : 0));
}

/* An error of an unknown name, with the nearest known one as hint. */
static void
report_unknown(BindContext *context, int location, const char *what, const char *name,
			   const char *where, List *known, const char *hint)
{
	const char *nearest = NearestName(name, known);

	BindReport(context, ERRCODE_UNDEFINED_OBJECT, location,
			   psprintf("%s \"%s\"%s does not exist", what, name, where), NULL,
			   nearest ? psprintf("Did you mean %s?", SegmentQuoteName(nearest)) :
			   hint ? pstrdup(hint) : NULL);
}

/* The names of the saved segments. */
static List *
saved_segment_names(void)
{
	return SpiNames("SELECT name FROM leadflow.saved_segment ORDER BY name");
}

static void
report_unknown_source(BindContext *context, const char *name, int location)
{
	List	   *known = NIL;
	ListCell   *lc;

	if (strcmp(name, "segment") == 0 || FindNamedSet(name) != NULL)
	{
		BindReport(context, ERRCODE_UNDEFINED_OBJECT, location,
				   psprintf("source \"%s\" does not exist", name), NULL,
				   psprintf("A %s is named in single quotes: %s('...').", name, name));
		return;
	}
	foreach(lc, saved_segment_names())
	{
		if (strcmp(lfirst(lc), name) == 0)
		{
			BindReport(context, ERRCODE_UNDEFINED_OBJECT, location,
					   psprintf("source \"%s\" does not exist", name), NULL,
					   psprintf("There is a saved segment of that name: segment('%s').", name));
			return;
		}
	}
	foreach(lc, context->sources)
	{
		Source	   *source = lfirst(lc);

		known = lappend(known, unconstify(char *, source->name));
		if (source->label)
			known = lappend(known, unconstify(char *, source->label));
	}
	report_unknown(context, location, "source", name, "", known,
				   "SELECT name, label FROM leadflow.source lists the sources.");
}

static void
report_fault(BindContext *context, const SourceFault *fault, int location)
{
	BindReport(context, fault->sqlstate, location, fault->message, fault->detail, fault->hint);
}

/*
 * The source of a name or label; NULL after a problem. Labels are compared
 * without regard to case, which words have lost that were not quoted.
 */
static Source *
find_source(BindContext *context, const char *name, int location)
{
	Source	   *found = NULL;
	ListCell   *lc;

	foreach(lc, context->sources)
	{
		Source	   *source = lfirst(lc);

		if (strcmp(source->name, name) == 0)
		{
			found = source;
			break;
		}
	}
	if (found == NULL)
	{
		foreach(lc, context->sources)
		{
			Source	   *source = lfirst(lc);

			if (source->label == NULL || pg_strcasecmp(source->label, name) != 0)
				continue;
			if (found != NULL)
			{
				BindReport(context, ERRCODE_AMBIGUOUS_COLUMN, location,
						   psprintf("source label \"%s\" is ambiguous", name),
						   psprintf("Sources \"%s\" and \"%s\" both have it.",
									found->name, source->name),
						   pstrdup("Use the source's name."));
				return NULL;
			}
			found = source;
		}
	}
	if (found == NULL)
	{
		report_unknown_source(context, name, location);
		return NULL;
	}
	if (!SourceLoadFields(found))
	{
		report_fault(context, found->fault, location);
		return NULL;
	}
	return found;
}

/* The field of a name or label; NULL after a problem. */
static SourceField *
find_field(BindContext *context, Source *source, const char *name, int location)
{
	SourceField *second;
	SourceField *found = SourceFindField(source, name, &second);

	if (found == NULL)
		report_unknown(context, location, "field", name,
					   psprintf(" of source \"%s\"", source->name), SourceFieldNames(source), NULL);
	else if (second != NULL)
	{
		BindReport(context, ERRCODE_AMBIGUOUS_COLUMN, location,
				   psprintf("field label \"%s\" is ambiguous", name),
				   psprintf("Fields \"%s\" and \"%s\" of source \"%s\" both have it.",
							found->name, second->name, source->name),
				   pstrdup("Use the field's name."));
		return NULL;
	}
	else if (found->fault != NULL)
	{
		report_fault(context, found->fault, location);
		return NULL;
	}
	return found;
}

/* Is a test for a choice of the field, as a whole? */
static bool
is_for_choice(const SegmentTest *test, const SourceField *field)
{
	if (field->form == NULL || field->form->choices == NIL ||
		field->base_type != FormFieldType(field->form))
		return false;
	if (field->type == FIELD_CHOICES)
		return test->kind == SEGMENT_CONTAINS;
	return test->kind == SEGMENT_IN ||
		(test->kind == SEGMENT_COMPARE && (test->op == SEGMENT_EQ || test->op == SEGMENT_NE));
}

static void
report_unknown_choice(BindContext *context, const SegmentValue *value, const SourceField *field)
{
	List	   *known = NIL;
	StringInfoData keys;
	const char *nearest;
	ListCell   *lc;

	initStringInfo(&keys);
	foreach(lc, field->form->choices)
	{
		FormChoice *choice = lfirst(lc);
		int			i = foreach_current_index(lc);

		known = lappend(known, choice->key);
		known = lappend(known, choice->label);
		if (i <= SHOWN_CHOICES)
			appendStringInfo(&keys, "%s%s", i == 0 ? "" : ", ",
							 i < SHOWN_CHOICES ? quote_literal_cstr(choice->key) : "...");
	}
	nearest = NearestName(value->text, known);
	BindReport(context, ERRCODE_UNDEFINED_OBJECT, value->location,
			   psprintf("field \"%s\" has no choice '%s'", field->name, value->text), NULL,
			   nearest ? psprintf("Did you mean %s?", quote_literal_cstr(nearest)) :
			   psprintf("Its choices are %s.%s", keys.data, field->type == FIELD_CHOICES ? "" :
						" A value that no form has had is found with \"like\"."));
}

/* A test with the choices it names by label named by key; unknown ones are problems. */
static const SegmentTest *
name_choices(BindContext *context, const Source *source, const SourceField *field,
			 const SegmentTest *test)
{
	SegmentTest *named;
	ListCell   *lc;

	if (!is_for_choice(test, field))
		return test;
	named = palloc(sizeof(SegmentTest));
	*named = *test;
	named->values = NIL;
	foreach(lc, test->values)
	{
		SegmentValue *value = palloc(sizeof(SegmentValue));
		const char *second = NULL;
		const char *key;

		*value = *(SegmentValue *) lfirst(lc);
		named->values = lappend(named->values, value);
		if (value->kind != SEGMENT_STRING)
			continue;
		key = SourceFindChoice(source, field, value->text, &second);
		if (key == NULL)
			report_unknown_choice(context, value, field);
		else if (second != NULL)
			BindReport(context, ERRCODE_AMBIGUOUS_COLUMN, value->location,
					   psprintf("choice label '%s' is ambiguous", value->text),
					   psprintf("Choices '%s' and '%s' of field \"%s\" both have it.", key, second,
								field->name),
					   pstrdup("Use the choice's key."));
		else
			value->text = unconstify(char *, key);
	}
	return named;
}

static BoundNode *
make_bound(BindContext *context, SegmentKind kind, const SegmentNode *written)
{
	BoundNode  *bound = palloc0(sizeof(BoundNode));

	if (++context->nnodes > BOUND_MAX_NODES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("segment is too large with the saved segments it refers to"),
				 errdetail("A segment may have at most %d parts once their definitions stand in it.",
						   BOUND_MAX_NODES)));
	bound->kind = kind;
	bound->written = written;
	return bound;
}

/* Values take a real column's type (7): as real, 0.1 is not what it is as numeric. */
static void
take_precision(BoundTest *test, const SourceField *field)
{
	ListCell   *lc;

	if (field->base_type != FLOAT4OID)
		return;
	foreach(lc, test->constants)
		if (lfirst(lc) != NULL)
			lfirst(lc) = psprintf("%s::real", (char *) lfirst(lc));
}

/* A field of a record, tested. */
static BoundNode *
bind_field(BindContext *context, const SegmentNode *node, Source *source)
{
	BoundNode  *bound = make_bound(context, SEGMENT_FIELD, node);
	SourceField *field = find_field(context, source, node->field, node->field_location);

	if (field == NULL)
		return bound;
	bound->field = field;
	if (node->test != NULL)
	{
		bound->test = BindTest(context, name_choices(context, source, field, node->test),
							   field->type, field->type_name, node->field);
		bound->test->is_event_time = field == source->time;
		take_precision(bound->test, field);
	}
	else if (field->type != FIELD_BOOLEAN)
		BindReport(context, ERRCODE_DATATYPE_MISMATCH, node->field_location,
				   psprintf("\"%s\" is %s; alone it must be boolean", node->field,
							field->type_name), NULL,
				   psprintf("Compare it with something: %s is not null.",
							SegmentQuoteName(node->field)));
	return bound;
}

/* What an aggregate's comparison is with. */
static FieldType
aggregate_type(BindContext *context, const SegmentNode *node, const SourceField *field,
			   const char **type_name)
{
	bool		summed = node->function == SEGMENT_SUM || node->function == SEGMENT_AVG;
	bool		fits;

	*type_name = node->function == SEGMENT_COUNT ? "bigint" :
		summed ? "numeric" : field->type_name;
	if (node->function == SEGMENT_COUNT)
	{
		if (node->distinct && field->type == FIELD_OTHER)
			BindReport(context, ERRCODE_DATATYPE_MISMATCH, node->field_location,
					   psprintf("\"%s\" is %s; it cannot be counted distinct", node->field,
								field->type_name), NULL, NULL);
		return FIELD_NUMBER;
	}
	if (summed)
		fits = field->type == FIELD_NUMBER;
	else
		fits = field->lookup_relation == NULL &&
			(field->type == FIELD_NUMBER || field->type == FIELD_TEXT ||
			 field->type == FIELD_DATE || field->type == FIELD_TIMESTAMP ||
			 field->type == FIELD_TIMESTAMPTZ);
	if (!fits)
		BindReport(context, ERRCODE_DATATYPE_MISMATCH, node->field_location,
				   psprintf("\"%s\" is %s; \"%s\" needs %s", node->field,
							field->lookup_relation ? "a looked-up name" : field->type_name,
							SegmentFunctionName(node->function),
							summed ? "a number" : "a number, a text, a date or a time"),
				   NULL, NULL);
	return summed ? FIELD_NUMBER : field->type;
}

/* count(...), sum(...) and so on; first(...)(...) and last(...)(...) */
static BoundNode *
bind_recorded(BindContext *context, const SegmentNode *node)
{
	BoundNode  *bound = make_bound(context, node->kind, node);
	const char *type_name;
	FieldType	type;

	bound->function = node->function;
	bound->distinct = node->distinct;
	bound->source = find_source(context, node->source, node->location);
	if (bound->source == NULL)
		return bound;
	if (node->where != NULL)
		bound->where = bind_node(context, node->where, bound->source);
	if (node->kind == SEGMENT_EDGE)
	{
		bound->row = bind_node(context, node->row, bound->source);
		if (bound->source->time == NULL)
			BindReport(context, ERRCODE_DATATYPE_MISMATCH, node->location,
					   psprintf("source \"%s\" has no event time; \"%s\" needs one",
								bound->source->name, SegmentFunctionName(node->function)),
					   NULL, NULL);
		else if (bound->source->key_fault != NULL)
			report_fault(context, bound->source->key_fault, node->location);
		return bound;
	}
	if (node->field != NULL)
	{
		bound->field = find_field(context, bound->source, node->field, node->field_location);
		if (bound->field == NULL)
			return bound;
	}
	type = aggregate_type(context, node, bound->field, &type_name);
	bound->test = BindTest(context, node->test, type, type_name,
						   psprintf("%s(%s)", SegmentFunctionName(node->function),
									node->field ? node->field : node->source));
	if (node->function == SEGMENT_MIN || node->function == SEGMENT_MAX)
		take_precision(bound->test, bound->field);
	return bound;
}

/* The saved segment of a name, or NULL. */
static SavedDefinition *
find_definition(BindContext *context, const char *name)
{
	SavedDefinition *definition;
	SpiArgs		args = {0};
	ListCell   *lc;

	foreach(lc, context->definitions)
	{
		definition = lfirst(lc);
		if (strcmp(definition->name, name) == 0)
			return definition;
	}

	AddTextArg(&args, name);
	if (SpiReadKept("SELECT segment FROM leadflow.saved_segment WHERE name = $1", &args) == 0)
		return NULL;
	definition = palloc(sizeof(SavedDefinition));
	definition->name = pstrdup(name);
	definition->text = SpiText(1, 1);
	definition->tree = SegmentParse(definition->text);
	context->definitions = lappend(context->definitions, definition);
	return definition;
}

/* segment('x'): its definition, bound in its place */
static BoundNode *
bind_saved(BindContext *context, const SegmentNode *node)
{
	SavedDefinition *definition;
	ListCell   *lc;

	foreach(lc, context->within)
	{
		if (strcmp(lfirst(lc), node->name) == 0)
		{
			StringInfoData path;
			ListCell   *via;

			initStringInfo(&path);
			for_each_cell(via, context->within, lc)
				appendStringInfo(&path, "segment('%s') refers to ", (char *) lfirst(via));
			BindReport(context, ERRCODE_INVALID_RECURSION, node->location,
					   psprintf("saved segment \"%s\" refers to itself", node->name),
					   psprintf("%ssegment('%s').", path.data, node->name), NULL);
			return make_bound(context, SEGMENT_NO_ONE, node);
		}
	}

	definition = find_definition(context, node->name);
	if (definition == NULL)
	{
		report_unknown(context, node->location, "saved segment", node->name, "",
					   saved_segment_names(), NULL);
		return make_bound(context, SEGMENT_NO_ONE, node);
	}
	return bind_definition(context, definition->name, definition->text, definition->tree);
}

static BoundNode *
bind_named(BindContext *context, const SegmentNode *node)
{
	BoundNode  *bound = make_bound(context, SEGMENT_NAMED, node);
	bool		is_saved = strcmp(node->source, "segment") == 0;
	NamedSetCondition provider = is_saved ? NULL : FindNamedSet(node->source);
	List	   *known = NIL;

	if (provider == NULL && !is_saved)
		BindReport(context, ERRCODE_UNDEFINED_OBJECT, node->location,
				   psprintf("\"%s\" is not a kind of named set", node->source), NULL,
				   pstrdup("Named sets are list('...') and segment('...'); a condition on records is written without quotes around it."));
	else if (node->test != NULL)
		BindReport(context, ERRCODE_DATATYPE_MISMATCH, node->test->location,
				   psprintf("%s('%s') is a set of leads; it cannot be compared", node->source,
							node->name), NULL, NULL);
	else if (is_saved)
		return bind_saved(context, node);
	else
	{
		bound->condition = provider(node->name, &known);
		if (bound->condition == NULL)
			report_unknown(context, node->location, node->source, node->name, "", known, NULL);
	}
	return bound;
}

/* source is that of the row we are in, or NULL outside of rows */
static BoundNode *
bind_node(BindContext *context, const SegmentNode *node, Source *source)
{
	BoundNode  *bound;
	ListCell   *lc;

	check_stack_depth();

	switch (node->kind)
	{
		case SEGMENT_AND:
		case SEGMENT_OR:
		case SEGMENT_NOT:
			bound = make_bound(context, node->kind, node);
			foreach(lc, node->args)
				bound->args = lappend(bound->args, bind_node(context, lfirst(lc), source));
			return bound;
		case SEGMENT_EVERYONE:
		case SEGMENT_NO_ONE:
			return make_bound(context, node->kind, node);
		case SEGMENT_BLOCK:
			bound = make_bound(context, node->kind, node);
			bound->source = find_source(context, node->source, node->location);
			if (bound->source != NULL && node->row != NULL)
				bound->row = bind_node(context, node->row, bound->source);
			return bound;
		case SEGMENT_AGGREGATE:
		case SEGMENT_EDGE:
			return bind_recorded(context, node);
		case SEGMENT_NAMED:
			return bind_named(context, node);
		case SEGMENT_FIELD:
			return bind_field(context, node, source);
	}
	pg_unreachable();
}

static BoundNode *
bind_tree(BindContext *context, const char *text, const SegmentNode *tree)
{
	const char *outer = context->text;
	BoundNode  *bound;

	check_stack_depth();
	if (context->sources == NIL)
		context->sources = LoadSources();
	context->text = text;
	bound = bind_node(context, tree, NULL);
	context->text = outer;
	return bound;
}

static BoundNode *
bind_definition(BindContext *context, char *name, const char *text, const SegmentNode *tree)
{
	BoundNode  *bound;

	context->within = lappend(context->within, name);
	bound = bind_tree(context, text, tree);
	context->within = list_delete_last(context->within);
	return bound;
}

BoundNode *
BindSegment(BindContext *context, const char *text)
{
	return bind_tree(context, text, SegmentParse(text));
}

BoundNode *
BindDefinition(BindContext *context, const char *name, const char *text)
{
	return bind_definition(context, unconstify(char *, name), text, SegmentParse(text));
}
