/* SPDX-License-Identifier: MIT */
/* What a program finds when main starts: arguments, environment, descriptors, read-only data. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

static int
print_args(int argc, char **argv)
{
	printf("goroutine %lu\n", (unsigned long)rt_goid());
	for (int i = 0; i < argc; i++)
		printf("[%s]\n", argv[i]);
	return argc;
}

static int
print_environment(int argc, char **argv)
{
	size_t n = 0, bytes = 0;

	(void)argc, (void)argv;
	for (; environ[n]; n++)
		bytes += strlen(environ[n]) + 1;
	CHECK(getauxval(AT_PAGESZ) == (unsigned long)sysconf(_SC_PAGESIZE));
	printf("%zu variables, %zu bytes, last is %s\n", n, bytes, getenv("LAST") ?: "not set");
	return 0;
}

/* The driver has closed some of 0 to 2. A file that is opened now must not become one of them, and
 * output to them must not reach it. argv[0]: a file to create. */
static int
use_descriptors(int argc, char **argv)
{
	struct stat st;

	CHECK(argc == 1);
	int fd = open(argv[0], O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd > 2);
	for (int i = 0; i < 3; i++)
		CHECK(fstat(i, &st) == 0);
	printf("to stdout\n");
	fflush(stdout);
	fprintf(stderr, "to stderr\n");
	CHECK(fstat(fd, &st) == 0 && st.st_size == 0);
	CHECK(write(fd, "done\n", 5) == 5);
	return 0;
}

static int
return_status(int argc, char **argv)
{
	CHECK(argc == 1);
	return atoi(argv[0]);
}

/* An object that only relocation has to write, in both kinds of program. */
static __attribute__((section(".data.rel.ro"), used)) int (*volatile table[])(int, char **) = {
	print_args, print_environment};

static int
write_relro(int argc, char **argv)
{
	(void)argc, (void)argv;
	CHECK(table[0] == print_args && table[1] == print_environment);
	printf("writing\n");
	fflush(stdout);
	table[0] = return_status;
	printf("it was writable\n");
	return 0;
}

static const struct guest_case cases[] = {
	{"args", print_args},
	{"environment", print_environment},
	{"descriptors", use_descriptors},
	{"status", return_status},
	{"write-relro", write_relro},
};

int
main(int argc, char **argv, char **envp)
{
	CHECK(envp == environ);
	if (argc <= 1) { /* started with an empty argv: some kernels make it one empty string */
		printf("argc %d, argv[argc] %s\n", argc, argv[argc] ? "set" : "NULL");
		return 0;
	}
	return guest_main(cases, GUEST_LEN(cases), argc, argv);
}
