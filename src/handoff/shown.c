/*
 * shown.c
 *		Documents without the fields that their form hides.
 *
 * Who may not see a hidden field may not read the documents it is in. To see the
 * rest of one, it is read as the owner of the table, if the caller sees its row.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "handoff/export.h"
#include "lead/lead.h"
#include "miscadmin.h"
#include "source/hidden.h"
#include "spi.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(shown_fields);

bool
ReadsDocuments(const char *entity)
{
	Oid			table = get_relname_relid(entity, get_namespace_oid("leadflow", false));

	return pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
		pg_attribute_aclcheck(table, get_attnum(table, "fields"), GetUserId(),
							  ACL_SELECT) == ACLCHECK_OK;
}

List *
HiddenFields(const char *entity)
{
	SpiArgs		args = {0};
	List	   *hidden = NIL;
	uint64		rows;

	AddTextArg(&args, entity);
	rows = SpiRead("SELECT f.name FROM (SELECT DISTINCT ON (f.name) f.name, f.hidden"
				   " FROM leadflow.form_version AS v, leadflow.fields(v.form) AS f WHERE v.entity = $1"
				   " ORDER BY f.name, v.version DESC) AS f WHERE f.hidden", &args);
	for (uint64 row = 1; row <= rows; row++)
		hidden = lappend(hidden, SpiText(row, 1));
	return hidden;
}

static Datum
text_array(List *names)
{
	Datum	   *elements = palloc(list_length(names) * sizeof(Datum));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, names)
		elements[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
shown_fields(PG_FUNCTION_ARGS)
{
	const char *entity;
	bool		is_lead;
	char	   *condition;
	SpiArgs		args = {0};
	SpiFrame	frame;
	OwnerFrame	owner;
	bool		sees_hidden;
	Datum		document = (Datum) 0;
	bool		isnull = true;
	MemoryContext old;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	entity = FindEntity(text_to_cstring(PG_GETARG_TEXT_PP(0)))->name;
	is_lead = strcmp(entity, "lead") == 0;
	if (!is_lead && PG_ARGISNULL(2))
		PG_RETURN_NULL();
	condition = psprintf(" FROM leadflow.%s AS t WHERE t.lead_id = $1%s", entity,
						 is_lead ? "" : psprintf(" AND t.%s_id = $2", entity));
	AddBigintArg(&args, PG_GETARG_INT64(1));
	if (!is_lead)
		AddBigintArg(&args, PG_GETARG_INT64(2));

	frame = EnterSpi(false);
	isnull = SpiRead(psprintf("SELECT%s", condition), &args) == 0;
	LeaveSpi(frame);
	if (isnull)
		PG_RETURN_NULL();

	sees_hidden = SeesHidden();
	owner = EnterAsOwner();
	AddArg(&args, TEXTARRAYOID, text_array(sees_hidden ? NIL : HiddenFields(entity)));
	isnull = SpiRead(psprintf("SELECT t.fields - $%d%s", args.n, condition), &args) == 0;
	if (!isnull)
	{
		old = MemoryContextSwitchTo(owner.spi.caller);
		document = datumCopy(SpiDatum(1, 1, &isnull), false, -1);
		MemoryContextSwitchTo(old);
	}
	LeaveAsOwner(owner);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(document);
}
