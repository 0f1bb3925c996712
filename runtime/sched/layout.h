/* SPDX-License-Identifier: MIT */
/*
 * What a debugger must know of a program's runtime to list its goroutines and unwind them, without
 * debug information: where the lists start, where the fields are, where registers are saved.
 *
 * rt__layout is found by its symbol or, in a stripped program, by the note "rt0" (crt/), whose
 * third word is the distance to it. Readers (tools/rtinspect, tools/gdb) go by this struct alone:
 * they include this file or repeat it, and refuse another version. Within a version it grows at its
 * end only; `size` says how much of it there is. It needs nothing but <stdint.h>, for their sake.
 */
#ifndef RT_SCHED_LAYOUT_H
#define RT_SCHED_LAYOUT_H

#include <stdint.h>

#define RT_LAYOUT_MAGIC "rt0-lay" /* with its 0, eight bytes */
#define RT_LAYOUT_VERSION 1

/* A field of a struct, by its offset and size in bytes; numbers are little-endian. */
struct rt__field {
	uint16_t offset, size;
};

/* A table of `count` pointers to strings; an entry may be NULL. */
struct rt__texts {
	uint64_t address, count;
};

struct rt__layout_range {
	uint64_t start, end;
};

/* A register that a parked goroutine has at sp + offset, by its DWARF number. */
struct rt__saved_register {
	uint16_t number, offset;
};
#define RT_LAYOUT_SAVED 6

/* What can be waited for, and which values of it are of interest. */
enum rt__wait_what {
	RT_ON_NOTHING,
	RT_ON_OPTIONS, /* more than one: the unlock function and argument of the other, and the
			* address of an rt_wait_options */
	RT_ON_TIME,    /* when */
	RT_ON_CHAN,    /* values in it, room for, bytes of each */
	RT_ON_SELECT,  /* address of its rt_cases, how many */
	RT_ON_WG,      /* its counter */
	RT_ON_MUTEX,   /* bit 0: it is locked; the low half of G.tp of who has locked it last */
	RT_ON_READ,    /* of an RWMutex, the same */
	RT_ON_WRITE,   /* how many readers there are, times 16 */
	RT_ON_COND,
	RT_ON_SEMAPHORE, /* 4 times what is left, its size; own: how much is wanted */
	RT_ON_TIMER,     /* when it is due, whether it is set */
	RT_ON_CONTEXT,   /* its deadline, or 0 */
	RT_ON_FLIGHT,    /* of a single flight: another's call */
};
#define RT_WAIT_VALUES 3

/*
 * G.link_arg of a goroutine that waits is the address of two words: the function that it has parked
 * with, and its argument. These records say what it waits for then.
 */
struct rt__wait_kind {
	uint64_t unlock;       /* the function; 0: none, this only says what lies where */
	uint16_t what, object; /* where in the argument the object's address is, or RT_WAIT_ARG */
	/* Of the object; none (size 0): as in another record for the same. */
	struct rt__field value[RT_WAIT_VALUES];
	struct rt__field own; /* of the argument */
	uint32_t unused;
};
#define RT_WAIT_ARG 0xffff /* the argument is that address */

struct rt__layout {
	char magic[8];
	uint32_t version, size;
	uint32_t machine;      /* e_machine of ELF */
	uint32_t pointer_size; /* bytes */

	/* Addresses of variables. */
	uint64_t allg;       /* struct rt__g *: a list by all_link; each G lies on its own stack */
	uint64_t allg_count; /* int32_t: Gs on it; one more or less during a change */
	uint64_t all_ms;     /* struct rt__m *: linked by all_link */
	uint64_t all_ps;     /* struct rt__p **: an array of pointers */
	uint64_t all_ps_count; /* int32_t */
	uint64_t runq_count;   /* int32_t: goroutines on the global run queue */

	struct rt__texts g_status, wait_reason, p_status;
	struct rt__layout_range text_rt0, text_libc, text_user;

	/* A goroutine that has not run yet has one of these as its pc. */
	uint64_t gostart[2];
	/* A parked goroutine resumes at G.pc, with these registers, and sp = G.sp + saved_size. */
	uint32_t saved_size, nsaved;
	struct rt__saved_register saved[RT_LAYOUT_SAVED];

	struct {
		uint32_t size;
		struct rt__field sp, pc, tp, status, wait_reason, m, locked_m, id;
		struct rt__field stack_lo, stack_hi, parent_id, start_pc, creator_pc, all_link;
		struct rt__field number, syscall_sp, syscall_pc, syscall_bp;
	} g;
	struct {
		uint32_t size;
		struct rt__field id, tid, curg, p, tp, spinning, all_link; /* tid: the kernel's */
	} m;
	struct {
		uint32_t size;
		/* The run queue holds runq_tail - runq_head goroutines, and one in runq_next. */
		struct rt__field id, status, sched_tick, m, runq_head, runq_tail, runq_next;
	} p;

	/* When a goroutine that waits or is in a system call began to, in seconds of
	 * CLOCK_MONOTONIC; 0 if that is not known. The variable has the time, as the program last
	 * looked at it: when it has been idle since, that was long ago. */
	struct rt__field g_wait_since;
	uint64_t clock; /* uint32_t */

	struct rt__field g_link_arg;
	uint32_t wait_kind_size;
	/* const struct rt__wait_kind *: an array of pointers; NULL: the program cannot wait for
	 * that */
	uint64_t wait_kinds, nwait_kinds;
	struct {
		uint32_t size;
		struct rt__field kind, object, when; /* kind: enum rt__case_kind in rt/chan.h */
	} wait_case;
	struct {
		struct rt__field deadline, ctx;
	} wait_options;
};

#endif
