/* SPDX-License-Identifier: MIT */
/*
 * x86-64: system calls, %gs (the M), %fs (the thread pointer).
 *
 * %fs is C's: musl and the compiler keep thread-locals there, and a goroutine brings its own. %gs
 * is ours: its base is the address of the running thread's struct rt__m, so that the scheduler
 * finds its M while %fs still belongs to the goroutine that it has just left.
 *
 * Both bases are written with WRFSBASE/WRGSBASE where the kernel lets user code do it (Linux 5.9,
 * AT_HWCAP2 bit 1), with arch_prctl before; RTDEBUG=no_fsgsbase=1 forces the latter.
 */
#ifndef RT_ARCH_X86_64_H
#define RT_ARCH_X86_64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86_64/async.h"
#include "arch/x86_64/context.h"
#include "arch/x86_64/offsets.h"

extern uint8_t rt__has_fsgsbase; /* set in osinit, constant from then on; read by switch.S */

#define RT_HWCAP2_FSGSBASE (1ul << 1)
#define RT_ARCH_SET_GS 0x1001
#define RT_ARCH_SET_FS 0x1002
#define RT_ARCH_GET_FS 0x1003

static inline long
rt__syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long
rt__syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline void
rt__cpu_relax(void)
{
	__asm__ volatile("pause");
}

static inline uintptr_t
rt__sp(void)
{
	return (uintptr_t)__builtin_frame_address(0);
}

/* The word at %gs:0, which points to itself. volatile, because the answer changes wherever the
 * goroutine may have moved to another thread. */
static inline void *
rt__getm_raw(void)
{
	void *m;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(m));
	return m;
}

/* The M's cache, in one load: malloc is in a hurry. */
static inline void *
rt__getm_cache_raw(void)
{
	void *cache;

	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(cache) : "i"(RT_M_CACHE));
	return cache;
}

static inline void
rt__setm_raw(void *m)
{
	if (rt__has_fsgsbase)
		__asm__ volatile("wrgsbase %0" : : "r"(m) : "memory");
	else
		rt__syscall3(158 /* arch_prctl */, RT_ARCH_SET_GS, (long)m, 0);
}

static inline void *
rt__get_tp(void)
{
	void *tp;

	__asm__ volatile("movq %%fs:0, %0" : "=r"(tp));
	return tp;
}

/* Two words of the struct pthread that tp points to: offsets.h. */
static inline void **
rt__tp_unwind(void *tp)
{
	return (void **)((char *)tp + RT_TP_UNWIND);
}

static inline void **
rt__tp_cleanups(void *tp)
{
	return (void **)((char *)tp + RT_TP_CLEANUPS);
}

/* The register itself, whatever it points to. */
static inline void *
rt__read_tp(void)
{
	void *tp = NULL;

	if (rt__has_fsgsbase)
		__asm__ volatile("rdfsbase %0" : "=r"(tp));
	else
		rt__syscall3(158 /* arch_prctl */, RT_ARCH_GET_FS, (long)&tp, 0);
	return tp;
}

static inline void
rt__set_tp(void *tp)
{
	if (rt__has_fsgsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(tp) : "memory");
	else
		rt__syscall3(158 /* arch_prctl */, RT_ARCH_SET_FS, (long)tp, 0);
}

/* The control words that the ABI makes callee-saved: rounding, exception masks, x87 precision. To
 * memory, and not read back: that would wait for both stores (5 ns). */
static inline void
rt__save_fpctl(uint64_t *fpctl)
{
	__asm__ volatile("stmxcsr %0\n\tfnstcw 4+%0" : "=o"(*fpctl));
}

/* The registers of a call that may hold arguments, as rt__go (switch.S) found them. */
struct rt__go_regs {
	uintptr_t fn;       /* (!) the function to call */
	uintptr_t rax;      /* (!) number of vector registers, for variadic functions */
	uintptr_t ints[6];  /* (!) rdi rsi rdx rcx r8 r9 */
	uintptr_t pc;       /* (!) of the call of rt_go */
	const void *stack;  /* (!) the first stack argument */
	uint8_t xmm[8][16]; /* (!) */
};

/* Builds the first frame of a goroutine below `top` (16-aligned), which will call regs->fn with
 * these arguments and then rt__goend. Returns the stack pointer, and where to resume in *pc. The
 * first is for arguments that are integers and pointers in registers. */
uintptr_t rt__frame_prepare_words(void *top, const struct rt__go_regs *regs, uintptr_t *pc);
uintptr_t rt__frame_prepare_any(void *top, const struct rt__go_regs *regs, uintptr_t *pc);
/* Whether it is where one of these resumes: the goroutine has not run yet. */
bool rt__is_first_frame(uintptr_t pc);

/* Prints the registers that a signal has interrupted, one a line, as Go does. */
void rt__print_registers(const void *uc);

/* clone.S: clone(2); the child calls fn(arg) on `stack`. The child's id, or -errno. */
long rt__clone(int (*fn)(void *), void *stack, long flags, void *arg, int *ptid, void *tls,
	       int *ctid);

#endif
