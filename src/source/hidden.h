/*
 * hidden.h
 *		Fields of records whose values not everybody may see.
 */
#ifndef LEADFLOW_HIDDEN_H
#define LEADFLOW_HIDDEN_H

#include "compat.h"
#include "source/source.h"

/*
 * Does the current user see what forms hide? Who has the rights of the owner of
 * the tables does, and marketing, by the policy that grant_access() makes.
 */
extern bool SeesHidden(void);

/*
 * May the current user not be shown the values of a source's field? They are
 * those that the form in force for a table marks as hidden, unless the user
 * sees these. Needs a connection to SPI.
 */
extern bool FieldIsHidden(const Source *source, const SourceField *field);

#endif							/* LEADFLOW_HIDDEN_H */
