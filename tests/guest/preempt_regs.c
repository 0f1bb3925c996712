/* SPDX-License-Identifier: MIT */
/*
 * Every register survives preemption: general ones, flags, the red zone, x87, MXCSR, and the widest
 * vectors and masks that the CPU has. spin_NAME loads all of them from a struct state, turns in a
 * loop that touches none, and stores them again; whatever differs was lost.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "guest.h"

struct x87 {
	uint8_t value[10], unused[6];
};

/* What FXSAVE stores. */
struct fx {
	uint16_t cw, sw;
	uint8_t tags, unused;
	uint16_t last_op;
	uint64_t last_ip, last_data;
	uint32_t mxcsr, mxcsr_mask;
	struct x87 st[8];
	uint8_t xmm[16][16];
	uint8_t more[96];
};

struct state {
	_Alignas(64) struct fx fx;
	_Alignas(64) uint8_t vector[32][64]; /* 512 bits each; less is used of it on lesser CPUs */
	uint64_t mask[8];                    /* k0-k7 */
	uint64_t gpr[16];                    /* by number; not rcx, the loop's, nor rsp */
	uint64_t flags;
	uint64_t red[16]; /* 128 bytes below the stack pointer */
};

_Static_assert(sizeof(struct fx) == 512, "FXSAVE");
_Static_assert(offsetof(struct state, vector) == 512, "spin: VECTOR");
_Static_assert(offsetof(struct state, mask) == 2560, "spin: MASK");
_Static_assert(offsetof(struct state, gpr) == 2624, "spin: GPR");
_Static_assert(offsetof(struct state, flags) == 2752, "spin: FLAGS");
_Static_assert(offsetof(struct state, red) == 2760, "spin: RED");

/* CF PF AF ZF SF DF OF */
#define FLAGS 0xcd5ul

/*
 * void spin_NAME(struct state *s, uint64_t turns). The state's address is at (%rsp) while every
 * register holds a value; LEA and JRCXZ leave the flags alone.
 */
