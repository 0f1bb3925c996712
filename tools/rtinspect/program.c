/* SPDX-License-Identifier: MIT */
/*
 * program.c: what live processes and core files have in common; see program.h.
 */
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identify.h"

#define FILE_MAX ((off_t)4 << 30)
#define TEXT_MAX 128

bool
ri_program_read(struct ri_program *program, uint64_t address, void *to, size_t size)
{
	if (size > sizeof(program->window)) {
		return program->read(program, address, to, size) == size;
	}
	if (address < program->window_address ||
	    !ri_in_range(address - program->window_address, size, program->window_size)) {
		program->window_address = address;
		program->window_size =
			program->read(program, address, program->window, sizeof(program->window));
		if (program->window_size < size) {
			return false;
		}
	}
	memcpy(to, program->window + (address - program->window_address), size);
	return true;
}

bool
ri_program_word(struct ri_program *program, uint64_t address, uint64_t *ret)
{
	return ri_program_read(program, address, ret, sizeof(*ret));
}

bool
ri_program_int(struct ri_program *program, uint64_t address, int32_t *ret)
{
	return ri_program_read(program, address, ret, sizeof(*ret));
}

char *
ri_program_string(struct ri_program *program, uint64_t address)
{
	char text[TEXT_MAX];

	for (size_t i = 0; i < sizeof(text); i++) {
		if (!ri_program_read(program, address + i, &text[i], 1)) {
			return NULL;
		}
		if (text[i] == '\0') {
			return ri_escape(text);
		}
	}
	return NULL;
}

static int
read_file(struct ri_program *program, int fd, struct ri_error *error)
{
	struct stat status;
	size_t done = 0;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		return ri_fail(error, "its program %s is not a regular file", program->path);
	}
	if (status.st_size > FILE_MAX) {
		return ri_fail(error, "its program %s is larger than 4 GiB", program->path);
	}
	program->file_size = (size_t)status.st_size;
	program->file = ri_calloc(program->file_size, 1);
	while (done < program->file_size) {
		ssize_t count =
			pread(fd, program->file + done, program->file_size - done, (off_t)done);

		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count <= 0) {
			return ri_fail(error, "its program %s cannot be read: %s", program->path,
				       count < 0 ? strerror(errno) : "it was truncated");
		}
		done += (size_t)count;
	}
	return 0;
}

int
ri_program_file(struct ri_program *program, int fd, struct ri_error *error)
{
	struct ri_error why;
	char what[128];
	uint32_t abi;
	uint32_t record_size;

	if (read_file(program, fd, error) < 0) {
		return -1;
	}
	if (ri_identify_foreign(program->file, program->file_size, what, sizeof(what))) {
		return ri_fail(error, "is not an rt0 program: %s is %s", program->path, what);
	}
	if (ri_image_open(&program->image, program->file, program->file_size, &why) < 0) {
		return ri_fail(error, "its program %s %s", program->path, why.text);
	}
	program->image_open = true;
	if (!ri_image_note(&program->image, &abi, &record_size)) {
		return ri_fail(error, "is not an rt0 program: %s has no rt0 note", program->path);
	}
	if (program->image.header.e_machine != EM_X86_64) {
		return ri_fail(error, "is a program for another CPU than x86-64");
	}
	return 0;
}

int
ri_program_auxv(struct ri_program *program, const uint8_t *auxv, size_t size,
		struct ri_error *error)
{
	const Elf64_Ehdr *header = &program->image.header;

	for (size_t at = 0; ri_in_range(at, sizeof(Elf64_auxv_t), size);
	     at += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t entry;

		memcpy(&entry, auxv + at, sizeof(entry));
		if (entry.a_type == AT_PHDR) {
			program->phdr = entry.a_un.a_val;
		} else if (entry.a_type == AT_ENTRY) {
			program->entry = entry.a_un.a_val;
		}
	}
	if (program->phdr == 0 || program->entry == 0) {
		return ri_fail(error, "has no auxiliary vector that says where its program lies");
	}
	if (program->image_open) {
		program->base = program->entry - header->e_entry;
		if (header->e_type == ET_EXEC && program->base != 0) {
			return ri_fail(error, "%s is not the program that runs in it",
				       program->path);
		}
	}
	return 0;
}

void
ri_program_registers(struct ri_thread *thread, const struct user_regs_struct *regs)
{
	thread->registers = (struct ri_registers){
		.value = {regs->rax, regs->rdx, regs->rcx, regs->rbx, regs->rsi, regs->rdi,
			  regs->rbp, regs->rsp, regs->r8, regs->r9, regs->r10, regs->r11, regs->r12,
			  regs->r13, regs->r14, regs->r15, regs->rip},
		.known = (1u << RI_NREGS) - 1,
	};
	thread->gs_base = regs->gs_base;
	thread->stopped = true;
}

void
ri_program_close(struct ri_program *program)
{
	if (program->image_open) {
		ri_image_close(&program->image);
	}
	free(program->file);
	free(program->path);
	free(program->command);
	free(program->threads);
}
