/* SPDX-License-Identifier: MIT */
/*
 * mutate_core.c: a fuzzer for CI: `rtinspect core` on damaged core files.
 *
 *	mutate_core [-n COUNT] [-s FIRST] PROGRAM [ARGUMENT...]
 *
 * PROGRAM must abort at the end of its input: it leaves the core file to start from, of which only
 * the pages that hold something are kept. Input number i is that, mutated with seed i: headers and
 * notes, and words of memory, which are replaced by nasty values or by each other, so that lists
 * get cycles and stacks get the return addresses of others. Exit status 77 where no core files
 * are to be had. Otherwise as mutate_rtinspect.c.
 */
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutate_elf.h"
#include "ps.h"

#define SECONDS_PER_INPUT 10
#define PAGE 4096
#define SKIPPED 77

struct seed {
	uint8_t *data;
	size_t size;
	size_t memory; /* where the first page of memory lies; headers and notes before */
};

static char number_text[32];

/* The sanitizers' hook; weak, so that the driver also builds without them. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void
say_number(void)
{
	static const char text[] = "mutate_core: failed; run again with -n 1 -s ";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, number_text, strlen(number_text)) < 0) {
		_exit(3);
	}
}

static void
on_signal(int signal_number)
{
	(void)signal_number;
	say_number();
	_exit(1);
}

/* ---- the core file to start from ---- */

static int
make_core(char *const argv[], const char *folder)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	char *envp[] = {(char *)"GOMAXPROCS=2", NULL};
	pid_t pid = fork();
	char path[128];
	int status;
	int core;

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		setrlimit(RLIMIT_CORE, &unlimited);
		if (chdir(folder) == 0) {
			execve(argv[0], argv, envp);
		}
		_exit(126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) {
		fprintf(stderr, "mutate_core: %s did not die of a signal\n", argv[0]);
		exit(1);
	}
	snprintf(path, sizeof(path), "%s/core", folder);
	core = open(path, O_RDONLY | O_CLOEXEC);
	if (core < 0) {
		snprintf(path, sizeof(path), "%s/core.%d", folder, (int)pid);
		core = open(path, O_RDONLY | O_CLOEXEC);
	}
	unlink(path);
	rmdir(folder);
	return core;
}

static bool
is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

static void
must_read(int fd, void *to, size_t size, uint64_t offset)
{
	if (pread(fd, to, size, (off_t)offset) != (ssize_t)size) {
		perror("mutate_core: cannot read the core file");
		exit(1);
	}
}

struct packing {
	int fd;
	struct seed *seed;
	Elf64_Phdr *loads; /* one for each page */
	size_t nloads, capacity, memory_size;
	uint8_t *memory;
};

static void
pack_page(struct packing *p, const Elf64_Phdr *from, uint64_t skip)
{
	uint8_t page[PAGE];

	must_read(p->fd, page, PAGE, from->p_offset + skip);
	if (is_zero(page)) {
		return;
	}
	p->loads = ri_grow(p->loads, p->nloads, &p->capacity, sizeof(*p->loads));
	p->loads[p->nloads] = *from;
	p->loads[p->nloads].p_vaddr = from->p_vaddr + skip;
	p->loads[p->nloads].p_offset = p->nloads * PAGE;
	p->loads[p->nloads].p_filesz = p->loads[p->nloads].p_memsz = PAGE;
	p->memory = realloc(p->memory, (p->nloads + 1) * PAGE);
	if (p->memory == NULL) {
		abort();
	}
	memcpy(p->memory + p->nloads++ * PAGE, page, PAGE);
}

static void
pack_segment(struct packing *p, const Elf64_Phdr *from)
{
	off_t at = (off_t)from->p_offset;
	off_t end = (off_t)(from->p_offset + from->p_filesz);

	while (at < end && (at = lseek(p->fd, at, SEEK_DATA)) >= 0 && at < end) {
		uint64_t skip = ((uint64_t)at - from->p_offset) / PAGE * PAGE;

		pack_page(p, from, skip);
		at = (off_t)(from->p_offset + skip + PAGE);
	}
}

/* Header, program headers, notes, pages that are not zero. */
static void
pack(struct seed *seed, int fd)
{
	struct packing p = {.fd = fd, .seed = seed};
	Elf64_Phdr notes = {0};
	Elf64_Ehdr header;
	Elf64_Phdr *all;

	must_read(fd, &header, sizeof(header), 0);
	all = ri_calloc(header.e_phnum, sizeof(*all));
	must_read(fd, all, header.e_phnum * sizeof(*all), header.e_phoff);
	for (size_t i = 0; i < header.e_phnum; i++) {
		if (all[i].p_type == PT_NOTE) {
			notes = all[i];
		} else if (all[i].p_type == PT_LOAD) {
			pack_segment(&p, &all[i]);
		}
	}
	seed->memory = sizeof(header) + (p.nloads + 1) * sizeof(*all) + notes.p_filesz;
	seed->size = seed->memory + p.nloads * PAGE;
	seed->data = ri_calloc(seed->size, 1);
	header.e_phoff = sizeof(header);
	header.e_phnum = (Elf64_Half)(p.nloads + 1);
	memcpy(seed->data, &header, sizeof(header));
	must_read(fd, seed->data + seed->memory - notes.p_filesz, notes.p_filesz, notes.p_offset);
	notes.p_offset = seed->memory - notes.p_filesz;
	memcpy(seed->data + sizeof(header), &notes, sizeof(notes));
	for (size_t i = 0; i < p.nloads; i++) {
		p.loads[i].p_offset += seed->memory;
	}
	memcpy(seed->data + sizeof(header) + sizeof(notes), p.loads, p.nloads * sizeof(*all));
	memcpy(seed->data + seed->memory, p.memory, p.nloads * PAGE);
	free(p.loads);
	free(p.memory);
	free(all);
}

