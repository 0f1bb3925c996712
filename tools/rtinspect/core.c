/* SPDX-License-Identifier: MIT */
/*
 * core.c: a core file, as the kernel or gdb writes it; see program.h.
 *
 * It may have any size, so it is read in pieces, where an image (image.c) is held in memory. What
 * the kernel leaves out, which is what the program's file has, is read from there.
 *
 * Rejected: dwfl_core_file_report, which maps the file (a truncated one is a SIGBUS), believes it,
 * and wants the shared libraries that a static program has not.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identify.h"
#include "program.h"

#define SEGMENTS_MAX ((uint64_t)1 << 20)
#define NOTES_MAX ((uint64_t)256 << 20)
#define THREADS_MAX ((size_t)1 << 20)

struct core {
	int fd;
	uint64_t size;
	Elf64_Ehdr header;
	Elf64_Phdr *loads; /* PT_LOAD, sorted by address */
	size_t nloads;
	uint8_t *notes; /* the largest PT_NOTE */
	size_t notes_size;
	const uint8_t *files; /* NT_FILE, in notes */
	size_t files_size;
	size_t threads_capacity;
};

/* ---- reading ---- */

static size_t
read_at(const struct core *core, uint64_t offset, void *to, size_t size)
{
	size_t done = 0;

	if (offset > core->size) {
		return 0;
	}
	while (done < size) {
		ssize_t count =
			pread(core->fd, (char *)to + done, size - done, (off_t)(offset + done));

		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count <= 0) {
			break;
		}
		done += (size_t)count;
	}
	return done;
}

static const Elf64_Phdr *
load_at(const struct core *core, uint64_t address)
{
	size_t low = 0;
	size_t high = core->nloads;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (core->loads[middle].p_vaddr <= address) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0 || address - core->loads[low - 1].p_vaddr >= core->loads[low - 1].p_memsz) {
		return NULL;
	}
	return &core->loads[low - 1];
}

/* From the core alone. */
static size_t
read_dumped(const struct core *core, uint64_t address, void *to, size_t size)
{
	const Elf64_Phdr *load = load_at(core, address);
	uint64_t skip = load != NULL ? address - load->p_vaddr : 0;

	if (load == NULL || skip >= load->p_filesz || load->p_offset > core->size) {
		return 0;
	}
	if (size > load->p_filesz - skip) {
		size = load->p_filesz - skip;
	}
	return read_at(core, load->p_offset + skip, to, size);
}

/* From the program's file: the part that the segment there has. */
static size_t
read_image(const struct ri_program *program, uint64_t address, void *to, size_t size)
{
	for (size_t i = 0; program->image_open && i < program->image.nsegments; i++) {
		const struct ri_segment *segment = &program->image.segments[i];
		uint64_t skip = address - program->base - segment->address;

		if (skip < segment->size) {
			size = size < segment->size - skip ? size : segment->size - skip;
			memcpy(to, segment->bytes + skip, size);
			return size;
		}
	}
	return 0;
}

static size_t
read_memory(struct ri_program *program, uint64_t address, void *to, size_t size)
{
	size_t done = 0;

	while (done < size && address + done >= address) {
		size_t part = read_dumped(program->reader, address + done, (char *)to + done,
					  size - done);

		if (part == 0) {
			part = read_image(program, address + done, (char *)to + done, size - done);
		}
		if (part == 0) {
			break;
		}
		done += part;
	}
	return done;
}

/* ---- the file's own structure ---- */

static int
by_address(const void *left, const void *right)
{
	const Elf64_Phdr *a = left;
	const Elf64_Phdr *b = right;

	return (a->p_vaddr > b->p_vaddr) - (a->p_vaddr < b->p_vaddr);
}

static int
read_header(struct core *core, struct ri_error *error)
{
	uint8_t first[sizeof(Elf64_Ehdr)];
	char what[128];
	size_t size = read_at(core, 0, first, sizeof(first));

	if (ri_identify_foreign(first, size, what, sizeof(what))) {
		return ri_fail(error, "is not a core file of an rt0 program: it is %s", what);
	}
	if (size < sizeof(core->header)) {
		return ri_fail(error, "is too short for a core file: it has %llu bytes",
			       (unsigned long long)core->size);
	}
	memcpy(&core->header, first, sizeof(core->header));
	if (core->header.e_type != ET_CORE) {
		return ri_fail(error, "is an ELF file, but no core file");
	}
	if (core->header.e_machine != EM_X86_64) {
		return ri_fail(error, "is a core file of another CPU than x86-64");
	}
	return 0;
}

/* Their number; with very many it stands in the first section header. */
static uint64_t
count_segments(const struct core *core)
{
	Elf64_Shdr first;

	if (core->header.e_phnum != PN_XNUM) {
		return core->header.e_phnum;
	}
	if (core->header.e_shoff == 0 ||
	    read_at(core, core->header.e_shoff, &first, sizeof(first)) < sizeof(first)) {
		return 0;
	}
	return first.sh_info;
}

