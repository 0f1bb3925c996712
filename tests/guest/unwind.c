/* SPDX-License-Identifier: MIT */
/*
 * Unwinding, checked at every single instruction: the trap flag is on while samples of C run,
 * through libc and the runtime. The handler of each SIGTRAP sees calls happen and keeps what each
 * caller's registers were; so it knows what rt__unwind must find, to the last callee-saved
 * register.
 */
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <ucontext.h>

#include "guest.h"
#include "symtab/symtab.h"

#define NOINLINE __attribute__((noinline))

/* ---- what is stepped through ---- */

static volatile int sink;

NOINLINE static int
leaf(int a)
{
	return a * 3 + 1;
}

NOINLINE static int
tail(int a)
{
	return leaf(a + 1);
}

NOINLINE static int
recurse(int n)
{
	if (n == 0)
		return leaf(n);
	return recurse(n - 1) + recurse(n / 4) + n;
}

NOINLINE static int
many(int a, int b, int c, int d, int e, int f, int g, int h, int i)
{
	int x = leaf(a) + leaf(b), y = leaf(c) * leaf(d), z = leaf(e) - leaf(f);

	for (int j = 0; j < 2; j++)
		x += leaf(g + j) * y + leaf(h) * z + leaf(i);
	return x + y + z + a + b + c + d + e + f;
}

NOINLINE static int
with_alloca(int n)
{
	char *p = alloca((size_t)n);

	memset(p, n, (size_t)n);
	return leaf(p[n / 2]);
}

NOINLINE static int
with_vla(int n)
{
	int sum = 0;

	for (int i = 1; i < n; i++) {
		int v[i];

		for (int j = 0; j < i; j++)
			v[j] = leaf(j);
		sum += v[i / 2];
	}
	return sum;
}

/* Over-aligned locals beside an alloca: the frame is realigned, and the CFA an expression. */
NOINLINE static int
aligned(int n, ...)
{
	_Alignas(64) int v[16];
	char *p = alloca((size_t)n);
	va_list ap;

	va_start(ap, n);
	for (int i = 0; i < 16; i++)
		v[i] = leaf(i) + va_arg(ap, int) * (i < 2);
	va_end(ap);
	memset(p, 1, (size_t)n);
	return v[n % 16] + p[0] + (int)((uintptr_t)v % 64);
}

NOINLINE static int
early_exit(const char *s)
{
	if (!s)
		return -1;
	int n = leaf((int)strlen(s));
	if (n > 100) {
		sink = leaf(n);
		return sink + leaf(n + 1);
	}
	for (const char *p = s; *p; p++)
		if (*p == 'x')
			return tail(*p) + (int)(p - s);
	return n;
}

NOINLINE static double
floats(double a, double b)
{
	double c = a;

	for (int i = 0; i < 3; i++)
		c = c * b + leaf(i);
	return c;
}

static int
compare(const void *a, const void *b)
{
	return leaf(*(const int *)a) - leaf(*(const int *)b);
}

static void
cleaned(const volatile int *p)
{
	sink += leaf(*p);
}

NOINLINE static int
in_libc(void)
{
	int v[] = {5, 3, 9, 1, 7, 2}, key = 7, got = 0;
	char buf[100];

	qsort(v, GUEST_LEN(v), sizeof *v, compare);
	sink += bsearch(&key, v, GUEST_LEN(v), sizeof *v, compare) != NULL;
	got += snprintf(buf, sizeof buf, "%d %s %5.2f %x|%-8s|%c %ld", 42, "text", 3.25, 255, "l",
			'c', -1L);
	got += (int)strtol("  -123x", NULL, 10) + (int)strtod("1.5e3", NULL);
	got += sscanf("7 words 0x1f", "%d %*s %i", &v[0], &v[1]);
	char *p = malloc(1000);
	memset(p, 1, 1000);
	memcpy(p + 500, p, 400);
	memmove(p + 1, p, 900);
	got += (int)strlen(strncpy(p, "hello", 100)) + (strstr("haystack", "st") != NULL);
	free(p);
	return got;
}

