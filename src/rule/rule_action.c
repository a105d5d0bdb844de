/*
 * rule_action.c
 *		What a rule does: read from its JSON, held against small forms, and done
 *		for all the leads of a firing at once, by the verbs people call.
 */
#include "postgres.h"

#include "activity/outcome.h"
#include "catalog/pg_type.h"
#include "followup/template.h"
#include "form/form.h"
#include "lead/lead_changes.h"
#include "lexer.h"
#include "rule/rule.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"

typedef struct ActionKind
{
	const char *word;
	const char *form;			/* of the whole object; NULL for "set" */
	void		(*check) (RuleAction *action);
	void		(*perform) (const RuleAction *action, Firing *firing);
} ActionKind;

struct RuleAction
{
	const ActionKind *kind;
	Jsonb	   *object;
	char	   *list;			/* where it is about one */
};

/* ---- reading the object ------------------------------------------------------------- */

static JsonbValue *
get(const RuleAction *action, const char *key)
{
	return getKeyJsonValueFromContainer(&action->object->root, key, strlen(key), NULL);
}

/* NULL where it is not there */
static char *
text_of(const RuleAction *action, const char *key)
{
	JsonbValue *value = get(action, key);

	return value != NULL && value->type == jbvString ?
		pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

static bool
number_of(const RuleAction *action, const char *key, int *number)
{
	JsonbValue *value = get(action, key);

	if (value == NULL || value->type != jbvNumeric)
		return false;
	*number = DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric)));
	return true;
}

static void
require_name(const char *what, const char *name, const char *relation)
{
	SpiArgs		args = {0};
	const char *nearest;

	if (name == NULL)
		return;
	AddTextArg(&args, name);
	if (SpiRun(psprintf("SELECT FROM %s WHERE name = $1", relation), &args) > 0)
		return;
	nearest = NearestName(name, SpiNames(psprintf("SELECT name FROM %s ORDER BY name", relation)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s \"%s\" does not exist", what, name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("SELECT name FROM %s lists them.", relation)));
}

/* An action on members needs to know of which list. */
static void
require_list(const RuleAction *action)
{
	if (action->list == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" does not say on which list", action->kind->word),
				 errhint("Give it a \"list\", or add to a list before it. The rep of the lead itself is set with {\"set\": {\"rep\": \"...\"}}.")));
	require_name("list", action->list, "leadflow.list");
}

/* ---- what was done ------------------------------------------------------------------ */

static int64
cardinality(Datum leads)
{
	SpiArgs		args = {0};

	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("SELECT leadflow.cardinality($1)", &args);
	return SpiBigint(1, 1);
}

/* Note what was done for some leads, if there are any. */
static void
add_deed(Firing *firing, Datum leads, char *line)
{
	RuleDeed   *deed;

	if (cardinality(leads) == 0)
		return;
	deed = palloc(sizeof(RuleDeed));
	deed->line = line;
	deed->leads = leads;
	firing->did = lappend(firing->did, deed);
}

static char *
reason_of(const RuleAction *action, const Firing *firing)
{
	char	   *reason = text_of(action, "reason");

	return reason ? reason : psprintf("rule \"%s\"", firing->rule->name);
}

/* ---- lists -------------------------------------------------------------------------- */

static void
check_list(RuleAction *action)
{
	require_list(action);
}

/* Which of the leads are on the list. */
static Datum
members_among(const char *list, Datum leads)
{
	SpiArgs		args = {0};
	bool		isnull;

	AddTextArg(&args, list);
	AddArg(&args, LeadflowType("leadset"), leads);
	SpiRun("SELECT leadflow.leadset_agg(m.lead_id) FROM leadflow.unnest($2) AS u (lead_id)"
		   " JOIN leadflow.member AS m USING (lead_id) JOIN leadflow.list AS l USING (list_id)"
		   " WHERE l.name = $1 AND m.left_at IS NULL", &args);
	return SpiDatum(1, 1, &isnull);
}

