/*
 * template.h
 *		Texts of notices and mails, with fields to be filled in.
 */
#ifndef LEADFLOW_TEMPLATE_H
#define LEADFLOW_TEMPLATE_H

#include "compat.h"

typedef struct Template
{
	char	   *name;
	char	   *kind;			/* what it is about, hence which fields it may have */
	char	   *channel;
	char	   *format;
	char	   *subject;
	char	   *body;
} Template;

/*
 * A template as SQL: two texts, and the names of the fields without a value, an
 * array. They are expressions over $2, the zone of days, and over
 *
 * lead: l, the lead; r, its rep; t, a list. Where a field without a value has no
 * default, the text is null.
 *
 * members, check, list: x, a row with a column for each of their fields.
 */
typedef struct TemplateSql
{
	char	   *subject;
	char	   *body;
	char	   *missing;
} TemplateSql;

/* The template of a name, which must be of a kind; an error where it is not. */
extern Template *LoadTemplate(const char *name, const char *kind);

/* Raise the first thing that is wrong with a template, or compile it. */
extern TemplateSql CompileTemplate(const Template *template);

#endif							/* LEADFLOW_TEMPLATE_H */
