/* SPDX-License-Identifier: MIT */
/*
 * Names of functions, from .symtab of the file that the program was started from. It is mapped
 * when the first report asks: symbols cost a program that never dies nothing.
 *
 * /proc/self/exe is the file that runs even if it was renamed or unlinked since. Where /proc is
 * not mounted, the path that was executed is tried. Either must have the headers that are in
 * memory, to the last byte of the program headers; if not, there are no names, rather than wrong
 * ones.
 *
 * No lock: threads that come first at once each map the file, one publishes it, the others unmap
 * theirs. Lookups are linear, 2 ns for a symbol; but of ten thousand goroutines most wait at the
 * same few places, and what was found for those is kept.
 */
#include "os/os.h"
#include "symtab/dwarf.h"
#include "symtab/symtab_priv.h"

struct program {
	struct rt__elf elf;
	struct rt__dwarf dwarf;
	bool usable;
};

static struct program *the_program; /* NULL until somebody has asked */

#define KNOWN 256
#define ADDR_BITS 40
#define ADDR_MASK ((1ul << ADDR_BITS) - 1)

/* Symbols by address: (a) each one word, so that readers and writers need not know of each other.
 * The address is below, the symbol's index above. */
static RT_COLD_BSS uint64_t known[KNOWN];

struct inlined_call {
	uint64_t key; /* its entry in .debug_info */
	const char *name;
	struct rt__line line;
};

/* Of inlined functions. Who comes while somebody is at it does without. */
static RT_COLD_BSS struct {
	bool busy; /* (a) */
	struct inlined_call slots[KNOWN];
} known_calls;

/* Where the file was executed from: the kernel's word for it. */
static const char *
executed_path(void)
{
	for (const unsigned long *a = rt__args.auxv; a && a[0] != AT_NULL; a += 2)
		if (a[0] == AT_EXECFN)
			return (const char *)a[1];
	return NULL;
}

const char *
rt__program_path(void)
{
	const char *path = executed_path();

	return path ? path : "?";
}

/* Whether the file has the program headers that the kernel has loaded. */
static bool
is_what_runs(const struct rt__elf *elf)
{
	struct rt__image im;

	if (!rt__image_find(&im))
		return false;
	size_t n = sizeof *im.ehdr + im.ehdr->e_phnum * sizeof(Elf64_Phdr);
	return rt__bytes_left(&elf->file) >= n && __builtin_memcmp(elf->file.p, im.ehdr, n) == 0;
}

static void
find_debug_sections(const struct rt__elf *elf, struct rt__dwarf *d)
{
	d->line = rt__elf_section(elf, ".debug_line");
	d->line_str = rt__elf_section(elf, ".debug_line_str");
	d->str = rt__elf_section(elf, ".debug_str");
	d->str_offsets = rt__elf_section(elf, ".debug_str_offsets");
	d->info = rt__elf_section(elf, ".debug_info");
	d->abbrev = rt__elf_section(elf, ".debug_abbrev");
	d->addr = rt__elf_section(elf, ".debug_addr");
	d->ranges = rt__elf_section(elf, ".debug_ranges");
	d->rnglists = rt__elf_section(elf, ".debug_rnglists");
}

static bool
map_file(struct program *prog, const char *path)
{
	size_t size = 0;
	const void *data = path ? rt__os_map_file(path, &size) : NULL;

	if (!data)
		return false;
	if (rt__elf_open(&prog->elf, data, size) && is_what_runs(&prog->elf)) {
		find_debug_sections(&prog->elf, &prog->dwarf);
		return true;
	}
	rt__os_unmap(data, size);
	return false;
}

static const struct program *
the_file(void)
{
	struct program *prog = rt__load_acq(&the_program); /* acq: pairs with the rel below */

	if (!prog) {
		prog = rt__os_reserve(sizeof *prog);
		if (!prog)
			return NULL;
		prog->usable = map_file(prog, "/proc/self/exe") || map_file(prog, executed_path());
		/* rel: publishes *prog */
		if (!rt__cas_rel(&the_program, (struct program *)NULL, prog)) {
			if (prog->usable)
				rt__os_unmap(prog->elf.file.p, rt__bytes_left(&prog->elf.file));
			rt__os_unmap(prog, sizeof *prog);
			prog = rt__load_acq(&the_program);
		}
	}
	return prog->usable ? prog : NULL;
}

const struct rt__elf *
rt__program_file(void)
{
	const struct program *prog = the_file();

	return prog ? &prog->elf : NULL;
}

bool
rt__program_symbol(uint64_t addr, struct rt__elf_symbol *ret)
{
	const struct program *prog = rt__load_acq(&the_program); /* acq: as above */
	uint64_t *slot = &known[addr % KNOWN], was = rt__load_rlx(slot);

	if (!prog || !prog->usable)
		return false;
	was = (was & ADDR_MASK) == addr ? was >> ADDR_BITS : 0;
	uint64_t i = rt__elf_symbol_of(&prog->elf, addr, was, ret);
	if (!was && (addr | i << (2 * ADDR_BITS - 64)) <= ADDR_MASK)
		rt__store_rlx(slot, i << ADDR_BITS | addr);
	return i > 0;
}

bool
rt__symbol_of(uintptr_t pc, struct rt__symbol *ret)
{
	struct rt__elf_symbol sym;
	struct rt__image im;

	if (!the_file() || !rt__image_find(&im) || !rt__program_symbol(pc - im.bias, &sym))
		return false;
	*ret = (struct rt__symbol){sym.name, (uintptr_t)sym.start + im.bias};
	return true;
}

void
rt__places_of(const uintptr_t *pcs, int n, struct rt__line *lines, struct rt__inlined *inlined)
{
	static struct rt__dwarf none; /* not const, as memory that no file is of */
	const struct program *prog = the_file();
	const struct rt__dwarf *dwarf = prog ? &prog->dwarf : &none;
	uint64_t addrs[RT_PLACES_MAX];
	uintptr_t lo, hi;
	struct rt__image im;

	rt__text_bounds(&lo, &hi);
	if (!rt__image_find(&im))
		dwarf = &none;
	for (int i = 0; i < n; i++)
		addrs[i] = pcs[i] - im.bias;
	rt__lines_find(dwarf, lo - im.bias, addrs, n, lines);
	rt__inlined_find(dwarf, lo - im.bias, addrs, n, inlined);
}

const char *
rt__inlined_name(const struct rt__inlined *inlined, unsigned i, struct rt__line *ret_call)
{
	uint64_t key = (uint64_t)inlined->unit << 32 | inlined->die[i];
	struct inlined_call own = {0}, *c = &known_calls.slots[key % KNOWN];
	bool busy = rt__xchg_acq(&known_calls.busy, true); /* pairs with the release below */

	if (busy)
		c = &own;
	if (c->key != key) {
		c->name = rt__inlined_at(&the_file()->dwarf, inlined, i, &c->line);
		c->key = key;
	}
	*ret_call = c->line;
	const char *name = c->name;
	if (!busy)
		rt__store_rel(&known_calls.busy, false);
	return name;
}
