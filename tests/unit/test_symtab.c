/* SPDX-License-Identifier: MIT */
/*
 * symtab's pure parts, on this test's own program: its unwind tables against libgcc's unwinder, its
 * symbols and lines against what the compiler says; and then on damaged copies of the same, which
 * may give any answer but must not read a byte that is not theirs (the ASan variant sees it) nor
 * run forever.
 */
#define _GNU_SOURCE /* dl_iterate_phdr */
#include <alloca.h>
#include <criterion/criterion.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "arch/x86_64/insn.h"
#include "symtab/cfi.h"
#include "symtab/dwarf.h"
#include "symtab/symtab_priv.h"

#define LEN(a) (sizeof(a) / sizeof *(a))
#define NOINLINE __attribute__((noinline))
#ifdef __SANITIZE_THREAD__
#define ROUNDS 2000 /* there is one thread: nothing that the other variants do not see */
#else
#define ROUNDS 20000
#endif

static uint64_t
random64(void)
{
	static uint64_t s = 0x9e3779b97f4a7c15;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

/* What a damaged file has: other bytes, all ones, zeros, small steps. */
static uint8_t
damaged(uint8_t b)
{
	switch (random64() % 5) {
	case 0:
		return 0xff;
	case 1:
		return 0;
	case 2:
		return b + 1;
	case 3:
		return b ^ (uint8_t)(1u << random64() % 8);
	default:
		return (uint8_t)random64();
	}
}

/* ---- expressions ---- */

static bool
eval(const uint8_t *code, size_t n, uintptr_t *ret)
{
	static const uintptr_t memory[2] = {0x1122334455667788, 42};
	struct rt__stack stack = {(uintptr_t)memory, (uintptr_t)(memory + 2)};
	struct rt__context c = {
		.reg = {[RT_REG_SP] = (uintptr_t)memory, [RT_REG_RBP] = 1000, [RT_REG_PC] = 0x1c}};
	uintptr_t initial = 7;

	return rt__expr_eval(rt__bytes(code, n), &c, stack, &initial, ret);
}

Test(expr, values)
{
	static const struct {
		uint8_t code[12];
		size_t n;
		uintptr_t want;
	} rows[] = {
		{{0x96}, 1, 7},                               /* nop: the initial value */
		{{0x35, 0x22}, 2, 12},                        /* lit5 plus */
		{{0x76, 0x78}, 2, 992},                       /* breg6 -8 */
		{{0x77, 0x08, 0x06}, 3, 42},                  /* breg7 8 deref */
		{{0x77, 0x00, 0x94, 0x02}, 4, 0x7788},        /* deref_size 2 */
		{{0x77, 0x04, 0x94, 0x04}, 4, 0x11223344},    /* of the upper half */
		{{0x09, 0xff, 0x1e}, 3, (uintptr_t)-7},       /* const1s -1 mul */
		{{0x0b, 0xfe, 0xff}, 3, (uintptr_t)-2},       /* const2s */
		{{0x12, 0x1c, 0x23, 0x85, 0x01}, 5, 133},     /* dup minus plus_uconst */
		{{0x32, 0x16, 0x1c}, 3, (uintptr_t)-5},       /* lit2 swap minus */
		{{0x31, 0x33, 0x17, 0x13}, 4, 7},             /* rot drop: 7 1 3 -> 3 7 1 */
		{{0x30, 0x28, 1, 0, 0x96, 0x31, 0x22}, 7, 8}, /* bra not taken */
		{{0x31, 0x28, 1, 0, 0xff, 0x31, 0x22}, 7, 8}, /* bra taken, over a bad one */
		{{0x2f, 1, 0, 0xff}, 4, 7},                   /* skip */
		{{0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24}, 8, 8}, /* as for a PLT */
	};

	for (size_t i = 0; i < LEN(rows); i++) {
		uintptr_t got = 0, want = rows[i].want;

		cr_assert(eval(rows[i].code, rows[i].n, &got), "row %zu", i);
		cr_assert(got == want, "row %zu: %#lx, not %#lx", i, got, want);
	}
}

Test(expr, refuses)
{
	static const struct {
		uint8_t code[12];
		size_t n;
	} rows[] = {
		{{0x13, 0x13}, 2},             /* drop too much */
		{{0x30, 0x1b}, 2},             /* division by zero */
		{{0x30, 0x1d}, 2},             /* modulo zero */
		{{0x06}, 1},                   /* deref of what is not on the stack */
		{{0x77, 0x10, 0x06}, 3},       /* deref just behind it */
		{{0x77, 0x06, 0x94, 0x04}, 4}, /* across words */
		{{0x2f, 0xfd, 0xff}, 3},       /* a loop for ever */
		{{0x2f, 0xfc, 0xff}, 3},       /* to before the beginning */
		{{0x2f, 1, 0}, 3},             /* behind the end */
		{{0x0e, 1, 2}, 3},             /* a constant cut short */
		{{0x92, 40, 0}, 3},            /* no such register */
		{{0xf0}, 1},                   /* no such operation */
	};
	uintptr_t got;

	for (size_t i = 0; i < LEN(rows); i++)
		cr_assert_not(eval(rows[i].code, rows[i].n, &got), "row %zu", i);
}

/* ---- unwind tables ---- */

/* The program's headers in memory. */
struct self {
	struct rt__cfi cfi;
	uintptr_t bias;
};

static int
find_self(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct self *self = arg;
	const ElfW(Phdr) *eh = NULL;

	(void)size;
	self->bias = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			eh = &info->dlpi_phdr[i];
	for (int i = 0; eh && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && eh->p_vaddr - p->p_vaddr < p->p_memsz)
			self->cfi.tables =
				rt__bytes((void *)(self->bias + p->p_vaddr), p->p_filesz);
	}
	if (eh)
		self->cfi.hdr = rt__bytes((void *)(self->bias + eh->p_vaddr), eh->p_memsz);
	return 1; /* the first is the program */
}

