/*
 * iso.c
 *		ISO 8601 dates and times, read the same whatever DateStyle says.
 */
#include "postgres.h"

#include "iso.h"
#include "utils/datetime.h"

/* Read exactly n digits, advancing the text. */
static bool
read_digits(const char **text, int n, int *result)
{
	*result = 0;
	for (; n > 0; n--, (*text)++)
	{
		if (**text < '0' || **text > '9')
			return false;
		*result = *result * 10 + (**text - '0');
	}
	return true;
}

static bool
read_char(const char **text, char expected)
{
	if (**text != expected)
		return false;
	(*text)++;
	return true;
}

/* hh:mm[:ss[.ffffff]] */
static bool
read_time(const char **text, TimeADT *result)
{
	int			hour,
				minute,
				second = 0;
	int64		fraction = 0;

	if (!read_digits(text, 2, &hour) || !read_char(text, ':') || !read_digits(text, 2, &minute))
		return false;
	if (read_char(text, ':'))
	{
		if (!read_digits(text, 2, &second))
			return false;
		if (read_char(text, '.'))
		{
			int64		unit = USECS_PER_SEC / 10;
			int			digit;

			do
			{
				if (unit == 0 || !read_digits(text, 1, &digit))
					return false;
				fraction += digit * unit;
				unit /= 10;
			} while (**text >= '0' && **text <= '9');
		}
	}
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	*result = ((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + fraction;
	return true;
}

/* Z or (+|-)hh[[:]mm] */
static bool
read_offset(const char **text, int *result)
{
	int			sign = **text == '-' ? -1 : 1;
	int			hour,
				minute = 0;

	*result = 0;
	if (read_char(text, 'Z') || read_char(text, 'z'))
		return true;
	if (!read_char(text, '+') && !read_char(text, '-'))
		return false;
	if (!read_digits(text, 2, &hour))
		return false;
	if (**text != '\0')
	{
		(void) read_char(text, ':');
		if (!read_digits(text, 2, &minute))
			return false;
	}
	if (hour > 15 || minute > 59)
		return false;
	*result = sign * (hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE);
	return true;
}

bool
ParseIsoTime(const char *text, IsoTime *result)
{
	int			year,
				month,
				day;

	memset(result, 0, sizeof(IsoTime));
	if (!read_digits(&text, 4, &year) || !read_char(&text, '-') ||
		!read_digits(&text, 2, &month) || !read_char(&text, '-') ||
		!read_digits(&text, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > MONTHS_PER_YEAR ||
		day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	result->date = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;

	if (*text == '\0')
		return true;
	if (!read_char(&text, 'T') && !read_char(&text, 't') && !read_char(&text, ' '))
		return false;
	result->has_time = true;
	if (!read_time(&text, &result->time))
		return false;
	if (*text == '\0')
		return true;
	result->has_offset = true;
	return read_offset(&text, &result->offset) && *text == '\0';
}