__asm__(".text\n"
	".set VECTOR, 512\n.set MASK, 2560\n.set GPR, 2624\n.set FLAGS, 2752\n.set RED, 2760\n"
	".altmacro\n"
	".macro load_ymm i\n	vmovdqu VECTOR+64*\\i(%rdi), %ymm\\i\n.endm\n"
	".macro save_ymm i\n	vmovdqu %ymm\\i, VECTOR+64*\\i(%rax)\n.endm\n"
	".macro load_zmm i\n	vmovdqu64 VECTOR+64*\\i(%rdi), %zmm\\i\n.endm\n"
	".macro save_zmm i\n	vmovdqu64 %zmm\\i, VECTOR+64*\\i(%rax)\n.endm\n"
	".macro load_k i\n	kmovq MASK+8*\\i(%rdi), %k\\i\n.endm\n"
	".macro save_k i\n	kmovq %k\\i, MASK+8*\\i(%rax)\n.endm\n"
	".macro load_red i\n	movq RED+8*\\i(%rdi), %rax\n	movq %rax, 8*\\i-128(%rsp)\n.endm\n"
	".macro save_red i\n	movq 8*\\i-128(%rsp), %rcx\n	movq %rcx, RED+8*\\i(%rax)\n.endm\n"
	".macro repeat op, n\n"
	"	.set i, 0\n"
	"	.rept \\n\n"
	"	\\op %i\n"
	"	.set i, i + 1\n"
	"	.endr\n"
	".endm\n"
	".macro load_none\n.endm\n.macro save_none\n.endm\n"
	".macro load_avx\n	repeat load_ymm, 16\n.endm\n"
	".macro save_avx\n	repeat save_ymm, 16\n	vzeroupper\n.endm\n"
	".macro load_avx512\n	repeat load_zmm, 32\n	repeat load_k, 8\n.endm\n"
	".macro save_avx512\n	repeat save_zmm, 32\n	repeat save_k, 8\n	vzeroupper\n.endm\n"
	".macro spin name, kind\n"
	"	.globl spin_\\name\n"
	"	.type spin_\\name, @function\n"
	"spin_\\name:\n"
	"	.cfi_startproc\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n"
	"	pushq %r15\n"
	"	subq $8, %rsp\n"
	"	stmxcsr (%rsp)\n	fnstcw 4(%rsp)\n"
	"	pushq %rdi\n"
	"	.cfi_adjust_cfa_offset 64\n"
	"	movq %rsi, %rcx\n"
	"	fxrstor64 (%rdi)\n"
	"	load_\\kind\n"
	"	pushq FLAGS(%rdi)\n	popfq\n"
	"	repeat load_red, 16\n"
	"	movq GPR+0(%rdi), %rax\n	movq GPR+16(%rdi), %rdx\n"
	"	movq GPR+24(%rdi), %rbx\n	movq GPR+40(%rdi), %rbp\n"
	"	movq GPR+48(%rdi), %rsi\n"
	"	movq GPR+64(%rdi), %r8\n	movq GPR+72(%rdi), %r9\n"
	"	movq GPR+80(%rdi), %r10\n	movq GPR+88(%rdi), %r11\n"
	"	movq GPR+96(%rdi), %r12\n	movq GPR+104(%rdi), %r13\n"
	"	movq GPR+112(%rdi), %r14\n	movq GPR+120(%rdi), %r15\n"
	"	movq GPR+56(%rdi), %rdi\n"
	"1:	jrcxz 2f\n"
	"	leaq -1(%rcx), %rcx\n"
	"	jmp 1b\n"
	"2:	xchgq %rax, (%rsp)\n"
	"	movq %rdx, GPR+16(%rax)\n	movq %rbx, GPR+24(%rax)\n"
	"	movq %rbp, GPR+40(%rax)\n	movq %rsi, GPR+48(%rax)\n"
	"	movq %rdi, GPR+56(%rax)\n"
	"	movq %r8, GPR+64(%rax)\n	movq %r9, GPR+72(%rax)\n"
	"	movq %r10, GPR+80(%rax)\n	movq %r11, GPR+88(%rax)\n"
	"	movq %r12, GPR+96(%rax)\n	movq %r13, GPR+104(%rax)\n"
	"	movq %r14, GPR+112(%rax)\n	movq %r15, GPR+120(%rax)\n"
	"	repeat save_red, 16\n"
	"	pushfq\n	popq FLAGS(%rax)\n"
	"	cld\n"
	"	popq GPR+0(%rax)\n"
	"	fxsave64 (%rax)\n"
	"	save_\\kind\n"
	"	fninit\n"
	"	ldmxcsr (%rsp)\n	fldcw 4(%rsp)\n"
	"	addq $8, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	"
	"popq %rbp\n"
	"	.cfi_adjust_cfa_offset -64\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size spin_\\name, . - spin_\\name\n"
	".endm\n"
	"	spin sse, none\n"
	"	spin avx, avx\n"
	"	spin avx512, avx512\n"
	".noaltmacro\n");

typedef void spin_fn(struct state *s, uint64_t turns);
spin_fn spin_sse, spin_avx, spin_avx512;

static const struct kind {
	const char *name;
	spin_fn *spin;
	int nvectors, vector_bytes, nmasks;
} kinds[] = {
	{"sse", spin_sse, 0, 0, 0},
	{"avx", spin_avx, 16, 32, 0},
	{"avx512", spin_avx512, 32, 64, 8},
};

static bool
cpu_has(const char *name)
{
	__builtin_cpu_init();
	if (strcmp(name, "avx") == 0)
		return __builtin_cpu_supports("avx");
	if (strcmp(name, "avx512") == 0)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
	return true;
}

/* ---- values, different for each goroutine and round ---- */

static uint64_t
next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void
fill(void *to, size_t size, uint64_t *seed)
{
	uint8_t *p = to;

	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)next(seed);
}

