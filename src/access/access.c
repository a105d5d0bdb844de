/*
 * access.c
 *		leadflow.grant_access() and revoke_access(), and what brings all that was
 *		granted up to date with the tables and forms there are.
 */
#include "postgres.h"

#include "access/access.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "lexer.h"
#include "miscadmin.h"
#include "spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(grant_access);
PG_FUNCTION_INFO_V1(revoke_access);
PG_FUNCTION_INFO_V1(apply_access);
PG_FUNCTION_INFO_V1(form_changes_access);

/* ---- what there is ---------------------------------------------------------------------- */

static Oid
owner(void)
{
	SpiArgs		args = {0};
	bool		isnull;

	SpiRun("SELECT relowner FROM pg_class WHERE oid = 'leadflow.setting'::regclass", &args);
	return DatumGetObjectId(SpiDatum(1, 1, &isnull));
}

static void
require_owner(const char *function)
{
	if (!object_ownercheck(RelationRelationId,
						   get_relname_relid("setting", get_namespace_oid("leadflow", false)),
						   GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only the owner of the tables can call leadflow.%s()", function),
				 errdetail("They belong to %s.", GetUserNameFromId(owner(), false)),
				 errhint("SET ROLE %s;", quote_identifier(GetUserNameFromId(owner(), false)))));
}

/*
 * The tables and views of the owner; of views only those that read with the
 * rights of who asks. A field is hidden when the latest form that has it says
 * so; it can be read from the document and from what is generated of it.
 */
static List *
tables(void)
{
	List	   *found = NIL;
	uint64		rows = SpiRun("WITH hidden AS ("
							  " SELECT entity, name FROM (SELECT DISTINCT ON (v.entity, f.name) v.entity, f.name, f.hidden"
							  "  FROM leadflow.form_version AS v, leadflow.fields(v.form) AS f"
							  "  ORDER BY v.entity, f.name, v.version DESC) AS f WHERE f.hidden),"
							  " secret AS (SELECT c.relname, a.attname FROM hidden AS h"
							  "  JOIN pg_class AS c ON c.relnamespace = 'leadflow'::regnamespace AND c.relname = h.entity"
							  "  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
							  "  LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum AND a.attgenerated <> ''"
							  "  WHERE a.attname = 'fields'"
							  "   OR strpos(pg_get_expr(d.adbin, d.adrelid), quote_literal(h.name)) > 0"
							  "  UNION SELECT 'activity_change', unnest('{before,after}'::name[]) FROM hidden"
							  "  WHERE entity = 'activity')"
							  " SELECT c.relname, c.relkind = 'v', coalesce(l.n > 0, false), coalesce(t.attnotnull, false),"
							  "  (SELECT string_agg(quote_ident(s.attname), ', ') FROM secret AS s WHERE s.relname = c.relname)"
							  " FROM pg_class AS c"
							  " LEFT JOIN LATERAL (SELECT count(*) AS n FROM pg_attribute AS a WHERE a.attrelid = c.oid"
							  "  AND a.attname = 'lead_id' AND NOT a.attisdropped) AS l ON true"
							  " LEFT JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attname = 'list_id' AND NOT t.attisdropped"
							  " WHERE c.relnamespace = 'leadflow'::regnamespace"
							  " AND c.relowner = (SELECT o.relowner FROM pg_class AS o WHERE o.oid = 'leadflow.setting'::regclass)"
							  " AND (c.relkind IN ('r', 'p') OR c.relkind = 'v' AND EXISTS ("
							  "  SELECT FROM pg_options_to_table(c.reloptions) AS o"
							  "  WHERE o.option_name = 'security_invoker' AND o.option_value::boolean))"
							  " ORDER BY c.relname", NULL);

	for (uint64 row = 1; row <= rows; row++)
	{
		AccessTable *table = palloc(sizeof(AccessTable));
		bool		isnull;

		table->name = SpiText(row, 1);
		table->is_view = DatumGetBool(SpiDatum(row, 2, &isnull));
		table->of_leads = DatumGetBool(SpiDatum(row, 3, &isnull));
		table->of_lists = DatumGetBool(SpiDatum(row, 4, &isnull));
		table->hidden = SpiText(row, 5);
		found = lappend(found, table);
	}
	return found;
}

