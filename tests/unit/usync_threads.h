/* SPDX-License-Identifier: MIT */
/* A machine for usync/ on the host: see usync_threads.c. */
#ifndef USYNC_THREADS_H
#define USYNC_THREADS_H

/* First in each thread that calls usync/. */
void usync_thread_begin(void);
/* Once, before the first deadline. */
void usync_start_timers(void);

#endif
