/* SPDX-License-Identifier: MIT */
/*
 * rt/init.h: ordered initialization as a checked graph.
 *
 *	RT_PACKAGE(store, log, net);		// one file of package store; it needs log and net
 *
 *	RT_INIT(store) { open_the_store(); }	// runs after the inits of log and net
 *	RT_FINI(store) { close_the_store(); }	// runs at exit, in the reverse of the actual order
 *
 * The order is Go's since 1.21: all packages sorted by name, then again and again the first one
 * whose imports are done. Inside a package inits run by file name, then by line. An import is a
 * symbol reference, so that it pulls its package out of an archive, and a package that is missing
 * is a link error. `rtinspect FILE` prints the table, `rtinspect --check FILE` verifies it.
 *
 * The table is an array of read-only, position-independent records in the section .rt_init. A
 * record is emitted by an asm statement inside a function, not at the top level of the file: there
 * the compiler sees its operands as ordinary references, so it survives LTO (gcc and clang), may
 * name static functions, and pulls archive members. All offsets are relative to the field that
 * holds them, so a static-PIE needs no relocation for them.
 */
#ifndef RT_INIT_H
#define RT_INIT_H

#include <stdint.h>

/* When a package runs. A package may import packages of its own level and of lower ones. */
enum rt_init_level {
	RT_LEVEL_RUNTIME = 0, /* runtime_init: before the collector is on and before constructors */
	RT_LEVEL_C = 1,       /* the package c.ctors: C constructors (.init_array) */
	RT_LEVEL_USER = 2,    /* main_init: everybody else */
};

enum rt_init_kind {
	RT_RECORD_PACKAGE = 1, /* target: its own name again */
	RT_RECORD_IMPORT = 2,  /* target: the name of the imported package */
	RT_RECORD_INIT = 3,    /* target: void fn(void) */
	RT_RECORD_FINI = 4,    /* target: void fn(void) */
};

/* One entry of .rt_init. An offset o in field f means the address &f + o. A package's identity is
 * the address of its name, which is the string `rt_pkg_NAME`. */
struct rt_init_record {
	uint8_t kind;  /* enum rt_init_kind */
	uint8_t level; /* enum rt_init_level; meaningful in RT_RECORD_PACKAGE */
	uint16_t size; /* of this record, in bytes: newer records may be longer */
	uint32_t line;
	int32_t package; /* offset of the package's name */
	int32_t target;  /* see enum rt_init_kind */
	int32_t file;    /* offset of the file's name, as the compiler was given it */
};

#define RT__STRING2(x) #x
#define RT__STRING(x) RT__STRING2(x)
#define RT__PASTE2(a, b) a##b
#define RT__PASTE(a, b) RT__PASTE2(a, b)

