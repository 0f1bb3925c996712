/* SPDX-License-Identifier: MIT */
/* What the examples in comments of the public headers take for granted: see from_comments.py. */
#include <stdio.h>
#include <stdlib.h>

#include <rt/rt.h>

struct job {
	int number;
};
struct result {
	long value;
};
struct page {
	const char *url;
};

#ifdef IN_chan_h
rt_chan(struct job) jobs;
rt_chan(struct result) results;
struct job job;
struct result r;
bool ok;
rt_time deadline;
#endif

#ifdef IN_ctx_h
rt_chan(struct result) results;
struct result r;
rt_ctx *parent;
#endif

#ifdef IN_init_h
RT_PACKAGE(log);
RT_PACKAGE(net);
void open_the_store(void), close_the_store(void);
#endif

#ifdef IN_panic_h
struct parser {
	int line;
};
struct parser p;
const char *path;
bool parse(struct parser *p, FILE *f);
#endif

#ifdef IN_rt_h
struct document {
	int pages;
} * document;
void parse(struct document *d);
#endif

#ifdef IN_sync_h
struct queue {
	int n;
} q;
struct address {
	int number;
};
rt_mutex m;
rt_cond more;
rt_singleflight lookups;
struct page pages[10];
int n;
char *host;
bool queue_is_empty(struct queue *q);
void fetch(struct page *page);
void *look_up(void *host);
void *new_buffer(void);
#endif

#ifdef IN_time_h
rt_ctx *ctx;
void poll_sensor(void);
#endif

#ifdef IN_wait_h
rt_chan(struct job) jobs;
struct job job;
rt_ctx *ctx;
#endif
