/* SPDX-License-Identifier: MIT */
/*
 * Counts lines, words and bytes of files as wc(1) does, with a goroutine for each file. They run
 * on as many threads as there are CPUs (GOMAXPROCS sets another number).
 *
 *	rt0-cc -O2 -o count_words count_words.c && ./count_words *.c
 */
#include <ctype.h>
#include <errno.h>
#include <rt/rt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct count {
	long lines, words, bytes;
	int error; /* errno, or 0 */
};

/* Each goroutine writes to a result of its own, so none of this needs a lock: rt_wg_wait returns
 * after all of it is visible. */
static void
count_file(const char *path, struct count *ret, rt_wg *wg)
{
	FILE *f = fopen(path, "r");
	bool in_word = false;

	if (!f) {
		ret->error = errno; /* this goroutine's errno */
		rt_wg_done(wg);
		return;
	}
	for (int c; (c = getc(f)) != EOF;) {
		ret->bytes++;
		ret->lines += c == '\n';
		ret->words += !isspace(c) && !in_word;
		in_word = !isspace(c);
	}
	fclose(f);
	rt_wg_done(wg);
}

int
main(int argc, char **argv)
{
	struct count *counts = calloc((size_t)argc, sizeof *counts), total = {0};
	rt_wg wg = RT_WG_INIT;

	rt_wg_add(&wg, argc - 1);
	for (int i = 1; i < argc; i++)
		rt_go(count_file, argv[i], &counts[i], &wg);
	rt_wg_wait(&wg);

	for (int i = 1; i < argc; i++) {
		if (counts[i].error) {
			printf("%s: %s\n", argv[i], strerror(counts[i].error));
			continue;
		}
		printf("%5ld %5ld %5ld %s\n", counts[i].lines, counts[i].words, counts[i].bytes,
		       argv[i]);
		total.lines += counts[i].lines;
		total.words += counts[i].words;
		total.bytes += counts[i].bytes;
	}
	printf("%5ld %5ld %5ld total\n", total.lines, total.words, total.bytes);
	free(counts);
	return 0;
}
