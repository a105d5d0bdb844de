/*
 * lead.h
 *		Leads and the forms of what happens to them: what verbs share.
 */
#ifndef LEADFLOW_LEAD_H
#define LEADFLOW_LEAD_H

#include "compat.h"
#include "fmgr.h"
#include "form/form.h"
#include "utils/timestamp.h"

/* Ids of leads that a message names */
#define SHOWN_IDS	5

/*
 * The leads an argument names: verbs are declared twice, for a leadset and for
 * a segment, which is evaluated as of an instant, in a time zone.
 */
extern Datum LeadsArgument(FunctionCallInfo fcinfo, int argument, TimestampTz at,
						   const char *zone);

/* An error that names those of a leadset that are no leads. */
extern void RequireLeads(Datum leads);

/* A table whose documents a form can be in force for */
typedef struct Entity
{
	const char *name;			/* of the table, and of the source of its rows */
	const char *key;
	const char *document;		/* what conforms() is given of a row */
} Entity;

/* An error with the nearest name where an entity has no form. */
extern const Entity *FindEntity(const char *name);

/* The form in force for an entity, and its version; NULL and 0 when there is none. */
extern char *CurrentForm(const Entity *entity, int *version);

/* Nobody else puts a form in force from now on; before CurrentForm() is built on. */
extern void LockForms(void);

/*
 * Put a form in force, returning rows as set_form() does. Needs a connection to
 * SPI and a materialized result.
 */
extern void SetForm(FunctionCallInfo fcinfo, const Entity *entity, const char *form, bool dry_run);

/*
 * For install(): the constraints of forms whose rows were restored alone, and
 * the default that goes with the one in force.
 */
extern void RestoreForms(const Entity *entity);

/*
 * form_view.c: make the view of an entity's records what its forms say, the given
 * one being about to be put in force; or only refuse what could not be done.
 */
extern void MakeFormView(const Entity *entity, const char *form, bool dry_run);

#endif							/* LEADFLOW_LEAD_H */