static struct self
the_self(void)
{
	struct self self = {0};

	dl_iterate_phdr(find_self, &self);
	cr_assert(self.cfi.hdr.p && self.cfi.tables.p);
	return self;
}

struct trace {
	uintptr_t pc[64];
	int n;
};

static _Unwind_Reason_Code
add_frame(struct _Unwind_Context *c, void *arg)
{
	struct trace *t = arg;

	if (t->n < (int)LEN(t->pc))
		t->pc[t->n++] = _Unwind_GetIP(c);
	return _URC_NO_REASON;
}

/* What is known at the bottom of descend, while its frames are there. */
static struct {
	void (*check)(void);
	ucontext_t uc;
	struct trace want;
	struct rt__stack stack;
} at_depth;

/* Both views of one place: libgcc's, and a context to start from. */
NOINLINE static int
look_here(int n)
{
	at_depth.want.n = 0;
	_Unwind_Backtrace(add_frame, &at_depth.want);
	getcontext(&at_depth.uc);
	if (at_depth.check)
		at_depth.check();
	return n;
}

NOINLINE static int
descend(int n)
{
	_Alignas(64) volatile char aligned[64] = {1};
	volatile char *grown = alloca((size_t)n + 1); /* so that a frame pointer is needed */

	grown[0] = 1;
	if (n == 0)
		return look_here(n) + aligned[0] + grown[0];
	return descend(n - 1) + aligned[0];
}

static void
at_the_bottom(void (*check)(void))
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	at_depth.check = check;
	at_depth.stack = (struct rt__stack){here - (16 << 10), here};
	cr_assert(descend(10) > 0);
}

static void
compare_with_libgcc(void)
{
	struct self self = the_self();
	struct rt__context c;
	bool signal, is_call = false;

	rt__context_of_signal(&c, &at_depth.uc);
	for (int i = 1; i <= 11; i++) { /* look_here's caller, and ten of descend's */
		enum rt__cfi_result r = rt__cfi_step(&self.cfi, c.reg[RT_REG_PC] - is_call, &c,
						     at_depth.stack, &signal);

		is_call = true;
		cr_assert(r == RT_CFI_OK, "frame %d: %d", i, (int)r);
		cr_assert(c.reg[RT_REG_PC] == at_depth.want.pc[i], "frame %d: %#lx, not %#lx", i,
			  c.reg[RT_REG_PC], at_depth.want.pc[i]);
		cr_assert_not(signal);
	}
}