/* One record. kind and level are numbers: the assembler reads them. */
/* clang-format off */
#define RT__RECORD(kind, level, pkg, target)                                                       \
	__asm__ volatile(".pushsection .rt_init." #pkg ", \"aR\", @progbits\n"                     \
			 ".balign 4\n"                                                             \
			 ".byte " #kind ", " #level "\n"                                           \
			 ".short 20\n"                                                             \
			 ".long " RT__STRING(__LINE__) "\n"                                        \
			 ".long %c0 - ., %c1 - ., %c2 - .\n"                                       \
			 ".popsection\n" : : "i"(rt_pkg_##pkg), "i"(target), "i"(__FILE__))
/* clang-format on */

/* The functions that hold the asm statements are never called; they are one `ret` each. */
#define RT__HOLDER(name) __attribute__((used, noinline, cold)) static void name(void)

#define RT__DECLARE(pkg) extern __attribute__((visibility("hidden"))) const char rt_pkg_##pkg[];

#define RT__PACKAGE(level, pkg, name, ...)                                                         \
	__attribute__((used, visibility("hidden"))) const char rt_pkg_##pkg[] = name;              \
	RT__EACH(RT__DECLARE_EACH, pkg, ##__VA_ARGS__)                                             \
	RT__HOLDER(RT__PASTE(rt__package_, pkg))                                                   \
	{                                                                                          \
		RT__RECORD(1, level, pkg, rt_pkg_##pkg);                                           \
		RT__EACH(RT__IMPORT_EACH, pkg, ##__VA_ARGS__)                                      \
	}                                                                                          \
	_Static_assert(sizeof(struct rt_init_record) == 20, "rt/init.h: record size")

#define RT__DECLARE_EACH(pkg, dep) RT__DECLARE(dep)
#define RT__IMPORT_EACH(pkg, dep) RT__RECORD(2, 0, pkg, rt_pkg_##dep);

#define RT__HOOK(kind, what, pkg, id)                                                              \
	RT__DECLARE(pkg)                                                                           \
	static void RT__PASTE(rt_##what##_##pkg##_, id)(void);                                     \
	RT__HOLDER(RT__PASTE(rt__##what##_##pkg##_, id))                                           \
	{                                                                                          \
		RT__RECORD(kind, 0, pkg, RT__PASTE(rt_##what##_##pkg##_, id));                     \
	}                                                                                          \
	static void RT__PASTE(rt_##what##_##pkg##_, id)(void)

/*
 * RT_PACKAGE(name, imports...): this program has a package `name` (a C identifier); its inits run
 * after those of all its imports (at most 32). Once per package, at file scope; twice is a
 * duplicate symbol at link time. In an archive, put it into the object that holds the package's
 * code: it is this object that an import pulls in.
 */
#define RT_PACKAGE(pkg, ...) RT__PACKAGE(2, pkg, #pkg, ##__VA_ARGS__)

/*
 * RT_PACKAGE_RUNTIME(name, imports...): the same, in runtime_init: before the collector is on and
 * before C constructors. For those who build a language runtime on this one; it may import only
 * packages of this level.
 */
#define RT_PACKAGE_RUNTIME(pkg, ...) RT__PACKAGE(0, pkg, #pkg, ##__VA_ARGS__)

/*
 * RT_INIT(name) { ... }: an initializer of package `name`. Any number of them, in any files that
 * are linked in. Runs once, on the main goroutine, which is locked to the process's first thread
 * meanwhile. It may start goroutines; one that panics is reported with the importers that led to
 * it.
 */
#define RT_INIT(pkg) RT__HOOK(3, init, pkg, __LINE__)

/*
 * RT_FINI(name) { ... }: runs at exit (main's return or exit(3), not _exit or a crash), in the
 * reverse of the order in which packages were initialized and only for those that were; before
 * atexit handlers and the flush of stdio.
 */
#define RT_FINI(pkg) RT__HOOK(4, fini, pkg, __LINE__)

/* RT__EACH(m, x, a, b, ...) is m(x, a) m(x, b) ..., up to 32 times. */
#define RT__EACH(m, x, ...)                                                                        \
	RT__EACH_PICK(_, ##__VA_ARGS__, RT__E32, RT__E31, RT__E30, RT__E29, RT__E28, RT__E27,      \
		      RT__E26, RT__E25, RT__E24, RT__E23, RT__E22, RT__E21, RT__E20, RT__E19,      \
		      RT__E18, RT__E17, RT__E16, RT__E15, RT__E14, RT__E13, RT__E12, RT__E11,      \
		      RT__E10, RT__E9, RT__E8, RT__E7, RT__E6, RT__E5, RT__E4, RT__E3, RT__E2,     \
		      RT__E1, RT__E0, )                                                            \
	(m, x, ##__VA_ARGS__)
#define RT__EACH_PICK(_, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16,    \
		      a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31,   \
		      a32, n, ...)                                                                 \
	n
#define RT__E0(m, x)
#define RT__E1(m, x, a) m(x, a)
#define RT__E2(m, x, a, ...) m(x, a) RT__E1(m, x, __VA_ARGS__)
#define RT__E3(m, x, a, ...) m(x, a) RT__E2(m, x, __VA_ARGS__)
#define RT__E4(m, x, a, ...) m(x, a) RT__E3(m, x, __VA_ARGS__)
#define RT__E5(m, x, a, ...) m(x, a) RT__E4(m, x, __VA_ARGS__)
#define RT__E6(m, x, a, ...) m(x, a) RT__E5(m, x, __VA_ARGS__)
#define RT__E7(m, x, a, ...) m(x, a) RT__E6(m, x, __VA_ARGS__)
#define RT__E8(m, x, a, ...) m(x, a) RT__E7(m, x, __VA_ARGS__)
#define RT__E9(m, x, a, ...) m(x, a) RT__E8(m, x, __VA_ARGS__)
#define RT__E10(m, x, a, ...) m(x, a) RT__E9(m, x, __VA_ARGS__)
#define RT__E11(m, x, a, ...) m(x, a) RT__E10(m, x, __VA_ARGS__)
#define RT__E12(m, x, a, ...) m(x, a) RT__E11(m, x, __VA_ARGS__)
#define RT__E13(m, x, a, ...) m(x, a) RT__E12(m, x, __VA_ARGS__)
#define RT__E14(m, x, a, ...) m(x, a) RT__E13(m, x, __VA_ARGS__)
#define RT__E15(m, x, a, ...) m(x, a) RT__E14(m, x, __VA_ARGS__)
#define RT__E16(m, x, a, ...) m(x, a) RT__E15(m, x, __VA_ARGS__)
#define RT__E17(m, x, a, ...) m(x, a) RT__E16(m, x, __VA_ARGS__)
#define RT__E18(m, x, a, ...) m(x, a) RT__E17(m, x, __VA_ARGS__)
#define RT__E19(m, x, a, ...) m(x, a) RT__E18(m, x, __VA_ARGS__)
#define RT__E20(m, x, a, ...) m(x, a) RT__E19(m, x, __VA_ARGS__)
#define RT__E21(m, x, a, ...) m(x, a) RT__E20(m, x, __VA_ARGS__)
#define RT__E22(m, x, a, ...) m(x, a) RT__E21(m, x, __VA_ARGS__)
#define RT__E23(m, x, a, ...) m(x, a) RT__E22(m, x, __VA_ARGS__)
#define RT__E24(m, x, a, ...) m(x, a) RT__E23(m, x, __VA_ARGS__)
#define RT__E25(m, x, a, ...) m(x, a) RT__E24(m, x, __VA_ARGS__)
#define RT__E26(m, x, a, ...) m(x, a) RT__E25(m, x, __VA_ARGS__)
#define RT__E27(m, x, a, ...) m(x, a) RT__E26(m, x, __VA_ARGS__)
#define RT__E28(m, x, a, ...) m(x, a) RT__E27(m, x, __VA_ARGS__)
#define RT__E29(m, x, a, ...) m(x, a) RT__E28(m, x, __VA_ARGS__)
#define RT__E30(m, x, a, ...) m(x, a) RT__E29(m, x, __VA_ARGS__)
#define RT__E31(m, x, a, ...) m(x, a) RT__E30(m, x, __VA_ARGS__)
#define RT__E32(m, x, a, ...) m(x, a) RT__E31(m, x, __VA_ARGS__)

#endif
