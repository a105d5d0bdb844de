/*
 * spi.c
 *		The few SPI helpers all rooms share.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "rewrite/rowsecurity.h"
#include "spi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "zone.h"

void
PinSetting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

pg_noreturn static void
report_not_installed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the tables of leadflow are not installed in this database"),
			 errhint("Create them with: CALL leadflow.install('Asia/Tokyo');")));
}

/* Does a policy hold for the current user? */
static bool
policy_applies(const RowSecurityPolicy *policy)
{
	Oid		   *roles = (Oid *) ((char *) policy->roles + ARR_OVERHEAD_NONULLS(1));

	for (int i = 0; i < ARR_DIMS(policy->roles)[0]; i++)
		if (roles[i] == ACL_ID_PUBLIC || has_privs_of_role(GetUserId(), roles[i]))
			return true;
	return false;
}

bool
HasPolicy(Oid table, const char *name)
{
	Relation	relation = relation_open(table, AccessShareLock);
	bool		has = false;
	ListCell   *lc;

	if (relation->rd_rsdesc != NULL)
		foreach(lc, relation->rd_rsdesc->policies)
		{
			RowSecurityPolicy *policy = lfirst(lc);

			has = has || (strcmp(policy->policy_name, name) == 0 && policy_applies(policy));
		}
	relation_close(relation, AccessShareLock);
	return has;
}

static bool
is_true(const Expr *expr)
{
	return expr == NULL ||
		(IsA(expr, Const) && !((Const *) expr)->constisnull &&
		 DatumGetBool(((Const *) expr)->constvalue));
}

/* Does row-level security keep no row of a table from the current user? */
static bool
sees_all_rows(Oid table)
{
	Relation	relation = relation_open(table, AccessShareLock);
	bool		sees_all = false;
	ListCell   *lc;

	if (relation->rd_rsdesc != NULL)
		foreach(lc, relation->rd_rsdesc->policies)
		{
			RowSecurityPolicy *policy = lfirst(lc);

			if (!policy_applies(policy))
				continue;
			if (!policy->permissive)
			{
				sees_all = false;
				break;
			}
			sees_all = sees_all ||
				(policy->polcmd == '*' && is_true(policy->qual) && is_true(policy->with_check_qual));
		}
	relation_close(relation, AccessShareLock);
	return sees_all;
}

/*
 * The same of every table of leadflow. Where it is so, policies need not be off:
 * that would be an error for whoever is subject to one, also to one that is true.
 */
static bool
sees_everything(void)
{
	SpiArgs		args = {0};
	uint64		rows;
	bool		sees_all = true;

	AddArg(&args, OIDOID, ObjectIdGetDatum(get_namespace_oid("leadflow", false)));
	rows = SpiRead("SELECT oid FROM pg_class WHERE relnamespace = $1 AND relrowsecurity", &args);
	for (uint64 row = 1; row <= rows && sees_all; row++)
	{
		bool		isnull;
		Oid			table = DatumGetObjectId(SpiDatum(row, 1, &isnull));

		sees_all = check_enable_rls(table, InvalidOid, true) != RLS_ENABLED || sees_all_rows(table);
	}
	SPI_freetuptable(SPI_tuptable);
	return sees_all;
}

/* Set by EnterSpi(true) until the frame is left; a setting, so that an error takes it back. */
static bool whole_lists = false;

void
SpiInit(void)
{
	DefineCustomBoolVariable("leadflow.whole_lists",
							 "Is a verb at work on whole lists?",
							 "Set by leadflow alone. Records are then not read by half.",
							 &whole_lists, false, PGC_USERSET,
							 GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, NULL, NULL, NULL);
}

void
RequireAllRows(Oid relation, const char *source)
{
	if (!whole_lists || check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED ||
		(row_security && sees_all_rows(relation)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" may not see all records of source \"%s\"",
					GetUserNameFromId(GetUserId(), false), source),
			 errdetail("Row-level security of table \"%s\" keeps some from it, and what is for all leads is not done by half.",
					   get_rel_name(relation)),
			 errhint("It is for a role that no policy of the table is for: its owner, or one with BYPASSRLS.")));
}

