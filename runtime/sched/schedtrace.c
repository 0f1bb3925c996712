/* SPDX-License-Identifier: MIT */
/*
 * RTDEBUG=schedtrace=MS: the state of the scheduler in Go's words, every MS milliseconds, and once
 * more, with all detail, before a report. scheddetail=1 adds a line for each P, M and goroutine.
 * What we have not got keeps Go's zero: malloc's and throw's marks.
 *
 * sysmon prints, which starts with the program then; a child of fork has none, and prints nothing,
 * until it has a second goroutine. The first line is main's. sysmon's stack is small: the text goes
 * to a buffer that holds the line of as many Ps as there can be, and is written at once. Detail has
 * no such bound: it is written whenever the buffer is full, in whole lines. No lock is held while
 * writing: a reader that is slow stops sysmon and nobody else.
 *
 * The counts of the first line are of one moment, by sched.lock, but in a report, which takes no
 * lock of others. The rest is read while it changes. That is safe: Ps, Ms and Gs stay mapped, and
 * each pointer is read once. An M that ends meanwhile may be shown twice or cut the list short.
 */
#include <rt/rt.h>

#include "sched/sched_priv.h"

#define HEADER_MAX 512
/* " 256" and " 4294967295" for each P. */
#define TRACE_LINE_MAX (HEADER_MAX + RT_MAXPROCS * 15)
#define DETAIL_LINE_MAX 256

static RT_COLD_BSS char buffer[TRACE_LINE_MAX];

static int64_t start_time; /* (a) of the first line */

struct sink {
	char *text;
	size_t size, len;
};

static void
flush(struct sink *s)
{
	rt__eprint(s->text, s->len);
	s->len = 0;
}

static RT_PRINTF(2, 3) void put(struct sink *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	size_t n = rt__vformat(s->text + s->len, s->size - s->len, fmt, ap);
	va_end(ap);
	s->len = n < s->size - s->len ? s->len + n : s->size - 1;
}

/* Makes room for another line of detail. */
static void
next_line(struct sink *s)
{
	if (s->size - s->len < DETAIL_LINE_MAX)
		flush(s);
}

/* An id, or "nil" if there is nobody. */
static void
put_id(struct sink *s, bool is, uint64_t id)
{
	if (is)
		put(s, "%lu", id);
	else
		put(s, "nil");
}

static const char *
truth(bool b)
{
	return b ? "true" : "false";
}

/* ---- lines ---- */

static void
put_header(struct sink *s, int64_t now, const struct rt__ps *ps)
{
	int64_t start = rt__load_rlx(&start_time);

	if (start == 0)
		rt__store_rlx(&start_time, start = now);
	put(s,
	    "SCHED %ldms: gomaxprocs=%d idleprocs=%d threads=%d spinningthreads=%d "
	    "needspinning=%u idlethreads=%d runqueue=%d",
	    (now - start) / 1000000, ps->n, rt__load_rlx(&rt__sched.npidle),
	    rt__load_rlx(&rt__sched.mcount), rt__load_rlx(&rt__sched.nmspinning),
	    rt__load_rlx(&rt__sched.needspinning), rt__load_rlx(&rt__sched.nmidle),
	    rt__load_rlx(&rt__sched.runq.n));
}

static void
put_header_detail(struct sink *s)
{
	const char *reason = rt__load_acq(&rt__sched.stop_reason); /* pairs with world_take */

	put(s, " gcwaiting=%s nmidlelocked=%d stopwait=%d sysmonwait=%s",
	    truth(rt__load_rlx(&rt__sched.gcwaiting)), rt__load_rlx(&rt__sched.nmidle_locked),
	    rt__load_rlx(&rt__sched.stopwait), truth(rt__load_rlx(&rt__sched.sysmonwait)));
	if (reason)
		put(s, " stopping=%s", reason);
	put(s, "\n");
}

/* Without the next slot, as in Go. */
static int32_t
queued(const struct rt__p *pp)
{
	uint32_t head = rt__load_acq(&pp->runq.head); /* first: it never passes the tail */

	return (int32_t)(rt__load_acq(&pp->runq.tail) - head);
}

static void
put_queues(struct sink *s, const struct rt__ps *ps)
{
	put(s, " [");
	for (int32_t i = 0; i < ps->n; i++)
		put(s, " %d", queued(ps->p[i]));
	put(s, " ] schedticks=[");
	for (int32_t i = 0; i < ps->n; i++)
		put(s, " %u", rt__load_rlx(&ps->p[i]->sched_tick));
	put(s, " ]\n");
}

