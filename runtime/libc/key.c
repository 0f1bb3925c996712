/* SPDX-License-Identifier: MIT */
/*
 * Deleting a key of thread-specific data. musl clears the key's value in every thread of its
 * list, so that whoever gets the same key next finds NULL; goroutines are in no list (tls.c), and
 * would hand the old owner's pointer to the new one's destructor.
 */
#include <pthread.h>
#include <threads.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "sched/sched.h"

MUSL_HIDDEN int __pthread_key_delete(pthread_key_t key);

static void
clear(struct rt__g *gp, void *key)
{
	struct musl_pthread *td = gp->tp;

	if (td)
		td->tsd[*(const pthread_key_t *)key] = NULL;
}

static void
delete_on_thread(void *key)
{
	__pthread_key_delete(*(const pthread_key_t *)key);
}

int
pthread_key_delete(pthread_key_t key)
{
	rt__for_each_g(clear, &key);
	rt__on_thread(delete_on_thread, &key);
	return 0;
}

void
tss_delete(tss_t key)
{
	pthread_key_delete(key);
}
