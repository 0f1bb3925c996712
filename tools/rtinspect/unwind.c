/* SPDX-License-Identifier: MIT */
/*
 * unwind.c: callers of a frame; see unwind.h.
 *
 * libdw decodes the unwind tables; what they say is computed here, which allows for three things
 * that libdwfl's own unwinder does not offer: rows are kept by program counter, so that a hundred
 * thousand goroutines that wait at few places cost little; libc has no tables, and we say that we
 * guess there instead of trusting a frame pointer that it does not keep; and a signal frame of
 * musl, without tables as well, is known by its instructions, as gdb knows it.
 *
 * Guessing: the stack above sp is searched for a return address. One behind a call of just the
 * function that we are in is nearly certain; without such, the first behind any call is taken.
 */
#include "unwind.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 4096 /* a power of two */
#define GUESS_WORDS 4096
#define STACK_MAX 32

struct row {
	uint64_t pc;        /* as looked up; 0: unused */
	Dwarf_Frame *frame; /* NULL: no table knows it */
	bool signal;
};

struct ri_unwinder {
	struct ri_program *program;
	const struct ri_runtime *runtime;
	Elf *elf;
	Dwarf *dwarf;
	Dwarf_CFI *eh, *debug;
	struct row rows[ROWS];
};

struct ri_unwinder *
ri_unwinder_new(struct ri_program *program, const struct ri_runtime *runtime)
{
	struct ri_unwinder *u = ri_calloc(1, sizeof(*u));

	u->program = program;
	u->runtime = runtime;
	if (elf_version(EV_CURRENT) != EV_NONE) {
		u->elf = elf_memory((char *)program->file, program->file_size);
	}
	if (u->elf != NULL) {
		u->eh = dwarf_getcfi_elf(u->elf);
		u->dwarf = dwarf_begin_elf(u->elf, DWARF_C_READ, NULL);
	}
	if (u->dwarf != NULL) {
		u->debug = dwarf_getcfi(u->dwarf);
	}
	return u;
}

void
ri_unwinder_free(struct ri_unwinder *u)
{
	for (size_t i = 0; i < ROWS; i++) {
		free(u->rows[i].frame);
	}
	if (u->eh != NULL) {
		dwarf_cfi_end(u->eh);
	}
	if (u->dwarf != NULL) {
		dwarf_end(u->dwarf);
	}
	elf_end(u->elf);
	free(u);
}

/* ---- by tables ---- */

/* An address of the file; a row that stood at its place in the cache is dropped. */
static const struct row *
find_row(struct ri_unwinder *u, uint64_t pc)
{
	struct row *row = &u->rows[(pc ^ pc >> 12) % ROWS];
	Dwarf_Addr start;
	Dwarf_Addr end;

	if (row->pc == pc && pc != 0) {
		return row;
	}
	free(row->frame);
	*row = (struct row){.pc = pc};
	if (u->eh == NULL || dwarf_cfi_addrframe(u->eh, pc, &row->frame) != 0) {
		row->frame = NULL;
	}
	if (row->frame == NULL &&
	    (u->debug == NULL || dwarf_cfi_addrframe(u->debug, pc, &row->frame) != 0)) {
		row->frame = NULL;
	}
	if (row->frame != NULL &&
	    dwarf_frame_info(row->frame, &start, &end, &row->signal) != RI_PC) {
		free(row->frame); /* another CPU's tables */
		row->frame = NULL;
	}
	return row;
}

struct machine {
	struct ri_unwinder *unwinder;
	const struct ri_registers *registers;
	uint64_t cfa;
	uint64_t stack[STACK_MAX];
	size_t depth;
	bool is_value; /* the result is the value itself, not where it lies */
	bool failed;
};

static void
push(struct machine *m, uint64_t value)
{
	if (m->depth == STACK_MAX) {
		m->failed = true;
		return;
	}
	m->stack[m->depth++] = value;
}

static uint64_t
pop(struct machine *m)
{
	if (m->depth == 0) {
		m->failed = true;
		return 0;
	}
	return m->stack[--m->depth];
}

static void
push_register(struct machine *m, uint64_t number, uint64_t offset)
{
	if (number >= RI_NREGS || (m->registers->known >> number & 1) == 0) {
		m->failed = true;
		return;
	}
	push(m, m->registers->value[number] + offset);
}

static void
arithmetic(struct machine *m, uint8_t atom)
{
	uint64_t right = pop(m);
	uint64_t left = pop(m);

	switch (atom) {
	case DW_OP_plus:
		push(m, left + right);
		break;
	case DW_OP_minus:
		push(m, left - right);
		break;
	case DW_OP_and:
		push(m, left & right);
		break;
	case DW_OP_or:
		push(m, left | right);
		break;
	case DW_OP_shl:
		push(m, right < 64 ? left << right : 0);
		break;
	case DW_OP_ge:
		push(m, (int64_t)left >= (int64_t)right);
		break;
	default:
		m->failed = true;
	}
}

