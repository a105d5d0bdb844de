/*
 * reminder.c
 *		The reminders of the week: what they are about, who is told, and that it
 *		happens once a day for each list.
 *
 * One statement does a reminder for all lists it is due for: it writes what was
 * done into leadflow.schedule_run, the notices into the outbox, and announces
 * them. A second tick waits at the key of schedule_run, and finds nothing to do.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "followup/template.h"
#include "spi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(run_reminder);

/* Members that a notice names one by one */
#define SHOWN_MEMBERS	"100"

/* What a reminder is about, as SQL: $1 is its name, $2 a zone, $3 the instant. */
typedef struct ReminderKind
{
	const char *name;
	const char *template_kind;
	const char *due;			/* list_id, day, due_at of the lists it is due for */
	const char *members;		/* which members m of a list due d it is about */
	bool		managers;		/* are the managers of their reps told too? */
	int			days;			/* how many days its notices are of use */
} ReminderKind;

/*
 * Due at its own time, on the clocks of each list; caught up within the day. A
 * refresh that is due comes first, unless it has failed: another tick may be at
 * it, and will do the reminder after that.
 */
#define DUE_ON_ITS_DAY \
	"SELECT l.list_id, leadflow.local_date(e.due_at, z.zone) AS day, e.due_at" \
	" FROM leadflow.schedule AS s CROSS JOIN leadflow.list AS l" \
	" CROSS JOIN LATERAL (SELECT coalesce(s.zone, l.zone, $2)) AS z (zone)" \
	" CROSS JOIN LATERAL (SELECT leadflow.last_run(s.cadence, $3, z.zone)) AS e (due_at)" \
	" WHERE s.name = $1 AND s.enabled AND l.status = 'open'" \
	" AND e.due_at > greatest(s.created_at, l.created_at)" \
	" AND leadflow.local_date(e.due_at, z.zone) = leadflow.local_date($3, z.zone)" \
	" AND NOT EXISTS (SELECT FROM (SELECT leadflow.last_run(l.cadence, $3, coalesce(l.zone, $2)))" \
	"   AS c (due_at)" \
	"  WHERE l.segment IS NOT NULL AND c.due_at > greatest(l.created_at, l.done_through)" \
	"  AND NOT EXISTS (SELECT FROM leadflow.refresh_run AS r" \
	"   WHERE r.list_id = l.list_id AND r.due_at = c.due_at AND r.error IS NOT NULL))"

/* The refresh of a list by its cadence that was the last to succeed */
#define LAST_REFRESH(list) \
	"(SELECT r.due_at, r.as_of, r.kept, r.run_id FROM leadflow.refresh_run AS r" \
	"  WHERE r.list_id = " list ".list_id AND r.due_at IS NOT NULL AND r.finished IS NOT NULL" \
	"  ORDER BY r.due_at DESC LIMIT 1)"

/* Of the last time a reminder was for a list, or would have been before there was the reminder */
#define LAST_TIME(column, list, zone) \
	"(SELECT coalesce(max(r." column "), leadflow.last_run(s.cadence, s.created_at, " zone "), '-infinity')" \
	"  FROM leadflow.schedule_run AS r WHERE r.schedule = s.name AND r.list_id = " list ".list_id)"

/*
 * Due, however late, when the list was refreshed since it was last shared, and
 * the refresh that was due by then is done: another tick may be at that one.
 */
#define DUE_AFTER_REFRESH \
	"SELECT l.list_id, leadflow.local_date(e.due_at, z.zone) AS day, e.due_at" \
	" FROM leadflow.schedule AS s CROSS JOIN leadflow.list AS l" \
	" CROSS JOIN LATERAL " LAST_REFRESH("l") " AS f" \
	" CROSS JOIN LATERAL (SELECT coalesce(s.zone, l.zone, $2)) AS z (zone)" \
	" CROSS JOIN LATERAL (SELECT leadflow.last_run(s.cadence, $3, z.zone)," \
	"   " LAST_TIME("due_at", "l", "z.zone") ") AS e (due_at, before)" \
	" WHERE s.name = $1 AND s.enabled AND l.status = 'open'" \
	" AND e.due_at > greatest(s.created_at, l.created_at, e.before) AND f.due_at > e.before" \
	" AND (l.segment IS NOT NULL AND leadflow.last_run(l.cadence, e.due_at, coalesce(l.zone, $2))" \
	"  > greatest(l.created_at, l.done_through)) IS NOT TRUE"

