/*
 * shape.c
 *		What of an atom can be kept: a condition on records that stays true or
 *		false of a record whatever the clock shows, apart from when it was.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "engine/sql.h"
#include "miscadmin.h"
#include "rollup/shape.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/varlena.h"
#include "zone.h"

/* ---- days ------------------------------------------------------------------------- */

int64
DayFirst(DateADT day, Oid type, pg_tz *zone)
{
	if (type == DATEOID)
		return day;
	if (day <= FIRST_DAY + 1)
		return LowestTime(type);
	if (type == TIMESTAMPOID)
		return (int64) day * USECS_PER_DAY;
	return DayStart(day, zone);
}

/*
 * The day d with DayFirst(d) <= number < DayFirst(d + 1). Where clocks are set
 * back over midnight it is not always the one they show.
 */
DateADT
DayOf(int64 number, Oid type, pg_tz *zone)
{
	DateADT		day;

	if (type == DATEOID)
		return (DateADT) number;
	if (type == TIMESTAMPOID)
		return (DateADT) FloorDiv(number, USECS_PER_DAY);
	day = LocalDate(number, zone);
	while (day > FIRST_DAY && DayFirst(day, type, zone) > number)
		day--;
	while (DayFirst(day + 1, type, zone) <= number)
		day++;
	return day;
}

int64
LowestTime(Oid type)
{
	return type == DATEOID ? FIRST_DAY : MIN_TIMESTAMP;
}

bool
IsBeginning(int64 number, Oid type)
{
	return type == DATEOID ? number <= DATEVAL_NOBEGIN : number <= DT_NOBEGIN;
}

int64
MarkDay(int64 number, Oid type)
{
	if (IsBeginning(number, type))
		return 0;
	if (type != DATEOID)
		number = FloorDiv(number, USECS_PER_DAY);
	return number + POSTGRES_EPOCH_JDATE + 2;
}

Datum
TimeDatum(int64 number, Oid type)
{
	return type == DATEOID ? DateADTGetDatum((DateADT) number) : Int64GetDatum(number);
}

int64
TimeNumber(Datum value, Oid type)
{
	return type == DATEOID ? DatumGetDateADT(value) : DatumGetInt64(value);
}

/* ---- conditions -------------------------------------------------------------------- */

const char *
KindName(RollupKind kind)
{
	return kind == ROLLUP_DAYS ? "days" : kind == ROLLUP_SUMS ? "sums" : "whole";
}

/* Does its SQL ask for the instant of evaluation? A string that looks like it does no harm. */
static bool
asks_for_clock(const char *sql)
{
	return strstr(sql, "$1") != NULL;
}

/* Does a row depend on nothing but the record: no names in other tables, no enum's labels? */
static bool
is_of_record(const BoundNode *row)
{
	ListCell   *lc;

	check_stack_depth();

	if (row == NULL)
		return true;
	if (row->kind == SEGMENT_FIELD)
		return row->field->lookup_relation == NULL && !row->field->is_enum;
	foreach(lc, row->args)
		if (!is_of_record(lfirst(lc)))
			return false;
	return true;
}

/* The event times that an operand of a row asks for, if that is all it does. */
static Ranges *
operand_times(const BoundNode *node, const SourceField *time, const Clock *clock)
{
	Ranges	   *ranges;

	if (node->kind == SEGMENT_NOT)
	{
		ranges = operand_times(linitial(node->args), time, clock);
		return ranges ? RangesComplement(ranges) : NULL;
	}
	if (node->kind != SEGMENT_FIELD || node->field != time || node->test == NULL)
		return NULL;
	return TestRanges(node->test, time->base_type, clock);
}

/* Split a row into the times it asks for and the rest of it. */
static bool
split_row(const BoundNode *row, const Source *source, const Clock *clock, RollupShape *shape)
{
	const SourceField *time = source->time;
	BoundNode  *rest = palloc0(sizeof(BoundNode));
	List	   *operands = row == NULL ? NIL : row->kind == SEGMENT_AND ? row->args :
		list_make1(unconstify(BoundNode *, row));
	ListCell   *lc;

	rest->kind = SEGMENT_AND;
	shape->times = ExistingTimes(time->base_type, !time->not_null, clock);
	foreach(lc, operands)
	{
		Ranges	   *times = operand_times(lfirst(lc), time, clock);

		if (times != NULL)
			shape->times = RangesIntersect(shape->times, times);
		else
			rest->args = lappend(rest->args, lfirst(lc));
	}
	shape->condition = "";
	if (rest->args != NIL)
		shape->condition = RowSql(list_length(rest->args) == 1 ? linitial(rest->args) : rest, "r");
	return !asks_for_clock(shape->condition);
}