static Datum
without(Datum leads, Datum others)
{
	SpiArgs		args = {0};
	bool		isnull;

	AddArg(&args, LeadflowType("leadset"), leads);
	AddArg(&args, LeadflowType("leadset"), others);
	SpiRun("SELECT $1 OPERATOR(leadflow.-) $2", &args);
	return SpiDatum(1, 1, &isnull);
}

/* A hold says that the lead is not to come back, whoever would add it but a person. */
static void
perform_add(const RuleAction *action, Firing *firing)
{
	Datum		there = members_among(action->list, firing->leads);
	Datum		leads = without(firing->leads, there);
	Datum		held;
	Datum		added;
	SpiArgs		args = {0};
	bool		isnull;

	add_deed(firing, there, psprintf("was on list \"%s\" already", action->list));
	AddTextArg(&args, action->list);
	AddArg(&args, LeadflowType("leadset"), leads);
	AddTimeArg(&args, firing->at);
	SpiRun("SELECT leadflow.leadset_agg(h.lead_id) FROM leadflow.unnest($2) AS u (lead_id)"
		   " JOIN leadflow.hold AS h USING (lead_id) JOIN leadflow.list AS l USING (list_id)"
		   " WHERE l.name = $1 AND (h.until IS NULL OR h.until > $3)", &args);
	held = SpiDatum(1, 1, &isnull);
	add_deed(firing, held, psprintf("not added to list \"%s\": it is held off", action->list));
	leads = without(leads, held);
	if (cardinality(leads) == 0)
		return;

	args.n = 1;
	AddArg(&args, LeadflowType("leadset"), leads);
	AddTextArg(&args, reason_of(action, firing));
	SpiRun("SELECT leadflow.add_to_list($1, $2, $3)", &args);
	added = members_among(action->list, leads);
	add_deed(firing, added, psprintf("added to list \"%s\"", action->list));
	add_deed(firing, without(leads, added),
			 psprintf("not added to list \"%s\": it must not be contacted", action->list));
}

static void
check_remove(RuleAction *action)
{
	char	   *hold_for = text_of(action, "hold_for");

	require_list(action);
	if (hold_for != NULL)
		(void) DirectFunctionCall3(interval_in, CStringGetDatum(hold_for), ObjectIdGetDatum(InvalidOid),
								   Int32GetDatum(-1));
}

static void
perform_remove(const RuleAction *action, Firing *firing)
{
	Datum		there = members_among(action->list, firing->leads);
	SpiArgs		args = {0};

	add_deed(firing, without(firing->leads, there), psprintf("was not on list \"%s\"", action->list));
	if (cardinality(there) == 0)
		return;
	AddTextArg(&args, action->list);
	AddArg(&args, LeadflowType("leadset"), there);
	AddTextArg(&args, reason_of(action, firing));
	AddTextArg(&args, text_of(action, "hold_for"));
	SpiRun("SELECT leadflow.remove_from_list($1, $2, $3, coalesce($4, '0')::interval)", &args);
	add_deed(firing, there, psprintf("removed from list \"%s\"", action->list));
}

/* ---- reps --------------------------------------------------------------------------- */

static void
check_assign(RuleAction *action)
{
	require_list(action);
	require_name("rep", text_of(action, "assign"), "leadflow.rep");
}

static void
perform_assign(const RuleAction *action, Firing *firing)
{
	Datum		there = members_among(action->list, firing->leads);
	SpiArgs		args = {0};

	add_deed(firing, without(firing->leads, there),
			 psprintf("not assigned: it is not on list \"%s\"", action->list));
	if (cardinality(there) == 0)
		return;
	AddTextArg(&args, action->list);
	AddTextArg(&args, text_of(action, "assign"));
	AddArg(&args, LeadflowType("leadset"), there);
	AddTextArg(&args, reason_of(action, firing));
	SpiRun("SELECT leadflow.assign($1, $2, $3, reason => $4)", &args);
	add_deed(firing, there, psprintf("assigned to %s on list \"%s\"", text_of(action, "assign"),
									 action->list));
}