Test(cfi, as_libgcc)
{
	at_the_bottom(compare_with_libgcc);
}

static void
keep_to_bounds(void)
{
	struct self self = the_self();
	struct rt__context c;
	bool signal;

	rt__context_of_signal(&c, &at_depth.uc);
	struct rt__stack nothing = {c.reg[RT_REG_SP], c.reg[RT_REG_SP]};
	cr_assert(rt__cfi_step(&self.cfi, c.reg[RT_REG_PC], &c, nothing, &signal) == RT_CFI_BAD);
	cr_assert(rt__cfi_step(&self.cfi, 16, &c, at_depth.stack, &signal) == RT_CFI_NONE);
}

Test(cfi, bounds_of_the_stack)
{
	at_the_bottom(keep_to_bounds);
}

/* A copy of the tables in memory of their own: all that they say is off by the distance. */
struct copy {
	struct rt__cfi cfi;
	uint8_t *data;
	size_t size, hdr; /* hdr: offset of .eh_frame_hdr */
	uintptr_t away;
};

/* Byte by byte, since ASan has forbidden zones between what the segment holds. */
__attribute__((no_sanitize("address"))) static struct copy
copy_tables(void)
{
	struct self self = the_self();
	struct copy copy = {.size = rt__bytes_left(&self.cfi.tables),
			    .hdr = (size_t)(self.cfi.hdr.p - self.cfi.tables.p)};

	copy.data = malloc(copy.size);
	copy.away = (uintptr_t)copy.data - (uintptr_t)self.cfi.tables.p;
	for (size_t i = 0; i < copy.size; i++)
		((volatile uint8_t *)copy.data)[i] = self.cfi.tables.p[i];
	copy.cfi.hdr = rt__bytes(copy.data + copy.hdr, rt__bytes_left(&self.cfi.hdr));
	copy.cfi.tables = rt__bytes(copy.data, copy.size);
	return copy;
}

/* How many frames were found before something was wrong. */
static int
unwind_by_copy(const struct copy *copy)
{
	struct rt__context c;
	bool signal;
	int n = 0;

	rt__context_of_signal(&c, &at_depth.uc);
	for (; n < 12; n++) {
		uintptr_t where = c.reg[RT_REG_PC] - (n > 0) + copy->away;

		if (rt__cfi_step(&copy->cfi, where, &c, at_depth.stack, &signal) > RT_CFI_UNSURE)
			break;
	}
	return n;
}

static void
damage_anywhere(void)
{
	struct copy copy = copy_tables();
	int frames = 0;

	for (int i = 0; i < ROUNDS; i++) {
		size_t at[4];
		uint8_t was[4];

		for (size_t k = 0; k < LEN(at); k++) { /* one of them in the header's own header */
			at[k] = copy.hdr + random64() % (k == 0 ? 12 : copy.size - copy.hdr);
			was[k] = copy.data[at[k]];
			if (k > 0 || i % 4 == 0)
				copy.data[at[k]] = damaged(was[k]);
		}
		frames += unwind_by_copy(&copy);
		for (size_t k = LEN(at); k-- > 0;)
			copy.data[at[k]] = was[k];
	}
	cr_assert(frames > ROUNDS);
	cr_assert(unwind_by_copy(&copy) >= 10);
	free(copy.data);
}

Test(cfi, damaged)
{
	at_the_bottom(damage_anywhere);
}