static char *
qualified(const AccessTable *table)
{
	return psprintf("leadflow.%s", quote_identifier(table->name));
}

/* The roles with a kind of access, as a list of SQL; NULL when there is none. */
static char *
granted_roles(AccessKind kind)
{
	SpiArgs		args = {0};

	AddTextArg(&args, access_kind_names[kind]);
	SpiRun("SELECT string_agg(r::regrole::text, ', ' ORDER BY r::regrole::text)"
		   " FROM pg_policy AS p, unnest(p.polroles) AS r"
		   " WHERE p.polrelid = 'leadflow.lead'::regclass AND p.polname = $1 AND r <> 0", &args);
	return SpiText(1, 1);
}

/* The kind of access that a role has been granted itself, or -1. */
static int
granted_kind(Oid role)
{
	for (int kind = 0; kind < ACCESS_KINDS; kind++)
	{
		SpiArgs		args = {0};

		AddTextArg(&args, access_kind_names[kind]);
		AddArg(&args, OIDOID, ObjectIdGetDatum(role));
		if (SpiRun("SELECT FROM pg_policy AS p WHERE p.polrelid = 'leadflow.lead'::regclass"
				   " AND p.polname = $1 AND $2 = ANY (p.polroles)", &args) > 0)
			return kind;
	}
	return -1;
}

/* ---- making it so ----------------------------------------------------------------------- */

/* Make, change or drop the policies of a table, so that they are for the roles of each kind. */
static void
set_policies(const AccessTable *table, char *const *roles)
{
	char	   *name = qualified(table);
	ListCell   *lc;

	foreach(lc, AccessPolicies(table))
	{
		AccessPolicy *policy = lfirst(lc);
		SpiArgs		args = {0};
		bool		exists;

		AddTextArg(&args, name);
		AddTextArg(&args, policy->name);
		exists = SpiRun("SELECT FROM pg_policy WHERE polrelid = $1::regclass AND polname = $2", &args) > 0;
		if (roles[policy->kind] == NULL)
		{
			if (exists)
				SpiRun(psprintf("DROP POLICY %s ON %s", policy->name, name), NULL);
			continue;
		}
		SpiRun(psprintf("%s POLICY %s ON %s%s%s TO %s%s%s%s%s%s%s", exists ? "ALTER" : "CREATE",
						policy->name, name, exists ? "" : " FOR ", exists ? "" : policy->command,
						roles[policy->kind],
						policy->using ? " USING (" : "", policy->using ? policy->using : "",
						policy->using ? ")" : "",
						policy->check ? " WITH CHECK (" : "", policy->check ? policy->check : "",
						policy->check ? ")" : ""), NULL);
	}
}

/*
 * Grant roles what their kind may do with a table. What had been granted to read
 * a column that has become hidden is taken back; nothing else is, since the
 * owner may have granted more.
 */
static void
grant_privileges(const AccessTable *table, AccessKind kind, const char *roles)
{
	char	   *name = qualified(table);
	char	   *privileges = AccessPrivileges(table, kind);

	if (kind != ACCESS_MARKETING && table->hidden != NULL)
		SpiRun(psprintf("REVOKE SELECT ON %s FROM %s", name, roles), NULL);
	if (privileges != NULL)
		SpiRun(psprintf("GRANT %s ON %s TO %s", privileges, name, roles), NULL);
}

/* The sequences of the keys of what a kind may insert. */
static void
grant_sequences(AccessKind kind, const char *roles)
{
	SpiArgs		args = {0};

	if (kind == ACCESS_ANALYST)
		return;
	AddArg(&args, BOOLOID, BoolGetDatum(kind == ACCESS_SALES));
	SpiRun("SELECT string_agg(s.oid::regclass::text, ', ') FROM pg_class AS s"
		   " JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid"
		   "  AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
		   " JOIN pg_class AS t ON t.oid = d.refobjid"
		   " WHERE s.relkind = 'S' AND s.relnamespace = 'leadflow'::regnamespace"
		   " AND s.relowner = (SELECT o.relowner FROM pg_class AS o WHERE o.oid = 'leadflow.setting'::regclass)"
		   " AND (NOT $1 OR t.relname IN ('activity', 'deal', 'task'))", &args);
	if (SpiText(1, 1) != NULL)
		SpiRun(psprintf("GRANT USAGE ON SEQUENCE %s TO %s", SpiText(1, 1), roles), NULL);
}

