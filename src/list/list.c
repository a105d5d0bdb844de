/*
 * list.c
 *		Lists as such: finding and locking them, making and closing them, and
 *		what list('...') means in a segment.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "lexer.h"
#include "list/list.h"
#include "rollup/rollup.h"
#include "segment/segment.h"
#include "source/source.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(create_list);
PG_FUNCTION_INFO_V1(close_list);

static List *
list_names(void)
{
	return SpiNames("SELECT name FROM leadflow.list ORDER BY name");
}

/* list('X'): its members at the instant of evaluation, by its history */
static char *
list_condition(const char *name, List **known_names)
{
	SpiArgs		args = {0};

	AddTextArg(&args, name);
	if (SpiRead("SELECT list_id FROM leadflow.list WHERE name = $1", &args) == 0)
	{
		*known_names = list_names();
		return NULL;
	}
	return psprintf("exists (select from leadflow.member as m where m.lead_id = l.lead_id"
					" and m.list_id = " INT64_FORMAT " and m.entered_at <= $1"
					" and (m.left_at is null or m.left_at > $1))", SpiBigint(1, 1));
}

/* The lead's stays on the list that began by then, and ended by then or did not. */
static char *
list_history(const char *name)
{
	return psprintf("select m.member_id, m.entered_at, case when m.left_at <= $1 then m.left_at end"
					" from leadflow.member as m join leadflow.list as l using (list_id)"
					" where m.lead_id = $3 and l.name = %s and m.entered_at <= $1"
					" order by m.entered_at desc, m.member_id desc", quote_literal_cstr(name));
}

void
ListInit(void)
{
	static const NamedSetDetails details = {
		.kind = "list", .table = "list", .stays = "member", .history = list_history
	};

	RegisterNamedSet("list", list_condition);
	DescribeNamedSet(&details);
	RegisterSegmentsInUse("SELECT segment, zone FROM leadflow.list"
						  " WHERE status = 'open' AND segment IS NOT NULL");
}

/* ---- finding and locking ------------------------------------------------------ */

/* Activities end stays without the lock, and leave it to us to see that they did. */
static void
take_last_leaving(LeadList *list)
{
	SpiArgs		args = {0};
	Datum		left_at;
	bool		isnull;

	AddBigintArg(&args, list->list_id);
	SpiRun("SELECT max(left_at) FROM leadflow.member WHERE list_id = $1 AND left_at IS NOT NULL",
		   &args);
	left_at = SpiDatum(1, 1, &isnull);
	if (!isnull)
		list->changed_at = Max(list->changed_at, DatumGetTimestampTz(left_at));
}

static LeadList *
read_list(const char *condition, SpiArgs *args, const char *locking)
{
	char	   *sql = psprintf("SELECT list_id, name, status = 'open', segment, mode = 'mirror', zone,"
							   " changed_at, done_through, exclusive"
							   " FROM leadflow.list WHERE %s%s", condition, locking);
	LeadList   *list;
	bool		isnull;

	if ((locking[0] != '\0' ? SpiRun(sql, args) : SpiRead(sql, args)) == 0)
		return NULL;
	list = palloc0(sizeof(LeadList));
	list->list_id = SpiBigint(1, 1);
	list->name = SpiText(1, 2);
	list->open = DatumGetBool(SpiDatum(1, 3, &isnull));
	list->segment = SpiText(1, 4);
	list->mirror = DatumGetBool(SpiDatum(1, 5, &isnull));
	list->zone = SpiText(1, 6);
	list->changed_at = DatumGetTimestampTz(SpiDatum(1, 7, &isnull));
	list->done_through = DatumGetTimestampTz(SpiDatum(1, 8, &isnull));
	list->exclusive = DatumGetBool(SpiDatum(1, 9, &isnull));
	if (locking[0] != '\0')
		take_last_leaving(list);
	list->zone = ResolveZone(list->zone);
	return list;
}

LeadList *
LockListById(int64 list_id, bool skip_locked)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list_id);
	return read_list("list_id = $1", &args,
					 skip_locked ? " FOR NO KEY UPDATE SKIP LOCKED" : " FOR NO KEY UPDATE");
}

