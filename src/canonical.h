/*
 * canonical.h
 *		What the types share that are stored as their canonical text: segment
 *		and form. Their SQL declarations name the functions of canonical.c.
 */
#ifndef LEADFLOW_CANONICAL_H
#define LEADFLOW_CANONICAL_H

#include "compat.h"
#include "lib/stringinfo.h"

/* The text a binary value carries behind its version byte, not parsed yet. */
extern char *CanonicalReceive(StringInfo buffer, const char *type_name);

#endif							/* LEADFLOW_CANONICAL_H */
