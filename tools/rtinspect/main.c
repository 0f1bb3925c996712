/* SPDX-License-Identifier: MIT */
/*
 * main.c: the command rtinspect: its arguments, its files, its exit status.
 *
 * Exit status: 0 looked, or checked and found nothing; 1 checked and found problems; 2 bad usage,
 * or a file that cannot be read or is malformed. With several files the largest one counts.
 *
 * Files are read into memory rather than mapped: a mapped file that somebody truncates meanwhile
 * is a SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ps.h"
#include "report.h"

#ifndef RTINSPECT_VERSION
#define RTINSPECT_VERSION "0.0"
#endif

#define FILE_MAX ((off_t)4 << 30)

enum format { TEXT, JSON, DOT };

struct command_line {
	enum format format;
	bool check;
	struct ri_options options;
	char **files;
	size_t nfiles;
};

static const char help[] =
	"usage: rtinspect [--check] [--json | --dot] [--no-dwarf] FILE...\n"
	"       rtinspect ps PID      goroutines of a running process (rtinspect ps --help)\n"
	"       rtinspect core CORE   goroutines in a core file (rtinspect core --help)\n"
	"Shows how an rt0 program starts: its entry, its interpreter if it has one, and its\n"
	"initializers in the order in which they run, from the file alone.\n"
	"\n"
	"  --check     print only problems; exit with 1 if there are any: cycles of imports,\n"
	"              imports of a later level, duplicate packages, records without a package,\n"
	"              an interpreter in a static program, a file that is no rt0 program\n"
	"  --json      print one JSON object (tools/rtinspect/README.md lists its keys)\n"
	"  --dot       print a Graphviz digraph of the packages: rtinspect --dot F | dot -Tsvg\n"
	"  --no-dwarf  do not look for the lines of C constructors in debug information\n"
	"  --help      print this\n"
	"  --version   print the version\n"
	"\n"
	"Exit status: 0 fine, 1 --check found problems, 2 bad usage or a file that cannot be "
	"read.\n";

static _Noreturn void __attribute__((format(printf, 1, 2))) usage_error(const char *format, ...)
{
	va_list args;

	fputs("rtinspect: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs(" (rtinspect --help tells more)\n", stderr);
	exit(2);
}

static void
parse(int argc, char **argv, struct command_line *ret)
{
	enum { CHECK = 256, AS_JSON, AS_DOT, NO_DWARF, HELP, VERSION };
	static const struct option long_options[] = {
		{"check", no_argument, NULL, CHECK},
		{"json", no_argument, NULL, AS_JSON},
		{"dot", no_argument, NULL, AS_DOT},
		{"no-dwarf", no_argument, NULL, NO_DWARF},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	*ret = (struct command_line){.format = TEXT, .options = {.dwarf = true}};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		switch (option) {
		case CHECK:
			ret->check = true;
			break;
		case AS_JSON:
		case AS_DOT:
			if (ret->format != TEXT) {
				usage_error("give --json or --dot once, not both");
			}
			ret->format = option == AS_JSON ? JSON : DOT;
			break;
		case NO_DWARF:
			ret->options.dwarf = false;
			break;
		case HELP:
			fputs(help, stdout);
			exit(0);
		case VERSION:
			puts("rtinspect " RTINSPECT_VERSION);
			exit(0);
		default:
			if (optopt != 0 && optopt < 256) {
				usage_error("unknown option -%c", optopt);
			}
			usage_error("unknown option %s", argv[optind - 1]);
		}
	}
	if (optind == argc) {
		usage_error("name a file to look at");
	}
	ret->files = argv + optind;
	ret->nfiles = (size_t)(argc - optind);
}

static int
read_all(int fd, uint8_t *data, size_t size, size_t *ret_size, struct ri_error *error)
{
	size_t done = 0;

	while (done < size) {
		ssize_t count = read(fd, data + done, size - done);

		if (count < 0 && errno == EINTR) {
			continue;
		}
		if (count < 0) {
			return ri_fail(error, "cannot be read: %s", strerror(errno));
		}
		if (count == 0) {
			break;
		}
		done += (size_t)count;
	}
	*ret_size = done;
	return 0;
}

/* Reads the file; on failure says why and leaves the outputs alone. */
static int
read_file(const char *path, uint8_t **ret_data, size_t *ret_size, struct ri_error *error)
{
	/* O_NONBLOCK: a FIFO without a writer must not keep us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	uint8_t *data;
	int result;

	if (fd < 0) {
		return ri_fail(error, "cannot be opened: %s", strerror(errno));
	}
	if (fstat(fd, &status) < 0) {
		result = ri_fail(error, "cannot be read: %s", strerror(errno));
	} else if (S_ISDIR(status.st_mode)) {
		result = ri_fail(error, "is a directory; name a program file in it");
	} else if (!S_ISREG(status.st_mode)) {
		result = ri_fail(error, "is not a regular file");
	} else if (status.st_size == 0) {
		result = ri_fail(error, "is empty");
	} else if (status.st_size > FILE_MAX) {
		result = ri_fail(error, "is larger than 4 GiB, which rtinspect does not read");
	} else {
		data = ri_calloc((size_t)status.st_size, 1);
		result = read_all(fd, data, (size_t)status.st_size, ret_size, error);
		if (result < 0) {
			free(data);
		} else {
			*ret_data = data;
		}
	}
	close(fd);
	return result;
}

static void
print_error(const struct ri_report *report)
{
	char *path = ri_escape(report->path);
	char *text = ri_escape(report->error.text);

	fprintf(stderr, "rtinspect: %s: %s\n", path, text);
	free(path);
	free(text);
}

static void
print_report(const struct command_line *line, const struct ri_report *report, bool first)
{
	if (line->format == DOT && report->error.text[0] != '\0') {
		return; /* half a graph would look like a whole one */
	}
	if (line->format == DOT) {
		ri_print_dot(stdout, report);
	} else if (line->check) {
		ri_print_check(stdout, report);
	} else {
		if (!first) {
			fputc('\n', stdout);
		}
		ri_print_text(stdout, report);
	}
}

