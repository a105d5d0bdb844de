/*
 * binding.c
 *		Segments bound once for a session; see binding.h.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "engine/binding.h"
#include "engine/standing.h"
#include "utils/memutils.h"

/* Segments kept in a session, and what one may take */
#define MAX_KEPT	64
#define MAX_BYTES	((Size) 1024 * 1024)

struct Binding
{
	dlist_node	node;
	MemoryContext context;		/* of all of it; if it is kept, a child of CacheMemoryContext */
	uint32		hash;
	char	   *text;
	Standing	standing;
	const BoundNode *tree;
	int			nusers;
};

/* The most recently used first. */
static dlist_head kept_bindings = DLIST_STATIC_INIT(kept_bindings);

static void
free_binding(Binding *binding)
{
	dlist_delete(&binding->node);
	EndStanding(&binding->standing);
	MemoryContextDelete(binding->context);
}

/* Drop what is no longer good, and the least recently used if there are too many. */
static void
make_room(void)
{
	dlist_mutable_iter iter;
	int			place = 0;

	dlist_foreach_modify(iter, &kept_bindings)
	{
		Binding    *binding = dlist_container(Binding, node, iter.cur);

		if ((!binding->standing.valid || ++place >= MAX_KEPT) && binding->nusers == 0)
			free_binding(binding);
	}
}

static Binding *
find_binding(const char *text, uint32 hash)
{
	dlist_iter	iter;

	dlist_foreach(iter, &kept_bindings)
	{
		Binding    *binding = dlist_container(Binding, node, iter.cur);

		if (binding->hash == hash && IsCallers(&binding->standing) && strcmp(binding->text, text) == 0)
			return binding;
	}
	return NULL;
}

/* Bind a segment in memory of its own. */
static Binding *
make_binding(const char *text, uint32 hash)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "leadflow binding",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Binding    *binding = palloc0(sizeof(Binding));
	BindContext bind = {0};
	ListCell   *lc;

	binding->context = context;
	binding->hash = hash;
	binding->text = pstrdup(text);
	StartStanding(&binding->standing, context);
	binding->tree = BindSegment(&bind, text);
	foreach(lc, bind.sources)
		StandOnRelations(&binding->standing, ((Source *) lfirst(lc))->relations);
	StandOnSegment(&binding->standing, text);
	MemoryContextSwitchTo(caller);
	return binding;
}

Binding *
HoldBinding(const char *text)
{
	uint32		hash = hash_bytes((const unsigned char *) text, strlen(text));
	Binding    *binding = find_binding(text, hash);

	if (binding != NULL && IsStanding(&binding->standing))
		dlist_move_head(&kept_bindings, &binding->node);
	else
	{
		binding = make_binding(text, hash);
		if (CanBeKept(&binding->standing) &&
			MemoryContextMemAllocated(binding->context, true) <= MAX_BYTES)
		{
			make_room();
			MemoryContextSetParent(binding->context, CacheMemoryContext);
			KeepStanding(&binding->standing);
			dlist_push_head(&kept_bindings, &binding->node);
		}
	}
	binding->nusers++;
	return binding;
}

const BoundNode *
BoundTree(const Binding *binding)
{
	return binding->tree;
}

void
ReleaseBinding(Binding *binding)
{
	binding->nusers--;
}