static const ReminderKind kinds[] = {
	{"list_shared", "list", DUE_AFTER_REFRESH, "true", false, 7},
	{"not_followed_up", "members", DUE_ON_ITS_DAY, "m.state = 'not_started'", true, 7},
	{"none_left", "check", DUE_ON_ITS_DAY, "m.state = 'not_started'", false, 7},
	{"due_tomorrow", "members", DUE_ON_ITS_DAY,
	"m.state <> 'done' AND m.due_on = d.day + 1", false, 2},
	{"contact_today", "members", DUE_ON_ITS_DAY,
	"m.state <> 'done' AND m.next_contact_on = d.day", false, 1},
};

/* A member as a line of a notice. */
#define MEMBER_LINE \
	"'・' || coalesce(nullif(concat_ws(' ', leadflow.merge_value(l.company, 'line')," \
	" leadflow.merge_value(l.last_name, 'line'), leadflow.merge_value(l.first_name, 'line')), '')," \
	" 'リードID ' || l.lead_id)" \
	" || coalesce('(' || nullif(concat_ws('、', '期限 ' || to_char(m.due_on, 'YYYY-MM-DD')," \
	" '次回対応 ' || to_char(m.next_contact_on, 'YYYY-MM-DD'), '担当 ' || p.name), '') || ')', '')"

/* The lists that are due, noted as done, and the members the reminder is about. */
#define DUE_AND_OPEN \
	"WITH due AS (INSERT INTO leadflow.schedule_run AS r (schedule, list_id, day, due_at, ran_at)" \
	"  SELECT $1, d.list_id, d.day, d.due_at, $3 FROM (%s) AS d ORDER BY d.list_id" \
	"  ON CONFLICT (schedule, list_id, day) DO NOTHING RETURNING r.list_id, r.day, r.due_at)," \
	" open AS (SELECT d.list_id, d.day, d.due_at, m.lead_id, m.due_on, p.rep_id, p.manager_id," \
	"   " MEMBER_LINE " AS line" \
	"  FROM due AS d JOIN leadflow.member AS m USING (list_id) JOIN leadflow.lead AS l USING (lead_id)" \
	"  LEFT JOIN leadflow.rep AS p ON p.rep_id = m.rep_id AND p.active" \
	"  WHERE m.left_at IS NULL AND NOT l.do_not_contact AND l.deleted_at IS NULL" \
	"  AND l.merged_into IS NULL AND %s)"

/* Members as the text of a notice, the first ones line by line. */
#define MEMBER_LINES \
	"string_agg(o.line, E'\\n' ORDER BY o.n) FILTER (WHERE o.n <= " SHOWN_MEMBERS ")" \
	" || CASE WHEN count(*) > " SHOWN_MEMBERS \
	" THEN E'\\nほか ' || count(*) - " SHOWN_MEMBERS " || '件' ELSE '' END AS lines"

/* Each rep is told of theirs, the role of those that no active rep has. */
#define TOLD_REPS \
	", told AS (SELECT o.*, o.rep_id AS to_rep," \
	"   CASE WHEN o.rep_id IS NULL THEN coalesce(s.role, t.owner) END AS to_role" \
	"  FROM open AS o JOIN leadflow.list AS t USING (list_id)" \
	"  JOIN leadflow.schedule AS s ON s.name = $1"
#define TOLD_MANAGERS \
	" UNION ALL SELECT o.*, g.rep_id, NULL FROM open AS o" \
	"  JOIN leadflow.rep AS g ON g.rep_id = o.manager_id AND g.active"
#define TOLD_NOTICES \
	"), x AS (SELECT o.list_id, o.day, o.due_at, o.to_rep, o.to_role, count(*) AS count, " \
	MEMBER_LINES ", jsonb_build_object('leads', leadflow.leadset_agg(o.lead_id)::text) AS more" \
	"  FROM (SELECT *, row_number() OVER (PARTITION BY list_id, to_rep, to_role" \
	"    ORDER BY due_on, lead_id) AS n FROM told) AS o" \
	"  GROUP BY o.list_id, o.day, o.due_at, o.to_rep, o.to_role)"

/*
 * The role is told how the list was worked: of the stays of the last seven days,
 * those that were followed up, and those that are left over.
 */
