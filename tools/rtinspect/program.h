/* SPDX-License-Identifier: MIT */
/*
 * program.h: an rt0 program that runs, or that left a core file: its memory, its threads, its file.
 *
 * Nothing that is read from it is believed: every address may be garbage, every count absurd.
 */
#ifndef RTINSPECT_PROGRAM_H
#define RTINSPECT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "image.h"

/* Registers by DWARF number (System V ABI, figure 3.36); 16 is the program counter. */
#define RI_NREGS 17
enum { RI_RBX = 3, RI_RBP = 6, RI_RSP = 7, RI_R12 = 12, RI_PC = 16 };

struct ri_registers {
	uint64_t value[RI_NREGS];
	uint32_t known; /* bit i: value[i] is there */
};

struct ri_thread {
	int32_t tid;
	bool stopped;     /* its registers are there */
	int32_t signal;   /* live: one that it is about to get */
	uint64_t gs_base; /* the address of its M, if it has one */
	struct ri_registers registers;
};

struct ri_death {
	bool known;
	int32_t tid, signal, code;
	uint64_t address;
};

struct ri_program {
	int pid;
	char *path;    /* of its file */
	char *command; /* its arguments, as ps prints them; may be NULL */
	uint8_t *file;
	size_t file_size;
	struct ri_image image;
	bool image_open;
	uint64_t base;        /* what is added to the file's addresses */
	uint64_t phdr, entry; /* AT_PHDR, AT_ENTRY */
	struct ri_thread *threads;
	size_t nthreads;
	struct ri_death death; /* of cores */

	/* Reads what there is at the address, up to size bytes; returns how many. */
	size_t (*read)(struct ri_program *program, uint64_t address, void *to, size_t size);
	void *reader; /* live.c's or core.c's own */

	uint64_t window_address; /* what was read last */
	size_t window_size;
	uint8_t window[1024];
};

/* All of [address, address + size), or false. */
bool ri_program_read(struct ri_program *program, uint64_t address, void *to, size_t size);
bool ri_program_word(struct ri_program *program, uint64_t address, uint64_t *ret);
bool ri_program_int(struct ri_program *program, uint64_t address, int32_t *ret);
/* A terminated string, escaped; NULL if there is none. The caller frees it. */
char *ri_program_string(struct ri_program *program, uint64_t address);

/* Reads the program's file from fd: it must be an rt0 program. */
int ri_program_file(struct ri_program *program, int fd, struct ri_error *error);
/* Takes what is needed from an auxiliary vector. */
int ri_program_auxv(struct ri_program *program, const uint8_t *auxv, size_t size,
		    struct ri_error *error);
void ri_program_registers(struct ri_thread *thread, const struct user_regs_struct *regs);
void ri_program_close(struct ri_program *program);

/* live.c: stops all threads of a process; ri_live_release lets them go on, and must be called. */
int ri_live_stop(struct ri_program *program, int pid, struct ri_error *error);
void ri_live_release(struct ri_program *program);

/* core.c: exe may be NULL: the core tells. A warning, as of truncation, is left in *warning. */
int ri_core_open(struct ri_program *program, const char *path, const char *exe,
		 struct ri_error *error, struct ri_error *warning);
void ri_core_close(struct ri_program *program);

#endif
