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
#include "spi.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/varlena.h"
#include "zone.h"

/* Keys that a name in another table may stand for. */
#define MAX_KEYS	1000

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

/* The keys that a query of them gives, as a list of SQL constants; NULL where there are many. */
static char *
read_keys(const char *query)
{
	uint64		rows = SpiRead(psprintf("select distinct quote_literal(k.key) from (%s) as k (key)"
										" order by 1 limit %d", query, MAX_KEYS + 1), NULL);
	StringInfoData list;

	if (rows > MAX_KEYS)
		return NULL;
	initStringInfo(&list);
	for (uint64 row = 1; row <= rows; row++)
		appendStringInfo(&list, "%s%s", row == 1 ? "(" : ", ", SpiText(row, 1));
	appendStringInfoString(&list, rows == 0 ? "(null)" : ")");
	return list.data;
}

/*
 * Put the keys in the place of each query of keys by name: what is kept then
 * depends on nothing but the record, and goes by another text when a name is
 * given to another key. NULL when that cannot be done.
 */
static char *
freeze_lookups(const BoundNode *row, char *sql)
{
	ListCell   *lc;

	check_stack_depth();

	if (row == NULL || sql == NULL)
		return sql;
	if (row->kind == SEGMENT_FIELD && row->field->lookup_relation != NULL)
	{
		char	   *leaf = RowSql(row, "r");
		char	   *query = strstr(leaf, "(select k.");
		char	   *end = strstr(leaf, ") is not true)");
		char	   *keys;
		char	   *found;
		StringInfoData frozen;

		if (query == NULL)
			return NULL;
		if (leaf[0] == '(' && end != NULL)
			end[1] = '\0';
		if (strchr(query, '$') != NULL)
			return NULL;
		keys = read_keys(pnstrdup(query + 1, strlen(query) - 2));
		if (keys == NULL)
			return NULL;
		initStringInfo(&frozen);
		while ((found = strstr(sql, query)) != NULL)
		{
			appendBinaryStringInfo(&frozen, sql, found - sql);
			appendStringInfoString(&frozen, keys);
			sql = found + strlen(query);
		}
		appendStringInfoString(&frozen, sql);
		return frozen.data;
	}
	foreach(lc, row->args)
		sql = freeze_lookups(lfirst(lc), sql);
	return sql;
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
		shape->condition = freeze_lookups(rest, RowSql(list_length(rest->args) == 1 ?
													   linitial(rest->args) : rest, "r"));
	return shape->condition != NULL && !asks_for_clock(shape->condition);
}

static const char *
both(const char *condition, const char *other)
{
	return condition[0] == '\0' ? other : psprintf("(%s) and %s", condition, other);
}

/* The same records but for one more condition on them. */
static RollupShape *
narrowed(const RollupShape *shape, const char *condition)
{
	RollupShape *copy = palloc(sizeof(RollupShape));

	*copy = *shape;
	copy->condition = both(shape->condition, condition);
	return copy;
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
		shape->condition = both(shape->condition, psprintf("%s is not null", value));
	shape->kind = ROLLUP_SUMS;
	shape->test = TestRanges(node->test, INT8OID, clock);
	if (shape->test == NULL)
		return false;
	if (atom->fails)
		shape->test = RangesComplement(shape->test);
	/* leads without records have no sum to be kept */
	return !RangesContain(shape->test, 0);
}

/* max(S.n) is from a to b: a record from a on, and none above b. */
static bool
shape_extreme_value(const BoundNode *node, const Clock *clock, RollupShape *shape)
{
	Oid			type = node->field->base_type;
	bool		max = node->function == SEGMENT_MAX;
	const char *value = FieldSql(node->field, "r");
	Ranges	   *test;
	Range		range;
	RollupShape *beyond = NULL;

	if (type != INT2OID && type != INT4OID && type != INT8OID)
		return false;
	test = TestRanges(node->test, type, clock);
	if (test == NULL || test->null || test->n != 1)
		return false;
	range = test->range[0];
	shape->kind = ROLLUP_DAYS;
	if (max && range.last != PG_INT64_MAX)
		beyond = narrowed(shape, psprintf("%s > (" INT64_FORMAT ")", value, range.last));
	if (!max && range.first != PG_INT64_MIN)
		beyond = narrowed(shape, psprintf("%s < (" INT64_FORMAT ")", value, range.first));
	if (max && range.first != PG_INT64_MIN)
		shape->condition = both(shape->condition, psprintf("%s >= (" INT64_FORMAT ")", value, range.first));
	else if (!max && range.last != PG_INT64_MAX)
		shape->condition = both(shape->condition, psprintf("%s <= (" INT64_FORMAT ")", value, range.last));
	else
		shape->condition = both(shape->condition, psprintf("%s is not null", value));
	shape->except = beyond;
	return true;
}