/* Damage where it is seen: in the entry of the function that is unwound. */
static void
damage_entry(void)
{
	struct copy copy = copy_tables();
	intptr_t start = (intptr_t)((uintptr_t)descend + copy.away - (uintptr_t)copy.cfi.hdr.p);
	int32_t entry[2] = {0, 0};

	for (size_t at = copy.hdr + 12; at + 8 <= copy.size && entry[0] != start; at += 8)
		memcpy(entry, copy.data + at, 8);
	cr_assert(entry[0] == start);
	uint8_t *fde = copy.data + copy.hdr + entry[1];
	size_t room = (size_t)(copy.data + copy.size - fde);
	uint8_t was[96];
	size_t n = room < sizeof was ? room : sizeof was;
	memcpy(was, fde, n);
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = (int)(random64() % 3); k >= 0; k--) {
			size_t at = random64() % n;
			fde[at] = damaged(fde[at]);
		}
		unwind_by_copy(&copy);
		memcpy(fde, was, n);
	}
	cr_assert(unwind_by_copy(&copy) >= 10);
	free(copy.data);
}

Test(cfi, damaged_entry)
{
	at_the_bottom(damage_entry);
}

/* ---- files, symbols, lines ---- */

struct file {
	uint8_t *data;
	size_t size;
};

static struct file
own_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat st;
	struct file f;

	cr_assert(fd >= 0 && fstat(fd, &st) == 0);
	f = (struct file){malloc((size_t)st.st_size), (size_t)st.st_size};
	cr_assert(read(fd, f.data, f.size) == (ssize_t)f.size);
	close(fd);
	return f;
}

/* Not static: a global symbol. */
int test_symtab_global(int n);
NOINLINE int
test_symtab_global(int n)
{
	return look_here(n) + 1;
}
enum { LINE_OF_GLOBAL = __LINE__ - 4 }; /* or the brace's */

static bool
symbol_of(const struct rt__elf *elf, uint64_t addr, struct rt__elf_symbol *ret)
{
	return rt__elf_symbol_of(elf, addr, 0, ret) != 0;
}

Test(elf, own_symbols)
{
	struct file f = own_file();
	struct self self = the_self();
	uint64_t global = (uint64_t)test_symtab_global - self.bias;
	struct rt__elf elf;
	struct rt__elf_symbol sym;

	cr_assert(rt__elf_open(&elf, f.data, f.size));
	cr_assert(symbol_of(&elf, global + 3, &sym));
	cr_assert_str_eq(sym.name, "test_symtab_global");
	cr_assert(sym.start == global && sym.size > 3);
	cr_assert(symbol_of(&elf, (uint64_t)descend - self.bias + 1, &sym));
	cr_assert_str_eq(sym.name, "descend");
	cr_assert_not(symbol_of(&elf, 0, &sym));
	cr_assert_not(symbol_of(&elf, UINT64_MAX, &sym));
	uint64_t i = rt__elf_symbol_of(&elf, global, 0, &sym);
	sym.name = NULL;
	cr_assert_eq(rt__elf_symbol_of(&elf, 0, i, &sym), i); /* known, and not looked for */
	cr_assert_str_eq(sym.name, "test_symtab_global");
	cr_assert_eq(rt__elf_symbol_of(&elf, global, UINT64_MAX, &sym), 0);
	free(f.data);
}

/* Each copy is cut off, or has bytes changed in its headers, section table, or symbols. */
Test(elf, damaged)
{
	struct file f = own_file();
	struct self self = the_self();
	uint64_t addr = (uint64_t)test_symtab_global - self.bias;
	struct rt__elf elf;
	struct rt__elf_symbol sym;
	Elf64_Ehdr eh;

	memcpy(&eh, f.data, sizeof eh);
	cr_assert(rt__elf_open(&elf, f.data, f.size));
	size_t ranges[][2] = {{0, sizeof eh},
			      {eh.e_shoff, f.size - eh.e_shoff},
			      {(size_t)(elf.symbols.p - f.data), rt__bytes_left(&elf.symbols)}};
	for (int i = 0; i < ROUNDS / 10; i++) {
		size_t *r = ranges[i % 3];
		size_t at = r[0] + random64() % r[1], size = i % 5 ? f.size : random64() % f.size;
		uint8_t was = f.data[at];
		uint8_t *cut = i % 5 ? f.data : malloc(size);

		f.data[at] = damaged(was);
		if (cut != f.data)
			memcpy(cut, f.data, size);
		if (rt__elf_open(&elf, cut, size)) {
			symbol_of(&elf, addr, &sym);
			symbol_of(&elf, random64() % f.size, &sym);
			rt__elf_section(&elf, ".debug_line");
			rt__elf_section(&elf, "no such name");
		}
		f.data[at] = was;
		if (cut != f.data)
			free(cut);
	}
	free(f.data);
}

