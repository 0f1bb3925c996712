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

bool
rt__image_find(struct rt__image *im)
{
	const Elf64_Ehdr *eh = &__ehdr_start;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)((uintptr_t)eh + sizeof *eh);

	*im = (struct rt__image){.ehdr = eh};
	if (!eh || eh->e_phoff != sizeof *eh || eh->e_phentsize != sizeof *ph)
		return false;
	for (const Elf64_Phdr *p = ph; p < ph + eh->e_phnum; p++) {
		if (p->p_type == PT_LOAD && p->p_offset == 0)
			im->bias = (uintptr_t)eh - p->p_vaddr;
		if (p->p_type == PT_LOAD)
			im->hi = p->p_vaddr + p->p_memsz; /* ascending */
		if (p->p_type == PT_GNU_EH_FRAME) {
			im->eh_frame_hdr = p->p_vaddr;
			im->eh_frame_hdr_size = p->p_memsz;
		}
	}
	im->lo = (uintptr_t)eh;
	im->hi += im->bias;
	im->eh_frame_hdr += im->bias;
	return im->hi > im->lo;
}
