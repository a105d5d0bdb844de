/*
 * pass.h
 *		A pass over a source in the making: what scan.c asks of pass.c.
 */
#ifndef LEADFLOW_PASS_H
#define LEADFLOW_PASS_H

#include "engine/atom.h"
#include "engine/sieve.h"

/* What a sieve's argument is. */
typedef struct PassField
{
	char	   *sql;
	Oid			type;
} PassField;

/* A sieve being made, and the atoms that are its outputs. */
typedef struct Pass
{
	const Source *source;
	const Clock *clock;
	bool		tallies;		/* may there be any? */
	int			max_atoms;
	List	   *fields;			/* of PassField */
	SieveProgram program;
	List	   *atoms;			/* of Atom */
} Pass;

/* The number of an argument, known or new; -1 when there is no room. */
extern int	FindPassField(Pass *pass, char *sql, Oid type);

/* Make an atom an output of the sieve. False, and nothing changed, when it cannot be. */
extern bool AddPassAtom(Pass *pass, Atom *atom);

#endif							/* LEADFLOW_PASS_H */