static void
check_distribute(RuleAction *action)
{
	SpiArgs		args = {0};

	require_list(action);
	AddArg(&args, JSONBOID, JsonbPGetDatum(action->object));
	if (get(action, "reps") != NULL &&
		SpiRun("SELECT r.name FROM jsonb_array_elements_text($1 -> 'reps') AS r (name)"
			   " WHERE NOT EXISTS (SELECT FROM leadflow.rep AS e WHERE e.name = r.name) LIMIT 1", &args) > 0)
		require_name("rep", SpiText(1, 1), "leadflow.rep");
}

/* Those of the leads that nobody has; who has one keeps it. */
static void
perform_distribute(const RuleAction *action, Firing *firing)
{
	Datum		there = members_among(action->list, firing->leads);
	SpiArgs		args = {0};
	uint64		rows;
	bool		isnull;

	add_deed(firing, without(firing->leads, there),
			 psprintf("not assigned: it is not on list \"%s\"", action->list));
	if (cardinality(there) == 0)
		return;
	AddTextArg(&args, action->list);
	AddArg(&args, LeadflowType("leadset"), there);
	AddArg(&args, JSONBOID, JsonbPGetDatum(action->object));
	/* a segment has room for so many ids */
	SpiRun("SELECT FROM (SELECT format('lead(lead_id in (%s))', string_agg(n.lead_id::text, ', '))"
		   "   ::leadflow.segment AS segment"
		   "  FROM (SELECT u.lead_id, (row_number() OVER (ORDER BY u.lead_id) - 1) / 5000 AS part"
		   "   FROM leadflow.unnest($2) AS u (lead_id)) AS n GROUP BY n.part ORDER BY n.part) AS s,"
		   " LATERAL leadflow.distribute($1, strategy => $3 ->> 'distribute',"
		   " reps => CASE WHEN $3 ? 'reps' THEN ARRAY(SELECT jsonb_array_elements_text($3 -> 'reps')) END,"
		   " segment => s.segment)", &args);
	rows = SpiRun("SELECT coalesce('assigned to ' || r.name || ' on list \"' || l.name || '\"',"
				  "  'waits for a rep on list \"' || l.name || '\"'), leadflow.leadset_agg(m.lead_id)"
				  " FROM leadflow.unnest($2) AS u (lead_id) JOIN leadflow.member AS m USING (lead_id)"
				  " JOIN leadflow.list AS l USING (list_id) LEFT JOIN leadflow.rep AS r ON r.rep_id = m.rep_id"
				  " WHERE l.name = $1 AND m.left_at IS NULL GROUP BY 1 ORDER BY 1", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		RuleDeed   *deed = palloc(sizeof(RuleDeed));

		deed->line = SpiText(row, 1);
		deed->leads = SpiDatum(row, 2, &isnull);
		firing->did = lappend(firing->did, deed);
	}
}

/* ---- fields of the lead ------------------------------------------------------------- */

static void
check_set(RuleAction *action)
{
	JsonbValue *value = get(action, "set");

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ||
		JB_ROOT_COUNT(action->object) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"set\" needs an object of fields and values, and nothing beside it"),
				 errhint("Write it as {\"set\": {\"nurturing\": true}}.")));
	(void) ReadLeadChanges(JsonbValueToJsonb(value));
}

static void
perform_set(const RuleAction *action, Firing *firing)
{
	SpiArgs		args = {0};

	AddArg(&args, LeadflowType("leadset"), firing->leads);
	AddArg(&args, JSONBOID, JsonbPGetDatum(action->object));
	SpiRun("SELECT FROM leadflow.update_leads($1, $2 -> 'set')", &args);
	SpiRun("SELECT 'set ' || string_agg(e.key || ' to ' || e.value, ', ')"
		   " FROM jsonb_each($2 -> 'set') AS e", &args);
	add_deed(firing, firing->leads, SpiText(1, 1));
}

