/*
 * csv.c
 *		Writing a file of comma-separated values as spreadsheets read it: by
 *		RFC 4180, with a byte order mark where it is UTF-8, or in Shift_JIS.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/string.h"
#include "handoff/csv.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

/* Replaced characters that the warning tells the place of */
#define SHOWN_REPLACED	20

/* The most that a bytea holds */
#define FILE_MAX	((int) MaxAllocSize - 1)

/* A number of more digits is no longer the same in a spreadsheet. */
#define NUMBER_MAX_DIGITS	15

/* What Japanese users write 〓, the geta mark, for */
#define REPLACEMENT "\xE3\x80\x93"

/* Characters that one of two tables has and the other a twin of. */
static const char *const twins[][2] = {
	{"\xE2\x80\x94", "\xE2\x80\x95"},	/* em dash, horizontal bar */
	{"\xE2\x80\x96", "\xE2\x88\xA5"},	/* double vertical line, parallel to */
	{"\xE2\x88\x92", "\xEF\xBC\x8D"},	/* minus sign, full-width */
	{"\xE3\x80\x9C", "\xEF\xBD\x9E"},	/* wave dash, full-width tilde */
	{"\xC2\xA0", " "},			/* no-break space */
	{"\xC2\xA2", "\xEF\xBF\xA0"},	/* cent, full-width */
	{"\xC2\xA3", "\xEF\xBF\xA1"},	/* pound, full-width */
	{"\xC2\xA5", "\xEF\xBF\xA5"},	/* yen, full-width */
	{"\xC2\xAC", "\xEF\xBF\xA2"},	/* not, full-width */
};

void
CsvBegin(CsvFile *file, const char *encoding)
{
	memset(file, 0, sizeof(CsvFile));
	file->encoding = pg_strcasecmp(encoding, "cp932") == 0 ? PG_SJIS : pg_char_to_encoding(encoding);
	if (file->encoding != PG_UTF8)
	{
		if (file->encoding >= 0)
			file->conversion = FindDefaultConversionProc(PG_UTF8, file->encoding);
		if (!OidIsValid(file->conversion))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("no file can be written in encoding \"%s\"", encoding),
					 errhint("Excel reads UTF8 and, on Japanese Windows, SJIS.")));
	}
	initStringInfo(&file->data);
	initStringInfo(&file->report);
	appendStringInfoSpaces(&file->data, VARHDRSZ);
	if (file->encoding == PG_UTF8)
		appendStringInfoString(&file->data, "\xEF\xBB\xBF");
}

static void
append(CsvFile *file, const char *bytes, int length)
{
	if (length > FILE_MAX - file->data.len)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the file would be larger than 1 GB"),
				 errhint("Export fewer columns, leave the history out, or use \\copy in psql.")));
	appendBinaryStringInfo(&file->data, bytes, length);
}

/* ---- encoding --------------------------------------------------------------------------- */

static const char *
twin(const char *character, int length)
{
	for (size_t i = 0; i < lengthof(twins); i++)
		if ((int) strlen(twins[i][0]) == length && memcmp(twins[i][0], character, length) == 0)
			return twins[i][1];
	return NULL;
}

/* Append a text as far as it can be converted; returns how many of its bytes that was. */
static int
append_convertible(CsvFile *file, const char *text, int length)
{
	int			size = length * MAX_CONVERSION_GROWTH + 1;
	char	   *converted = palloc(size);
	int			done = pg_do_encoding_conversion_buf(file->conversion, PG_UTF8, file->encoding,
													 (unsigned char *) unconstify(char *, text), length,
													 (unsigned char *) converted, size, true);

	append(file, converted, strlen(converted));
	pfree(converted);
	return done;
}

static void
report_replaced(CsvFile *file, const char *character, int length, const char *row, const char *column)
{
	if (file->replaced++ < SHOWN_REPLACED)
		appendStringInfo(&file->report, "%s%s, %s: \"%.*s\"", file->report.len > 0 ? "\n" : "", row,
						 column, length, character);
}