/* max(S.time) in a range: a record in it, and none after it. */
static bool
shape_extreme(const BoundNode *node, const Clock *clock, RollupShape *shape)
{
	Oid			type = shape->time_type;
	Ranges	   *test = TestRanges(node->test, type, clock);
	Ranges	   *known = RangesOf(PG_INT64_MIN, PG_INT64_MAX);
	Ranges	   *records;

	if (test == NULL || test->null || test->n != 1)
		return false;
	records = RangesIntersect(shape->times, known);
	shape->kind = ROLLUP_DAYS;
	shape->times = RangesIntersect(records, test);
	if (node->function == SEGMENT_MAX)
		shape->without = test->range[0].last == PG_INT64_MAX ? NULL :
			RangesIntersect(records, RangesOf(test->range[0].last + 1, PG_INT64_MAX));
	else
		shape->without = test->range[0].first == PG_INT64_MIN ? NULL :
			RangesIntersect(records, RangesOf(PG_INT64_MIN, test->range[0].first - 1));
	return true;
}

/* A count or sum of what fits into 64 bits. */
static bool
shape_sum(const Atom *atom, const Clock *clock, RollupShape *shape)
{
	const BoundNode *node = atom->node;
	const SourceField *field = node->field;
	char	   *value = field ? FieldSql(field, "r") : NULL;

	if (node->function == SEGMENT_SUM)
	{
		if (field->base_type != INT2OID && field->base_type != INT4OID)
			return false;
		shape->value = value;
	}
	else if (value != NULL)
		shape->condition = shape->condition[0] == '\0' ? psprintf("%s is not null", value) :
			psprintf("(%s) and %s is not null", shape->condition, value);
	shape->kind = ROLLUP_SUMS;
	shape->test = TestRanges(node->test, INT8OID, clock);
	if (shape->test == NULL)
		return false;
	if (atom->fails)
		shape->test = RangesComplement(shape->test);
	/* leads without records have no sum to be kept */
	return !RangesContain(shape->test, 0);
}

static bool
shape_aggregate(const Atom *atom, const Clock *clock, RollupShape *shape)
{
	const BoundNode *node = atom->node;
	const SourceField *field = node->field;

	if (node->distinct || !split_row(node->where, node->source, clock, shape))
		return false;
	if (node->function == SEGMENT_MIN || node->function == SEGMENT_MAX)
		return field == node->source->time && shape_extreme(node, clock, shape);
	return (node->function == SEGMENT_COUNT || node->function == SEGMENT_SUM) &&
		shape_sum(atom, clock, shape);
}

/* Leads whatever the time: where records have no time, or are the leads themselves. */
static bool
shape_whole(const Atom *atom, const Clock *clock, RollupShape *shape)
{
	const BoundNode *node = atom->node;

	shape->kind = ROLLUP_WHOLE;
	shape->universe = node->kind == SEGMENT_EVERYONE || IsUniverse(node->source);
	if (node->row != NULL && shape->universe && asks_for_clock(RowSql(node->row, "r")))
		return false;
	if (!shape->universe && asks_for_clock(atom->leads_sql))
		return false;
	shape->condition = atom->leads_sql;
	shape->zone = strstr(atom->leads_sql, "$2") ? clock->zone_name : "";
	return true;
}

static Oid
find_relation(const char *name)
{
	List	   *names = textToQualifiedNameList(cstring_to_text(name));

	return RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
}

bool
ShapeAtom(const Atom *atom, const Clock *clock, RollupShape *shape)
{
	const BoundNode *node = atom->node;
	const Source *source = atom->source;

	memset(shape, 0, sizeof(*shape));
	shape->value = "";
	if (node->kind == SEGMENT_EVERYONE)
	{
		shape->relation = find_relation("leadflow.lead");
		shape->lead_column = "lead_id";
		shape->lead_id = "r.lead_id";
		return OidIsValid(shape->relation) && shape_whole(atom, clock, shape);
	}
	if (source == NULL || !is_of_record(node->row) || !is_of_record(node->where) ||
		(node->field != NULL && (node->field->is_enum || node->field->lookup_relation)))
		return false;
	shape->relation = find_relation(source->relation);
	shape->lead_column = source->lead_column;
	shape->lead_id = LeadIdSql(source);
	shape->settles_after = source->settles_after;
	if (!OidIsValid(shape->relation))
		return false;
	if (source->time == NULL || (node->kind == SEGMENT_BLOCK && IsUniverse(source)))
		return node->kind != SEGMENT_EDGE && source->settles_after == NULL && shape_whole(atom, clock, shape);

	shape->time_column = source->time->column;
	shape->time_type = source->time->base_type;
	shape->time_not_null = source->time->not_null;
	if (node->kind == SEGMENT_BLOCK)
	{
		shape->kind = ROLLUP_DAYS;
		if (!split_row(node->row, source, clock, shape))
			return false;
	}
	else if (node->kind != SEGMENT_AGGREGATE || !shape_aggregate(atom, clock, shape))
		return false;
	shape->zone = shape->time_type == TIMESTAMPTZOID || strstr(shape->condition, "$2") ?
		clock->zone_name : "";
	return true;
}