/* ---- tasks and deals ---------------------------------------------------------------- */

static void
check_outcome(RuleAction *action)
{
	require_name("rep", text_of(action, "rep"), "leadflow.rep");
	require_name("deal stage", text_of(action, "stage"), "leadflow.deal_stage");
}

/* The rep of the record of a table that a row g of the log is about */
#define REP_OF(table) \
	"(SELECT t.rep_id FROM leadflow." table " AS t WHERE t.lead_id = g.lead_id" \
	" AND t." table "_id = (g.detail ->> '" table "_id')::bigint)"

/*
 * Who is in charge of what a row g of the log is about: the rep of the record, of
 * the lead's open deal, of its stay on a list, or of the lead itself.
 */
#define REP_IN_CHARGE \
	"coalesce(" \
	REP_OF("deal") ", " REP_OF("task") ", " REP_OF("member") ", " REP_OF("activity") "," \
	" (SELECT d.rep_id FROM leadflow.deal AS d WHERE d.lead_id = g.lead_id AND d.closed_at IS NULL" \
	"  AND d.rep_id IS NOT NULL ORDER BY d.opened_at DESC, d.deal_id DESC LIMIT 1)," \
	" (SELECT m.rep_id FROM leadflow.member AS m WHERE m.lead_id = g.lead_id AND m.left_at IS NULL" \
	"  AND m.rep_id IS NOT NULL ORDER BY m.assigned_at DESC NULLS LAST, m.member_id DESC LIMIT 1)," \
	" (SELECT l.rep_id FROM leadflow.lead AS l WHERE l.lead_id = g.lead_id))"

static void
push_text(JsonbParseState **state, const char *key, char *text)
{
	JsonbValue	name = {.type = jbvString};
	JsonbValue	value = {.type = jbvString};

	if (text == NULL)
		return;
	name.val.string.val = unconstify(char *, key);
	name.val.string.len = strlen(key);
	value.val.string.val = text;
	value.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_KEY, &name);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* A day so many days after that of the firing, as documents hold it; NULL for none. */
static char *
day_in(const RuleAction *action, const Firing *firing, const char *key)
{
	SpiArgs		args = {0};
	int			days;

	if (!number_of(action, key, &days))
		return NULL;
	AddTimeArg(&args, firing->at);
	AddTextArg(&args, firing->zone);
	AddArg(&args, INT4OID, Int32GetDatum(days));
	SpiRun("SELECT to_char(leadflow.local_date($1, $2) + $3, 'YYYY-MM-DD')", &args);
	return SpiText(1, 1);
}

/* What is made is the same for all, but for the rep and what it came of. */
static void
make_outcomes(Firing *firing, OutcomeKind kind, Jsonb *document)
{
	SpiArgs		args = {0};
	uint64		rows;
	Outcome   **outcomes;

	AddArg(&args, INT8ARRAYOID, firing->rows);
	AddArg(&args, LeadflowType("leadset"), firing->leads);
	rows = SpiRun("SELECT g.lead_id, (g.detail ->> 'activity_id')::bigint,"
				  " (g.detail ->> 'list_id')::bigint, " REP_IN_CHARGE " FROM leadflow.rule_log AS g"
				  " WHERE g.log_id = ANY ($1) AND leadflow.contains($2, g.lead_id) ORDER BY g.log_id", &args);
	outcomes = palloc(rows * sizeof(Outcome *));
	for (uint64 row = 1; row <= rows; row++)
	{
		Outcome    *outcome = palloc0(sizeof(Outcome));

		outcome->lead_id = SpiBigint(row, 1);
		outcome->activity_id = SpiBigint(row, 2);
		outcome->list_id = SpiBigint(row, 3);
		outcome->rep_id = SpiBigint(row, 4);
		outcome->document = document;
		outcomes[row - 1] = outcome;
	}
	MakeOutcomes(kind, outcomes, rows);
}