static int
read_notes(struct core *core, const Elf64_Phdr *segment, struct ri_error *error)
{
	if (segment->p_filesz > NOTES_MAX ||
	    !ri_in_range(segment->p_offset, segment->p_filesz, core->size)) {
		return ri_fail(error, "is truncated or malformed: its notes do not fit into it");
	}
	if (segment->p_filesz <= core->notes_size) {
		return 0;
	}
	free(core->notes);
	core->notes = ri_calloc(segment->p_filesz, 1);
	core->notes_size = read_at(core, segment->p_offset, core->notes, segment->p_filesz);
	return 0;
}

static int
read_segments(struct core *core, struct ri_error *error, struct ri_error *warning)
{
	uint64_t count = count_segments(core);
	uint64_t end = 0;
	Elf64_Phdr *all;
	int result = 0;

	if (count == 0 || count > SEGMENTS_MAX || core->header.e_phentsize != sizeof(Elf64_Phdr) ||
	    !ri_in_range(core->header.e_phoff, count * sizeof(Elf64_Phdr), core->size)) {
		return ri_fail(error,
			       "is truncated or malformed: its %llu program headers do not fit "
			       "into its %llu bytes",
			       (unsigned long long)count, (unsigned long long)core->size);
	}
	all = ri_calloc(count, sizeof(Elf64_Phdr));
	core->loads = all;
	if (read_at(core, core->header.e_phoff, all, count * sizeof(Elf64_Phdr)) <
	    count * sizeof(Elf64_Phdr)) {
		return ri_fail(error, "cannot be read");
	}
	for (uint64_t i = 0; i < count && result == 0; i++) {
		Elf64_Phdr segment = all[i];

		if (segment.p_type == PT_NOTE) {
			result = read_notes(core, &segment, error);
		} else if (segment.p_type == PT_LOAD &&
			   segment.p_memsz <= UINT64_MAX - segment.p_vaddr) {
			if (ri_in_range(segment.p_offset, segment.p_filesz, UINT64_MAX) &&
			    end < segment.p_offset + segment.p_filesz) {
				end = segment.p_offset + segment.p_filesz;
			}
			core->loads[core->nloads++] = segment;
		}
	}
	qsort(core->loads, core->nloads, sizeof(Elf64_Phdr), by_address);
	if (end > core->size) {
		ri_fail(warning,
			"is truncated: it should have %llu bytes, and has %llu (ulimit -c, or a "
			"full disk?)",
			(unsigned long long)end, (unsigned long long)core->size);
	}
	return result;
}

/* ---- notes ---- */

static void
add_thread(struct ri_program *program, const struct elf_prstatus *status)
{
	struct core *core = program->reader;
	struct ri_thread *thread;
	struct user_regs_struct regs;

	if (program->nthreads == THREADS_MAX) {
		return;
	}
	program->threads = ri_grow(program->threads, program->nthreads, &core->threads_capacity,
				   sizeof(struct ri_thread));
	thread = &program->threads[program->nthreads++];
	*thread = (struct ri_thread){.tid = status->pr_pid};
	_Static_assert(sizeof(regs) == sizeof(status->pr_reg), "the same registers");
	memcpy(&regs, &status->pr_reg, sizeof(regs));
	ri_program_registers(thread, &regs);
	if (program->nthreads == 1) { /* the first is the one that died */
		program->death.tid = status->pr_pid;
		program->death.signal = status->pr_cursig;
		program->death.known = status->pr_cursig != 0;
	}
}

static void
read_psinfo(struct ri_program *program, const uint8_t *desc)
{
	struct elf_prpsinfo info;

	memcpy(&info, desc, sizeof(info));
	info.pr_psargs[sizeof(info.pr_psargs) - 1] = '\0';
	program->pid = info.pr_pid;
	free(program->command);
	program->command = ri_strdup(info.pr_psargs);
	for (size_t i = strlen(program->command); i > 0 && program->command[i - 1] == ' '; i--) {
		program->command[i - 1] = '\0';
	}
}

/* si_code and si_addr of the first thread, which is the one that died. */
static void
read_siginfo(struct ri_program *program, const uint8_t *desc)
{
	struct {
		int32_t signal, error, code, pad;
		uint64_t address;
	} info;

	memcpy(&info, desc, sizeof(info));
	if (program->nthreads == 1 && info.signal == program->death.signal) {
		program->death.code = info.code;
		program->death.address = info.address;
	}
}

static int
read_note(struct ri_program *program, uint32_t type, const uint8_t *desc, size_t size,
	  struct ri_error *error)
{
	struct core *core = program->reader;
	struct elf_prstatus status;

