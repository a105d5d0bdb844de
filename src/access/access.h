/*
 * access.h
 *		Who may see and do what: kinds of access, granted to database roles.
 *
 * What is granted is kept nowhere but in the catalogs, as privileges and as
 * policies: a role has the kind of access that the policy of that name on
 * leadflow.lead is for. So a dump takes it along, and a role that is dropped or
 * renamed leaves nothing stale behind.
 */
#ifndef LEADFLOW_ACCESS_H
#define LEADFLOW_ACCESS_H

#include "compat.h"
#include "nodes/pg_list.h"

typedef enum AccessKind
{
	ACCESS_MARKETING,
	ACCESS_SALES,
	ACCESS_ANALYST
} AccessKind;

#define ACCESS_KINDS	(ACCESS_ANALYST + 1)

/* A policy of row-level security on a table. */
typedef struct AccessPolicy
{
	const char *name;
	AccessKind	kind;
	const char *command;
	const char *using;			/* or NULL */
	const char *check;			/* or NULL */
} AccessPolicy;

/* What is to be known of a table to say who may do what with it. */
typedef struct AccessTable
{
	char	   *name;
	bool		is_view;
	bool		of_leads;		/* has a row, or rows, of one lead */
	bool		of_lists;		/* and each is of one list */
	char	   *hidden;			/* its columns with hidden fields, quoted, or NULL */
} AccessTable;

extern const char *const access_kind_names[];

/*
 * rules.c: the privileges of a kind on a table, as statements' "SELECT, INSERT (a, b)";
 * NULL for none. Needs a connection to SPI.
 */
extern char *AccessPrivileges(const AccessTable *table, AccessKind kind);

/* The policies of a table: a list of AccessPolicy, NIL for a table without. */
extern List *AccessPolicies(const AccessTable *table);

#endif							/* LEADFLOW_ACCESS_H */
