/* SPDX-License-Identifier: MIT */
/*
 * runtime.h: the goroutines, Ms and Ps of an rt0 program, as its memory has them.
 *
 * Where they are comes from rt__layout (runtime/sched/layout.h), never from debug information.
 */
#ifndef RTINSPECT_RUNTIME_H
#define RTINSPECT_RUNTIME_H

#include "program.h"
#include "sched/layout.h"

enum { RI_G_IDLE = 0, RI_G_RUNNING = 2, RI_G_SYSCALL = 3, RI_G_WAITING = 4, RI_G_DEAD = 6 };
enum { RI_P_IDLE = 0, RI_P_DEAD = 4 };

struct ri_texts {
	char **text; /* escaped; an entry may be NULL */
	size_t count;
};

/* What a goroutine waits for, or a case of its select: see waits.h, and enum rt__wait_what. */
#define RI_CASES_MAX 16
struct ri_wait {
	uint32_t what;
	bool sends, receives; /* of cases */
	uint64_t object, value[RT_WAIT_VALUES], own;
	uint64_t deadline, ctx; /* options that end the wait as well; 0: none */
	struct ri_wait *cases;  /* the first ones */
	size_t ncases;
};

struct ri_goroutine {
	uint64_t address, id, parent_id, tp, link_arg;
	uint64_t stack_lo, stack_hi, start_pc, creator_pc;
	uint64_t m, locked_m;
	uint32_t status, wait_reason;
	uint32_t wait_since;           /* seconds; 0 if it does not wait, or that is not known */
	struct ri_registers registers; /* where it is, or will go on */
	bool is_call;                  /* its pc is a return address */
	bool never_ran;                /* start_pc is where it will start */
	uint64_t sp, pc, syscall_sp, syscall_pc, syscall_bp;
	size_t first_frame, nframes, nelided; /* see traceback.h */
	struct ri_wait wait;
};

/* By the low half of its thread pointer, which is what mutexes remember. */
struct ri_owner {
	uint32_t half;
	const struct ri_goroutine *g;
};

struct ri_m {
	uint64_t address, curg, p;
	int32_t id, tid;
	bool spinning;
	const struct ri_thread *thread; /* NULL if it is not known */
};

struct ri_p {
	uint64_t address;
	int32_t id;
	uint32_t status, sched_tick, nrunq;
};

struct ri_runtime {
	struct rt__layout layout;
	struct ri_texts g_status, wait_reason, p_status;
	struct ri_goroutine *goroutines; /* the living ones, by id */
	size_t ngoroutines;
	struct ri_m *ms;
	size_t nms;
	struct ri_p *ps; /* not the dead ones */
	size_t nps;
	int32_t nrunq;           /* of the global run queue */
	uint32_t now;            /* seconds, as wait_since; as far as known */
	int64_t now_ns;          /* the same, in nanoseconds */
	struct ri_owner *owners; /* of all goroutines, sorted; see waits.h */
	struct ri_error damage;  /* the lists are incomplete: why */
};

/* Reads all of it. Fails if there is no layout, or one that this rtinspect does not know. */
int ri_runtime_read(struct ri_runtime *runtime, struct ri_program *program, struct ri_error *error);
void ri_runtime_free(struct ri_runtime *runtime);

const struct ri_m *ri_runtime_m(const struct ri_runtime *runtime, uint64_t address);

/* Its state in Go's words: "chan receive, 3 minutes, locked to thread"; in a table, without the
 * time and with "running on m3". The caller frees it. */
char *ri_goroutine_state(const struct ri_runtime *runtime, const struct ri_goroutine *g,
			 bool in_table);
/* How many seconds it has waited; false if it does not, or that is not known. */
bool ri_goroutine_waits(const struct ri_runtime *runtime, const struct ri_goroutine *g,
			uint32_t *ret_seconds);

#endif
