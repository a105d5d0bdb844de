/*
 * hidden.h
 *		Fields of records whose values not everybody may see.
 */
#ifndef LEADFLOW_HIDDEN_H
#define LEADFLOW_HIDDEN_H

#include "compat.h"
#include "source/source.h"

/*
 * May the current user not be shown the values of a source's field? They are
 * those that the form in force for a table marks as hidden, unless the user has
 * the privileges of the table's owner. Needs a connection to SPI.
 */
extern bool FieldIsHidden(const Source *source, const SourceField *field);

#endif							/* LEADFLOW_HIDDEN_H */
