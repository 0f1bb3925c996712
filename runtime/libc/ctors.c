/* SPDX-License-Identifier: MIT */
/*
 * C constructors and destructors, for the package c.ctors. musl runs them in __libc_start_main,
 * on the initial stack, without arguments; here they run on the main goroutine with argc, argv
 * and envp, as glibc and the ELF world have it. .preinit_array, which static musl ignores, is
 * run first.
 */
#include <rt/init.h>

#include "libc/libc.h"

#include "libc/musl.h"
#include "os/os.h"

typedef void ctor_fn(int argc, char **argv, char **envp);
typedef void dtor_fn(void);

/* The linker defines these, if there is such a section; _init and _fini exist only where somebody
 * linked crti.o and crtn.o. */
extern MUSL_WEAK ctor_fn *const __preinit_array_start[], *const __preinit_array_end[];
extern MUSL_WEAK ctor_fn *const __init_array_start[], *const __init_array_end[];
extern MUSL_WEAK dtor_fn *const __fini_array_start[], *const __fini_array_end[];
extern __attribute__((weak)) void _init(void), _fini(void);

static void
run_array(ctor_fn *const *p, ctor_fn *const *end)
{
	for (; p < end; p++)
		(*p)(rt__args.argc, rt__args.argv, rt__args.envp);
}

void
rt__run_ctors(void)
{
	run_array(__preinit_array_start, __preinit_array_end);
	if (_init)
		_init();
	run_array(__init_array_start, __init_array_end);
}

void
rt__run_dtors(void)
{
	for (dtor_fn *const *p = __fini_array_end; p > __fini_array_start;)
		(*--p)();
	if (_fini)
		_fini();
}

RT__PACKAGE(1, c_ctors, "c.ctors");

RT_INIT(c_ctors)
{
	rt__run_ctors();
}