static struct rt__dwarf
debug_of(const struct rt__elf *elf)
{
	return (struct rt__dwarf){
		.line = rt__elf_section(elf, ".debug_line"),
		.line_str = rt__elf_section(elf, ".debug_line_str"),
		.str = rt__elf_section(elf, ".debug_str"),
		.str_offsets = rt__elf_section(elf, ".debug_str_offsets"),
		.info = rt__elf_section(elf, ".debug_info"),
		.abbrev = rt__elf_section(elf, ".debug_abbrev"),
		.addr = rt__elf_section(elf, ".debug_addr"),
		.ranges = rt__elf_section(elf, ".debug_ranges"),
		.rnglists = rt__elf_section(elf, ".debug_rnglists"),
	};
}

Test(lines, own)
{
	struct file f = own_file();
	struct self self = the_self();
	struct rt__elf elf;
	struct rt__line lines[3];
	uint64_t global = (uint64_t)test_symtab_global - self.bias;
	uint64_t addrs[] = {global, 1, (uint64_t)rt__elf_open - self.bias};

	cr_assert(rt__elf_open(&elf, f.data, f.size));
	struct rt__dwarf debug = debug_of(&elf);
	rt__lines_find(&debug, 4096, addrs, 3, lines);
	cr_assert(lines[0].file && strstr(lines[0].file, "test_symtab.c"));
	cr_assert(lines[0].line == LINE_OF_GLOBAL || lines[0].line == LINE_OF_GLOBAL + 1, "%d",
		  lines[0].line);
	cr_assert(!lines[1].file);
	cr_assert(lines[2].file && lines[2].line > 50, "%s:%d", lines[2].file, lines[2].line);
	cr_assert(strstr(lines[2].file, "elf.c"), "%s", lines[2].file);
	/* What begins below the text is no code. */
	rt__lines_find(&debug, global + 1, addrs, 1, lines);
	cr_assert(!lines[0].file);
	free(f.data);
}

Test(lines, damaged)
{
	struct file f = own_file();
	struct self self = the_self();
	struct rt__elf elf;
	struct rt__line lines[2];
	uint64_t addrs[] = {(uint64_t)test_symtab_global - self.bias,
			    (uint64_t)descend - self.bias};
	int found = 0;

	cr_assert(rt__elf_open(&elf, f.data, f.size));
	struct rt__dwarf own = debug_of(&elf), debug = own;
	size_t size = rt__bytes_left(&own.line);
	for (int i = 0; i < ROUNDS / 10; i++) {
		size_t cut = i % 8 ? size : 1 + random64() % size;
		uint8_t *copy = malloc(cut);

		memcpy(copy, own.line.p, cut);
		for (int k = 0; k < 8; k++) {
			/* The headers are mostly in front. */
			size_t at = random64() % (k % 2 && cut > 512 ? 512 : cut);
			copy[at] = damaged(copy[at]);
		}
		debug.line = rt__bytes(copy, cut);
		debug.line_str = rt__bytes_part(&own.line_str, 0, random64() % 4096);
		rt__lines_find(&debug, 4096, addrs, 2, lines);
		for (int k = 0; k < 2; k++)
			found += lines[k].file && strlen(lines[k].file) > 0;
		free(copy);
	}
	cr_assert(found > 0);
	free(f.data);
}

/* ---- what is inlined ---- */

static uintptr_t inlined_pcs[2];

static inline __attribute__((always_inline)) void
inlined_leaf(int i)
{
	__asm__ volatile("1: lea 1b(%%rip), %0" : "=r"(inlined_pcs[i]));
}

