/*
 * canonical.h
 *		What the types share that are stored as their canonical text, segment and
 *		form: their SQL declarations name the functions of canonical.c. Of cadence,
 *		only the binary form is its text.
 */
#ifndef LEADFLOW_CANONICAL_H
#define LEADFLOW_CANONICAL_H

#include "compat.h"
#include "lib/stringinfo.h"

/* The first byte of a binary value, before the text: the version of the type's language */
#define CANONICAL_VERSION	1

/* The text a binary value carries behind its version byte, not parsed yet. */
extern char *CanonicalReceive(StringInfo buffer, const char *type_name);

#endif							/* LEADFLOW_CANONICAL_H */