/* All exceptions stay masked, whatever the rest of the control words says. */
static void
make_state(struct state *s, uint64_t seed)
{
	memset(s, 0, sizeof *s);
	fill(s->fx.xmm, sizeof s->fx.xmm, &seed);
	s->fx.cw = (uint16_t)(0x3f | (next(&seed) & 0xf00) | 0x40);
	s->fx.sw =
		(uint16_t)(next(&seed) & 0x4700); /* condition codes; the top of the stack is 0 */
	s->fx.tags = 0xff;
	s->fx.mxcsr = 0x1f80 | (uint32_t)(next(&seed) & 0xe03f);
	for (int i = 0; i < 8; i++) {
		fill(s->fx.st[i].value, 8, &seed);
		s->fx.st[i].value[7] |= 0x80; /* a normal number */
		s->fx.st[i].value[9] = 0x3f;
	}
	fill(s->vector, sizeof s->vector, &seed);
	for (int i = 0; i < 16; i++)
		memcpy(s->vector[i], s->fx.xmm[i], 16); /* the same registers */
	fill(s->mask, sizeof s->mask, &seed);
	fill(s->gpr, sizeof s->gpr, &seed);
	fill(s->red, sizeof s->red, &seed);
	s->flags = next(&seed) & FLAGS;
}

static void
compare(const struct state *is, const struct state *was, const struct kind *kind)
{
	CHECK(is->fx.cw == was->fx.cw && is->fx.sw == was->fx.sw && is->fx.tags == was->fx.tags);
	CHECK(is->fx.mxcsr == was->fx.mxcsr);
	for (int i = 0; i < 8; i++)
		CHECK(memcmp(is->fx.st[i].value, was->fx.st[i].value, 10) == 0);
	CHECK(memcmp(is->fx.xmm, was->fx.xmm, sizeof is->fx.xmm) == 0);
	for (int i = 0; i < kind->nvectors; i++)
		CHECK(memcmp(is->vector[i], was->vector[i], (size_t)kind->vector_bytes) == 0);
	for (int i = 0; i < kind->nmasks; i++)
		CHECK(is->mask[i] == was->mask[i]);
	for (int i = 0; i < 16; i++)
		CHECK(is->gpr[i] == was->gpr[i]);
	CHECK((is->flags & FLAGS) == was->flags);
	CHECK(memcmp(is->red, was->red, sizeof is->red) == 0);
}

/* ---- goroutines that do it, until they have been interrupted often enough ---- */

#define TURNS 200000 /* some 100 us */

static int stop, moves, overtaken, last_runner;

static void
keep_registers(const struct kind *kind, int me, rt_wg *done)
{
	struct state was, is;

	for (uint64_t round = 1; !GET(stop); round++) {
		make_state(&was, round * 64 + (uint64_t)me);
		is = was;
		SET(last_runner, me);
		pid_t tid = gettid();
		kind->spin(&is, TURNS);
		if (gettid() != tid)
			ADD(moves, 1);
		else if (GET(last_runner) != me)
			ADD(overtaken, 1);
		compare(&is, &was, kind);
	}
	rt_wg_done(done);
}

/* KIND N: with one P, another one runs only if this one was preempted; with more, who ends on
 * another thread was. They move when their P goes. */
static int
registers(int argc, char **argv)
{
	const struct kind *kind = kinds;
	int wanted = argc > 1 ? atoi(argv[1]) : 100;
	int procs = rt_gomaxprocs(0);
	rt_wg done = RT_WG_INIT;

	while (argc > 0 && strcmp(kind->name, argv[0]) != 0)
		CHECK(++kind < kinds + GUEST_LEN(kinds));
	if (!cpu_has(kind->name)) {
		puts("no such CPU");
		return 0;
	}
	rt_wg_add(&done, 16);
	for (int i = 0; i < 16; i++)
		rt_go(keep_registers, kind, i, &done);
	if (procs == 1)
		YIELD_UNTIL(GET(overtaken) >= wanted);
	for (int i = 0; procs > 1 && GET(moves) < wanted; i++) {
		rt_gomaxprocs(i & 1 ? procs : 1);
		usleep(1); /* not a yield: that would be behind all of them */
	}
	SET(stop, 1);
	rt_wg_wait(&done);
	return ok();
}

static const struct guest_case cases[] = {{"registers", registers}};

int
main(int argc, char **argv)
{
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}