/* ---- mutations ---- */

/* splitmix64, as in mutate_elf.c. */
static uint64_t
next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* An offset of a word that is not zero, in [from, size); words that mean something. */
static size_t
pick_word(const struct seed *seed, const uint8_t *data, size_t from, uint64_t *state)
{
	size_t count = (seed->size - from) / 8;
	size_t at = from;

	for (int tries = 0; tries < 64; tries++) {
		uint64_t word;

		at = from + next(state) % count * 8;
		memcpy(&word, data + at, 8);
		if (word != 0) {
			break;
		}
	}
	return at;
}

static void
mutate_word(const struct seed *seed, uint8_t *data, uint64_t *state)
{
	static const uint64_t nasty[] = {0,
					 1,
					 8,
					 UINT64_MAX,
					 UINT64_MAX - 7,
					 (uint64_t)1 << 63,
					 (uint64_t)1 << 47,
					 (uint64_t)1 << 32,
					 INT32_MAX,
					 4096};
	/* One time in three, the notes: registers, the auxiliary vector, the names of files. */
	size_t from = next(state) % 3 == 0 ? sizeof(Elf64_Ehdr) : seed->memory;
	size_t at = pick_word(seed, data, from, state);
	uint64_t word;

	memcpy(&word, data + pick_word(seed, data, seed->memory, state), 8);
	switch (next(state) % 4) {
	case 0:
		word = nasty[next(state) % (sizeof(nasty) / sizeof(nasty[0]))];
		break;
	case 1:
		memcpy(&word, data + at, 8);
		word += (next(state) % 33 - 16) * 8;
		break;
	default: /* somebody else's word */
		break;
	}
	memcpy(data + at, &word, 8);
}

/* What all readers start from: the layout descriptor. */
static void
mutate_layout(const struct seed *seed, uint8_t *data, uint64_t *state)
{
	uint8_t *layout = memmem(data + seed->memory, seed->size - seed->memory, RT_LAYOUT_MAGIC,
				 sizeof(RT_LAYOUT_MAGIC));

	if (layout != NULL) {
		layout[next(state) % sizeof(struct rt__layout)] = (uint8_t)next(state);
	}
}

static size_t
mutate(const struct seed *seed, uint8_t *data, uint64_t number)
{
	uint64_t state = number;
	uint64_t count = 1 + next(&state) % 24;

	if (number == 0) {
		return seed->size; /* as it was */
	}
	if (next(&state) % 4 == 0) {
		return mutate_elf(data, seed->size, number);
	}
	for (uint64_t i = 0; i < count; i++) {
		if (next(&state) % 16 == 0) {
			mutate_layout(seed, data, &state);
		} else {
			mutate_word(seed, data, &state);
		}
	}
	return seed->size;
}

/* Whether something could be read at all. */
static bool
run_input(const struct seed *seed, const char *program, uint64_t number, FILE *nowhere)
{
	static const struct ri_ps_options options = {.core = true, .traceback = true, .heap = true};
	uint8_t *data = ri_calloc(seed->size, 1);
	struct ri_error error = {""};
	struct ri_error warning = {""};
	struct ri_ps ps;
	char path[64];
	size_t size;
	bool good;
	int fd = memfd_create("core", MFD_CLOEXEC);

	memcpy(data, seed->data, seed->size);
	size = mutate(seed, data, number);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
		perror("mutate_core");
		exit(1);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	alarm(SECONDS_PER_INPUT);
	good = ri_ps_open(&ps, path, program, &options, &error, &warning) == 0;
	if (good) {
		ri_ps_print_text(nowhere, &ps);
		ri_ps_print_json(nowhere, &ps);
	} else if (error.text[0] == '\0') {
		fputs("mutate_core: a failure without a reason\n", stderr);
		abort();
	}
	good = good && ps.runtime.ngoroutines != 0;
	ri_ps_close(&ps);
	alarm(0);
	close(fd);
	free(data);
	return good;
}

int
main(int argc, char **argv)
{
	char folder[] = "/tmp/mutate-core-XXXXXX";
	FILE *nowhere = fopen("/dev/null", "w");
	uint64_t count = 2000;
	uint64_t first = 1;
	uint64_t good = 0;
	struct seed seed;
	int option;
	int core;

	while ((option = getopt(argc, argv, "+n:s:")) != -1) {
		if (option == 'n') {
			count = strtoull(optarg, NULL, 0);
		} else if (option == 's') {
			first = strtoull(optarg, NULL, 0);
		}
	}
	if (optind == argc || nowhere == NULL || mkdtemp(folder) == NULL) {
		fputs("usage: mutate_core [-n COUNT] [-s FIRST] PROGRAM [ARGUMENT...]\n", stderr);
		return 2;
	}
	core = make_core(argv + optind, folder);
	if (core < 0) {
		fputs("mutate_core: no core files here\n", stderr);
		return SKIPPED;
	}
	pack(&seed, core);
	close(core);
	if (!run_input(&seed, argv[optind], 0, nowhere)) {
		fputs("mutate_core: the core file cannot be read even before it is damaged\n",
		      stderr);
		return 1;
	}
	signal(SIGALRM, on_signal);
	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(say_number);
	}
	for (uint64_t i = first; i < first + count; i++) {
		snprintf(number_text, sizeof(number_text), "%llu\n", (unsigned long long)i);
		good += run_input(&seed, argv[optind], i, nowhere);
	}
	printf("mutate_core: %llu inputs of %zu KiB, %llu of them readable, no failure\n",
	       (unsigned long long)count, seed.size / 1024, (unsigned long long)good);
	free(seed.data);
	fclose(nowhere);
	return 0;
}