static void
perform_task(const RuleAction *action, Firing *firing)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_text(&state, "title", text_of(action, "create_task"));
	push_text(&state, "due_on", day_in(action, firing, "due_in"));
	push_text(&state, "rep", text_of(action, "rep"));
	push_text(&state, "note", text_of(action, "note"));
	make_outcomes(firing, OUTCOME_TASK, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
	add_deed(firing, firing->leads, psprintf("created task \"%s\"", text_of(action, "create_task")));
}

static void
perform_deal(const RuleAction *action, Firing *firing)
{
	JsonbParseState *state = NULL;
	JsonbValue	key = {.type = jbvString, .val.string.val = "amount", .val.string.len = 6};
	JsonbValue *amount = get(action, "amount");

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_text(&state, "name", text_of(action, "open_deal"));
	push_text(&state, "stage", text_of(action, "stage"));
	push_text(&state, "rep", text_of(action, "rep"));
	push_text(&state, "note", text_of(action, "note"));
	push_text(&state, "expected_close_on", day_in(action, firing, "close_in"));
	if (amount != NULL)
	{
		pushJsonbValue(&state, WJB_KEY, &key);
		pushJsonbValue(&state, WJB_VALUE, amount);
	}
	make_outcomes(firing, OUTCOME_DEAL, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
	add_deed(firing, firing->leads, psprintf("opened deal \"%s\"", text_of(action, "open_deal")));
}

/* ---- notices and mails -------------------------------------------------------------- */

/* "rep" is whoever is in charge; else a rep's name, a role, or an address. */
static void
check_notify(RuleAction *action)
{
	char	   *to = text_of(action, "notify");
	char	   *template = text_of(action, "template");

	if (strcmp(to, "rep") != 0 && strchr(to, '@') == NULL)
		require_name("rep or role", to, "(SELECT name FROM leadflow.rep UNION SELECT role FROM leadflow.recipient) AS n");
	if (template != NULL && (get(action, "subject") != NULL || get(action, "body") != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"notify\" has a template, and so no subject or body of its own")));
	if (template != NULL)
		(void) CompileTemplate(LoadTemplate(template, "lead"));
}

/* What a notice says, as SQL over l, the lead, r, its rep, t, the list, and $2, the zone. */
static TemplateSql
notice_text(const RuleAction *action, const Firing *firing)
{
	char	   *template = text_of(action, "template");
	char	   *subject = text_of(action, "subject");
	char	   *body = text_of(action, "body");
	TemplateSql text;

	if (template != NULL)
		return CompileTemplate(LoadTemplate(template, "lead"));
	text.subject = psprintf("concat_ws(' ', %s, leadflow.merge_value(l.company, 'line'),"
							" leadflow.merge_value(l.last_name, 'line'), leadflow.merge_value(l.first_name, 'line'))",
							quote_literal_cstr(subject ? subject : firing->rule->name));
	text.body = quote_literal_cstr(body ? body : firing->rule->name);
	text.missing = "'{}'::text[]";
	return text;
}

