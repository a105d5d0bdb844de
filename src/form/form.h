/*
 * form.h
 *		The value type "form": what is valid.
 *
 * A form describes the fields of a jsonb document: the activity record an
 * administrator designs, or the further fields of a lead. It is stored as its
 * canonical text, as a segment is and for the same reasons.
 */
#ifndef LEADFLOW_FORM_H
#define LEADFLOW_FORM_H

#include "compat.h"
#include "fmgr.h"
#include "iso.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

typedef struct varlena FormText;

#define DatumGetFormPP(d)	((FormText *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_FORM_PP(n)	DatumGetFormPP(PG_GETARG_DATUM(n))

/* Limits of a form */
#define FORM_MAX_FIELDS		1000
#define FORM_MAX_CHOICES	10000	/* of all fields together */
#define FORM_MAX_PATTERN	1000	/* characters */

/* The kinds of fields, in the order of their names in form_words.c. */
typedef enum FormType
{
	FORM_CHECKBOX,
	FORM_DATE,
	FORM_EMAIL,
	FORM_INTEGER,
	FORM_MULTISELECT,
	FORM_NUMBER,
	FORM_PHONE,
	FORM_RADIO,
	FORM_SELECT,
	FORM_TEXT,
	FORM_TEXTAREA,
	FORM_TIMESTAMP,
	FORM_URL
} FormType;

typedef struct FormChoice
{
	char	   *key;			/* what documents hold */
	char	   *label;			/* what people see */
	bool		retired;		/* no longer to be entered */
	bool		effective;		/* as a result: counts as an effective call */
	bool		closes;			/* as a result: ends the stay on the list */
	List	   *only_lists;		/* of int64 *, ascending: lists it is for; NIL for all ... */
	List	   *except_lists;	/* ... but these, ascending too */
	int			location;
} FormChoice;

/* A literal of an option: min, max, default */
typedef struct FormValue
{
	enum
	{
		FORM_VALUE_NUMBER,
		FORM_VALUE_STRING,
		FORM_VALUE_BOOLEAN
	}			kind;
	char	   *text;
	int			location;
} FormValue;

typedef struct FormField
{
	char	   *name;
	char	   *label;
	FormType	type;
	List	   *choices;		/* of FormChoice */
	bool		required;
	bool		hidden;			/* only marketing sees it */
	bool		retired;		/* no longer to be entered */
	FormValue  *min;
	FormValue  *max;
	int			max_length;		/* in characters; 0 is none */
	char	   *pattern;		/* a regular expression for the whole value */
	FormValue  *default_value;
	int			location;

	/* min and max, ready to be compared with */
	Numeric		min_number;
	Numeric		max_number;
	int64		min_time;		/* of date and timestamp: FormTimeOrder() */
	int64		max_time;
	text	   *whole_pattern;
} FormField;

typedef struct Form
{
	List	   *fields;			/* of FormField */
} Form;

/* What is wrong with one field of a document. */
typedef struct FormViolation
{
	const char *field;
	const char *label;
	const char *rule;
	char	   *value;			/* as JSON; NULL when nothing is there */
	char	   *message;
} FormViolation;

extern Form *FormParse(const char *text);
extern char *FormGetText(const FormText *form);
extern char *FormDeparse(const Form *form);
extern const char *FormTypeName(FormType type);
extern FormField *FormFindField(const Form *form, const char *name);

/* Every violation of a document, in the form's order; list_id only if has_list. */
extern List *FormViolations(const Form *form, Jsonb *document, bool has_list, int64 list_id);

/* A JSON value as messages and violations show it. */
extern char *FormShownValue(JsonbValue *value);

/* Violations as an error's detail shows them, a line each. */
extern void FormAppendViolations(StringInfo detail, List *violations);

/* The violation of one value, or NULL; an empty value violates nothing but "required". */
extern FormViolation *FormCheckValue(const FormField *field, JsonbValue *value, bool has_list,
									 int64 list_id);

/* Raise 23514 with all of some violations in the detail. */
pg_noreturn extern void FormRaise(List *violations);

/* Is a list among those a choice is only for, or is not for? */
extern bool FormHasList(List *lists, int64 list_id);

/* A literal as a document would hold it. */
extern void FormValueToJsonb(const FormValue *value, JsonbValue *result);

/* A date or time as a number that orders as it does. */
extern int64 FormTimeOrder(const IsoTime *iso);

/* Is a text what a field of type email takes? */
extern bool IsEmailAddress(const char *text);

#endif							/* LEADFLOW_FORM_H */
