/*
 * distribute.c
 *		leadflow.distribute(): who of the reps gets which of a list's members that
 *		nobody has. What is needed is read by a constant number of statements, the
 *		decisions are made in memory, and two statements write them down.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "engine/engine.h"
#include "funcapi.h"
#include "lead/lead.h"
#include "leadset/leadset.h"
#include "lexer.h"
#include "list/assign.h"
#include "list/list.h"
#include "list/share.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(distribute);

/* How long a rep counts as just back from an absence, in days */
#define RETURNING_DAYS	7

#define NOBODY	(-1)

typedef struct Rep
{
	int64		rep_id;
	char	   *name;
	bool		returning;		/* was away until a few days ago */
	int64		assigned;
} Rep;

/* A member to be given to a rep, in the order of lead ids. */
typedef struct Candidate
{
	int64		lead_id;
	int64		member_id;
	int64		from_rep_id;	/* 0 for nobody */
	TimestampTz entered_at;
	int			rep;			/* in reps, or NOBODY */
	const char *reason;
} Candidate;

typedef struct Distribution
{
	const LeadList *list;
	const char *strategy;
	TimestampTz as_of;
	MemoryContext caller;		/* where reps are, for the result */
	int			nreps;
	Rep		   *reps;			/* by id */
	Share	   *shares;			/* the same */
	int64		n;
	Candidate  *candidates;
	Candidate **oldest;			/* the same, who entered first coming first */
} Distribution;

typedef void (*Strategy) (Distribution *d);

/* ---- giving -------------------------------------------------------------------------- */

static void
give(Distribution *d, Candidate *candidate, int rep, const char *reason)
{
	candidate->rep = rep;
	candidate->reason = reason;
	d->shares[rep].room--;
	CHECK_FOR_INTERRUPTS();
}

