/*
 * rules.c
 *		What each kind of access may do with each table, as privileges and as
 *		policies of row-level security.
 *
 * A table is known by its columns: what has a lead is of leads, also a table of
 * the user's own or of a later version. So nothing is visible to sales because
 * somebody forgot it here.
 */
#include "postgres.h"

#include "access/access.h"
#include "catalog/pg_type.h"
#include "spi.h"
#include "utils/builtins.h"

const char *const access_kind_names[] = {"marketing", "sales", "analyst"};

/* ---- policies --------------------------------------------------------------------------- */

#define SEES_LEAD \
	"(leadflow.contains((SELECT leadflow.visible_leads('assigned')), lead_id)" \
	" OR leadflow.contains((SELECT leadflow.visible_leads('shared')), lead_id)" \
	" OR leadflow.contains((SELECT leadflow.visible_leads('worked')), lead_id))"
#define OWN			"rep_id = ANY ((SELECT leadflow.my_reps())::bigint[])"
#define SEES_LIST	"list_id = ANY ((SELECT leadflow.visible_lists())::bigint[])"
#define WORKS_MEMBER \
	"left_at IS NULL AND (" OWN " OR (" SEES_LIST " AND " SEES_LEAD "))"
#define MAY_NAME_LIST	"(list_id IS NULL OR " SEES_LIST ")"

/* What sales sees of the tables that are not as their columns say. */
typedef struct SalesRule
{
	const char *table;
	const char *using;			/* or NULL: by its columns */
	const char *insert;			/* columns that sales may write, or NULL */
	const char *insert_check;
	const char *update;
	const char *update_using;
	const char *update_check;
} SalesRule;

static const SalesRule sales_rules[] = {
	{
		"activity", OWN " OR " SEES_LEAD,
		"lead_id, list_id, rep_id, fields",
		"(rep_id IS NULL OR " OWN ") AND " MAY_NAME_LIST " AND " SEES_LEAD,
		"list_id, fields", OWN, OWN " AND " MAY_NAME_LIST
	},
	{
		"deal", OWN " OR " SEES_LEAD,
		"lead_id, external_id, name, stage, amount, rep_id, opened_at, expected_close_on, closed_at,"
		" lost_reason, note, list_id, activity_id, fields",
		OWN " AND " MAY_NAME_LIST " AND " SEES_LEAD,
		"external_id, name, stage, amount, opened_at, expected_close_on, closed_at, lost_reason, note,"
		" fields",
		OWN, OWN
	},
	{
		"member", OWN " OR (" SEES_LIST " AND " SEES_LEAD ")",
		NULL, NULL,
		"state, next_contact_on, memo",
		WORKS_MEMBER, WORKS_MEMBER
	},
	{"notification", OWN, NULL, NULL, NULL, NULL, NULL},
	{
		"task", OWN " OR " SEES_LEAD,
		"lead_id, title, due_on, status, rep_id, note, list_id, activity_id, done_at",
		MAY_NAME_LIST " AND " SEES_LEAD,
		"title, due_on, status, rep_id, note, done_at",
		OWN " OR (rep_id IS NULL AND " SEES_LEAD ")", OWN " OR " SEES_LEAD
	},
};

static const SalesRule *
sales_rule(const AccessTable *table)
{
	for (size_t i = 0; i < lengthof(sales_rules); i++)
		if (strcmp(sales_rules[i].table, table->name) == 0)
			return &sales_rules[i];
	return NULL;
}

static void
add_policy(List **policies, const char *name, AccessKind kind, const char *command,
		   const char *using, const char *check)
{
	AccessPolicy *policy = palloc(sizeof(AccessPolicy));

	policy->name = name;
	policy->kind = kind;
	policy->command = command;
	policy->using = using;
	policy->check = check;
	*policies = lappend(*policies, policy);
}

