/* SPDX-License-Identifier: MIT */
/* x86-64 instructions: lengths of all, and operands of those that a stack pointer depends on. */
#ifndef RT_ARCH_X86_64_INSN_H
#define RT_ARCH_X86_64_INSN_H

#include <stdbool.h>
#include <stdint.h>

enum { RT_INSN_RAX, RT_INSN_RCX, RT_INSN_RDX, RT_INSN_RBX, RT_INSN_RSP, RT_INSN_RBP };

struct rt__insn {
	uint8_t length;
	uint8_t map; /* 0: one byte, 1: 0f, 2: 0f 38, 3: 0f 3a; | RT_INSN_VEX */
	uint8_t op;  /* the last byte of the opcode */
	bool wide;   /* REX.W: 64 bits */
	bool narrow; /* 66: 16 bits */
	bool has_modrm;
	uint8_t reg, rm; /* register operands; of /digit opcodes, reg & 7 is the digit */
	bool is_memory;  /* rm is the base of a memory operand, or 16: pc, 17: none */
	bool has_index;
	int32_t disp;
	int64_t imm; /* sign-extended; of jumps and calls, relative to the next instruction */
};
#define RT_INSN_VEX 0x10

/* Decodes what is at p; false if it is none, or does not end before `end`. */
bool rt__insn_decode(const uint8_t *p, const uint8_t *end, struct rt__insn *ret);

#endif