static int
find_rep(const Distribution *d, int64 rep_id)
{
	int			low = 0;
	int			high = d->nreps;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (d->reps[middle].rep_id < rep_id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < d->nreps && d->reps[low].rep_id == rep_id ? low : NOBODY;
}

static bool
has_room(const Distribution *d, int rep)
{
	return rep != NOBODY && d->shares[rep].room > 0;
}

/* The reps that can be given something. */
static int
available(const Distribution *d)
{
	int			n = 0;

	for (int i = 0; i < d->nreps; i++)
		if (d->shares[i].weight > 0 && has_room(d, i))
			n++;
	return n;
}

/* 1st, 2nd, 3rd, 4th, ..., 11th */
static const char *
ordinal_suffix(int n)
{
	if (n % 100 / 10 == 1)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

/*
 * Give candidates to the reps by weight, the first ones if not all can be given;
 * what led here, if anything, goes before the reason.
 */
static void
give_by_weight(Distribution *d, Candidate **candidates, int64 n, const char *before)
{
	bool		weighted = strcmp(d->strategy, "weighted") == 0;
	const char **reasons = palloc0(d->nreps * sizeof(char *));
	int			reps = available(d);
	int		   *places = Rotation(d->shares, d->nreps);
	int64		given = ShareByWeight(d->shares, d->nreps, n);
	int		   *order = ShareOrder(d->shares, d->nreps, places, given);
	double		weights = 0;

	for (int i = 0; i < d->nreps; i++)
		if (d->shares[i].room > 0)
			weights += d->shares[i].weight;
	for (int64 i = 0; i < given; i++)
	{
		int			rep = order[i];

		if (reasons[rep] == NULL)
			reasons[rep] = weighted ?
				psprintf("weighted: weight %g of %g", d->shares[rep].weight, weights) :
				psprintf("%seven: %d%s of %d %s in rotation", before, places[rep],
						 ordinal_suffix(places[rep]), reps, reps == 1 ? "rep" : "reps");
		give(d, candidates[i], rep, reasons[rep]);
	}
}

/* ---- strategies ------------------------------------------------------------------------ */

static void
distribute_by_weight(Distribution *d)
{
	give_by_weight(d, d->oldest, d->n, "");
}

/*
 * A rep just back from an absence has little open work; getting all that comes
 * in would be no better. Such a rep gets an even share at most.
 */
static void
distribute_by_load(Distribution *d)
{
	int			reps = Max(available(d), 1);
	int64		even_share = (d->n + reps - 1) / reps;

	for (int i = 0; i < d->nreps; i++)
		if (d->reps[i].returning)
			d->shares[i].room = Min(d->shares[i].room, even_share);
	for (int64 i = 0; i < d->n; i++)
	{
		int			rep = ShareByLoad(d->shares, d->nreps);

		if (rep == NOBODY)
			return;
		give(d, d->oldest[i], rep, psprintf("least_loaded: had " INT64_FORMAT " open",
											d->shares[rep].load - 1));
	}
}

/* What sticky knows of a candidate. */
typedef struct Tie
{
	int64		i;				/* in oldest */
	char	   *company;		/* NULL when unknown */
	Candidate  *candidate;
	Candidate  *first;			/* of the company, whom this one follows; or NULL */
} Tie;

/* By company, those that have a rep first, and then the oldest. */
static int
compare_ties(const void *a, const void *b)
{
	const Tie  *x = a;
	const Tie  *y = b;
	int			order = strcmp(x->company, y->company);

	if (order != 0)
		return order;
	if ((x->candidate->rep == NOBODY) != (y->candidate->rep == NOBODY))
		return x->candidate->rep == NOBODY ? 1 : -1;
	return x->i < y->i ? -1 : 1;
}

static ArrayType *
bigint_array(const Datum *values, int64 n)
{
	return construct_array(unconstify(Datum *, values), n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
						   TYPALIGN_DOUBLE);
}

/* Read who has, or had, the candidates and their companies. */
static void
read_ties(Distribution *d)
{
	Datum	   *leads = palloc((d->n + 1) * sizeof(Datum));
	Datum	   *members = palloc((d->n + 1) * sizeof(Datum));
	Datum	   *reps = palloc((d->nreps + 1) * sizeof(Datum));
	int			nreps = 0;
	Oid			bigints = INT8ARRAYOID;
	SpiArgs		args = {0};

	for (int64 i = 0; i < d->n; i++)
	{
		leads[i] = Int64GetDatum(d->oldest[i]->lead_id);
		members[i] = Int64GetDatum(d->oldest[i]->member_id);
	}
	for (int i = 0; i < d->nreps; i++)
		if (has_room(d, i))
			reps[nreps++] = Int64GetDatum(d->reps[i].rep_id);
	AddArg(&args, bigints, PointerGetDatum(bigint_array(leads, d->n)));
	AddArg(&args, bigints, PointerGetDatum(bigint_array(members, d->n)));
	AddArg(&args, bigints, PointerGetDatum(bigint_array(reps, nreps)));
	AddTextArg(&args, d->list->zone);
	SpiRun("WITH candidate AS MATERIALIZED ("
		   "  SELECT c.n, c.lead_id, c.member_id, l.rep_id, nullif(btrim(l.company), '') AS company"
		   "   FROM unnest($1, $2) WITH ORDINALITY AS c (lead_id, member_id, n)"
		   "   JOIN leadflow.lead AS l USING (lead_id)"
		   "), company AS MATERIALIZED ("
		   "  SELECT DISTINCT ON (w.company) w.company, w.rep_id"
		   "   FROM (SELECT c.company, m.rep_id, m.assigned_at"
		   "     FROM (SELECT DISTINCT company FROM candidate) AS c"
		   "     JOIN leadflow.lead AS l USING (company) JOIN leadflow.member AS m USING (lead_id)"
		   "     WHERE m.left_at IS NULL AND m.rep_id = ANY ($3)"
		   "    UNION ALL SELECT c.company, l.rep_id, NULL"
		   "     FROM (SELECT DISTINCT company FROM candidate) AS c"
		   "     JOIN leadflow.lead AS l USING (company)"
		   "     WHERE l.rep_id = ANY ($3) AND l.deleted_at IS NULL AND l.merged_into IS NULL) AS w"
		   "   ORDER BY w.company, w.assigned_at DESC NULLS LAST, w.rep_id"
		   ")"
		   " SELECT coalesce(o.rep_id, p.rep_id, k.rep_id),"
		   "  CASE WHEN o.rep_id IS NOT NULL THEN 'is in charge of this lead'"
		   "   WHEN p.rep_id IS NULL THEN 'has ' || k.company"
		   "   WHEN p.left_at IS NULL THEN 'has this lead on ' || p.list"
		   "   ELSE 'had this lead until '"
		   "    || to_char(leadflow.local_date(p.left_at, $4), 'YYYY-MM-DD') END,"
		   "  c.company"
		   "  FROM candidate AS c"
		   "  LEFT JOIN unnest($3) AS o (rep_id) ON o.rep_id = c.rep_id"
		   "  LEFT JOIN LATERAL (SELECT m.rep_id, m.left_at, s.name AS list"
		   "   FROM leadflow.member AS m JOIN leadflow.list AS s USING (list_id)"
		   "   WHERE m.lead_id = c.lead_id AND m.member_id <> c.member_id AND m.rep_id = ANY ($3)"
		   "   ORDER BY m.left_at DESC NULLS FIRST, m.member_id DESC LIMIT 1) AS p ON true"
		   "  LEFT JOIN company AS k ON k.company = c.company"
		   "  ORDER BY c.n", &args);
}

/*
 * A lead goes to the rep who is in charge of it, else to who had it last, else to
 * who has its company; what is left goes evenly, but leads of one company to the
 * same rep.
 */
static void
distribute_sticky(Distribution *d)
{
	Tie		   *ties = palloc((d->n + 1) * sizeof(Tie));
	Candidate **rest = palloc((d->n + 1) * sizeof(Candidate *));
	int64		nties = 0;
	int64		nrest = 0;
	int64		followers = 0;

	read_ties(d);
	for (int64 i = 0; i < d->n; i++)
	{
		int			rep = find_rep(d, SpiBigint(i + 1, 1));
		char	   *company = SpiText(i + 1, 3);

		if (has_room(d, rep))
			give(d, d->oldest[i], rep, psprintf("sticky: %s", SpiText(i + 1, 2)));
		if (company != NULL)
			ties[nties++] = (Tie) {.i = i, .company = company, .candidate = d->oldest[i]};
	}
	SPI_freetuptable(SPI_tuptable);

	qsort(ties, nties, sizeof(Tie), compare_ties);
	for (int64 i = 1; i < nties; i++)
	{
		Tie		   *before = &ties[i - 1];

		if (ties[i].candidate->rep != NOBODY || strcmp(ties[i].company, before->company) != 0)
			continue;
		ties[i].first = before->first ? before->first : before->candidate;
		/* neither given nor waiting: put aside */
		ties[i].candidate->reason = "";
		followers++;
	}
	for (int64 i = 0; i < d->n; i++)
		if (d->oldest[i]->rep == NOBODY && d->oldest[i]->reason == NULL)
			rest[nrest++] = d->oldest[i];
	give_by_weight(d, rest, nrest, "sticky: nobody had it; ");
	if (followers == 0)
		return;

	for (int64 i = 0; i < nties; i++)
	{
		if (ties[i].first == NULL)
			continue;
		ties[i].candidate->reason = NULL;
		if (has_room(d, ties[i].first->rep))
			give(d, ties[i].candidate, ties[i].first->rep,
				 psprintf("sticky: has %s, with lead " INT64_FORMAT, ties[i].company,
						  ties[i].first->lead_id));
	}
	nrest = 0;
	for (int64 i = 0; i < d->n; i++)
		if (d->oldest[i]->rep == NOBODY)
			rest[nrest++] = d->oldest[i];
	give_by_weight(d, rest, nrest, "sticky: nobody had it; ");
}

/* A rule of leadflow.territory. */
typedef struct Territory
{
	char	   *name;			/* as reasons have it */
	char	   *segment;
	ExpandedLeadset *leads;
	bool		evenly;
	int			rep;			/* NOBODY when not of this distribution */
	int64		nleads;			/* of those to be given evenly ... */
	Candidate **candidates;		/* ... these, oldest first */
} Territory;

static Territory *
read_territories(Distribution *d, int *n)
{
	SpiArgs		args = {0};
	Territory  *territories;

	AddBigintArg(&args, d->list->list_id);
	*n = SpiRun("SELECT rep_id, format('rules: %s. %s', position, segment), segment, rep_id IS NULL"
				" FROM leadflow.territory WHERE list_id = $1 OR list_id IS NULL"
				" ORDER BY list_id IS NULL, position, territory_id", &args);
	if (*n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no rule to distribute list \"%s\" by", d->list->name),
				 errhint("INSERT INTO leadflow.territory (position, segment, rep_id) VALUES (1, 'lead(prefecture = ''...'')', ...);")));
	territories = palloc0(*n * sizeof(Territory));
	for (int i = 0; i < *n; i++)
	{
		bool		isnull;

		territories[i].rep = find_rep(d, SpiBigint(i + 1, 1));
		territories[i].name = SpiText(i + 1, 2);
		territories[i].segment = SpiText(i + 1, 3);
		territories[i].evenly = DatumGetBool(SpiDatum(i + 1, 4, &isnull));
	}
	PushFreshSnapshot();
	for (int i = 0; i < *n; i++)
		territories[i].leads =
			DatumGetExpandedLeadset(EvaluateSegment(territories[i].segment, d->as_of, d->list->zone),
									CurrentMemoryContext);
	PopActiveSnapshot();
	return territories;
}