SpiFrame
EnterSpi(bool everything)
{
	SpiFrame	frame = {0};
	Oid			setting;

	frame.caller = CurrentMemoryContext;
	frame.guc_level = NewGUCNestLevel();
	PinSetting("search_path", "pg_catalog, pg_temp");
	/* names are compared as they are quoted, also with what others have stored */
	PinSetting("quote_all_identifiers", "off");
	/* a segment of many conditions would take longer to compile than to run */
	PinSetting("jit", "off");
	SPI_connect();

	setting = get_relname_relid("setting", get_namespace_oid("leadflow", false));
	if (!OidIsValid(setting))
		report_not_installed();
	if (everything)
		PinSetting("leadflow.whole_lists", "on");
	if (everything &&
		(object_ownercheck(RelationRelationId, setting, GetUserId()) || !sees_everything()))
		PinSetting("row_security", "off");
	return frame;
}

void
LeaveSpi(SpiFrame frame)
{
	SPI_finish();
	AtEOXact_GUC(true, frame.guc_level);
	MemoryContextSwitchTo(frame.caller);
}

/* Take the rights of the owner of the tables; what they were is kept in the arguments. */
static void
become_owner(Oid *user, int *security)
{
	Oid			schema = get_namespace_oid("leadflow", false);
	HeapTuple	setting = SearchSysCache2(RELNAMENSP, PointerGetDatum("setting"),
										  ObjectIdGetDatum(schema));

	if (!HeapTupleIsValid(setting))
		report_not_installed();
	GetUserIdAndSecContext(user, security);
	SetUserIdAndSecContext(((Form_pg_class) GETSTRUCT(setting))->relowner,
						   *security | SECURITY_LOCAL_USERID_CHANGE);
	ReleaseSysCache(setting);
}

void
RequireTableOwner(void)
{
	Oid			owner;
	Oid			user;
	int			security;

	become_owner(&user, &security);
	owner = GetUserId();
	SetUserIdAndSecContext(user, security);
	if (!has_privs_of_role(user, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only the owner of leadflow's tables may run what is due"),
				 errdetail("The tables may hold rows that this role does not see."),
				 errhint("Run it as their owner: SET ROLE %s;",
						 quote_identifier(GetUserNameFromId(owner, false)))));
}

OwnerFrame
EnterAsOwner(void)
{
	OwnerFrame	frame;

	become_owner(&frame.user, &frame.security);
	frame.spi = EnterSpi(true);
	return frame;
}

void
LeaveAsOwner(OwnerFrame frame)
{
	LeaveSpi(frame.spi);
	SetUserIdAndSecContext(frame.user, frame.security);
}

/*
 * With policies off, the first statement on a table that has one for the caller
 * would fail; what the verbs work on is told in words of ours.
 */
static void
require_all_rows(void)
{
	static const char *const tables[] = {"lead", "list", "member"};
	Oid			schema = get_namespace_oid("leadflow", false);

	for (size_t i = 0; i < lengthof(tables) && !row_security; i++)
	{
		Oid			table = get_relname_relid(tables[i], schema);

		if (OidIsValid(table) && check_enable_rls(table, InvalidOid, true) == RLS_ENABLED)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("role \"%s\" may not see all leads and lists",
							GetUserNameFromId(GetUserId(), false)),
					 errdetail("Row-level security of table \"%s\" keeps some from being read or changed by it, and what is for all of them is not done by half.",
							   tables[i]),
					 errhint("It is for the owner of the tables, or a role that was given access by leadflow.grant_access(..., 'marketing').")));
	}
}

static void
run_body(VerbBody body, bool everything, FunctionCallInfo fcinfo, void *result)
{
	SpiFrame	frame = EnterSpi(everything);

	if (everything)
		require_all_rows();
	body(fcinfo, result);
	LeaveSpi(frame);
}

/*
 * An error must not leave the subtransaction behind: outside of a transaction
 * block nobody would end it.
 */
static void
run_verb(VerbBody body, bool everything, bool dry_run, FunctionCallInfo fcinfo, void *result)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (!dry_run)
	{
		run_body(body, everything, fcinfo, result);
		return;
	}

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		run_body(body, everything, fcinfo, result);
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		ReThrowError(error);
	}
	PG_END_TRY();
}

void
RunVerb(VerbBody body, bool dry_run, FunctionCallInfo fcinfo, void *result)
{
	run_verb(body, true, dry_run, fcinfo, result);
}

void
RunRowVerb(VerbBody body, bool dry_run, FunctionCallInfo fcinfo, void *result)
{
	run_verb(body, false, dry_run, fcinfo, result);
}

/* Whoever asked for the end gets it; a serialization failure can only be tried again as a whole. */
static bool
must_be_raised(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_OPERATOR_INTERVENTION ||
		sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

ErrorData *
Attempt(AttemptBody body, void *state)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		body(state);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (must_be_raised(error->sqlerrcode))
			ReThrowError(error);
	}
	PG_END_TRY();
	return error;
}

