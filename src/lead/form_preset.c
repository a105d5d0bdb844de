/*
 * form_preset.c
 *		leadflow.add_form_preset(): well-known fields, added to a form at one go.
 *
 * What is there already, by its name, stays as it is.
 */
#include "postgres.h"

#include "form/form.h"
#include "funcapi.h"
#include "lead/lead.h"
#include "lexer.h"
#include "spi.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(add_form_preset);

/* What an inside sales rep finds out before a lead is handed to sales */
#define BANTCH \
	"budget \"予算\" number min 0;" \
	" authority \"決裁権\" radio('決裁者', '推薦者', '影響者', 'なし');" \
	" needs \"必要性\" textarea;" \
	" timeframe \"導入時期\" select('3か月以内', '半年以内', '1年以内', '1年超', '未定');" \
	" rivals \"競合製品\" text;" \
	" human_resources \"社内人材\" textarea"

static const struct
{
	const char *name;
	const char *form;
}			presets[] = {
	{"bantch", BANTCH}
};

static Form *
find_preset(const char *name)
{
	List	   *known = NIL;
	const char *nearest;

	for (size_t i = 0; i < lengthof(presets); i++)
	{
		if (strcmp(presets[i].name, name) == 0)
			return FormParse(presets[i].form);
		known = lappend(known, unconstify(char *, presets[i].name));
	}
	nearest = NearestName(name, known);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no preset \"%s\"", name),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) :
			 errhint("There is \"bantch\": budget, authority, needs, timeframe, competitors, human resources.")));
}

Datum
add_form_preset(PG_FUNCTION_ARGS)
{
	bool		dry_run = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	const Entity *entity;
	Form	   *preset;
	Form	   *form;
	SpiFrame	frame;
	char	   *current;
	int			version;
	ListCell   *lc;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the entity and the preset must not be null")));
	entity = FindEntity(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	preset = find_preset(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	InitMaterializedSRF(fcinfo, 0);
	frame = EnterSpi(true);
	if (!dry_run)
		LockForms();
	current = CurrentForm(entity, &version);
	form = FormParse(current ? current : "");
	foreach(lc, preset->fields)
		if (FormFindField(form, ((FormField *) lfirst(lc))->name) == NULL)
			form->fields = lappend(form->fields, lfirst(lc));
	SetForm(fcinfo, entity, FormDeparse(form), dry_run);
	LeaveSpi(frame);
	return (Datum) 0;
}