#define CHECK_NOTICES \
	", stay AS (SELECT d.list_id, p.name AS rep, m.state <> 'not_started' AS worked" \
	"  FROM due AS d JOIN leadflow.member AS m USING (list_id)" \
	"  LEFT JOIN leadflow.rep AS p ON p.rep_id = m.rep_id AND p.active" \
	"  WHERE m.state <> 'not_started' AND (m.left_at IS NULL OR m.left_at > d.due_at - interval '7 days')" \
	"  UNION ALL SELECT o.list_id, p.name, false FROM open AS o" \
	"  LEFT JOIN leadflow.rep AS p USING (rep_id))," \
	" by_rep AS (SELECT list_id, rep, count(*) AS total, count(*) FILTER (WHERE worked) AS worked" \
	"  FROM stay GROUP BY list_id, rep)," \
	" x AS (SELECT d.list_id, d.day, d.due_at, NULL::bigint AS to_rep," \
	"   coalesce(s.role, t.owner) AS to_role, o.count, o.lines, o.more, w.worked, w.total, w.report" \
	"  FROM due AS d JOIN leadflow.list AS t USING (list_id) JOIN leadflow.schedule AS s ON s.name = $1" \
	"  CROSS JOIN LATERAL (SELECT count(*) AS count, " MEMBER_LINES "," \
	"    jsonb_build_object('leads', leadflow.leadset_agg(o.lead_id)::text) AS more" \
	"    FROM (SELECT *, row_number() OVER (ORDER BY due_on, lead_id) AS n FROM open" \
	"      WHERE list_id = d.list_id) AS o) AS o" \
	"  CROSS JOIN LATERAL (SELECT coalesce(sum(b.worked), 0) AS worked, coalesce(sum(b.total), 0) AS total," \
	"    string_agg(format('・%%s: 対応済み %%s件 / 未フォロー %%s件', coalesce(b.rep, '(未割り振り)')," \
	"      b.worked, b.total - b.worked), E'\\n' ORDER BY b.rep) AS report" \
	"    FROM by_rep AS b WHERE b.list_id = d.list_id) AS w)"

/*
 * The role is told what the refreshes since it was last told have brought; kept
 * by the last of them is also who came with an earlier one, and is new to the role.
 */
#define LIST_NOTICES \
	", x AS (SELECT d.list_id, d.day, d.due_at, NULL::bigint AS to_rep," \
	"   coalesce(s.role, t.owner) AS to_role, (SELECT count(*) FROM open AS o WHERE o.list_id = d.list_id) AS count," \
	"   w.added, w.removed, k.kept, jsonb_build_object('run_id', f.run_id, 'added', w.added," \
	"    'removed', w.removed, 'kept', k.kept) AS more" \
	"  FROM due AS d JOIN leadflow.list AS t USING (list_id) JOIN leadflow.schedule AS s ON s.name = $1" \
	"  CROSS JOIN LATERAL " LAST_REFRESH("d") " AS f" \
	"  CROSS JOIN LATERAL (SELECT coalesce(sum(r.added), 0) AS added, coalesce(sum(r.removed), 0) AS removed," \
	"    array_agg(r.run_id) FILTER (WHERE r.run_id <> f.run_id AND r.added > 0) AS earlier" \
	"    FROM leadflow.refresh_run AS r WHERE r.list_id = d.list_id AND r.finished IS NOT NULL" \
	"    AND r.as_of > " LAST_TIME("ran_at", "d", "coalesce(s.zone, t.zone, $2)") \
	"    AND r.as_of <= f.as_of) AS w" \
	"  CROSS JOIN LATERAL (SELECT f.kept - CASE WHEN w.earlier IS NULL THEN 0" \
	"    ELSE (SELECT count(*) FROM leadflow.member AS m WHERE m.list_id = d.list_id" \
	"     AND (m.left_at IS NULL OR m.left_at > f.as_of) AND m.run_id = ANY (w.earlier)) END AS kept) AS k)"

