/* SPDX-License-Identifier: MIT */
/* Where the program lies: the text ranges that rt0.ld draws, and what its program headers say. */
#include "symtab/symtab_priv.h"

#define HIDDEN __attribute__((visibility("hidden")))
extern HIDDEN const char rt__text_rt0[], rt__text_rt0_end[];
extern HIDDEN const char rt__text_libc[], rt__text_libc_end[];
extern HIDDEN const char rt__text_user[], rt__text_user_end[];

/* Defined by the linker where the headers are loaded, which they are unless a script forbids it. */
extern HIDDEN __attribute__((weak)) const Elf64_Ehdr __ehdr_start;

static bool
between(uintptr_t pc, const char *lo, const char *end)
{
	return pc - (uintptr_t)lo < (uintptr_t)end - (uintptr_t)lo;
}

enum rt__text
rt__text_of(uintptr_t pc)
{
	if (between(pc, rt__text_user, rt__text_user_end))
		return RT_TEXT_USER;
	if (between(pc, rt__text_rt0, rt__text_rt0_end))
		return RT_TEXT_RT0;
	if (between(pc, rt__text_libc, rt__text_libc_end))
		return RT_TEXT_LIBC;
	return RT_TEXT_NONE;
}

/* The ranges follow each other, in one segment. */
void
rt__text_bounds(uintptr_t *ret_lo, uintptr_t *ret_hi)
{
	*ret_lo = (uintptr_t)rt__text_rt0;
	*ret_hi = (uintptr_t)rt__text_user_end;
}

static bool
holds(const Elf64_Phdr *p, uint64_t addr, uint64_t size)
{
	return p->p_type == PT_LOAD && addr >= p->p_vaddr && size <= p->p_filesz &&
		addr - p->p_vaddr <= p->p_filesz - size;
}

static struct rt__bytes
in_memory(const struct rt__image *im, const Elf64_Phdr *p)
{
	return rt__bytes((const void *)(im->bias + p->p_vaddr), p->p_filesz);
}

bool
rt__image_find(struct rt__image *im)
{
	const Elf64_Ehdr *eh = &__ehdr_start;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((uintptr_t)eh + sizeof *eh), *eh_frame = NULL;

	*im = (struct rt__image){.ehdr = eh};
	if (!eh || eh->e_phoff != sizeof *eh || eh->e_phentsize != sizeof *ph)
		return false;
	for (const Elf64_Phdr *p = ph; p < ph + eh->e_phnum; p++) {
		if (p->p_type == PT_LOAD && p->p_offset == 0)
			im->bias = (uintptr_t)eh - p->p_vaddr;
		if (p->p_type == PT_GNU_EH_FRAME)
			eh_frame = p;
	}
	if (!eh_frame)
		return true;
	im->cfi.hdr = in_memory(im, eh_frame);
	for (const Elf64_Phdr *p = ph; p < ph + eh->e_phnum; p++)
		if (holds(p, eh_frame->p_vaddr, eh_frame->p_filesz))
			im->cfi.tables = in_memory(im, p);
	return true;
}

/* ---- as profiles name it ---- */

static void
find_build_id(const struct rt__image *im, const Elf64_Phdr *notes, struct rt__mapping *ret)
{
	struct rt__bytes b = in_memory(im, notes);
	const uint8_t *p;

	while ((p = rt__bytes_take(&b, sizeof(Elf64_Nhdr)))) {
		Elf64_Nhdr n;

		__builtin_memcpy(&n, p, sizeof n);
		const uint8_t *name = rt__bytes_take(&b, RT_ALIGN_UP((size_t)n.n_namesz, 4));
		const uint8_t *desc = rt__bytes_take(&b, RT_ALIGN_UP((size_t)n.n_descsz, 4));
		if (!name || !desc)
			return;
		if (n.n_type != NT_GNU_BUILD_ID || n.n_namesz != sizeof "GNU" ||
		    __builtin_memcmp(name, "GNU", sizeof "GNU") != 0 ||
		    n.n_descsz > sizeof ret->build_id)
			continue;
		__builtin_memcpy(ret->build_id, desc, n.n_descsz);
		ret->build_id_size = n.n_descsz;
	}
}

void
rt__mapping_of_text(struct rt__mapping *ret)
{
	struct rt__image im;

	*ret = (struct rt__mapping){.path = rt__program_path()};
	rt__text_bounds(&ret->start, &ret->limit);
	if (!rt__image_find(&im))
		return;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((uintptr_t)im.ehdr + sizeof *im.ehdr);
	for (const Elf64_Phdr *p = ph; p < ph + im.ehdr->e_phnum; p++) {
		if (p->p_type == PT_NOTE)
			find_build_id(&im, p, ret);
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		ret->start = im.bias + p->p_vaddr;
		ret->limit = ret->start + p->p_memsz;
		ret->offset = p->p_offset;
	}
}