static inline __attribute__((always_inline)) void
inlined_middle(int i)
{
	inlined_leaf(i);
}

__attribute__((noinline)) static void
inlining(void)
{
	inlined_middle(0);
	{
		static volatile int x;

		x++;
		inlined_leaf(1);
	}
}

Test(inlined, own)
{
	struct file f = own_file();
	struct self self = the_self();
	struct rt__inlined in[3];
	struct rt__line call;
	struct rt__elf elf;

	inlining();
	uint64_t addrs[] = {inlined_pcs[0] - self.bias, (uint64_t)test_symtab_global - self.bias,
			    inlined_pcs[1] - self.bias};
	cr_assert(rt__elf_open(&elf, f.data, f.size));
	struct rt__dwarf debug = debug_of(&elf);
	rt__inlined_find(&debug, 4096, addrs, 3, in);
	cr_assert(in[0].n == 2 && in[1].n == 0 && in[2].n == 1);
	cr_assert_str_eq(rt__inlined_at(&debug, &in[0], 0, &call), "inlined_middle");
	cr_assert(call.file && strstr(call.file, "test_symtab.c"));
	int outer = call.line;
	cr_assert_str_eq(rt__inlined_at(&debug, &in[0], 1, &call), "inlined_leaf");
	cr_assert(call.line < outer && call.line > outer - 20);
	cr_assert_str_eq(rt__inlined_at(&debug, &in[2], 0, &call), "inlined_leaf");
	cr_assert(call.line == outer + 5, "%d %d", call.line, outer);
	/* What begins below the text is no code. */
	rt__inlined_find(&debug, addrs[0] + 1, addrs, 1, in);
	cr_assert(in[0].n == 0);
	free(f.data);
}

/* A copy of a section with some of its bytes changed, often among the first, and sometimes cut. */
static struct rt__bytes
damaged_copy(struct rt__bytes of, uint8_t **ret_copy)
{
	size_t size = rt__bytes_left(&of), cut = random64() % 8 ? size : random64() % (size + 1);
	uint8_t *copy = *ret_copy = malloc(cut + 1);

	memcpy(copy, of.p, cut);
	for (uint64_t k = random64() % 8; k > 0 && cut > 0; k--) {
		size_t at = random64() % (k % 2 && cut > 256 ? 256 : cut);

		copy[at] = damaged(copy[at]);
	}
	return rt__bytes(copy, cut);
}

Test(inlined, damaged)
{
	struct file f = own_file();
	struct self self = the_self();
	struct rt__inlined in[3];
	struct rt__line call;
	struct rt__elf elf;
	int found = 0;

	inlining();
	uint64_t addrs[] = {inlined_pcs[0] - self.bias, (uint64_t)descend - self.bias,
			    inlined_pcs[1] - self.bias};
	cr_assert(rt__elf_open(&elf, f.data, f.size));
	struct rt__dwarf own = debug_of(&elf);
	for (int i = 0; i < ROUNDS / 10; i++) {
		struct rt__dwarf debug = own;
		struct rt__bytes *const sections[] = {&debug.info, &debug.abbrev, &debug.rnglists,
						      &debug.str, &debug.line};
		uint8_t *copies[LEN(sections)];

		for (size_t k = 0; k < LEN(sections); k++)
			*sections[k] = damaged_copy(*sections[k], &copies[k]);
		rt__inlined_find(&debug, 4096, addrs, 3, in);
		for (int k = 0; k < 3; k++) {
			cr_assert(in[k].n <= RT_INLINED_MAX);
			for (unsigned n = 0; n < in[k].n; n++) {
				const char *name = rt__inlined_at(&debug, &in[k], n, &call);

				found += name && strlen(name) > 0;
			}
		}
		for (size_t k = 0; k < LEN(sections); k++)
			free(copies[k]);
	}
	cr_assert(found > 0);
	free(f.data);
}

/* ---- instructions ---- */