char *
ErrorText(const ErrorData *error)
{
	return psprintf("%s%s%s%s%s", error->message, error->detail ? "\n" : "",
					error->detail ? error->detail : "", error->hint ? "\n" : "",
					error->hint ? error->hint : "");
}

void
AddArg(SpiArgs *args, Oid type, Datum value)
{
	Assert(args->n < SPI_ARGS_MAX);
	args->types[args->n] = type;
	args->values[args->n] = value;
	args->nulls[args->n] = ' ';
	args->unplanned[args->n] = false;
	args->n++;
}

void
AddUnplannedArg(SpiArgs *args, Oid type, Datum value)
{
	AddArg(args, type, value);
	args->unplanned[args->n - 1] = true;
}

void
AddNullArg(SpiArgs *args, Oid type)
{
	AddArg(args, type, (Datum) 0);
	args->nulls[args->n - 1] = 'n';
}

void
AddTextArg(SpiArgs *args, const char *value)
{
	if (value == NULL)
		AddNullArg(args, TEXTOID);
	else
		AddArg(args, TEXTOID, CStringGetTextDatum(value));
}

void
AddBigintArg(SpiArgs *args, int64 value)
{
	AddArg(args, INT8OID, Int64GetDatum(value));
}

void
AddTimeArg(SpiArgs *args, TimestampTz value)
{
	AddArg(args, TIMESTAMPTZOID, TimestampTzGetDatum(value));
}

/* Arguments as SPI takes them: the planner sees which are constant. */
static ParamListInfo
param_list(const SpiArgs *args)
{
	ParamListInfo params = makeParamList(args->n);

	for (int i = 0; i < args->n; i++)
	{
		params->params[i].ptype = args->types[i];
		params->params[i].value = args->values[i];
		params->params[i].isnull = args->nulls[i] == 'n';
		params->params[i].pflags = args->unplanned[i] ? 0 : PARAM_FLAG_CONST;
	}
	return params;
}

/* SPI leaves us in its own memory; we go on in that of the caller. */
static uint64
spi_execute(const char *sql, SpiArgs *args, bool read_only)
{
	MemoryContext caller = CurrentMemoryContext;
	SPIExecuteOptions options = {.params = args ? param_list(args) : NULL, .read_only = read_only};
	int			result = SPI_execute_extended(sql, &options);

	MemoryContextSwitchTo(caller);
	if (result < 0)
		elog(ERROR, "SPI failed: %s: %s", SPI_result_code_string(result), sql);
	return SPI_processed;
}

uint64
SpiRead(const char *sql, SpiArgs *args)
{
	return spi_execute(sql, args, true);
}

/* Plans kept in a session; there are fewer statements in the code. */
#define MAX_KEPT_PLANS	200

/* A statement whose plan is kept. */
typedef struct KeptPlan
{
	dlist_node	node;
	uint32		hash;
	char	   *sql;
	int			nargs;
	Oid			types[SPI_ARGS_MAX];
	SPIPlanPtr	plan;
	int			nusers;			/* executions under way */
} KeptPlan;

/* The most recently used first. */
static dlist_head kept_plans = DLIST_STATIC_INIT(kept_plans);

static KeptPlan *
find_plan(const char *sql, const SpiArgs *args, uint32 hash)
{
	dlist_iter	iter;

	dlist_foreach(iter, &kept_plans)
	{
		KeptPlan   *kept = dlist_container(KeptPlan, node, iter.cur);

		if (kept->hash == hash && kept->nargs == args->n &&
			memcmp(kept->types, args->types, args->n * sizeof(Oid)) == 0 && strcmp(kept->sql, sql) == 0)
			return kept;
	}
	return NULL;
}

/* Of too many plans the least recently used goes. */
static void
make_room(void)
{
	dlist_mutable_iter iter;
	int			place = 0;

	dlist_foreach_modify(iter, &kept_plans)
	{
		KeptPlan   *kept = dlist_container(KeptPlan, node, iter.cur);

		if (++place < MAX_KEPT_PLANS || kept->nusers > 0)
			continue;
		dlist_delete(&kept->node);
		SPI_freeplan(kept->plan);
		pfree(kept->sql);
		pfree(kept);
	}
}

