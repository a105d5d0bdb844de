/*
 * export.h
 *		Leads as files; and documents without what is hidden.
 */
#ifndef LEADFLOW_EXPORT_H
#define LEADFLOW_EXPORT_H

#include "compat.h"
#include "nodes/pg_list.h"

/* May the current user read the documents of a table as they are? */
extern bool ReadsDocuments(const char *entity);

/* The names of an entity's fields that are hidden, by the latest form that has each. */
extern List *HiddenFields(const char *entity);

#endif							/* LEADFLOW_EXPORT_H */