Test(insn, lengths)
{
	static const struct {
		uint8_t code[15], n;
	} rows[] = {
		{{0x90}, 1},
		{{0xf3, 0x0f, 0x1e, 0xfa}, 4},                       /* endbr64 */
		{{0x55}, 1},                                         /* push */
		{{0x48, 0x83, 0xec, 0x08}, 4},                       /* sub imm8 */
		{{0x48, 0x81, 0xec, 0, 1, 0, 0}, 7},                 /* sub imm32 */
		{{0x66, 0x81, 0xc0, 0, 1}, 5},                       /* add imm16 */
		{{0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, 10},          /* movabs */
		{{0xf7, 0xc0, 1, 0, 0, 0}, 6},                       /* test imm32 */
		{{0xf7, 0xd8}, 2},                                   /* neg */
		{{0x48, 0x8d, 0x84, 0x24, 0, 1, 0, 0}, 8},           /* lea with SIB */
		{{0x48, 0x8b, 0x04, 0x25, 0, 1, 0, 0}, 8},           /* no base */
		{{0x48, 0x8b, 0x05, 0, 1, 0, 0}, 7},                 /* pc-relative */
		{{0x0f, 0x84, 0, 1, 0, 0}, 6},                       /* je */
		{{0x66, 0x0f, 0x3a, 0x0f, 0xc1, 8}, 6},              /* palignr */
		{{0xc5, 0xf8, 0x77}, 3},                             /* vzeroupper */
		{{0xc4, 0xe2, 0x79, 0x18, 0x05, 0, 1, 0, 0}, 9},     /* vbroadcastss */
		{{0x62, 0xf1, 0x7c, 0x48, 0x10, 0x44, 0x24, 1}, 8},  /* vmovups zmm */
		{{0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}, 10}, /* a long nop */
	};
	struct rt__insn in;

	for (size_t i = 0; i < LEN(rows); i++) {
		cr_assert(rt__insn_decode(rows[i].code, rows[i].code + 15, &in), "row %zu", i);
		cr_assert(in.length == rows[i].n, "row %zu: %u", i, in.length);
		for (uint8_t n = 0; n < rows[i].n; n++) /* cut short */
			cr_assert_not(rt__insn_decode(rows[i].code, rows[i].code + n, &in));
	}
}

/* Any bytes for code, any words for a stack: an answer in bounded time, and nothing read beyond. */
Test(insn, any_code)
{
	static uintptr_t words[64];
	struct rt__code code = {.stack_lo = (uintptr_t)words, .stack_hi = (uintptr_t)(words + 64)};

	for (int i = 0; i < ROUNDS; i++) {
		size_t n = 16 + random64() % 512;
		uint8_t *text = malloc(n);
		struct rt__context c;

		for (size_t k = 0; k < n; k++) /* mostly what functions are made of */
			text[k] = "\x55\x53\x5b\x5d\x48\x83\xec\x89\xe8\x74\xeb\xc3\xc9\xff\xe0\x0f"
				[random64() % 16];
		for (size_t k = 0; k < n / 8; k++)
			text[random64() % n] = (uint8_t)random64();
		code.lo = code.data_lo = (uintptr_t)text;
		code.hi = code.data_hi = code.lo + n;
		code.fn = i % 2 ? code.lo + random64() % n : 0;
		code.fn_end = code.fn ? code.fn + random64() % (code.hi - code.fn) : 0;
		for (size_t k = 0; k < LEN(words); k++)
			words[k] = code.lo + random64() % (2 * n);
		for (int k = 0; k < RT_NREGS; k++)
			c.reg[k] = (uintptr_t)(words + random64() % 64);
		c.reg[RT_REG_PC] = code.lo + random64() % n;
		if (rt__context_caller(&c, &code) == RT_CALLER_FOUND) {
			uintptr_t target, sp = c.reg[RT_REG_SP];

			cr_assert(rt__is_return_address(&code, c.reg[RT_REG_PC], &target));
			cr_assert(sp > code.stack_lo && sp <= code.stack_hi);
		}
		free(text);
	}
}
