/*
 * csv.h
 *		Writing a file of comma-separated values as spreadsheets read it.
 */
#ifndef LEADFLOW_CSV_H
#define LEADFLOW_CSV_H

#include "compat.h"
#include "lib/stringinfo.h"

typedef struct CsvFile
{
	StringInfoData data;		/* a bytea to be */
	int			encoding;
	Oid			conversion;		/* from UTF8; invalid when there is none to be made */
	bool		in_row;			/* a cell has been written to this row */
	int64		replaced;		/* characters that the encoding does not have */
	StringInfoData report;		/* where the first of them are */
} CsvFile;

/* Begin a file in an encoding, named as PostgreSQL or as Japanese users do. */
extern void CsvBegin(CsvFile *file, const char *encoding);

/*
 * Write a cell; NULL is empty. A text that a spreadsheet could take for a formula
 * gets an apostrophe before it. Row and column are for the report.
 */
extern void CsvCell(CsvFile *file, const char *value, bool is_text, const char *row,
					const char *column);
extern void CsvEndRow(CsvFile *file);

/* The file as a bytea; a warning when characters were replaced. */
extern bytea *CsvEnd(CsvFile *file);

#endif							/* LEADFLOW_CSV_H */