static void
append_encoded(CsvFile *file, const char *text, int length, const char *row, const char *column)
{
	if (!OidIsValid(file->conversion) || pg_is_ascii(text))
	{
		append(file, text, length);
		return;
	}
	while (length > 0)
	{
		/* a piece at a time, so that what is allocated for it stays small */
		int			piece = length > 8192 ? pg_mbcliplen(text, length, 8192) : length;
		int			done = append_convertible(file, text, piece);

		if (done < piece)
		{
			int			width = pg_mblen(text + done);
			const char *instead = twin(text + done, width);

			if (instead == NULL ||
				append_convertible(file, instead, strlen(instead)) < (int) strlen(instead))
			{
				report_replaced(file, text + done, width, row, column);
				if (append_convertible(file, REPLACEMENT, strlen(REPLACEMENT)) == 0)
					append(file, "?", 1);
			}
			done += width;
		}
		text += done;
		length -= done;
	}
}

/* ---- cells ------------------------------------------------------------------------------ */

/* -5 or -12.50: what a spreadsheet makes of it is what it says. */
static bool
is_negative_number(const char *value)
{
	int			digits = 0;
	int			points = 0;

	if (*value++ != '-')
		return false;
	for (; *value != '\0'; value++)
	{
		if (isdigit((unsigned char) *value))
			digits++;
		else if (*value != '.' || points++ > 0 || digits == 0)
			return false;
	}
	return digits > 0 && digits <= NUMBER_MAX_DIGITS && value[-1] != '.';
}

/* Would a spreadsheet calculate it? Full-width signs count in a Japanese one. */
static bool
may_be_formula(const char *value)
{
	static const char *const wide[] = {
		"\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D", "\xEF\xBC\xA0"	/* = + - @ */
	};

	if (*value != '\0' && strchr("=+-@\t\r\n", *value) != NULL)
		return !is_negative_number(value);
	for (size_t i = 0; i < lengthof(wide); i++)
		if (strncmp(value, wide[i], 3) == 0)
			return true;
	return false;
}

static bool
needs_quotes(const char *value, int length)
{
	return length > 0 &&
		(strpbrk(value, ",\"\r\n") != NULL || value[0] == ' ' || value[length - 1] == ' ');
}

void
CsvCell(CsvFile *file, const char *value, bool is_text, const char *row, const char *column)
{
	bool		defused = is_text && value != NULL && may_be_formula(value);
	bool		quoted = value != NULL && needs_quotes(value, strlen(value));
	StringInfoData cell;

	if (file->in_row)
		append(file, ",", 1);
	file->in_row = true;
	if (value == NULL)
		return;

	initStringInfo(&cell);
	if (quoted)
		appendStringInfoChar(&cell, '"');
	if (defused)
		appendStringInfoChar(&cell, '\'');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '"')
			appendStringInfoChar(&cell, '"');
		appendStringInfoChar(&cell, *c);
	}
	if (quoted)
		appendStringInfoChar(&cell, '"');
	append_encoded(file, cell.data, cell.len, row, column);
	pfree(cell.data);
}

void
CsvEndRow(CsvFile *file)
{
	append(file, "\r\n", 2);
	file->in_row = false;
}

bytea *
CsvEnd(CsvFile *file)
{
	if (file->replaced > 0)
		ereport(WARNING,
				(errmsg_plural("%lld character is written as \"〓\"",
							   "%lld characters are written as \"〓\"",
							   (long) file->replaced, (long long) file->replaced),
				 errdetail_internal("%s%s", file->report.data,
									file->replaced > SHOWN_REPLACED ? "\n..." : ""),
				 errhint("Encoding %s does not have them; UTF8 does.",
						 pg_encoding_to_char(file->encoding))));
	SET_VARSIZE(file->data.data, file->data.len);
	return (bytea *) file->data.data;
}