/* What compilers and assemblers write into unwind tables; anything else fails. */
static void
execute(struct machine *m, const Dwarf_Op *op)
{
	uint64_t value;

	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
		push(m, op->atom - DW_OP_lit0);
	} else if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		push_register(m, op->atom - DW_OP_breg0, op->number);
	} else if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
		push_register(m, op->atom - DW_OP_reg0, 0);
		m->is_value = true;
	} else if (op->atom == DW_OP_bregx) {
		push_register(m, op->number, op->number2);
	} else if (op->atom == DW_OP_regx) {
		push_register(m, op->number, 0);
		m->is_value = true;
	} else if (op->atom == DW_OP_call_frame_cfa) {
		push(m, m->cfa);
	} else if (op->atom == DW_OP_plus_uconst) {
		push(m, pop(m) + op->number);
	} else if (op->atom == DW_OP_stack_value) {
		m->is_value = true;
	} else if (op->atom == DW_OP_deref) {
		m->failed |= !ri_program_word(m->unwinder->program, pop(m), &value);
		push(m, m->failed ? 0 : value);
	} else if (op->atom >= DW_OP_const1u && op->atom <= DW_OP_consts) {
		push(m, op->number);
	} else {
		arithmetic(m, op->atom);
	}
}

static bool
evaluate(struct machine *m, const Dwarf_Op *ops, size_t count, uint64_t *ret)
{
	m->depth = 0;
	m->failed = false;
	m->is_value = false;
	for (size_t i = 0; i < count && !m->failed; i++) {
		execute(m, &ops[i]);
	}
	*ret = pop(m);
	return !m->failed;
}

/* Finds a register of the caller. False: it is not there any more. */
static bool
recover(struct machine *m, Dwarf_Frame *frame, int number, uint64_t *ret)
{
	Dwarf_Op memory[3];
	Dwarf_Op *ops;
	size_t count;

	if (dwarf_frame_register(frame, number, memory, &ops, &count) != 0) {
		return false;
	}
	if (count == 0 && ops == memory) {
		return false; /* undefined */
	}
	if (count == 0) {
		*ret = m->registers->value[number]; /* the same */
		return (m->registers->known >> number & 1) != 0;
	}
	if (!evaluate(m, ops, count, ret)) {
		return false;
	}
	return m->is_value || ri_program_word(m->unwinder->program, *ret, ret);
}

static enum ri_step
step_by_table(struct ri_unwinder *u, const struct row *row, struct ri_registers *registers,
	      bool *is_call)
{
	struct machine m = {.unwinder = u, .registers = registers};
	struct ri_registers caller = {.known = 0};
	Dwarf_Op *ops;
	size_t count;

	if (dwarf_frame_cfa(row->frame, &ops, &count) != 0 || !evaluate(&m, ops, count, &m.cfa)) {
		return RI_LOST;
	}
	for (int i = 0; i < RI_NREGS; i++) {
		if (i == RI_RSP) {
			caller.value[i] = m.cfa;
			caller.known |= 1u << i;
		} else if (recover(&m, row->frame, i, &caller.value[i])) {
			caller.known |= 1u << i;
		}
	}
	if ((caller.known >> RI_PC & 1) == 0) {
		return RI_OUTERMOST;
	}
	*registers = caller;
	*is_call = !row->signal;
	return RI_EXACT;
}

/* ---- without tables ---- */

