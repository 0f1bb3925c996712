/* SPDX-License-Identifier: MIT */
/*
 * From the kernel's jump to rt0_go: makes the program's own image usable, then libc.
 *
 *	1. static-PIE: apply RELATIVE and RELR relocations. Until then, no address that is stored in
 *	   memory is right, so nothing here uses one: all symbols are hidden, and so PC-relative.
 *	2. __init_libc: environ, auxv, page size, the first thread pointer, the stack canary. musl's
 *	   own __libc_start_main would go on to run constructors here; ours wait for the main
 * goroutine.
 *	3. IRELATIVE relocations (ifunc): their resolvers are ordinary C that may use thread-locals,
 * so they come after libc. Static musl does not apply them at all.
 *	4. RELRO: what only relocation had to write becomes read-only. Static musl omits this too.
 *
 * Compiled without stack protector: the canary does not exist before 2.
 */
#include <elf.h>
#include <link.h>
#include <stdint.h>

#include "arch/arch.h"
#include "base/base.h"
#include "boot/boot.h"
#include "os/os.h"

#define HIDDEN __attribute__((visibility("hidden")))
#define WEAK_HIDDEN __attribute__((weak, visibility("hidden")))

#define DT_RELRSZ_ 35
#define DT_RELR_ 36
#define DT_RELRENT_ 37
#define NDYN 40

HIDDEN void __init_libc(char **envp, char *argv0);

/* crtbegin.o's otherwise: C++ names the image by it whose destructors are to run. There is one. */
extern WEAK_HIDDEN const void *const __dso_handle;
const void *const __dso_handle = NULL;

/* Where the linker puts IRELATIVE relocations of a program that is not position-independent. */
extern WEAK_HIDDEN const Elf64_Rela __rela_iplt_start[], __rela_iplt_end[];

HIDDEN RT_NORETURN void rt__start_c(const long *sp, const Elf64_Dyn *dynamic);

/* The image: load address and program headers, as the kernel gives them. */
struct image {
	uintptr_t base;
	const Elf64_Phdr *phdr;
	size_t phnum;
	size_t page_size;
	uintptr_t dyn[NDYN]; /* .dynamic, by tag; zero in a non-PIE */
};

static void
image_find(struct image *im, const unsigned long *auxv, const Elf64_Dyn *dynamic)
{
	for (size_t i = 0; i < NDYN; i++)
		im->dyn[i] = 0;
	im->base = im->phnum = 0;
	im->page_size = 4096;
	for (; auxv[0] != AT_NULL; auxv += 2) {
		if (auxv[0] == AT_PHDR)
			im->phdr = (const Elf64_Phdr *)auxv[1];
		else if (auxv[0] == AT_PHNUM)
			im->phnum = auxv[1];
		else if (auxv[0] == AT_PAGESZ)
			im->page_size = auxv[1];
	}
	for (size_t i = 0; i < im->phnum; i++)
		if (dynamic && im->phdr[i].p_type == PT_DYNAMIC)
			im->base = (uintptr_t)dynamic - im->phdr[i].p_vaddr;
	for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++)
		if (dynamic->d_tag > 0 && dynamic->d_tag < NDYN)
			im->dyn[dynamic->d_tag] = dynamic->d_un.d_val;
}

static void
apply_relative(const struct image *im)
{
	const Elf64_Rela *r = (const void *)(im->base + im->dyn[DT_RELA]);
	const Elf64_Rela *end = (const void *)((uintptr_t)r + im->dyn[DT_RELASZ]);

	for (; r < end; r++)
		if (ELF64_R_TYPE(r->r_info) == R_X86_64_RELATIVE)
			*(uintptr_t *)(im->base + r->r_offset) = im->base + (uintptr_t)r->r_addend;
}

/* RELR: an even word is the address of one word to relocate; an odd one is a bitmap of which of
 * the next 63 words are to be, too. */
static void
apply_relr(const struct image *im)
{
	const uintptr_t *r = (const void *)(im->base + im->dyn[DT_RELR_]);
	const uintptr_t *end = (const void *)((uintptr_t)r + im->dyn[DT_RELRSZ_]);
	uintptr_t *where = NULL;

	for (; r < end; r++) {
		if ((*r & 1) == 0 || !where) {
			where = (uintptr_t *)(im->base + *r);
			*where++ += im->base;
			continue;
		}
		for (uintptr_t i = 0, bits = *r >> 1; bits; i++, bits >>= 1)
			if (bits & 1)
				where[i] += im->base;
		where += 63;
	}
}

static void
apply_irelative(uintptr_t base, const Elf64_Rela *r, const Elf64_Rela *end)
{
	for (; r < end; r++) {
		if (ELF64_R_TYPE(r->r_info) != R_X86_64_IRELATIVE)
			continue;
		uintptr_t (*resolver)(void) = (uintptr_t(*)(void))(base + (uintptr_t)r->r_addend);
		*(uintptr_t *)(base + r->r_offset) = resolver();
	}
}

static void
apply_all_irelative(const struct image *im)
{
	uintptr_t rela = im->base + im->dyn[DT_RELA], plt = im->base + im->dyn[DT_JMPREL];

	apply_irelative(0, __rela_iplt_start, __rela_iplt_end);
	if (im->dyn[DT_RELA])
		apply_irelative(im->base, (const void *)rela,
				(const void *)(rela + im->dyn[DT_RELASZ]));
	if (im->dyn[DT_JMPREL])
		apply_irelative(im->base, (const void *)plt,
				(const void *)(plt + im->dyn[DT_PLTRELSZ]));
}

static void
protect_relro(const struct image *im)
{
	for (size_t i = 0; i < im->phnum; i++) {
		const Elf64_Phdr *ph = &im->phdr[i];
		uintptr_t mask = ~(im->page_size - 1);

		if (ph->p_type != PT_GNU_RELRO)
			continue;
		uintptr_t lo = (im->base + ph->p_vaddr) & mask;
		uintptr_t hi = (im->base + ph->p_vaddr + ph->p_memsz) & mask;
		if (lo < hi && rt__os_protect_readonly((void *)lo, hi - lo) < 0)
			rt__die_at_boot("cannot make relocated data read-only");
	}
}

/* What needs libc. Not inlined, so that no load of the canary or of a thread-local moves up. */
static RT_NOINLINE RT_NORETURN void
start_with_libc(const long *sp, const struct image *im)
{
	apply_all_irelative(im);
	protect_relro(im);
	rt__rt0_go(sp);
}

void
rt__start_c(const long *sp, const Elf64_Dyn *dynamic)
{
	struct image im;
	char **argv = (char **)(uintptr_t)(sp + 1);
	char **envp = argv + sp[0] + 1;
	char **p = envp;

	while (*p)
		p++;
	image_find(&im, (const unsigned long *)(void *)(p + 1), dynamic);
	if (dynamic) {
		apply_relative(&im);
		apply_relr(&im);
	}
	__init_libc(envp, argv[0]);
	__asm__ volatile("" ::: "memory"); /* a barrier against hoisting across __init_libc */
	start_with_libc(sp, &im);
}
