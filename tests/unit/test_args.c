/* SPDX-License-Identifier: MIT */
/* test_args.c: parsing of the initial stack, on images of it. */
#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "os/os.h"

/* An initial stack under construction. */
struct image {
	long words[2048];
	size_t n;
};

static void
word(struct image *s, long value)
{
	cr_assert_lt(s->n, RT_ARRAY_LEN(s->words));
	s->words[s->n++] = value;
}

/* argc, and NULL-terminated lists of argv and envp. */
static void
begin(struct image *s, char *const argv[], char *const envp[])
{
	long argc = 0;

	s->n = 0;
	while (argv[argc])
		argc++;
	word(s, argc);
	for (long i = 0; i <= argc; i++)
		word(s, (long)argv[i]);
	do
		word(s, (long)*envp);
	while (*envp++);
}

static void
aux(struct image *s, unsigned long type, unsigned long value)
{
	word(s, (long)type);
	word(s, (long)value);
}

static char *const no_strings[] = {NULL};

Test(args, everything)
{
	static const uint8_t random16[16] = {1, 2, 3};
	char *const argv[] = {(char *)"prog", (char *)"-x", (char *)"", NULL};
	char *const envp[] = {(char *)"A=1", (char *)"B=", NULL};
	struct image s;
	struct rt__args a;

	begin(&s, argv, envp);
	aux(&s, AT_PAGESZ, 16384);
	aux(&s, AT_HWCAP2, 2);
	aux(&s, AT_RANDOM, (unsigned long)random16);
	aux(&s, AT_SECURE, 1);
	aux(&s, AT_NULL, 0);
	rt__args_parse(&a, s.words);
	cr_expect_eq(a.argc, 3);
	cr_expect_str_eq(a.argv[1], "-x");
	cr_expect_null(a.argv[3]);
	cr_expect_str_eq(a.envp[0], "A=1");
	cr_expect_eq(a.auxv[0], (unsigned long)AT_PAGESZ);
	cr_expect_eq(a.page_size, 16384u);
	cr_expect_eq(a.hwcap2, 2ul);
	cr_expect_eq(a.random16, random16);
	cr_expect(a.secure);
}

/* execve with an empty argv, before Linux 5.18; and nothing else either. */
Test(args, nothing_at_all)
{
	struct image s;
	struct rt__args a;

	begin(&s, no_strings, no_strings);
	aux(&s, AT_NULL, 0);
	memset(&a, 0xff, sizeof a);
	rt__args_parse(&a, s.words);
	cr_expect_eq(a.argc, 0);
	cr_expect_null(a.argv[0]);
	cr_expect_null(a.envp[0]);
	cr_expect_eq(a.page_size, 4096u);
	cr_expect_eq(a.hwcap2, 0ul);
	cr_expect_null(a.random16);
	cr_expect_not(a.secure);
	cr_expect_null(rt__args_getenv(&a, "HOME"));
}

Test(args, a_huge_auxv_of_unknown_types)
{
	struct image s;
	struct rt__args a;

	begin(&s, no_strings, no_strings);
	for (unsigned long i = 0; i < 900; i++)
		aux(&s, 1000 + i, ~0ul);
	aux(&s, ~0ul, ~0ul);
	aux(&s, AT_PAGESZ, 65536);
	aux(&s, AT_NULL, 0);
	aux(&s, AT_SECURE, 1); /* behind the end */
	rt__args_parse(&a, s.words);
	cr_expect_eq(a.page_size, 65536u);
	cr_expect_not(a.secure);
}

Test(args, at_secure_may_be_there_and_zero)
{
	struct image s;
	struct rt__args a;

	begin(&s, no_strings, no_strings);
	aux(&s, AT_SECURE, 0);
	aux(&s, AT_NULL, 0);
	rt__args_parse(&a, s.words);
	cr_expect_not(a.secure);
}

Test(args, getenv)
{
	char *const envp[] = {(char *)"FOOBAR=long",
			      (char *)"FO=short",
			      (char *)"FOO",
			      (char *)"",
			      (char *)"=nameless",
			      (char *)"FOO=one=two",
			      (char *)"FOO=again",
			      (char *)"EMPTY=",
			      NULL};
	struct image s;
	struct rt__args a;

	begin(&s, no_strings, envp);
	aux(&s, AT_NULL, 0);
	rt__args_parse(&a, s.words);
	cr_expect_str_eq(rt__args_getenv(&a, "FOO"), "one=two");
	cr_expect_str_eq(rt__args_getenv(&a, "FOOBAR"), "long");
	cr_expect_str_eq(rt__args_getenv(&a, "FO"), "short");
	cr_expect_str_eq(rt__args_getenv(&a, "EMPTY"), "");
	cr_expect_null(rt__args_getenv(&a, "F"));
	cr_expect_null(rt__args_getenv(&a, "FOOBARBAZ"));
	cr_expect_null(rt__args_getenv(&a, "foo"));
}