/* Bring policies and privileges up to date, for the roles of each kind. */
static void
apply(char *const *roles)
{
	List	   *all = tables();
	ListCell   *lc;

	foreach(lc, all)
	{
		AccessTable *table = lfirst(lc);

		set_policies(table, roles);
		if (AccessPolicies(table) != NIL)
			SpiRun(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", qualified(table)), NULL);
		for (int kind = 0; kind < ACCESS_KINDS; kind++)
			if (roles[kind] != NULL)
				grant_privileges(table, kind, roles[kind]);
	}
	for (int kind = 0; kind < ACCESS_KINDS; kind++)
		if (roles[kind] != NULL)
			grant_sequences(kind, roles[kind]);
}

static void
apply_to_all(void)
{
	char	   *roles[ACCESS_KINDS];
	bool		any = false;

	for (int kind = 0; kind < ACCESS_KINDS; kind++)
	{
		roles[kind] = granted_roles(kind);
		any = any || roles[kind] != NULL;
	}
	if (any)
		apply(roles);
}

/* ---- arguments -------------------------------------------------------------------------- */

static Oid
role_argument(FunctionCallInfo fcinfo)
{
	char	   *name = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			role;
	const char *nearest;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the role must not be null")));
	role = get_role_oid(name, true);
	if (!OidIsValid(role))
	{
		nearest = NearestName(name, SpiNames("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name),
				 nearest ? errhint("Did you mean \"%s\"?", nearest) :
				 errhint("Create it first: CREATE ROLE %s LOGIN;", quote_identifier(name))));
	}
	if (role == owner())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("role \"%s\" owns the tables", name),
				 errdetail("It may do everything as it is.")));
	return role;
}

static AccessKind
kind_argument(FunctionCallInfo fcinfo)
{
	char	   *name;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the kind of access must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	for (int kind = 0; kind < ACCESS_KINDS; kind++)
		if (strcmp(name, access_kind_names[kind]) == 0)
			return kind;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no access of kind \"%s\"", name),
			 errhint("It is one of marketing, sales and analyst.")));
}

/* ---- granting --------------------------------------------------------------------------- */

/* Who could read leads before there were policies, and cannot now that there are. */
static void
warn_of_the_blind(void)
{
	if (SpiRun("SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, ', ')"
			   " FROM pg_class AS c, aclexplode(c.relacl) AS a"
			   " WHERE c.oid = 'leadflow.lead'::regclass AND a.privilege_type = 'SELECT'"
			   " AND a.grantee <> c.relowner AND NOT EXISTS (SELECT FROM pg_policy AS p"
			   "  WHERE p.polrelid = c.oid AND (a.grantee = ANY (p.polroles) OR 0 = ANY (p.polroles)))", NULL) > 0 &&
		SpiText(1, 1) != NULL)
		ereport(WARNING,
				(errmsg("row-level security now keeps the leads from roles that could read them: %s",
						SpiText(1, 1)),
				 errhint("Give them access as well: SELECT leadflow.grant_access('...', 'analyst');")));
}

/* A role that no policy holds for sees everything, whatever it is granted. */
static void
warn_of_the_exempt(Oid role, AccessKind kind)
{
	if (kind == ACCESS_SALES && (has_bypassrls_privilege(role) || has_privs_of_role(role, owner())))
		ereport(WARNING,
				(errmsg("role \"%s\" sees all leads all the same", GetUserNameFromId(role, false)),
				 errdetail("Row-level security does not hold for superusers, for roles with BYPASSRLS and for members of the owner of the tables.")));
}

static void
grant_schema(const char *role, Oid role_id)
{
	SpiRun(psprintf("GRANT USAGE ON SCHEMA leadflow TO %s", role), NULL);
	if (object_aclcheck(NamespaceRelationId, get_namespace_oid("leadflow", false), role_id,
						ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" cannot be let into schema leadflow", GetUserNameFromId(role_id, false)),
				 errdetail("The owner of the tables may use the schema, but not grant that."),
				 errhint("As a superuser: GRANT USAGE ON SCHEMA leadflow TO %s WITH GRANT OPTION;",
						 quote_identifier(GetUserNameFromId(owner(), false)))));
}

