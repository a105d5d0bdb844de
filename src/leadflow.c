/*
 * leadflow.c
 *		Module entry: what happens when the library is loaded.
 */
#include "postgres.h"

#include "compat.h"
#include "followup/followup.h"
#include "fmgr.h"
#include "list/list.h"
#include "rollup/rollup.h"
#include "rule/rule.h"
#include "spi.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	SpiInit();
	RollupInit();
	ListInit();
	FollowupInit();
	RuleInit();
	MarkGUCPrefixReserved("leadflow");
}