	if (type == NT_PRSTATUS && size >= sizeof(status)) {
		memcpy(&status, desc, sizeof(status));
		add_thread(program, &status);
	} else if (type == NT_PRPSINFO && size >= sizeof(struct elf_prpsinfo)) {
		read_psinfo(program, desc);
	} else if (type == NT_SIGINFO && size >= 24) {
		read_siginfo(program, desc);
	} else if (type == NT_FILE) {
		core->files = desc;
		core->files_size = size;
	} else if (type == NT_AUXV && program->phdr == 0) {
		return ri_program_auxv(program, desc, size, error);
	}
	return 0;
}

static int
walk_notes(struct ri_program *program, struct ri_error *error)
{
	struct core *core = program->reader;
	size_t at = 0;

	while (ri_in_range(at, sizeof(Elf64_Nhdr), core->notes_size)) {
		Elf64_Nhdr note;
		uint64_t name = at + sizeof(note);
		uint64_t desc;

		memcpy(&note, core->notes + at, sizeof(note));
		desc = name + ((uint64_t)note.n_namesz + 3) / 4 * 4;
		if (!ri_in_range(desc, note.n_descsz, core->notes_size)) {
			break;
		}
		if (note.n_namesz == 5 && memcmp(core->notes + name, "CORE", 5) == 0 &&
		    read_note(program, note.n_type, core->notes + desc, note.n_descsz, error) < 0) {
			return -1;
		}
		at = desc + ((uint64_t)note.n_descsz + 3) / 4 * 4;
	}
	if (program->phdr == 0) {
		return ri_fail(error, "has no auxiliary vector that says where its program lies");
	}
	return 0;
}

/* NT_FILE: a count and a page size, then start, end and offset of each mapping, then their paths.
 */
static const char *
file_at(const struct core *core, uint64_t address)
{
	uint64_t words[3];
	uint64_t count;
	size_t name;

	if (core->files_size < 16) {
		return NULL;
	}
	memcpy(&count, core->files, sizeof(count));
	if (count > (core->files_size - 16) / sizeof(words)) {
		return NULL;
	}
	name = 16 + count * sizeof(words);
	for (uint64_t i = 0; i < count; i++) {
		const char *path = (const char *)core->files + name;
		size_t length = strnlen(path, core->files_size - name);

		if (length == core->files_size - name) {
			return NULL;
		}
		memcpy(words, core->files + 16 + i * sizeof(words), sizeof(words));
		if (words[0] <= address && address < words[1]) {
			return path;
		}
		name += length + 1;
	}
	return NULL;
}

/* ---- the program's file ---- */

/* The start of the file is in memory, and in cores: it tells one build from another. */
static int
check_same_file(struct ri_program *program, struct ri_error *error)
{
	uint8_t dumped[4096];
	const struct ri_segment *first = program->image.segments;
	size_t size;

	if (program->image.nsegments == 0) {
		return 0;
	}
	size = first->size < sizeof(dumped) ? first->size : sizeof(dumped);
	if (read_dumped(program->reader, program->base + first->address, dumped, size) == size &&
	    memcmp(dumped, first->bytes, size) != 0) {
		return ri_fail(error,
			       "%s is not the program that left this core file, or was built "
			       "anew: name the right one (rtinspect core CORE PROGRAM)",
			       program->path);
	}
	return 0;
}

static int
open_program(struct ri_program *program, const char *exe, struct ri_error *error)
{
	const char *path = exe != NULL ? exe : file_at(program->reader, program->entry);
	int result;
	int fd;

	if (path == NULL) {
		return ri_fail(error,
			       "does not say which program left it: name that "
			       "(rtinspect core CORE PROGRAM)");
	}
	program->path = ri_strdup(path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return ri_fail(error,
			       "its program %s cannot be opened: %s; name another "
			       "(rtinspect core CORE PROGRAM)",
			       path, strerror(errno));
	}
	result = ri_program_file(program, fd, error);
	close(fd);
	if (result < 0) {
		return -1;
	}
	program->base = program->entry - program->image.header.e_entry;
	if (program->image.header.e_type == ET_EXEC && program->base != 0) {
		return ri_fail(error, "%s is not the program that left this core file", path);
	}
	return check_same_file(program, error);
}

int
ri_core_open(struct ri_program *program, const char *path, const char *exe, struct ri_error *error,
	     struct ri_error *warning)
{
	struct core *core = ri_calloc(1, sizeof(*core));
	struct stat status;

	program->reader = core;
	program->read = read_memory;
	core->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (core->fd < 0) {
		return ri_fail(error, "cannot be opened: %s", strerror(errno));
	}
	if (fstat(core->fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		return ri_fail(error, "is not a regular file");
	}
	core->size = (uint64_t)status.st_size;
	if (read_header(core, error) < 0 || read_segments(core, error, warning) < 0 ||
	    walk_notes(program, error) < 0) {
		return -1;
	}
	return open_program(program, exe, error);
}

void
ri_core_close(struct ri_program *program)
{
	struct core *core = program->reader;

	if (core->fd >= 0) {
		close(core->fd);
	}
	free(core->loads);
	free(core->notes);
	free(core);
}