static jmp_buf env;

NOINLINE static void
jump(int n)
{
	if (n == 0)
		longjmp(env, 1);
	if (sink == -1)
		return;
	jump(n - 1);
	sink++;
}

static rt_wg done = RT_WG_INIT;

static void
helper(int n)
{
	sink += n;
	rt_wg_done(&done);
}

NOINLINE static int
samples(int n)
{
	volatile int x __attribute__((cleanup(cleaned))) = n;

	x += leaf(n) + tail(n) + recurse(6) + many(1, 2, 3, 4, 5, 6, 7, 8, 9);
	x += with_alloca(n + 30) + with_vla(n) + aligned(n + 10, 1, 2);
	x += early_exit("hello") + early_exit("0x0") + early_exit(NULL);
	x += (int)floats(n, 2.5) + in_libc();
	if (setjmp(env) == 0)
		jump(3);
	rt_wg_add(&done, 1);
	rt_go(helper, n);
	rt_wg_wait(&done);
	return x + (int)rt_goid();
}

/* ---- the stepper ---- */

void trap_flag_on(void);
void trap_flag_off(void);
__asm__(".text\n.type trap_flag_on, @function\ntrap_flag_on:\n"
	"	.cfi_startproc\n	pushfq\n	.cfi_adjust_cfa_offset 8\n"
	"	orq $0x100, (%rsp)\n	popfq\n	.cfi_adjust_cfa_offset -8\n	ret\n"
	"	.cfi_endproc\n.size trap_flag_on, . - trap_flag_on\n"
	".type trap_flag_off, @function\ntrap_flag_off:\n"
	"	.cfi_startproc\n	pushfq\n	.cfi_adjust_cfa_offset 8\n"
	"	andq $~0x100, (%rsp)\n	popfq\n	.cfi_adjust_cfa_offset -8\n	ret\n"
	"	.cfi_endproc\n.size trap_flag_off, . - trap_flag_off\n");

#define LONGJMP_SIZE 112
#define MCALL_SIZE 0x73
#define GOGO_SIZE 0x60

static const int kept[] = {RT_REG_RBX, RT_REG_RBP, 12, 13, 14, 15};

/* What the caller will find after the call returns. */
static struct call {
	uintptr_t ret, slot, regs[GUEST_LEN(kept)];
} calls[256];
static int depth;
static struct rt__context before;
static struct rt__stack bounds;
static long steps, frames, guesses, unsure, elsewhere, wrong, shown;
static bool has_symbols; /* guesses are better with them, and good without */

static void
report(const struct rt__context *at, const struct rt__context *c, int level, const char *what)
{
	struct rt__symbol sym = {"?", 0};

	wrong++;
	if (!has_symbols || shown++ > 10)
		return;
	rt__symbol_of(at->reg[RT_REG_PC], &sym);
	fprintf(stderr,
		"at %#lx (%s+%#lx), frame %d of %d: %s; pc %#lx sp %#lx, should be %#lx %#lx\n",
		at->reg[RT_REG_PC], sym.name, at->reg[RT_REG_PC] - sym.start, depth - level, depth,
		what, c->reg[RT_REG_PC], c->reg[RT_REG_SP], calls[level].ret,
		calls[level].slot + 8);
}

static void
report_register(const struct rt__context *at, const struct rt__context *c, int level, int reg)
{
	char what[40];

	snprintf(what, sizeof what, "register %d is %#lx", reg, c->reg[reg]);
	report(at, c, level, what);
}

/* Code with tables is exact, but for the two instructions that gcc's tables are wrong about, and
 * guessed right even there. */
