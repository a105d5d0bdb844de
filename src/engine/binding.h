/*
 * binding.h
 *		Segments bound once for a session, as long as what they stand on does.
 */
#ifndef LEADFLOW_BINDING_H
#define LEADFLOW_BINDING_H

#include "engine/bind.h"

typedef struct Binding Binding;

/*
 * The segment as BindSegment() gives it, to be read only; held until it is
 * released. Needs a connection to SPI. One that cannot be kept is in the current
 * memory context.
 */
extern Binding *HoldBinding(const char *text);
extern const BoundNode *BoundTree(const Binding *binding);
extern void ReleaseBinding(Binding *binding);

#endif							/* LEADFLOW_BINDING_H */