/* Verbs are declared twice, for a list's name and for its id. */
static LeadList *
list_argument(FunctionCallInfo fcinfo, int argument, const char *locking)
{
	SpiArgs		args = {0};
	LeadList   *list;
	const char *nearest;
	char	   *name;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the list must not be null")));
	if (ArgumentType(fcinfo, argument) == INT8OID)
	{
		AddBigintArg(&args, PG_GETARG_INT64(argument));
		list = read_list("list_id = $1", &args, locking);
		if (list == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("list " INT64_FORMAT " does not exist", PG_GETARG_INT64(argument)),
					 errhint("SELECT list_id, name FROM leadflow.list lists them.")));
		return list;
	}

	name = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	AddTextArg(&args, name);
	list = read_list("name = $1", &args, locking);
	if (list == NULL)
	{
		nearest = NearestName(name, list_names());
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("list \"%s\" does not exist", name),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) :
				 errhint("SELECT list_id, name FROM leadflow.list lists them.")));
	}
	return list;
}

LeadList *
LockList(FunctionCallInfo fcinfo, int argument)
{
	return list_argument(fcinfo, argument, " FOR NO KEY UPDATE");
}

LeadList *
FindList(FunctionCallInfo fcinfo, int argument)
{
	return list_argument(fcinfo, argument, "");
}

void
RequireOpen(const LeadList *list)
{
	if (!list->open)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("list \"%s\" is closed", list->name),
				 errhint("Open it again with: UPDATE leadflow.list SET status = 'open', closed_at = NULL WHERE list_id = " INT64_FORMAT ";",
						 list->list_id)));
}

TimestampTz
ChangeTime(const LeadList *list)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	return now >= list->changed_at ? now : list->changed_at + 1;
}

TimestampTz
PresentTime(const LeadList *list, TimestampTz at)
{
	if (at < list->changed_at && list->changed_at <= GetCurrentTimestamp())
		return list->changed_at;
	return at;
}

void
SetChangedAt(const LeadList *list, TimestampTz changed_at)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, list->list_id);
	AddTimeArg(&args, changed_at);
	SpiRun("UPDATE leadflow.list SET changed_at = $2 WHERE list_id = $1", &args);
}

/* ---- making and closing --------------------------------------------------------- */

static void
add_argument(SpiArgs *args, FunctionCallInfo fcinfo, int argument, Oid type)
{
	if (PG_ARGISNULL(argument))
		AddNullArg(args, type);
	else
		AddArg(args, type, PG_GETARG_DATUM(argument));
}

/* An argument without which there is no list. */
static void
require(bool condition, const char *problem, const char *hint)
{
	if (!condition)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", problem),
				 hint ? errhint("%s", hint) : 0));
}

/* How long something takes is not negative. */
static void
require_length(FunctionCallInfo fcinfo, int argument, const char *name)
{
	Interval	nothing = {0};
	Datum		length = PG_GETARG_DATUM(argument);

	if (!PG_ARGISNULL(argument) &&
		DatumGetBool(DirectFunctionCall2(interval_lt, length, IntervalPGetDatum(&nothing))))
		require(false, psprintf("%s must not be negative, and is %s", name,
								DatumGetCString(DirectFunctionCall1(interval_out, length))),
				"Write it as '7 days', for instance.");
}

