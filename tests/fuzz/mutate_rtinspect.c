/* SPDX-License-Identifier: MIT */
/*
 * mutate_rtinspect.c: a fuzzer for CI: N mutations of given ELF files, decided by their numbers.
 *
 *	mutate_rtinspect [-n COUNT] [-s FIRST] [-l] FILE...
 *
 * Input number i is file i modulo their count, mutated with seed i. It is meant to be built with
 * ASan and UBSan, which find what is wrong; then, on a crash, or when an input takes longer than
 * ten seconds, it says which number to run again: -s NUMBER -n 1 and the same files. -l looks for
 * lines in DWARF as well.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mutate_elf.h"
#include "rtinspect_target.h"

#define SECONDS_PER_INPUT 10

struct seed_file {
	const char *path;
	uint8_t *data;
	size_t size;
};

static char number_text[32];
static size_t number_length;

/* The sanitizers' hook; weak, so that the driver also builds without them. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void
say_number(void)
{
	static const char text[] = "mutate_rtinspect: failed; run again with -n 1 -s ";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, number_text, number_length) < 0) {
		_exit(3);
	}
}

static void
on_signal(int signal_number)
{
	static const char text[] = "mutate_rtinspect: died of a signal, SIGALRM if too slow\n";

	(void)signal_number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
		_exit(3);
	}
	say_number();
	_exit(1);
}

static void
read_seed(struct seed_file *file, const char *path)
{
	FILE *in = fopen(path, "rb");
	struct stat status;

	file->path = path;
	if (in == NULL || fstat(fileno(in), &status) < 0) {
		perror(path);
		exit(2);
	}
	file->size = (size_t)status.st_size;
	file->data = malloc(file->size + 1);
	if (file->data == NULL || fread(file->data, 1, file->size, in) != file->size) {
		perror(path);
		exit(2);
	}
	fclose(in);
}

/* The mutated bytes lie in a block of just their size, so that ASan sees a read past them. */
static void
run_input(const struct seed_file *file, unsigned long long number, bool dwarf)
{
	uint8_t *work = malloc(file->size + 1);
	uint8_t *exact;
	size_t size;

	if (work == NULL) {
		abort();
	}
	memcpy(work, file->data, file->size);
	size = mutate_elf(work, file->size, number);
	exact = malloc(size != 0 ? size : 1);
	if (exact == NULL) {
		abort();
	}
	memcpy(exact, work, size);
	free(work);
	alarm(SECONDS_PER_INPUT);
	rtinspect_target(exact, size, dwarf);
	alarm(0);
	free(exact);
}

int
main(int argc, char **argv)
{
	unsigned long long count = 20000;
	unsigned long long first = 1;
	bool dwarf = false;
	struct seed_file *files;
	size_t nfiles;
	int option;

	while ((option = getopt(argc, argv, "n:s:l")) != -1) {
		switch (option) {
		case 'n':
			count = strtoull(optarg, NULL, 0);
			break;
		case 's':
			first = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			dwarf = true;
			break;
		default:
			fputs("usage: mutate_rtinspect [-n COUNT] [-s FIRST] [-l] FILE...\n",
			      stderr);
			return 2;
		}
	}
	nfiles = (size_t)(argc - optind);
	if (nfiles == 0) {
		fputs("mutate_rtinspect: name ELF files to mutate\n", stderr);
		return 2;
	}
	files = calloc(nfiles, sizeof(struct seed_file));
	if (files == NULL) {
		abort();
	}
	for (size_t i = 0; i < nfiles; i++) {
		read_seed(&files[i], argv[optind + (int)i]);
	}
	signal(SIGALRM, on_signal);
	if (__sanitizer_set_death_callback != NULL) {
		__sanitizer_set_death_callback(say_number);
	} else {
		signal(SIGSEGV, on_signal);
		signal(SIGBUS, on_signal);
		signal(SIGABRT, on_signal);
	}
	for (unsigned long long i = first; i < first + count; i++) {
		number_length = (size_t)snprintf(number_text, sizeof(number_text), "%llu\n", i);
		run_input(&files[i % nfiles], i, dwarf);
	}
	printf("mutate_rtinspect: %llu inputs, no failure\n", count);
	for (size_t i = 0; i < nfiles; i++) {
		free(files[i].data);
	}
	free(files);
	return 0;
}