static void
put_p(struct sink *s, const struct rt__p *pp)
{
	const struct rt__m *mp = rt__load_rlx(&pp->m);

	next_line(s);
	put(s, "  P%d: status=%u schedtick=%u syscalltick=%u m=", pp->id, rt__load_rlx(&pp->status),
	    rt__load_rlx(&pp->sched_tick), rt__load_rlx(&pp->syscall_tick));
	put_id(s, mp, mp ? (uint64_t)mp->id : 0);
	put(s, " runqsize=%d gfreecnt=%d timerslen=%d\n", queued(pp), rt__load_rlx(&pp->nfree),
	    rt__load_rlx(&pp->timers.pending));
}

static void
put_m(struct sink *s, const struct rt__m *mp, const struct rt__m *dying)
{
	const struct rt__p *pp = rt__load_rlx(&mp->p);
	const struct rt__g *gp = rt__load_rlx(&mp->curg);
	const struct rt__g *locked = rt__load_rlx(&mp->locked_g);

	next_line(s);
	put(s, "  M%d: p=", mp->id);
	put_id(s, pp, pp ? (uint64_t)pp->id : 0);
	put(s, " curg=");
	put_id(s, gp, gp ? gp->id : 0);
	/* locks: what keeps it from being preempted. blocked: it sleeps for want of work. */
	put(s, " mallocing=0 throwing=0 preemptoff= locks=%u dying=%d spinning=%s blocked=%s",
	    rt__load_rlx(&mp->critical), mp == dying, truth(rt__load_rlx(&mp->spinning)),
	    truth(!pp && !gp && !mp->start_fn));
	put(s, " lockedg=");
	put_id(s, locked, locked ? locked->id : 0);
	put(s, "\n");
}

static void
put_g(struct rt__g *gp, void *arg)
{
	const struct rt__m *mp = rt__load_rlx(&gp->m);
	const struct rt__m *locked = rt__load_rlx(&gp->locked_m);
	uint8_t reason = rt__load_rlx(&gp->wait_reason);
	struct sink *s = arg;

	next_line(s);
	put(s, "  G%lu: status=%u(%s) m=", gp->id, rt__g_status(gp),
	    reason < RT_WAIT_REASONS ? rt__wait_reason_text[reason] : "");
	put_id(s, mp, mp ? (uint64_t)mp->id : 0);
	put(s, " lockedm=");
	put_id(s, locked, locked ? (uint64_t)locked->id : 0);
	put(s, "\n");
}

static void
put_detail(struct sink *s, const struct rt__ps *ps, const struct rt__m *dying)
{
	/* The list may change while it is walked, and lead into itself. */
	int32_t most = rt__load_rlx(&rt__sched.mnext_id);

	put_header_detail(s);
	for (int32_t i = 0; i < ps->n; i++)
		put_p(s, ps->p[i]);
	for (const struct rt__m *mp = rt__load_rlx(&rt__sched.all_ms); mp && most > 0; most--) {
		put_m(s, mp, dying);
		mp = rt__load_rlx(&mp->all_link);
	}
	rt__for_each_g(put_g, s);
}

/* ---- when ---- */

static void
print(int64_t now)
{
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);
	struct sink s = {buffer, sizeof buffer, 0};

	rt__lock(&rt__sched.lock);
	put_header(&s, now, ps);
	rt__unlock(&rt__sched.lock);
	if (rt__debug.scheddetail > 0)
		put_detail(&s, ps, NULL);
	else
		put_queues(&s, ps);
	flush(&s);
}

/* Only sysmon's, but for the first time. */
int64_t
rt__schedtrace_tick(int64_t now)
{
	static int64_t when;
	int64_t every = (int64_t)rt__debug.schedtrace * 1000000;

	if (every <= 0)
		return 0;
	if (now >= when) {
		if (rt__crashing())
			return 0;
		print(now);
		when = when + every > now ? when + every : now + every;
	}
	return when - now;
}

void
rt__schedtrace_crash(void)
{
	char text[2 * DETAIL_LINE_MAX + HEADER_MAX];
	struct sink s = {text, sizeof text, 0};
	const struct rt__ps *ps = rt__load_acq(&rt__sched.ps);

	if ((rt__debug.schedtrace <= 0 && rt__debug.scheddetail <= 0) || !ps)
		return;
	put_header(&s, rt__nanotime(), ps);
	put_detail(&s, ps, rt__getm());
	flush(&s);
}