/* `mov $15, %rax; syscall`: sp is the kernel's struct ucontext then. */
static bool
is_sigreturn(struct ri_unwinder *u, uint64_t pc)
{
	static const uint8_t code[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
	const uint8_t *bytes = ri_image_bytes(&u->program->image, pc, sizeof(code));

	return bytes != NULL && memcmp(bytes, code, sizeof(code)) == 0;
}

static enum ri_step
step_by_sigcontext(struct ri_unwinder *u, struct ri_registers *registers, bool *is_call)
{
	/* The order of struct sigcontext, which starts 40 bytes into the ucontext. */
	static const uint8_t order[] = {8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16};
	uint64_t words[sizeof(order)];

	if (!ri_program_read(u->program, registers->value[RI_RSP] + 40, words, sizeof(words))) {
		return RI_LOST;
	}
	for (size_t i = 0; i < sizeof(order); i++) {
		registers->value[order[i]] = words[i];
	}
	registers->known = (1u << RI_NREGS) - 1;
	*is_call = false;
	return RI_EXACT;
}

/* rt__async_return stands for a return address, which has lain below sp, and which an M has: in the
 * word that its code pushes, behind the one that says where. */
static bool
is_replaced_return(struct ri_unwinder *u, uint64_t pc, uint32_t *offset)
{
	static const uint8_t code[] = {0x48, 0x8d, 0x64, 0x24, 0x80, 0x65, 0xff, 0x34, 0x25};
	const uint8_t *found = ri_image_bytes(&u->program->image, pc, sizeof code + 4);

	if (found == NULL || memcmp(found, code, sizeof code) != 0) {
		return false;
	}
	memcpy(offset, found + sizeof code, 4);
	return true;
}

static enum ri_step
step_by_m(struct ri_unwinder *u, struct ri_registers *registers, uint32_t offset)
{
	for (size_t i = 0; i < u->runtime->nms; i++) {
		uint64_t at = u->runtime->ms[i].address + offset;
		uint64_t slot;

		if (ri_program_word(u->program, at - 8, &slot) &&
		    slot == registers->value[RI_RSP] - 8 &&
		    ri_program_word(u->program, at, &registers->value[RI_PC])) {
			return RI_EXACT;
		}
	}
	return RI_LOST;
}

/* What stands before a return address: a call of `function`, some other call, or none. */
enum call { NO_CALL, SOME_CALL, THE_CALL };

static enum call
call_before(struct ri_unwinder *u, uint64_t pc, uint64_t function)
{
	const uint8_t *code = ri_image_bytes(&u->program->image, pc - 8, 8);
	int32_t distance;

	if (code == NULL || !ri_image_executable(&u->program->image, pc - 1)) {
		return NO_CALL;
	}
	if (code[3] == 0xe8) {
		uint64_t target;

		memcpy(&distance, code + 4, 4);
		target = pc + (uint64_t)(int64_t)distance;
		if (target == function) {
			return THE_CALL;
		}
		if (ri_image_executable(&u->program->image, target)) {
			return SOME_CALL;
		}
	}
	/* call *mem or *reg: ff /2, of 2, 3, 4, 6 or 7 bytes. */
	for (size_t at = 1; at <= 6; at++) {
		unsigned mode = code[at + 1] >> 6;
		unsigned rm = code[at + 1] & 7;
		size_t length = 2 + (rm == 4 && mode != 3) + (mode == 1) +
			(mode == 2 || (mode == 0 && rm == 5) ? 4 : 0);

		if (code[at] == 0xff && (code[at + 1] >> 3 & 7) == 2 && at + length == 8) {
			return SOME_CALL;
		}
	}
	return NO_CALL;
}

/* A caller that has a frame pointer needs it: libc may have pushed it, just below the return
 * address. */
static void
guess_frame_pointer(struct ri_unwinder *u, struct ri_registers *registers, uint64_t slot,
		    uint64_t top)
{
	uint64_t fp = registers->value[RI_RBP];

	for (uint64_t at = slot - 8; at >= slot - 48; at -= 8) {
		if (fp > slot && fp < top && fp % 16 == 0) {
			registers->value[RI_RBP] = fp;
			registers->known |= 1u << RI_RBP;
			return;
		}
		if (!ri_program_word(u->program, at, &fp)) {
			return;
		}
	}
}

static enum ri_step
step_by_guess(struct ri_unwinder *u, struct ri_registers *registers, bool *is_call, uint64_t top)
{
	uint64_t pc = registers->value[RI_PC] - u->program->base;
	uint64_t sp = registers->value[RI_RSP];
	uint64_t function = 0;
	uint64_t found = 0;
	uint64_t caller = 0;
	uint64_t word;

	ri_image_function_at(&u->program->image, pc, &function);
	for (uint64_t at = (sp + 7) / 8 * 8, n = 0; at < top && n < GUESS_WORDS; at += 8, n++) {
		enum call call;

		if (!ri_program_word(u->program, at, &word)) {
			break;
		}
		call = call_before(u, word - u->program->base, function);
		if (call == THE_CALL || (call == SOME_CALL && found == 0)) {
			found = at;
			caller = word;
		}
		if (call == THE_CALL) {
			break;
		}
	}
	if (found == 0) {
		return RI_LOST;
	}
	guess_frame_pointer(u, registers, found, top);
	registers->value[RI_PC] = caller;
	registers->value[RI_RSP] = found + 8;
	*is_call = true;
	return RI_GUESS;
}

enum ri_step
ri_unwind(struct ri_unwinder *u, struct ri_registers *registers, bool *is_call, uint64_t top)
{
	uint64_t pc = registers->value[RI_PC] - u->program->base;
	uint64_t sp = registers->value[RI_RSP];
	const struct row *row;
	uint32_t offset;
	enum ri_step step;

	if (is_sigreturn(u, pc)) {
		return step_by_sigcontext(u, registers, is_call);
	}
	if (is_replaced_return(u, pc, &offset)) {
		return step_by_m(u, registers, offset);
	}
	row = find_row(u, *is_call ? pc - 1 : pc);
	if (row->frame == NULL) {
		return ri_image_executable(&u->program->image, pc)
			? step_by_guess(u, registers, is_call, top)
			: RI_LOST;
	}
	step = step_by_table(u, row, registers, is_call);
	/* A caller's frame lies above, unless it is on another stack. */
	if (step == RI_EXACT && registers->value[RI_RSP] <= sp && *is_call && top != RI_ANY_STACK) {
		return RI_LOST;
	}
	return step;
}