Datum
create_list(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;
	SpiArgs		args = {0};
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *mode = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	Datum		segment = (Datum) 0;
	int64		list_id;

	require(name != NULL && name[0] != '\0', "a list needs a name", NULL);
	require(mode != NULL && (strcmp(mode, "add") == 0 || strcmp(mode, "mirror") == 0),
			mode ? psprintf("mode \"%s\" is unknown", mode) : "the mode must not be null",
			"The mode is 'add', where members stay until worked, or 'mirror', where they leave when they no longer match.");
	require(PG_ARGISNULL(2) || !PG_ARGISNULL(1),
			"a list without a segment cannot have a cadence",
			"Give it a segment to be refreshed from, for instance: segment => 'segment(''hot'')'.");
	require(PG_ARGISNULL(12) || PG_GETARG_INT32(12) >= 0,
			psprintf("max_members must not be negative, and is %d", PG_ARGISNULL(12) ? 0 : PG_GETARG_INT32(12)),
			"Leave it out for a list without a limit.");
	require_length(fcinfo, 10, "due_after");
	require_length(fcinfo, 11, "return_after");

	frame = EnterSpi(false);
	if (!PG_ARGISNULL(1))
	{
		/* what the same statement has saved before is there to be referred to */
		PushFreshSnapshot();
		segment = NamedSegment(SegmentText(PG_GETARG_SEGMENT_PP(1)));
		PopActiveSnapshot();
	}
	if (!PG_ARGISNULL(4))
		(void) ResolveZone(text_to_cstring(PG_GETARG_TEXT_PP(4)));

	AddTextArg(&args, name);
	if (PG_ARGISNULL(1))
		AddNullArg(&args, LeadflowType("segment"));
	else
		AddArg(&args, LeadflowType("segment"), segment);
	add_argument(&args, fcinfo, 2, LeadflowType("cadence"));
	AddTextArg(&args, mode);
	add_argument(&args, fcinfo, 4, TEXTOID);	/* zone */
	add_argument(&args, fcinfo, 5, TEXTOID);	/* purpose */
	add_argument(&args, fcinfo, 6, TEXTOID);	/* kind */
	add_argument(&args, fcinfo, 7, TEXTOID);	/* talk_script */
	add_argument(&args, fcinfo, 8, TEXTARRAYOID);	/* visibility */
	add_argument(&args, fcinfo, 9, TEXTOID);	/* owner */
	add_argument(&args, fcinfo, 10, INTERVALOID);	/* due_after */
	add_argument(&args, fcinfo, 11, INTERVALOID);	/* return_after */
	add_argument(&args, fcinfo, 12, INT4OID);	/* max_members */
	add_argument(&args, fcinfo, 13, INT4OID);	/* priority */
	add_argument(&args, fcinfo, 14, BOOLOID);	/* exclusive */
	if (SpiRun("INSERT INTO leadflow.list AS l (name, segment, cadence, mode, zone, purpose, kind,"
			   " talk_script, visibility, owner, due_after, return_after, max_members, priority,"
			   " exclusive)"
			   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce($10, current_user), $11,"
			   " coalesce($12, interval '0'), $13, coalesce($14, 0), coalesce($15, false))"
			   " ON CONFLICT (name) DO NOTHING RETURNING l.list_id", &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("list \"%s\" already exists", name),
				 errhint("To change it: UPDATE leadflow.list SET segment = '...' WHERE name = %s;",
						 quote_literal_cstr(name))));
	list_id = SpiBigint(1, 1);
	LeaveSpi(frame);
	PG_RETURN_INT64(list_id);
}

static void
close_body(FunctionCallInfo fcinfo, void *list_id)
{
	SpiArgs		args = {0};
	LeadList   *list = LockList(fcinfo, 0);

	*(int64 *) list_id = list->list_id;
	AddBigintArg(&args, list->list_id);
	AddTimeArg(&args, ChangeTime(list));
	AddTextArg(&args, PG_ARGISNULL(1) ? "list closed" : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	SpiRun("UPDATE leadflow.member SET left_at = $2, left_by = current_user, left_reason = $3"
		   " WHERE list_id = $1 AND left_at IS NULL", &args);
	args.n = 2;
	SpiRun("UPDATE leadflow.list SET status = 'closed', closed_at = $2, changed_at = $2"
		   " WHERE list_id = $1 AND status = 'open'", &args);
}

Datum
close_list(PG_FUNCTION_ARGS)
{
	int64		list_id;

	RunVerb(close_body, !PG_ARGISNULL(2) && PG_GETARG_BOOL(2), fcinfo, &list_id);
	PG_RETURN_INT64(list_id);
}