/* The notices x, written with a template: its channel, subject and body. */
#define WRITE_NOTICES \
	", written AS (INSERT INTO leadflow.notification AS n" \
	"   (kind, channel, rep_id, role, list_id, subject, body, payload, dedup_key, expires_at)" \
	"  SELECT $4, %s, x.to_rep, x.to_role, x.list_id, %s, %s," \
	"   jsonb_build_object('schedule', $1, 'list', x.list_name, 'list_id', x.list_id, 'day', x.day," \
	"    'due_at', x.due_at, 'count', x.count, 'link', x.link, 'format', %s) || x.more," \
	"   concat_ws(':', $1, x.list_id, to_char(x.day, 'YYYY-MM-DD')," \
	"    coalesce('rep ' || x.to_rep, 'role ' || x.to_role))," \
	"   leadflow.day_start(x.day + %d, x.zone)" \
	"  FROM (SELECT x.*, t.name AS list_name, t.purpose, coalesce(r.name, c.name) AS name," \
	"    coalesce(s.zone, t.zone, $2) AS zone, to_char(x.day, 'YYYY-MM-DD')" \
	"     || '(' || substr('日月火水木金土', extract(dow FROM x.day)::int + 1, 1) || ')' AS shown_day," \
	"    (SELECT rtrim(b.value, '/') || '/lists/' || x.list_id FROM leadflow.setting AS b" \
	"      WHERE b.name = 'base_url') AS link" \
	"    FROM x JOIN leadflow.list AS t USING (list_id) JOIN leadflow.schedule AS s ON s.name = $1" \
	"    LEFT JOIN leadflow.rep AS r ON r.rep_id = x.to_rep" \
	"    LEFT JOIN leadflow.recipient AS c ON c.role = x.to_role) AS x" \
	"  ON CONFLICT (dedup_key) DO NOTHING RETURNING n.notification_id)"

#define ANNOUNCE \
	", announced AS (SELECT pg_notify('leadflow', jsonb_build_object('reminder', $1, 'kind', $4," \
	"   'due_at', a.due_at, 'members', a.members)::text)" \
	"  FROM (SELECT d.due_at, count(o.lead_id) AS members FROM due AS d LEFT JOIN open AS o USING (list_id)" \
	"   GROUP BY d.due_at) AS a)"

static const ReminderKind *
find_kind(const char *name)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	elog(ERROR, "reminder of unknown kind %s", name);
}

/* Append how the notices x of a reminder come about, and that they are written. */
static void
append_notices(StringInfo sql, const ReminderKind *kind, const char *template_name)
{
	Template   *template = LoadTemplate(template_name, kind->template_kind);
	TemplateSql text = CompileTemplate(template);

	if (strcmp(kind->template_kind, "list") == 0)
		appendStringInfoString(sql, LIST_NOTICES);
	else if (strcmp(kind->template_kind, "check") == 0)
		appendStringInfo(sql, CHECK_NOTICES);
	else
	{
		appendStringInfoString(sql, TOLD_REPS);
		if (kind->managers)
			appendStringInfoString(sql, TOLD_MANAGERS);
		appendStringInfoString(sql, TOLD_NOTICES);
	}
	appendStringInfo(sql, WRITE_NOTICES, quote_literal_cstr(template->channel), text.subject,
					 text.body, quote_literal_cstr(template->format), kind->days);
}

Datum
run_reminder(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);
	SpiArgs		args = {0};
	const ReminderKind *kind;
	StringInfoData sql;
	char	   *template;
	int64		written;

	AddTextArg(&args, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (SpiRun("SELECT kind, template FROM leadflow.schedule WHERE name = $1", &args) == 0)
	{
		LeaveSpi(frame);
		PG_RETURN_INT64(0);
	}
	kind = find_kind(SpiText(1, 1));
	template = SpiText(1, 2);

	initStringInfo(&sql);
	appendStringInfo(&sql, DUE_AND_OPEN, kind->due, kind->members);
	if (template != NULL)
		append_notices(&sql, kind, template);
	appendStringInfo(&sql, ANNOUNCE " SELECT %s, (SELECT count(*) FROM announced)",
					 template ? "(SELECT count(*) FROM written)" : "0::bigint");

	AddTextArg(&args, ResolveZone(NULL));
	AddTimeArg(&args, PG_GETARG_TIMESTAMPTZ(1));
	AddTextArg(&args, kind->name);
	SpiRun(sql.data, &args);
	written = SpiBigint(1, 1);

	args.n = 1;
	SpiRun("UPDATE leadflow.schedule SET error = NULL WHERE name = $1 AND error IS NOT NULL", &args);
	LeaveSpi(frame);
	PG_RETURN_INT64(written);
}
