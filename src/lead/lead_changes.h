/*
 * lead_changes.h
 *		What update_leads() is to set, read from its JSON and checked.
 */
#ifndef LEADFLOW_LEAD_CHANGES_H
#define LEADFLOW_LEAD_CHANGES_H

#include "compat.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* A change of one field, as SQL over a lead t. */
typedef struct FieldChange
{
	const char *name;
	char	   *old;			/* its value, as text ... */
	char	   *new;			/* ... and what it becomes */
	char	   *differs;		/* does that change it? */
	char	   *shown;			/* old value g.old as people know it */
} FieldChange;

typedef struct LeadChanges
{
	List	   *fields;			/* of FieldChange */
	char	   *assignments;	/* what to SET of columns; may be empty */
	char	   *document;		/* what fields becomes, or NULL when it does not */
	char	   *differs;		/* does any change change the lead? */
	char	   *document_differs;	/* does any of the document? */
	char	   *form;			/* the form in force, or NULL */
	int			form_version;
} LeadChanges;

/* Needs a connection to SPI. */
extern LeadChanges *ReadLeadChanges(Jsonb *changes);

#endif							/* LEADFLOW_LEAD_CHANGES_H */