static KeptPlan *
keep_plan(const char *sql, SpiArgs *args, uint32 hash, int options)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, args->n, args->types, options);
	KeptPlan   *kept;

	if (plan == NULL)
		elog(ERROR, "SPI failed: %s: %s", SPI_result_code_string(SPI_result), sql);
	make_room();
	kept = MemoryContextAllocZero(TopMemoryContext, sizeof(KeptPlan));
	kept->sql = MemoryContextStrdup(TopMemoryContext, sql);
	kept->hash = hash;
	kept->nargs = args->n;
	memcpy(kept->types, args->types, args->n * sizeof(Oid));
	SPI_keepplan(plan);
	kept->plan = plan;
	dlist_push_head(&kept_plans, &kept->node);
	return kept;
}

/* It may call for others meanwhile. */
static int
run_kept(KeptPlan *kept, SpiArgs *args)
{
	int			result;

	kept->nusers++;
	PG_TRY();
	{
		result = SPI_execute_plan(kept->plan, args->values, args->nulls, true, 0);
	}
	PG_FINALLY();
	{
		kept->nusers--;
	}
	PG_END_TRY();
	return result;
}

static uint64
read_kept(const char *sql, SpiArgs *args, int options)
{
	MemoryContext caller = CurrentMemoryContext;
	uint32		hash = hash_bytes((const unsigned char *) sql, strlen(sql));
	KeptPlan   *kept = find_plan(sql, args, hash);
	int			result;

	if (kept == NULL)
		kept = keep_plan(sql, args, hash, options);
	else
		dlist_move_head(&kept_plans, &kept->node);
	result = run_kept(kept, args);
	MemoryContextSwitchTo(caller);
	if (result < 0)
		elog(ERROR, "SPI failed: %s: %s", SPI_result_code_string(result), sql);
	return SPI_processed;
}

uint64
SpiReadKept(const char *sql, SpiArgs *args)
{
	SpiArgs		none = {0};

	return read_kept(sql, args ? args : &none, 0);
}

uint64
SpiReadPlanned(const char *sql, SpiArgs *args)
{
	return read_kept(sql, args, CURSOR_OPT_GENERIC_PLAN);
}

uint64
SpiReadAsOwner(const char *sql, SpiArgs *args)
{
	Oid			user;
	int			security;
	uint64		rows;

	become_owner(&user, &security);
	rows = SpiRead(sql, args);
	SetUserIdAndSecContext(user, security);
	return rows;
}

uint64
SpiRun(const char *sql, SpiArgs *args)
{
	return spi_execute(sql, args, false);
}

void
PushFreshSnapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

char *
SpiText(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row - 1], SPI_tuptable->tupdesc, column);
}

Datum
SpiDatum(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row - 1], SPI_tuptable->tupdesc, column, isnull);
}

int64
SpiBigint(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SpiDatum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

List *
SpiNames(const char *sql)
{
	List	   *names = NIL;
	uint64		rows = SpiRead(sql, NULL);

	for (uint64 row = 1; row <= rows; row++)
		names = lappend(names, SpiText(row, 1));
	return names;
}

/*
 * From the catalog, not from the call's expression: a call by the fastpath
 * protocol has none.
 */
Oid
ArgumentType(FunctionCallInfo fcinfo, int argument)
{
	Oid		   *types;
	int			n;

	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &n);
	if (argument >= n)
		elog(ERROR, "function %u has no argument %d", fcinfo->flinfo->fn_oid, argument);
	return types[argument];
}

char *
TextArgument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/*
 * As the owner of the tables a trigger must not read rows that anybody else
 * makes up: on another table, who made it could have code of their own run.
 */
TriggerData *
RequireTrigger(FunctionCallInfo fcinfo, const char *table)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		RelationGetRelid(trigger->tg_relation) !=
		get_relname_relid(table, get_namespace_oid("leadflow", false)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" is for the triggers of leadflow.%s",
						get_func_name(fcinfo->flinfo->fn_oid), table)));
	return trigger;
}

Oid
LeadflowType(const char *name)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, PointerGetDatum(name),
									   ObjectIdGetDatum(get_namespace_oid("leadflow", false)));

	if (!OidIsValid(type))
		elog(ERROR, "type leadflow.%s is missing", name);
	return type;
}

char *
ResolveZone(const char *zone)
{
	char	   *resolved = unconstify(char *, zone);

	if (resolved == NULL &&
		SpiReadKept("SELECT value FROM leadflow.setting WHERE name = 'zone'", NULL) == 1)
		resolved = SpiText(1, 1);
	if (resolved == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no time zone is set"),
				 errhint("Set it with: CALL leadflow.install('Asia/Tokyo');")));
	(void) LookupZone(cstring_to_text(resolved));
	return resolved;
}
