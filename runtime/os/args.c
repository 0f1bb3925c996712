/* SPDX-License-Identifier: MIT */
/*
 * The initial stack, upwards from the stack pointer at entry:
 *
 *	argc, argv[0] ... argv[argc-1], NULL, envp[0] ... NULL, (type, value) ... (AT_NULL, 0)
 *
 * argc may be 0 (execve with an empty argv, before Linux 5.18), envp may be empty, and auxv may
 * have types that nobody here knows.
 */
#include <elf.h>

#include "os/os.h"

struct rt__args rt__args;

void
rt__args_parse(struct rt__args *args, const long *sp)
{
	*args = (struct rt__args){
		.argc = (int)sp[0],
		.argv = (char **)(void *)(sp + 1),
		.page_size = 4096,
	};
	args->envp = args->argv + args->argc + 1;

	char **p = args->envp;
	while (*p)
		p++;
	args->auxv = (const unsigned long *)(void *)(p + 1);
	for (const unsigned long *a = args->auxv; a[0] != AT_NULL; a += 2) {
		switch (a[0]) {
		case AT_PAGESZ:
			args->page_size = a[1];
			break;
		case AT_HWCAP2:
			args->hwcap2 = a[1];
			break;
		case AT_RANDOM:
			args->random16 = (const uint8_t *)a[1];
			break;
		case AT_SECURE:
			args->secure = a[1] != 0;
			break;
		default:
			break;
		}
	}
}

const char *
rt__args_getenv(const struct rt__args *args, const char *name)
{
	size_t n = rt__strlen(name);

	for (char **p = args->envp; *p; p++) {
		size_t i = 0;

		while (i < n && (*p)[i] == name[i])
			i++;
		if (i == n && (*p)[n] == '=')
			return *p + n + 1;
	}
	return NULL;
}