List *
AccessPolicies(const AccessTable *table)
{
	const SalesRule *rule = sales_rule(table);
	List	   *policies = NIL;
	const char *using;

	if (table->is_view || !(table->of_leads || table->of_lists))
		return NIL;
	if (rule != NULL)
		using = rule->using;
	else if (!table->of_leads)
		using = SEES_LIST;
	else
		using = table->of_lists ? SEES_LIST " AND " SEES_LEAD : SEES_LEAD;

	add_policy(&policies, "marketing", ACCESS_MARKETING, "ALL", "true", "true");
	add_policy(&policies, "analyst", ACCESS_ANALYST, "SELECT", "true", NULL);
	add_policy(&policies, "sales", ACCESS_SALES, "SELECT", using, NULL);
	if (rule != NULL && rule->insert != NULL)
		add_policy(&policies, "sales_insert", ACCESS_SALES, "INSERT", NULL, rule->insert_check);
	if (rule != NULL && rule->update != NULL)
		add_policy(&policies, "sales_update", ACCESS_SALES, "UPDATE", rule->update_using,
				   rule->update_check);
	return policies;
}

/* ---- privileges ------------------------------------------------------------------------- */

#define WRITTEN_BY_OWNER	"form_version, applied_at, recorded_by"

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* The columns of a table that can be written or read, but some. */
static char *
columns(const AccessTable *table, bool written, const char *except)
{
	SpiArgs		args = {0};

	AddTextArg(&args, psprintf("leadflow.%s", quote_identifier(table->name)));
	AddArg(&args, BOOLOID, BoolGetDatum(written));
	AddTextArg(&args, except);
	SpiRun("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
		   " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
		   " AND NOT ($2 AND attgenerated <> '')"
		   " AND NOT quote_ident(attname) = ANY (string_to_array($3, ', '))", &args);
	return SpiText(1, 1);
}

static char *
marketing_privileges(const AccessTable *table)
{
	/* logs, and what says which code or which rule runs with whose rights */
	static const char *const read_only[] = {"activity_change", "deal_change", "form_version", "record_change",
	"rule_log", "setting", "source", NULL};

	/* history is not deleted */
	static const char *const kept[] = {"assignment", "member", "refresh_run", NULL};
	const char *delete = is_one_of(table->name, kept) ? "" : ", DELETE";
	char	   *written;

	if (table->is_view || is_one_of(table->name, read_only))
		return "SELECT";

	/* who wrote a row, and under which form, is not for the writer to say */
	written = columns(table, true, WRITTEN_BY_OWNER);
	if (strcmp(written, columns(table, true, "")) == 0)
		return psprintf("SELECT, INSERT, UPDATE%s", delete);
	return psprintf("SELECT, INSERT (%s), UPDATE (%s)%s", written, written, delete);
}

char *
AccessPrivileges(const AccessTable *table, AccessKind kind)
{
	/* beside the tables of leads and lists, what one needs to read those */
	static const char *const needed[] = {"campaign", "deal_stage", "form_version", "list", "mailing",
	"rep", "saved_segment", "setting", "source", NULL};

	/* what is written there by the tick may speak of other leads, in errors above all; and views of such */
	static const char *const kept_from_sales[] = {"refresh_history", "rollup_progress", "rollup_size", "rule_log",
	"schedule_status", NULL};
	const SalesRule *rule = sales_rule(table);
	StringInfoData privileges;
	char	   *seen;

	if (kind == ACCESS_MARKETING)
		return marketing_privileges(table);
	/* when a list that sales sees was refreshed, but not what errors say */
	if (kind == ACCESS_SALES && strcmp(table->name, "refresh_run") == 0)
		return pstrdup("SELECT (list_id, as_of, finished)");
	if (kind == ACCESS_SALES &&
		(is_one_of(table->name, kept_from_sales) ||
		 !(table->is_view || table->of_leads || is_one_of(table->name, needed))))
		return NULL;

	initStringInfo(&privileges);
	if (table->hidden == NULL)
		appendStringInfoString(&privileges, "SELECT");
	else if ((seen = columns(table, false, table->hidden)) != NULL)
		appendStringInfo(&privileges, "SELECT (%s)", seen);
	if (kind == ACCESS_SALES && rule != NULL && rule->insert != NULL)
		appendStringInfo(&privileges, ", INSERT (%s)", rule->insert);
	if (kind == ACCESS_SALES && rule != NULL && rule->update != NULL)
		appendStringInfo(&privileges, ", UPDATE (%s)", rule->update);
	return privileges.data;
}