/*
 * The first rule that a lead is in and whose rep can take it decides; a rule
 * without a rep stands for all of them. Who is in none stays in the queue.
 */
static void
distribute_by_rules(Distribution *d)
{
	int			n;
	Territory  *territories = read_territories(d, &n);

	for (int64 i = 0; i < d->n; i++)
	{
		Candidate  *candidate = d->oldest[i];

		for (int j = 0; j < n; j++)
		{
			Territory  *territory = &territories[j];

			if (!(territory->evenly || has_room(d, territory->rep)) ||
				!ExpandedLeadsetContains(territory->leads, candidate->lead_id))
				continue;
			if (!territory->evenly)
				give(d, candidate, territory->rep, territory->name);
			else
			{
				if (territory->candidates == NULL)
					territory->candidates = palloc(d->n * sizeof(Candidate *));
				territory->candidates[territory->nleads++] = candidate;
			}
			break;
		}
	}
	for (int j = 0; j < n; j++)
		if (territories[j].nleads > 0)
			give_by_weight(d, territories[j].candidates, territories[j].nleads,
						   psprintf("%s; ", territories[j].name));
}

static const struct
{
	const char *name;
	Strategy	distribute;
}			strategies[] = {
	{"even", distribute_by_weight},
	{"weighted", distribute_by_weight},
	{"least_loaded", distribute_by_load},
	{"sticky", distribute_sticky},
	{"rules", distribute_by_rules},
};

