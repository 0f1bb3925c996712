/* SPDX-License-Identifier: MIT */
/*
 * Once, as Go's sync.Once: a flag that is read without a lock, and a mutex that those who find it
 * down wait for, until who is at it has raised it. It is raised however that one's function ends;
 * the macro defers rt__once_end.
 */
#include "usync/usync_priv.h"

bool
rt__once_begin(rt_once *once)
{
	rt_mutex_lock(&once->rt_mutex);
	if (!once->rt_done)
		return true;
	rt_mutex_unlock(&once->rt_mutex);
	return false;
}

void
rt__once_end(rt_once *once)
{
	rt__store_rel(&once->rt_done, 1u); /* pairs with the macro's load */
	rt_mutex_unlock(&once->rt_mutex);
}