/* Take back all that was granted, and strike the role from the policies. */
static void
take_back(const char *role, Oid role_id)
{
	char	   *roles[ACCESS_KINDS];
	SpiArgs		args = {0};
	ListCell   *lc;

	for (int kind = 0; kind < ACCESS_KINDS; kind++)
	{
		AddTextArg(&args, access_kind_names[kind]);
		AddArg(&args, OIDOID, ObjectIdGetDatum(role_id));
		SpiRun("SELECT string_agg(r::regrole::text, ', ') FROM pg_policy AS p, unnest(p.polroles) AS r"
			   " WHERE p.polrelid = 'leadflow.lead'::regclass AND p.polname = $1 AND r <> $2", &args);
		roles[kind] = SpiText(1, 1);
		args.n = 0;
	}
	foreach(lc, tables())
	{
		AccessTable *table = lfirst(lc);

		set_policies(table, roles);
		SpiRun(psprintf("REVOKE ALL ON %s FROM %s", qualified(table), role), NULL);
	}
	SpiRun(psprintf("REVOKE ALL ON ALL SEQUENCES IN SCHEMA leadflow FROM %s", role), NULL);
	SpiRun(psprintf("REVOKE USAGE ON SCHEMA leadflow FROM %s", role), NULL);
}

static void
return_privileges(FunctionCallInfo fcinfo, AccessKind kind)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	foreach(lc, tables())
	{
		AccessTable *table = lfirst(lc);
		char	   *privileges = AccessPrivileges(table, kind);
		Datum		values[2];
		bool		nulls[2] = {false};

		if (privileges == NULL)
			continue;
		values[0] = CStringGetTextDatum(table->name);
		values[1] = CStringGetTextDatum(privileges);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
grant_access(PG_FUNCTION_ARGS)
{
	bool		dry_run = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	SpiFrame	frame;
	Oid			role;
	const char *name;
	AccessKind	kind;
	char	   *roles[ACCESS_KINDS];
	bool		first = true;

	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	require_owner("grant_access");
	role = role_argument(fcinfo);
	kind = kind_argument(fcinfo);
	name = quote_identifier(GetUserNameFromId(role, false));
	if (!dry_run)
	{
		/* two at once would each leave the other's role out of the policies */
		SpiRun("LOCK TABLE leadflow.lead IN ACCESS EXCLUSIVE MODE", NULL);
		if (granted_kind(role) >= 0 && granted_kind(role) != (int) kind)
			take_back(name, role);
		grant_schema(name, role);
		for (int k = 0; k < ACCESS_KINDS; k++)
		{
			roles[k] = granted_roles(k);
			first = first && roles[k] == NULL;
		}
		if (granted_kind(role) < 0)
			roles[kind] = roles[kind] ? psprintf("%s, %s", roles[kind], name) : unconstify(char *, name);
		apply(roles);
		if (first)
			warn_of_the_blind();
		warn_of_the_exempt(role, kind);
	}
	return_privileges(fcinfo, kind);
	LeaveSpi(frame);
	return (Datum) 0;
}

/* Returns the kind of access the role had, null when it had none. */
Datum
revoke_access(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);
	Oid			role;
	int			kind;

	require_owner("revoke_access");
	role = role_argument(fcinfo);
	SpiRun("LOCK TABLE leadflow.lead IN ACCESS EXCLUSIVE MODE", NULL);
	kind = granted_kind(role);
	take_back(quote_identifier(GetUserNameFromId(role, false)), role);
	LeaveSpi(frame);
	if (kind < 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(access_kind_names[kind]));
}

/* For install(): what was granted, of the tables that are new as well. */
Datum
apply_access(PG_FUNCTION_ARGS)
{
	SpiFrame	frame = EnterSpi(true);

	require_owner("apply_access");
	apply_to_all();
	LeaveSpi(frame);
	PG_RETURN_VOID();
}

/* After a statement on form_version: a field may have become hidden, or visible. */
Datum
form_changes_access(PG_FUNCTION_ARGS)
{
	SpiFrame	frame;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"form_changes_access\" is for the trigger of leadflow.form_version")));
	frame = EnterSpi(true);
	apply_to_all();
	LeaveSpi(frame);
	PG_RETURN_POINTER(NULL);
}
