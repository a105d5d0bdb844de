/*
 * source.h
 *		What the names in a segment mean: sources, their fields, named sets.
 */
#ifndef LEADFLOW_SOURCE_H
#define LEADFLOW_SOURCE_H

#include "compat.h"
#include "form/form.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

typedef enum FieldType
{
	FIELD_NUMBER,
	FIELD_TEXT,
	FIELD_BOOLEAN,
	FIELD_DATE,
	FIELD_TIMESTAMP,			/* local time */
	FIELD_TIMESTAMPTZ,
	FIELD_CHOICES,				/* text[]: several of a set of choices */
	FIELD_OTHER					/* can only be tested for being there */
} FieldType;

/* What no longer holds of a registration, since the database has changed. */
typedef struct SourceFault
{
	int			sqlstate;
	char	   *message;
	char	   *detail;
	char	   *hint;
} SourceFault;

typedef struct SourceField
{
	const char *name;
	const char *label;			/* or NULL */
	FieldType	type;
	Oid			base_type;		/* what its domain is over, if its type is one */
	const char *type_name;		/* as messages call it */
	const char *column;			/* of the source's relation, quoted; NULL for a form's field */
	bool		is_enum;		/* compared as text */
	bool		generated;
	bool		not_null;

	/* a lookup field is a name in another table; NULL when it is none */
	const char *lookup_relation;
	const char *lookup_key;
	const char *lookup_name;
	const SourceFault *fault;	/* of a lookup, which then cannot be asked for; or NULL */

	/* the field of the form in force that it is, or is generated from; or NULL */
	const FormField *form;
} SourceField;

typedef struct Source
{
	const char *name;
	const char *label;			/* or NULL */
	const char *registered;		/* the relation, as it was registered */
	const char *relation;		/* qualified and quoted; NULL until SourceLoadFields() */
	List	   *relations;		/* Oids: the relation, then those of lookups; NIL until then */
	const char *lead_column;	/* quoted */
	const char *key_column;		/* quoted, or NULL */
	const char *time_column;	/* bare, or NULL */
	SourceField *time;			/* the event time, or NULL */
	const char *settles_after;	/* in seconds; NULL where records may change */
	const char *entity;			/* by which name its documents may have a form, or NULL */
	List	   *fields;			/* of SourceField; NIL until SourceLoadFields() */
	const SourceFault *fault;	/* why SourceLoadFields() failed */
	const SourceFault *key_fault;	/* why its records cannot be told apart; or NULL */
} Source;

/* Every registered source. Needs a connection to SPI, as what follows. */
extern List *LoadSources(void);

/* Find a source's relation and read its fields from the catalog. False with a fault. */
extern bool SourceLoadFields(Source *source);

/* Is no record without a value there, of the relation's columns by their place, from 0? */
extern bool ColumnHasNoNulls(Relation relation, int column);

/*
 * The field of a name, or else of a label, which is compared without regard to
 * case; NULL when there is none. Where two have the label, the second is set.
 */
extern SourceField *SourceFindField(const Source *source, const char *name, SourceField **second);

/* The names and labels of a source's fields: a list of char *. */
extern List *SourceFieldNames(const Source *source);

/*
 * The value of a field, of a record that goes by an alias, as SQL over $2 (zone).
 * Of a lookup field, it is what is looked up.
 */
extern char *FieldSql(const SourceField *field, const char *alias);

/* For source_form.c: a field is of a type, or of a domain over it. */
extern void SourceSetType(SourceField *field, Oid type);

/* source_form.c: what the fields of a form read from its documents. */
extern void LoadFormFields(Source *source);
extern char *FormFieldSql(const FormField *field, const char *document, const char *zone);

/* The type of what FormFieldSql() reads. */
extern Oid	FormFieldType(const FormField *field);

/*
 * The key of a choice of a field that a text names: a key or a label in the form
 * in force, else in an earlier form, later ones first. NULL when there is none; an
 * ambiguous label sets second to the other key.
 */
extern const char *SourceFindChoice(const Source *source, const SourceField *field,
									const char *text, const char **second);

/*
 * A kind of named set, as list('HOT'). Its room gives the condition under which
 * the lead l.lead_id belongs to the set, in SQL over $1 (as_of) and $2 (zone);
 * or NULL with the known names when there is no such set.
 */
typedef char *(*NamedSetCondition) (const char *name, List **known_names);

/* Called from _PG_init. */
extern void RegisterNamedSet(const char *kind, NamedSetCondition condition);

/*
 * What else a room can tell of its kind: the table of schema leadflow that has a
 * row for each set, by its column "name"; and SQL for the stays of lead $3 in the
 * set up to $1, the latest first, as (key, since, until). The keys are those of
 * the relation named.
 */
typedef struct NamedSetDetails
{
	const char *kind;
	const char *table;
	const char *stays;
	char	   *(*history) (const char *name);
} NamedSetDetails;

/* Called from _PG_init; kept, not copied. */
extern void DescribeNamedSet(const NamedSetDetails *details);

/* What is told of a kind, or NULL. */
extern const NamedSetDetails *FindNamedSetDetails(const char *kind);

/* The provider of a kind, or NULL. */
extern NamedSetCondition FindNamedSet(const char *kind);

#endif							/* LEADFLOW_SOURCE_H */