static void
check(const struct rt__context *at)
{
	struct rt__context c = *at;
	bool is_call = false;

	for (int i = depth - 1; i >= 0; i--) {
		bool in_libc_text = rt__text_of(c.reg[RT_REG_PC] - is_call) == RT_TEXT_LIBC;
		enum rt__step step = rt__unwind(&c, &is_call, bounds);

		frames++;
		if (step != RT_STEP_EXACT && step != RT_STEP_GUESS)
			return report(at, &c, i, "lost");
		guesses += step == RT_STEP_GUESS;
		unsure += step == RT_STEP_GUESS && !in_libc_text;
		if (c.reg[RT_REG_PC] != calls[i].ret || c.reg[RT_REG_SP] != calls[i].slot + 8)
			return report(at, &c, i, "wrong");
		for (size_t k = 0; k < GUEST_LEN(kept); k++)
			if (c.reg[kept[k]] != calls[i].regs[k])
				return report_register(at, &c, i, kept[k]);
	}
}

/* A call has just happened if the word on top of the stack is new, and the address of what follows
 * the instruction that was executed. */
static void
see_call(const struct rt__context *now)
{
	uintptr_t sp = now->reg[RT_REG_SP], pc = before.reg[RT_REG_PC];

	if (sp != before.reg[RT_REG_SP] - 8)
		return;
	uintptr_t ret = *(const uintptr_t *)sp;
	if (ret <= pc || ret > pc + 7 || now->reg[RT_REG_PC] == ret)
		return;
	if (depth == (int)GUEST_LEN(calls))
		abort();
	calls[depth] = (struct call){.ret = ret, .slot = sp};
	for (size_t k = 0; k < GUEST_LEN(kept); k++)
		calls[depth].regs[k] = before.reg[kept[k]];
	depth++;
}

static void
trapped(int sig, siginfo_t *info, void *uc)
{
	struct rt__context now;
	uintptr_t sp;

	(void)sig, (void)info;
	rt__context_of_signal(&now, uc);
	sp = now.reg[RT_REG_SP];
	steps++;
	if (sp < bounds.lo || sp > bounds.hi) { /* on the scheduler's stack */
		elsewhere++;
		return;
	}
	if (now.reg[RT_REG_PC] - (uintptr_t)longjmp < LONGJMP_SIZE)
		return; /* half of the registers are the target's */
	see_call(&now);
	/* A switch takes the return address off the stack, and jumps to it at the other end. */
	uintptr_t pc = now.reg[RT_REG_PC];
	bool switching =
		pc - (uintptr_t)rt__mcall < MCALL_SIZE || pc - (uintptr_t)rt__gogo < GOGO_SIZE;
	uintptr_t popped = switching ? 8 : 0;
	while (depth > 0 && calls[depth - 1].slot < sp - popped)
		depth--;
	check(&now);
	before = now;
}

static int
run_stepped(int argc, char **argv)
{
	static char altstack[64 << 10];
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof altstack};
	struct sigaction sa = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct rt__symbol sym;
	int want = samples(5);
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	(void)argv;
	has_symbols = rt__symbol_of((uintptr_t)run_stepped, &sym);
	bounds = (struct rt__stack){here - (200 << 10), here};
	CHECK(sigaltstack(&ss, NULL) == 0);
	CHECK(sigaction(SIGTRAP, &sa, NULL) == 0);
	trap_flag_on();
	int got = samples(5);
	trap_flag_off();
	CHECK(got == want);
	if (argc > 0)
		printf("%ld steps, %ld elsewhere, %ld frames, %ld guessed\n", steps, elsewhere,
		       frames, guesses);
	if (wrong > 0 && (has_symbols || wrong > steps / 200))
		fprintf(stderr, "%ld of %ld steps were unwound wrong\n", wrong, steps);
	CHECK(unsure <= 4); /* aligned() is called twice */
	CHECK(wrong <= (has_symbols ? 0 : steps / 200));
	CHECK(steps > 10000 && frames > 2 * steps && elsewhere > 0);
	return ok();
}

int
main(int argc, char **argv)
{
	static const struct guest_case cases[] = {{"step", run_stepped}};

	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}