/* A constant of two decimals at most, times 100. */
static bool
read_hundredths(const char *constant, int64 *hundredths)
{
	bool		negative = *constant == '-';
	int			decimals = -1;
	int64		number = 0;

	for (const char *c = constant + (negative ? 1 : 0); *c != '\0'; c++)
	{
		if (*c == '.' && decimals < 0)
			decimals = 0;
		else if (*c >= '0' && *c <= '9' && decimals < 2 && number < PG_INT32_MAX)
		{
			number = number * 10 + (*c - '0');
			decimals += decimals >= 0 ? 1 : 0;
		}
		else
			return false;
	}
	for (int i = Max(decimals, 0); i < 2; i++)
		number *= 10;
	*hundredths = negative ? -number : number;
	return true;
}

/*
 * avg(S.n) above p: the sum of n - p, in hundredths so as to be whole, is above 0.
 * Where it may be 0 there is a value, and the sum is not on the other side. A sum
 * that does not fit would take ten million records of one lead.
 */
static bool
shape_average(const BoundNode *node, RollupShape *shape)
{
	const SegmentTest *test = node->test->test;
	const char *value = FieldSql(node->field, "r");
	Ranges	   *above = RangesOf(1, PG_INT64_MAX);
	Ranges	   *below = RangesOf(PG_INT64_MIN, -1);
	RollupShape *sums;
	int64		hundredths;

	if ((node->field->base_type != INT2OID && node->field->base_type != INT4OID) ||
		test->kind != SEGMENT_COMPARE || test->negated || list_length(node->test->constants) != 1 ||
		!read_hundredths(linitial(node->test->constants), &hundredths))
		return false;
	sums = narrowed(shape, psprintf("%s is not null", value));
	sums->kind = ROLLUP_SUMS;
	sums->value = psprintf("%s::bigint * 100 - (" INT64_FORMAT ")", value, hundredths);
	switch (test->op)
	{
		case SEGMENT_GT:
		case SEGMENT_LE:
			sums->test = above;
			break;
		case SEGMENT_LT:
		case SEGMENT_GE:
			sums->test = below;
			break;
		case SEGMENT_EQ:
		case SEGMENT_NE:
			sums->test = RangesUnion(below, above);
			break;
		default:
			return false;
	}
	*shape = *sums;
	if (test->op == SEGMENT_LE || test->op == SEGMENT_GE || test->op == SEGMENT_EQ)
	{
		shape->kind = ROLLUP_DAYS;
		shape->value = "";
		shape->test = NULL;
		shape->except = sums;
	}
	return true;
}

static bool
shape_aggregate(const Atom *atom, const Clock *clock, RollupShape *shape)
{
	const BoundNode *node = atom->node;
	const SourceField *field = node->field;

	if (node->distinct || !split_row(node->where, node->source, clock, shape))
		return false;
	if (node->function == SEGMENT_MIN || node->function == SEGMENT_MAX)
		return field == node->source->time ? shape_extreme(node, clock, shape) :
			shape_extreme_value(node, clock, shape);
	if (node->function == SEGMENT_AVG)
		return shape_average(node, shape);
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
	shape->condition = freeze_lookups(node->where, freeze_lookups(node->row, pstrdup(atom->leads_sql)));
	if (shape->condition == NULL)
		return false;
	shape->zone = strstr(atom->leads_sql, "$2") ? clock->zone_name : "";
	return true;
}

/* Leads by the day they were created, where it matters when that was. */
static bool
shape_created(const Atom *atom, const Clock *clock, RollupShape *shape)
{
	shape->kind = ROLLUP_DAYS;
	shape->universe = false;
	shape->condition = "";
	if (!split_row(atom->node->row, atom->source, clock, shape))
		return false;
	shape->condition = both(shape->condition, "r.deleted_at is null and r.merged_into is null");
	return true;
}

static void
take_time(const Source *source, RollupShape *shape)
{
	shape->time_column = source->time->column;
	shape->time_type = source->time->base_type;
	shape->time_not_null = source->time->not_null;
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
	if (source == NULL || (node->field != NULL && (node->field->is_enum || node->field->lookup_relation)))
		return false;
	shape->relation = linitial_oid(source->relations);
	shape->lead_column = source->lead_column;
	shape->lead_id = LeadIdSql(source);
	shape->settles_after = source->settles_after;
	if (source->time == NULL)
		return node->kind != SEGMENT_EDGE && source->settles_after == NULL && shape_whole(atom, clock, shape);
	if (node->kind == SEGMENT_BLOCK && IsUniverse(source) && source->settles_after == NULL &&
		shape_whole(atom, clock, shape))
		return true;

	take_time(source, shape);
	if (node->kind == SEGMENT_BLOCK && IsUniverse(source))
	{
		if (!shape_created(atom, clock, shape))
			return false;
	}
	else if (node->kind == SEGMENT_BLOCK)
	{
		shape->kind = ROLLUP_DAYS;
		if (!split_row(node->row, source, clock, shape))
			return false;
	}
	else if (node->kind != SEGMENT_AGGREGATE || !shape_aggregate(atom, clock, shape))
		return false;
	shape->zone = shape->time_type == TIMESTAMPTZOID || strstr(shape->condition, "$2") ?
		clock->zone_name : "";
	if (shape->except != NULL)
		shape->except->zone = shape->zone;
	return true;
}
