/*
 * walk.c
 *		Where the records of a few leads are, by one walk along an index.
 *
 * To ask for lead_id = any(...) descends the index once a lead, which takes as
 * long as to pass over some dozens of entries. Where there are several of the
 * leads in each of its pages, all its entries are passed over instead. What is
 * found is handed to a statement as ctid = any(...), so that conditions,
 * privileges and policies are the executor's, as ever.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "engine/estimate.h"
#include "engine/walk.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* An index is walked along for at least so many leads a page. */
#define LEADS_PER_PAGE		6

/* Pages of an index that holds anything: the first is there in an empty one. */
#define LEAST_PAGES			2

/* What the cost is reckoned from: entries of a page, and what to look up a record takes in tuples. */
#define PAGE_ENTRIES		250
#define RECORD_TUPLES		10

/* ---- the index -------------------------------------------------------------------------- */

static AttrNumber
lead_attribute(const Source *source, Relation relation)
{
	TupleDesc	columns = RelationGetDescr(relation);

	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (!column->attisdropped && column->atttypid == INT8OID &&
			strcmp(quote_identifier(NameStr(column->attname)), source->lead_column) == 0)
			return column->attnum;
	}
	return InvalidAttrNumber;
}

/* Has the index an entry for every record, in ascending order of leads? */
static bool
is_by_lead(Relation index, AttrNumber lead)
{
	return index->rd_rel->relam == BTREE_AM_OID &&
		index->rd_index->indisvalid &&
		!index->rd_index->indcheckxmin &&
		index->rd_index->indkey.values[0] == lead &&
		index->rd_opfamily[0] == INTEGER_BTREE_FAM_OID &&
		(index->rd_indoption[0] & INDOPTION_DESC) == 0 &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
}

/*
 * The smallest index by lead, opened; NULL where there is none. A relation whose
 * records are elsewhere, with its children or on other servers, has none here
 * that holds anything.
 */
static Relation
open_index(const Source *source, Relation relation, BlockNumber *pages)
{
	AttrNumber	lead = lead_attribute(source, relation);
	Relation	smallest = NULL;
	ListCell   *lc;

	if (relation->rd_rel->relam != HEAP_TABLE_AM_OID || relation->rd_rel->relhassubclass ||
		lead == InvalidAttrNumber)
		return NULL;
	foreach(lc, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		BlockNumber n = is_by_lead(index, lead) ? RelationGetNumberOfBlocks(index) : 0;

		if (n < LEAST_PAGES || (smallest != NULL && n >= *pages))
		{
			index_close(index, AccessShareLock);
			continue;
		}
		if (smallest != NULL)
			index_close(smallest, AccessShareLock);
		smallest = index;
		*pages = n;
	}
	return smallest;
}

static bool
is_worthwhile(BlockNumber pages, int64 leads, double most)
{
	double		entries = (double) pages * PAGE_ENTRIES;
	double		records = entries * leads / Max(EstimatedUniverse(), leads);

	return leads / LEADS_PER_PAGE >= pages &&
		pages * seq_page_cost + entries * cpu_index_tuple_cost +
		records * RECORD_TUPLES * cpu_tuple_cost <= most;
}

/* ---- the records ------------------------------------------------------------------------ */

typedef struct Records
{
	ItemPointerData *tids;
	int			n;
	int			max;
} Records;

static void
add_record(Records *records, ItemPointer tid)
{
	if (records->n == records->max)
	{
		records->max *= 2;
		records->tids = repalloc_huge(records->tids, records->max * sizeof(ItemPointerData));
	}
	records->tids[records->n++] = *tid;
}

/* Pass over the entries up to the last of the leads. */
static void
walk(Relation relation, Relation index, ExpandedLeadset *leads, Records *records)
{
	IndexScanDesc scan = BeginIndexScan(relation, index, GetActiveSnapshot(), 0);
	LeadsetIterator it;
	int64		lead;
	bool		more;

	scan->xs_want_itup = true;
	index_rescan(scan, NULL, 0, NULL, 0);
	LeadsetIterate(&it, DatumGetLeadset(LeadsetGetDatum(leads)));
	more = LeadsetNext(&it, &lead);
	while (more && index_getnext_tid(scan, ForwardScanDirection) != NULL)
	{
		bool		isnull;
		int64		entry = DatumGetInt64(index_getattr(scan->xs_itup, 1, scan->xs_itupdesc, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (isnull)
			continue;
		while (more && lead < entry)
			more = LeadsetNext(&it, &lead);
		if (more && lead == entry)
			add_record(records, &scan->xs_heaptid);
	}
	index_endscan(scan);
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

/*
 * An entry leads to the first of a chain of versions, ctid is that of one: put
 * the visible ones in their places, page by page. Where an entry's has been
 * vacuumed away since, what lies there now is not visible, as in a bitmap scan.
 */
static void
keep_visible(Relation relation, Records *records)
{
	IndexFetchTableData *fetch = table_index_fetch_begin(relation);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	int			kept = 0;

	qsort(records->tids, records->n, sizeof(ItemPointerData), compare_tids);
	for (int i = 0; i < records->n; i++)
	{
		bool		again = false;

		CHECK_FOR_INTERRUPTS();
		if (table_index_fetch_tuple(fetch, &records->tids[i], GetActiveSnapshot(), slot, &again, NULL))
			records->tids[kept++] = slot->tts_tid;
	}
	records->n = kept;
	ExecDropSingleTupleTableSlot(slot);
	table_index_fetch_end(fetch);
}

/* As an array: its elements lie one after another. */
static Datum
records_array(const Records *records)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + records->n * sizeof(ItemPointerData);
	ArrayType  *array;

	if (records->n == 0)
		return PointerGetDatum(construct_empty_array(TIDOID));
	array = palloc0(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = TIDOID;
	ARR_DIMS(array)[0] = records->n;
	ARR_LBOUND(array)[0] = 1;
	memcpy((char *) array + ARR_OVERHEAD_NONULLS(1), records->tids, records->n * sizeof(ItemPointerData));
	return PointerGetDatum(array);
}

/* The statement asks for ctid, which a privilege on other columns alone is none for. */
static bool
may_read_ctid(Relation relation)
{
	return pg_class_aclcheck(RelationGetRelid(relation), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

bool
WalkToRecords(const Source *source, ExpandedLeadset *leads, double most, Datum *records)
{
	int64		nleads = ExpandedLeadsetCardinality(leads);
	Records		found = {.max = 1024};
	Relation	relation;
	Relation	index;
	BlockNumber pages = 0;
	bool		worthwhile;

	if (nleads < LEADS_PER_PAGE * LEAST_PAGES)
		return false;
	relation = table_open(linitial_oid(source->relations), AccessShareLock);
	index = open_index(source, relation, &pages);
	worthwhile = index != NULL && may_read_ctid(relation) && is_worthwhile(pages, nleads, most);
	if (worthwhile)
	{
		found.tids = palloc(found.max * sizeof(ItemPointerData));
		walk(relation, index, leads, &found);
		keep_visible(relation, &found);
		*records = records_array(&found);
		pfree(found.tids);
	}
	if (index != NULL)
		index_close(index, NoLock);
	table_close(relation, NoLock);
	return worthwhile;
}
