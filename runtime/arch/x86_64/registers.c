/* SPDX-License-Identifier: MIT */
/* The registers of a signal's context, by Go's names and in Go's order. */
#include "arch/arch.h"
#include "base/base.h"

/* Words of the kernel's struct sigcontext, which comes behind flags, a link and a stack_t. */
#define UC_REGS 40
enum { FLAGS = 17, SELECTORS = 18 }; /* the latter four of 16 bits: cs, gs, fs, ss */

static const struct {
	char name[4];
	uint8_t at;
} registers[] = {
	{"rax", 13}, {"rbx", 11}, {"rcx", 14}, {"rdx", 12}, {"rdi", 8},  {"rsi", 9},
	{"rbp", 10}, {"rsp", 15}, {"r8 ", 0},  {"r9 ", 1},  {"r10", 2},  {"r11", 3},
	{"r12", 4},  {"r13", 5},  {"r14", 6},  {"r15", 7},  {"rip", 16},
};

void
rt__print_registers(const void *uc)
{
	const uint64_t *words = (const uint64_t *)((uintptr_t)uc + UC_REGS);
	uint64_t selectors = words[SELECTORS];

	for (size_t i = 0; i < RT_ARRAY_LEN(registers); i++)
		rt__eprintf("%s    0x%lx\n", registers[i].name, words[registers[i].at]);
	rt__eprintf("rflags 0x%lx\ncs     0x%lx\nfs     0x%lx\ngs     0x%lx\n", words[FLAGS],
		    selectors & 0xffff, selectors >> 32 & 0xffff, selectors >> 16 & 0xffff);
}