/* One notice for each row of the log. */
static void
perform_notify(const RuleAction *action, Firing *firing)
{
	SpiArgs		args = {0};
	char	   *to = text_of(action, "notify");
	char	   *channel = text_of(action, "channel");
	TemplateSql text = notice_text(action, firing);
	bool		in_charge = strcmp(to, "rep") == 0;
	Datum		told;
	Datum		incomplete;
	bool		isnull;

	AddArg(&args, INT8ARRAYOID, firing->rows);
	AddTextArg(&args, firing->zone);
	AddArg(&args, LeadflowType("leadset"), firing->leads);
	AddTextArg(&args, in_charge ? NULL : to);
	AddTextArg(&args, channel);
	AddTextArg(&args, text_of(action, "template"));
	AddTextArg(&args, firing->rule->name);
	AddTimeArg(&args, firing->at);
	AddBigintArg(&args, firing->deeds);
	SpiRun(psprintf("WITH addressed AS MATERIALIZED (SELECT g.*, %s AS rep_id FROM leadflow.rule_log AS g"
					"  WHERE g.log_id = ANY ($1) AND leadflow.contains($3, g.lead_id)),"
					" written AS (SELECT g.*, %s AS subject, %s AS body, cardinality(%s) > 0 AS incomplete"
					"  FROM addressed AS g JOIN leadflow.lead AS l USING (lead_id)"
					"  LEFT JOIN leadflow.list AS t ON t.list_id = (g.detail ->> 'list_id')::bigint"
					"  LEFT JOIN leadflow.rep AS r ON r.rep_id = g.rep_id),"
					" notice AS (INSERT INTO leadflow.notification AS n"
					"   (kind, channel, rep_id, role, address, lead_id, list_id, subject, body, payload, dedup_key, due_at)"
					"  SELECT 'rule', coalesce($5, e.channel, 'mail'), w.rep_id,"
					"   CASE WHEN w.rep_id IS NULL AND $4 NOT LIKE '%%@%%' THEN $4 END,"
					"   CASE WHEN w.rep_id IS NULL AND $4 LIKE '%%@%%' THEN $4 END,"
					"   w.lead_id, (w.detail ->> 'list_id')::bigint,"
					"   w.subject, w.body, w.detail || jsonb_strip_nulls(jsonb_build_object('rule', $7,"
					"    'cause', w.cause, 'lead_id', w.lead_id, 'template', $6, 'format', e.format)),"
					"   format('rule %%s %%s', w.log_id, $9), $8"
					"  FROM written AS w LEFT JOIN leadflow.template AS e ON e.name = $6"
					"  WHERE NOT w.incomplete AND coalesce(w.rep_id::text, $4) IS NOT NULL"
					"  RETURNING n.lead_id)"
					" SELECT (SELECT leadflow.leadset_agg(lead_id) FROM notice),"
					"  (SELECT leadflow.leadset_agg(lead_id) FROM written WHERE incomplete)",
					in_charge ? REP_IN_CHARGE : "(SELECT e.rep_id FROM leadflow.rep AS e WHERE e.name = $4)",
					text.subject, text.body, text.missing), &args);
	told = SpiDatum(1, 1, &isnull);
	incomplete = SpiDatum(1, 2, &isnull);
	add_deed(firing, told, psprintf("notified %s", in_charge ? "the rep in charge" : to));
	add_deed(firing, incomplete, "notified nobody: the template has fields without a value");
	add_deed(firing, without(without(firing->leads, told), incomplete),
			 "notified nobody: no rep is in charge");
}

static void
check_mail(RuleAction *action)
{
	(void) CompileTemplate(LoadTemplate(text_of(action, "mail"), "lead"));
}

/* Who must not be mailed is not. */
static void
perform_mail(const RuleAction *action, Firing *firing)
{
	SpiArgs		args = {0};
	char	   *template = text_of(action, "mail");
	uint64		rows;
	bool		isnull;

	AddArg(&args, LeadflowType("leadset"), firing->leads);
	AddTextArg(&args, template);
	AddTimeArg(&args, firing->at);
	rows = SpiRun("SELECT q.outcome, q.lead_ids"
				  " FROM leadflow.queue_mail($1, $2, send_at => $3) AS q", &args);
	for (uint64 row = 1; row <= rows; row++)
	{
		RuleDeed   *deed = palloc(sizeof(RuleDeed));
		char	   *outcome = SpiText(row, 1);

		deed->line = strcmp(outcome, "queued") == 0 ? psprintf("queued mail \"%s\"", template) :
			psprintf("mail \"%s\" not queued: %s", template, outcome);
		deed->leads = SpiDatum(row, 2, &isnull);
		firing->did = lappend(firing->did, deed);
	}
}