static Strategy
find_strategy(const char *name)
{
	List	   *known = NIL;
	const char *nearest;

	for (size_t i = 0; i < lengthof(strategies); i++)
	{
		if (name != NULL && strcmp(strategies[i].name, name) == 0)
			return strategies[i].distribute;
		known = lappend(known, unconstify(char *, strategies[i].name));
	}
	nearest = name ? NearestName(name, known) : NULL;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 name ? errmsg("strategy \"%s\" is unknown", name) :
			 errmsg("the strategy must not be null"),
			 errdetail("Strategies are even, weighted, least_loaded, sticky and rules."),
			 nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
}

/* ---- reading ------------------------------------------------------------------------------ */

/* Every rep of an array of names, or of ids, must be there and active; their ids. */
static Datum
named_reps(FunctionCallInfo fcinfo, int argument, bool by_id)
{
	SpiArgs		args = {0};
	uint64		rows;
	Datum	   *ids;

	AddArg(&args, by_id ? INT8ARRAYOID : TEXTARRAYOID, PG_GETARG_DATUM(argument));
	rows = SpiRun(psprintf("SELECT u.rep::text, r.rep_id, r.name, r.active"
						   " FROM unnest($1) AS u (rep) LEFT JOIN leadflow.rep AS r ON r.%s = u.rep",
						   by_id ? "rep_id" : "name"), &args);
	ids = palloc((rows + 1) * sizeof(Datum));
	for (uint64 row = 1; row <= rows; row++)
	{
		bool		isnull;
		bool		active;

		if (SpiText(row, 1) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a rep must not be null")));
		active = DatumGetBool(SpiDatum(row, 4, &isnull));
		if (isnull)
			UnknownRep(SpiText(row, 1));
		RequireActive(active, SpiText(row, 3), SpiBigint(row, 2));
		ids[row - 1] = Int64GetDatum(SpiBigint(row, 2));
	}
	return PointerGetDatum(bigint_array(ids, rows));
}

/*
 * The reps of a distribution: those named, or else all who are active and whose
 * team may see the list. Who is away has no room.
 */
static void
read_reps(Distribution *d, SpiArgs *named)
{
	const char *chosen = named->nulls[0] == 'n' ?
		"$1 IS NULL AND r.active AND (l.visibility IS NULL OR r.team = ANY (l.visibility))" :
		"r.rep_id = ANY ($1)";
	SpiArgs		args = *named;
	bool		weighted = strcmp(d->strategy, "weighted") == 0;

	/*
	 * What of a rep's capacity is used, lists decide together; so those who ask
	 * take turns.
	 */
	AddBigintArg(&args, d->list->list_id);
	if (SpiRun(psprintf("SELECT FROM leadflow.rep AS r, leadflow.list AS l"
						" WHERE l.list_id = $2 AND r.weekly_capacity IS NOT NULL AND %s LIMIT 1",
						chosen), &args) > 0)
		SpiRun("SELECT pg_advisory_xact_lock(hashtext('leadflow.weekly_capacity'))", NULL);

	AddTimeArg(&args, d->as_of);
	AddTextArg(&args, d->list->zone);
	AddTextArg(&args, d->strategy);
	d->nreps = SpiRun(psprintf(
		"SELECT r.rep_id, r.name, r.weight::float8,"
		" coalesce(c.today BETWEEN coalesce(r.away_from, '-infinity') AND coalesce(r.away_until, 'infinity')"
		"  AND (r.away_from IS NOT NULL OR r.away_until IS NOT NULL), false),"
		" coalesce(r.away_until >= c.today - " CppAsString2(RETURNING_DAYS)
		"  AND r.away_until < c.today, false),"
		" CASE WHEN r.weekly_capacity IS NOT NULL THEN r.weekly_capacity - (SELECT count(*) FROM leadflow.assignment AS a"
		"   WHERE a.to_rep_id = r.rep_id AND a.assigned_at >= c.week_from AND a.assigned_at < c.week_to"
		"   AND NOT EXISTS (SELECT FROM leadflow.assignment AS b WHERE b.lead_id = a.lead_id"
		"    AND b.member_id = a.member_id AND b.assignment_id > a.assignment_id)) END,"
		" CASE WHEN $5 = 'least_loaded' THEN (SELECT count(*) FROM leadflow.member AS m"
		"  WHERE m.rep_id = r.rep_id AND " WORKABLE ") ELSE 0 END,"
		" coalesce((l.rotation ->> r.rep_id::text)::bigint, 0)"
		" FROM leadflow.list AS l, leadflow.rep AS r,"
		" LATERAL (SELECT leadflow.local_date($3, $4) AS today) AS t,"
		" LATERAL (SELECT t.today,"
		"  leadflow.day_start(date_trunc('week', t.today::timestamp)::date, $4) AS week_from,"
		"  leadflow.day_start(date_trunc('week', t.today::timestamp)::date + 7, $4) AS week_to) AS c"
		" WHERE l.list_id = $2 AND %s ORDER BY r.rep_id", chosen), &args);
	d->reps = MemoryContextAllocZero(d->caller, (d->nreps + 1) * sizeof(Rep));
	d->shares = palloc0((d->nreps + 1) * sizeof(Share));
	for (int i = 0; i < d->nreps; i++)
	{
		bool		isnull;
		bool		away = DatumGetBool(SpiDatum(i + 1, 4, &isnull));
		bool		limited = SpiText(i + 1, 6) != NULL;

		d->reps[i].rep_id = SpiBigint(i + 1, 1);
		d->reps[i].name = MemoryContextStrdup(d->caller, SpiText(i + 1, 2));
		d->reps[i].returning = DatumGetBool(SpiDatum(i + 1, 5, &isnull));
		d->shares[i].weight = weighted ? DatumGetFloat8(SpiDatum(i + 1, 3, &isnull)) : 1;
		d->shares[i].room = away ? 0 : limited ? Max(SpiBigint(i + 1, 6), 0) : PG_INT64_MAX;
		d->shares[i].load = SpiBigint(i + 1, 7);
		d->shares[i].owed = SpiBigint(i + 1, 8);
	}
}

static int
compare_entered(const void *a, const void *b)
{
	const Candidate *x = *(Candidate *const *) a;
	const Candidate *y = *(Candidate *const *) b;

	if (x->entered_at != y->entered_at)
		return x->entered_at < y->entered_at ? -1 : 1;
	return x->lead_id < y->lead_id ? -1 : 1;
}

/* Lock and read the members that nobody has, of a leadset or all. */
static void
read_candidates(Distribution *d, FunctionCallInfo fcinfo, int segment)
{
	SpiArgs		args = {0};

	AddBigintArg(&args, d->list->list_id);
	if (PG_ARGISNULL(segment))
		AddNullArg(&args, LeadflowType("leadset"));
	else
		AddArg(&args, LeadflowType("leadset"), LeadsArgument(fcinfo, segment, d->as_of, d->list->zone));
	d->n = SpiRun("SELECT m.lead_id, m.member_id, m.rep_id, m.entered_at"
				  " FROM leadflow.member AS m WHERE m.list_id = $1 AND " WORKABLE " AND " NOBODYS
				  " AND ($2 IS NULL OR leadflow.contains($2, m.lead_id)) AND " REACHABLE
				  " ORDER BY m.lead_id FOR NO KEY UPDATE OF m", &args);
	d->candidates = MemoryContextAllocHuge(CurrentMemoryContext, (d->n + 1) * sizeof(Candidate));
	d->oldest = MemoryContextAllocHuge(CurrentMemoryContext, (d->n + 1) * sizeof(Candidate *));
	for (int64 i = 0; i < d->n; i++)
	{
		Candidate  *candidate = &d->candidates[i];
		bool		isnull;

		candidate->lead_id = SpiBigint(i + 1, 1);
		candidate->member_id = SpiBigint(i + 1, 2);
		candidate->from_rep_id = SpiBigint(i + 1, 3);
		candidate->entered_at = DatumGetTimestampTz(SpiDatum(i + 1, 4, &isnull));
		candidate->rep = NOBODY;
		candidate->reason = NULL;
		d->oldest[i] = candidate;
	}
	SPI_freetuptable(SPI_tuptable);
	qsort(d->oldest, d->n, sizeof(Candidate *), compare_entered);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Write down who was given whom, in the order of lead ids. */
static void
write_assignments(Distribution *d)
{
	Datum	   *columns[5];		/* lead, member, from, to, reason */
	bool	   *nobody = palloc((d->n + 1) * sizeof(bool));
	int			n = 0;
	int			lower = 1;
	SpiArgs		args = {0};

	for (int i = 0; i < 5; i++)
		columns[i] = MemoryContextAllocHuge(CurrentMemoryContext, (d->n + 1) * sizeof(Datum));
	for (int64 i = 0; i < d->n; i++)
	{
		Candidate  *candidate = &d->candidates[i];

		if (candidate->rep == NOBODY)
			continue;
		d->reps[candidate->rep].assigned++;
		columns[0][n] = Int64GetDatum(candidate->lead_id);
		columns[1][n] = Int64GetDatum(candidate->member_id);
		columns[2][n] = Int64GetDatum(candidate->from_rep_id);
		nobody[n] = candidate->from_rep_id == 0;
		columns[3][n] = Int64GetDatum(d->reps[candidate->rep].rep_id);
		columns[4][n] = CStringGetTextDatum(candidate->reason);
		n++;
	}
	if (n == 0)
		return;

	AddArg(&args, INT8ARRAYOID, PointerGetDatum(bigint_array(columns[0], n)));
	AddArg(&args, INT8ARRAYOID, PointerGetDatum(bigint_array(columns[1], n)));
	AddArg(&args, INT8ARRAYOID, PointerGetDatum(bigint_array(columns[3], n)));
	AddTimeArg(&args, d->as_of);
	UpdateMembers("UPDATE leadflow.member AS m SET rep_id = u.rep_id, assigned_at = $4"
				  " FROM unnest($1, $2, $3) AS u (lead_id, member_id, rep_id)"
				  " WHERE m.lead_id = u.lead_id AND m.member_id = u.member_id", &args);
	AddArg(&args, INT8ARRAYOID,
		   PointerGetDatum(construct_md_array(columns[2], nobody, 1, &n, &lower, INT8OID,
											  sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)));
	AddArg(&args, TEXTARRAYOID,
		   PointerGetDatum(construct_array(columns[4], n, TEXTOID, -1, false, TYPALIGN_INT)));
	AddBigintArg(&args, d->list->list_id);
	AddTextArg(&args, d->strategy);
	SpiRun("INSERT INTO leadflow.assignment AS a (lead_id, member_id, list_id, from_rep_id,"
		   " to_rep_id, assigned_at, strategy, reason)"
		   " SELECT u.lead_id, u.member_id, $7, u.from_rep_id, u.to_rep_id, $4, $8, u.reason"
		   " FROM unnest($1, $2, $3, $5, $6) AS u (lead_id, member_id, to_rep_id, from_rep_id, reason)",
		   &args);
}

/* Keep what the reps are owed. */
static void
write_rotation(const Distribution *d)
{
	Datum	   *reps = palloc((d->nreps + 1) * sizeof(Datum));
	Datum	   *owed = palloc((d->nreps + 1) * sizeof(Datum));
	SpiArgs		args = {0};

	for (int i = 0; i < d->nreps; i++)
	{
		reps[i] = Int64GetDatum(d->reps[i].rep_id);
		owed[i] = Int64GetDatum(d->shares[i].owed);
	}
	AddBigintArg(&args, d->list->list_id);
	AddArg(&args, INT8ARRAYOID, PointerGetDatum(bigint_array(reps, d->nreps)));
	AddArg(&args, INT8ARRAYOID, PointerGetDatum(bigint_array(owed, d->nreps)));
	SpiRun("UPDATE leadflow.list AS l SET rotation = l.rotation || n.rotation"
		   " FROM (SELECT jsonb_object_agg(u.rep_id, u.owed) AS rotation"
		   "  FROM unnest($2, $3) AS u (rep_id, owed)) AS n"
		   " WHERE l.list_id = $1 AND NOT l.rotation @> n.rotation", &args);
}

/* ---- the verb -------------------------------------------------------------------------------- */

static void
distribute_body(FunctionCallInfo fcinfo, void *result)
{
	Distribution *d = result;
	bool		by_id = ArgumentType(fcinfo, 1) == INT8ARRAYOID;
	int			strategy = by_id ? 2 : 1;
	int			reps = by_id ? 1 : 2;
	SpiArgs		named = {0};
	Strategy	distribute_by;

	d->strategy = TextArgument(fcinfo, strategy);
	distribute_by = find_strategy(d->strategy);
	d->list = LockList(fcinfo, 0);
	RequireOpen(d->list);
	d->as_of = PG_GETARG_TIMESTAMPTZ(5);
	if (d->as_of == GetCurrentTransactionStartTimestamp())
		d->as_of = PresentTime(d->list, d->as_of);
	if (PG_ARGISNULL(reps))
		AddNullArg(&named, INT8ARRAYOID);
	else
		AddArg(&named, INT8ARRAYOID, named_reps(fcinfo, reps, by_id));

	/* it may wait for callers, whose leads are then counted */
	read_candidates(d, fcinfo, 3);
	read_reps(d, &named);
	distribute_by(d);
	write_assignments(d);
	write_rotation(d);
}

Datum
distribute(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Distribution d = {.caller = CurrentMemoryContext};
	int64		queued;

	if (PG_ARGISNULL(5) || TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(5)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("as_of must be finite and not null"),
				 errhint("Leave it out to distribute as of now.")));
	InitMaterializedSRF(fcinfo, 0);
	RunVerb(distribute_body, !PG_ARGISNULL(4) && PG_GETARG_BOOL(4), fcinfo, &d);

	queued = d.n;
	for (int i = 0; i <= d.nreps; i++)
	{
		Datum		values[3] = {0};
		bool		nulls[3] = {false, false, false};

		if (i == d.nreps)
		{
			nulls[0] = true;
			values[2] = Int64GetDatum(queued);
			if (queued == 0)
				break;
		}
		else
		{
			values[0] = CStringGetTextDatum(d.reps[i].name);
			values[1] = Int64GetDatum(d.reps[i].assigned);
			queued -= d.reps[i].assigned;
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