static int
end_output(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "rtinspect: cannot write the output: %s\n", strerror(errno));
		return 2;
	}
	return status;
}

int
main(int argc, char **argv)
{
	struct command_line line;
	struct ri_report *reports;
	uint8_t **data;
	int status = 0;

	/* A file of such a name can be given as ./ps. */
	if (argc > 1 && (strcmp(argv[1], "ps") == 0 || strcmp(argv[1], "core") == 0)) {
		return end_output(ri_ps_main(argc - 1, argv + 1));
	}
	parse(argc, argv, &line);
	reports = ri_calloc(line.nfiles, sizeof(struct ri_report));
	data = ri_calloc(line.nfiles, sizeof(uint8_t *));
	for (size_t i = 0; i < line.nfiles; i++) {
		struct ri_report *report = &reports[i];
		size_t size = 0;

		report->path = line.files[i];
		if (read_file(line.files[i], &data[i], &size, &report->error) == 0) {
			ri_report_build(report, line.files[i], data[i], size, &line.options);
		}
		if (line.format != JSON) {
			print_report(&line, report, i == 0);
		}
		if (report->error.text[0] != '\0') {
			fflush(stdout);
			print_error(report);
			status = 2;
		} else if (line.check && report->nproblems != 0 && status == 0) {
			status = 1;
		}
		/* Only JSON, which is one object, needs all of them at once. */
		if (line.format != JSON) {
			ri_report_free(report);
			free(data[i]);
		}
	}
	if (line.format == JSON) {
		ri_print_json(stdout, reports, line.nfiles);
		for (size_t i = 0; i < line.nfiles; i++) {
			ri_report_free(&reports[i]);
			free(data[i]);
		}
	}
	free(reports);
	free(data);
	return end_output(status);
}