/* ---- reading and doing -------------------------------------------------------------- */

static const ActionKind kinds[] = {
	{"add_to_list", "add_to_list text required; reason text", check_list, perform_add},
	{"remove_from_list", "remove_from_list text required; reason text; hold_for text",
	check_remove, perform_remove},
	{"assign", "assign text required; list text; reason text", check_assign, perform_assign},
	{"distribute", "distribute radio('even', 'weighted', 'least_loaded', 'sticky', 'rules') required;"
	" list text; reps multiselect",
	check_distribute, perform_distribute},
	{"set", NULL, check_set, perform_set},
	{"create_task", "create_task text required; due_in integer; rep text; note textarea",
	check_outcome, perform_task},
	{"open_deal", "open_deal text required; stage text; amount number min 0; rep text;"
	" close_in integer; note textarea",
	check_outcome, perform_deal},
	{"notify", "notify text required; template text; subject text; body textarea; channel text",
	check_notify, perform_notify},
	{"mail", "mail text required", check_mail, perform_mail}
};

static RuleAction *
read_action(JsonbValue *value, int position)
{
	RuleAction *action = palloc0(sizeof(RuleAction));
	List	   *known = NIL;
	List	   *violations;
	StringInfoData detail;
	JsonbIterator *iterator;
	JsonbValue	key;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("action %d of the rule is no JSON object", position),
				 errhint("Write it as {\"add_to_list\": \"...\"}.")));
	action->object = JsonbValueToJsonb(value);
	for (size_t i = 0; i < lengthof(kinds); i++)
	{
		known = lappend(known, unconstify(char *, kinds[i].word));
		if (action->kind == NULL && get(action, kinds[i].word) != NULL)
			action->kind = &kinds[i];
	}
	if (action->kind == NULL)
	{
		const char *word = "";
		const char *nearest;

		iterator = JsonbIteratorInit(&action->object->root);
		(void) JsonbIteratorNext(&iterator, &key, true);
		if (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
			word = pnstrdup(key.val.string.val, key.val.string.len);
		nearest = NearestName(word, known);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("action %d of the rule is unknown: \"%s\"", position, word),
				 errdetail("Actions are add_to_list, remove_from_list, assign, distribute, set, create_task, open_deal, notify and mail."),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
	}
	if (action->kind->form == NULL)
		return action;
	violations = FormViolations(FormParse(action->kind->form), action->object, false, 0);
	if (violations == NIL)
		return action;
	initStringInfo(&detail);
	FormAppendViolations(&detail, violations);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("action %d of the rule, \"%s\", is not complete or has too much", position,
					action->kind->word),
			 errdetail_internal("%s", detail.data)));
}

List *
ReadRuleActions(Jsonb *actions, const RuleEvent *event)
{
	List	   *read = NIL;
	char	   *list = event->list;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_ARRAY(actions) || JB_ROOT_IS_SCALAR(actions) || JB_ROOT_COUNT(actions) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the actions of a rule must be a JSON array of at least one"),
				 errhint("Write them as [{\"add_to_list\": \"...\"}, {\"notify\": \"rep\"}].")));
	iterator = JsonbIteratorInit(&actions->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		RuleAction *action;

		if (token != WJB_ELEM)
			continue;
		action = read_action(&value, list_length(read) + 1);

		/* who is put on a list is then given to a rep there */
		if (strstr(action->kind->word, "_list") != NULL)
			action->list = text_of(action, action->kind->word);
		else
			action->list = text_of(action, "list");
		if (action->list == NULL)
			action->list = list;
		if (strcmp(action->kind->word, "add_to_list") == 0)
			list = action->list;
		action->kind->check(action);
		read = lappend(read, action);
	}
	return read;
}

void
PerformRuleAction(const RuleAction *action, Firing *firing)
{
	firing->deeds++;
	action->kind->perform(action, firing);
}
