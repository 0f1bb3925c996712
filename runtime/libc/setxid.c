/* SPDX-License-Identifier: MIT */
/*
 * setuid and friends must change every thread of the process: the kernel's credentials are each
 * thread's own. musl walks its list of threads for that (__synccall), which from a goroutine's
 * struct pthread would find the calling thread alone and leave all others with the old, maybe
 * privileged, ids. So they run on the thread's own pointer.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/syscall.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"
#include "sched/sched.h"

MUSL_HIDDEN void __synccall(void (*fn)(void *), void *arg);
MUSL_HIDDEN int __setxid(int nr, int id, int eid, int sid);

struct call {
	long nr, a, b, c;
	long ret; /* 1: nobody has done it yet */
};

static void
do_call(void *p)
{
	struct call *c = p;

	if (c->ret < 0)
		return;
	long r = rt__syscall3(c->nr, c->a, c->b, c->c);
	/* Some threads have new ids and others keep the old ones: nothing safe is left to do. */
	if (r != 0 && c->ret != 1)
		rt__syscall3(SYS_kill, rt__os_getpid(), SIGKILL, 0);
	c->ret = r;
}

static void
on_thread(void *p)
{
	__synccall(do_call, p);
}

static int
call_everywhere(struct call c)
{
	c.ret = 1;
	rt__on_thread(on_thread, &c);
	if (c.ret == 0)
		return 0;
	errno = c.ret < 0 ? (int)-c.ret : EAGAIN;
	return -1;
}

int
__setxid(int nr, int id, int eid, int sid)
{
	return call_everywhere((struct call){nr, id, eid, sid, 1});
}

int
setgroups(size_t count, const gid_t list[])
{
	return call_everywhere((struct call){SYS_setgroups, (long)count, (long)list, 0, 1});
}
