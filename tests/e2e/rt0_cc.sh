#!/bin/sh
# SPDX-License-Identifier: MIT
# rt0_cc.sh RT0_CC WORK_DIR: the driver as users run it: what it accepts, refuses, and says.
# $RT0_BUILD: the build tree, to install it and try that.
set -u
rt0_cc=$1
guests=$(cd "$(dirname "$0")/../guest" && pwd)
rm -rf "$2"
mkdir -p "$2"
cd "$2" || exit 1
work=$(pwd)
# Out of our hands: whoever runs the tests may have set these.
unset RT0_CC REALGCC
failed=0

pass() {
	echo "pass: $name"
}

fail() {
	echo "FAIL: $name: $*"
	sed 's/^/	/' log 2>/dev/null | head -n 20
	failed=1
}

# check NAME COMMAND...: the command succeeds.
check() {
	name=$1
	shift
	if "$@" >log 2>&1; then pass; else fail "exit status $?"; fi
}

# refuses NAME TEXT COMMAND...: it fails, and says why.
refuses() {
	name=$1 text=$2
	shift 2
	if "$@" >log 2>&1; then
		fail "no error"
	elif ! grep -qF -- "$text" log; then
		fail "no \"$text\""
	else
		pass
	fi
}

# runs NAME PROGRAM OUTPUT: the program runs and prints this.
runs() {
	name=$1
	if [ "$(timeout 20 "$2" 2>log)" = "$3" ]; then pass; else fail "wrong output of $2"; fi
}

hello="hello, world"
printf '#!/bin/sh\nexec ./program tree 8\n' >run-tree
chmod +x run-tree
cp "$guests/hello.c" .

# ---- one step, several files, other folders ----
check "compile and link" "$rt0_cc" -O2 -o hello hello.c
runs "hello" ./hello "$hello"
mkdir -p "a/b c" "sp ace"
check "-o in another folder" "$rt0_cc" -o "a/b c/hello" hello.c
runs "hello there" "./a/b c/hello" "$hello"
cp hello.c "sp ace/he llo.c"
check "input with a space" "$rt0_cc" "sp ace/he llo.c" -o "sp ace/he llo"
runs "hello with spaces" "./sp ace/he llo" "$hello"
check "a.out" "$rt0_cc" hello.c
runs "a.out" ./a.out "$hello"
check "options after files" "$rt0_cc" hello.c -static -o hello2 -O2 -lm -lpthread -lc
runs "with -lm -lpthread -lc" ./hello2 "$hello"
check "several files" "$rt0_cc" -I "$guests" -o order "$guests/init_order.c" \
	"$guests/init_order_b.c"
name="the order of several files"
if ./order >log 2>&1 && [ "$(head -n 4 log | tail -n 1)" = b ]; then pass; else fail; fi
cat >math.c <<'EOF'
#include <math.h>
#include <stdio.h>
int main(int argc, char **argv) { (void)argv; printf("%.3f\n", cos(argc - 1)); }
EOF
check "-lm" "$rt0_cc" -o math math.c -lm
runs "cos" ./math 1.000

# ---- parts of the way ----
check "-c" "$rt0_cc" -c hello.c
check "link an object" "$rt0_cc" -o from-object hello.o
runs "from an object" ./from-object "$hello"
check "-S" "$rt0_cc" -S hello.c
check "link assembly" "$rt0_cc" -o from-assembly hello.s
runs "from assembly" ./from-assembly "$hello"
check "-E" "$rt0_cc" -E -o hello.i hello.c
name="-E finds musl's headers"
if grep -q x86_64-linux-musl hello.i && ! grep -q '/usr/include/stdio.h' hello.i; then
	pass
else
	fail
fi
check "-MMD" "$rt0_cc" -MMD -c hello.c -o dep.o
check "-M" "$rt0_cc" -M hello.c
check "-fsyntax-only" "$rt0_cc" -fsyntax-only hello.c
for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	check "$cc -c with options of linking" env RT0_CC=$cc "$rt0_cc" -c -fPIC -shared \
		-fsanitize=undefined -o hello.o hello.c
	check "$cc -c" env RT0_CC=$cc "$rt0_cc" -c hello.c
	check "$cc -r" env RT0_CC=$cc "$rt0_cc" -nostdlib -r -o partial.o hello.o
	check "$cc: link what -r has made" env RT0_CC=$cc "$rt0_cc" -o from-partial partial.o
	runs "from -r" ./from-partial "$hello"
done
check "--coverage" "$rt0_cc" --coverage -o covered hello.c
runs "covered" ./covered "$hello"
check "it has counted" test -s covered-hello.gcda
cat >seven.S <<EOF
	.section .note.GNU-stack,"",@progbits
	.text
	.globl main
main:
	movl \$7, %eax
	ret
EOF
check "a .S file" "$rt0_cc" -o seven seven.S
name="run it"
./seven
if [ $? = 7 ]; then pass; else fail "exit status"; fi
# shellcheck disable=SC2016  # for the inner shell
check "from standard input" sh -c '"$0" -xc - <hello.c' "$rt0_cc"
runs "from standard input" ./a.out "$hello"
name="no interpreter"
if readelf -lW a.out | grep -q INTERP; then fail "it has one"; else pass; fi
check "--version" "$rt0_cc" --version
check "--rt0-version" "$rt0_cc" --rt0-version
check "--help" "$rt0_cc" --help

# ---- what is left out of a program, and what is not ----
check "the smallest program" "$rt0_cc" -O2 -s -o smallest "$guests/../bench/hello.c"
name="it has less than 200 kB"
size=$(stat -c %s smallest)
if [ "$size" -lt 200000 ]; then pass; else fail "$size bytes"; fi
name="no segment can be written to and run"
if readelf -lW smallest | grep LOAD | grep -q 'RWE'; then fail; else pass; fi
cat >sections.c <<'EOF'
#include <stdio.h>
#define ENTRY(n) static const int entry##n __attribute__((used, section("table"))) = n;
ENTRY(1) ENTRY(2)
extern const int __start_table[], __stop_table[];
void for_gdb(void) { puts("called by nobody"); }
static int constructed;
static void __attribute__((constructor)) construct(void) { constructed = 1; }
int main(void) { printf("%d %d\n", (int)(__stop_table - __start_table), constructed); }
EOF
# Whose address is pushed, so that the linker cannot do without a slot of the GOT for it.
cat >pushed.c <<'EOF'
#include <stdio.h>
void callee(void) { puts("called"); }
void call(long, long, long, long, long, long, void (*)(void));
__asm__(".text; .globl call; call: jmp *8(%rsp)");
int main(void)
{
	__asm__ volatile("push %%rbx; push callee@GOTPCREL(%%rip); call call; pop %%rbx; pop %%rbx"
			 ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
}
EOF
for linker in bfd lld; do
	command -v ld.$linker >/dev/null || continue
	for flag in "" -rdynamic -Wl,--export-dynamic; do
		# shellcheck disable=SC2086  # a flag or none
		check "$flag, $linker" "$rt0_cc" -O2 -fuse-ld=$linker $flag -o pushed pushed.c
		runs "it has its GOT, $flag, $linker" ./pushed called
	done
	check "a table in a section, $linker" "$rt0_cc" -fuse-ld=$linker -o sections sections.c
	runs "it is there, $linker" ./sections "2 1"
	check "nothing left out, $linker" "$rt0_cc" -fuse-ld=$linker -ffunction-sections \
		-Wl,--no-gc-sections -o sections sections.c
	name="it is not, $linker"
	if nm sections | grep -q ' for_gdb$'; then pass; else fail; fi
	check "pie, $linker" "$rt0_cc" -fuse-ld=$linker -static-pie -o a.out hello.c
	runs "hello, $linker" ./a.out "$hello"
done
check "no build id" "$rt0_cc" -Wl,--build-id=none -o a.out hello.c
runs "without build id" ./a.out "$hello"

# ---- what it refuses ----
refuses "lld without build id" "cannot link with -Wl,--build-id=none" "$rt0_cc" -fuse-ld=lld \
	-Wl,--build-id=none hello.c
for flag in -shared -Wl,-shared -nostdlib -nostartfiles -m32 -pg -fsanitize=address \
	-fsanitize=undefined; do
	refuses "$flag" "rt0-cc: cannot link with $flag" "$rt0_cc" $flag -o x.so hello.c
done
refuses -pie "use -static-pie" "$rt0_cc" -pie -o x hello.c
refuses "gold" "use bfd or lld" "$rt0_cc" -fuse-ld=gold -o x hello.c
refuses "mold" "use bfd or lld" "$rt0_cc" -fuse-ld=mold -o x hello.c
refuses "no arguments" "usage:" "$rt0_cc"
refuses "no such compiler" "no such compiler: nocc" env RT0_CC=nocc "$rt0_cc" hello.c
refuses "no such file" "nofile.c" "$rt0_cc" -o x nofile.c

# The host's libraries are for another libc. Each compiler and linker has its own list of folders.
for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	for linker in bfd lld; do
		command -v ld.$linker >/dev/null || continue
		refuses "$cc, $linker: the host's libelf" "-lelf" env RT0_CC=$cc "$rt0_cc" \
			-fuse-ld=$linker -o x hello.c -lelf
	done
done

# ---- errors that the init table makes of mistakes ----
printf '#include <rt/init.h>\nRT_PACKAGE(app, gone);\nint main(void) {}\n' >missing.c
refuses "a missing import names the package" "rt_pkg_gone" "$rt0_cc" -o x missing.c
printf '#include <rt/init.h>\nRT_INIT(nobody) {}\nint main(void) {}\n' >nobody.c
refuses "an init without a package" "rt_pkg_nobody" "$rt0_cc" -o x nobody.c
printf '#include <rt/init.h>\nRT_PACKAGE(app);\nint main(void) {}\n' >one.c
printf '#include <rt/init.h>\nRT_PACKAGE(app);\n' >two.c
refuses "a duplicate package" "rt_pkg_app" "$rt0_cc" -o x one.c two.c

# ---- rt_go ----
cat >large.c <<EOF
#include <rt/rt.h>
struct large { long a[9]; };
static void f(struct large l) { (void)l; }
int main(void) { struct large l = {{0}}; rt_go(f, l); }
EOF
cat >wrong.c <<EOF
#include <rt/rt.h>
static void f(int a, char *b) { (void)a, (void)b; }
int main(void) { rt_go(f, 1); }
EOF
for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	refuses "$cc: too many bytes" "rt_go: more than 64 bytes of arguments; pass a pointer" \
		env RT0_CC=$cc "$rt0_cc" -o x large.c
	refuses "$cc: too few arguments" "too few arguments" env RT0_CC=$cc "$rt0_cc" -o x wrong.c
	for opt in -O0 -O2 "-O2 -flto"; do
		# shellcheck disable=SC2086  # a list of flags
		check "$cc $opt: a chosen function" env RT0_CC=$cc "$rt0_cc" $opt -I "$guests" \
			-o choice "$guests/rt_go_choice.c"
		runs "a chosen function" ./choice 42
	done
	check "$cc: no warnings from our headers" env RT0_CC=$cc "$rt0_cc" -O2 -std=gnu17 -Wall \
		-Wextra -Wshadow -Wpointer-arith -Wcast-align -Wconversion -Wstrict-prototypes \
		-Wmissing-prototypes -Werror -I "$guests" -o choice "$guests/rt_go_choice.c"
	for flags in "" -static-pie -fuse-ld=lld -fstack-protector-all -march=x86-64-v2 \
		"-fsanitize=undefined -fsanitize-undefined-trap-on-error" \
		"-fomit-frame-pointer -O3"; do
		# shellcheck disable=SC2086  # a list of flags
		check "$cc $flags" env RT0_CC=$cc "$rt0_cc" $flags -I "$guests" -o program \
			"$guests/stress.c"
		runs "$cc $flags: runs" ./run-tree ok
	done
done

# ---- driving the linker by hand ----
name="--print-flags"
cat >by-hand.sh <<'EOF'
eval "$("$1" --print-flags | sed 's/=\(.*\)/="\1"/')"
eval "$CC $CFLAGS -c -o by-hand.o hello.c" && eval "$CC $LDFLAGS -o by-hand by-hand.o $LIBS"
EOF
check "compiler and linker by hand, with --print-flags" sh by-hand.sh "$rt0_cc"
runs "by hand" ./by-hand "$hello"

# ---- C++ without a library of its own: what it needs of libc and of the entry point ----
if command -v clang++ >/dev/null; then
	cat >object.cc <<'EOF'
extern "C" int puts(const char *);
extern "C" void *malloc(unsigned long);
extern "C" void free(void *);
void *operator new(unsigned long n) { return malloc(n); }
void operator delete(void *p) noexcept { free(p); }
struct Noted {
	const char *text;
	Noted(const char *t) : text(t) { puts("made"); }
	~Noted() { puts(text); }
};
static Noted outer("the last");
int main() { delete new Noted("deleted"); return 0; }
EOF
	check "C++ object" clang++ -O1 -fPIE -fno-exceptions -fno-rtti -fno-sized-deallocation \
		-c -o object.o object.cc
	for how in -static -static-pie; do
		check "C++ $how" "$rt0_cc" $how -o object object.o
		runs "constructors and destructors" ./object "made
made
deleted
the last"
	done
fi

# ---- an installed tree, moved to a folder with a space ----
if command -v meson >/dev/null && [ -n "${RT0_BUILD:-}" ]; then
	check "meson install" env DESTDIR="$work/installed" meson install -C "$RT0_BUILD" \
		--no-rebuild
	installed=$(find "$work/installed" -name rt0-cc | head -n 1)
	mv "$work/installed" "$work/moved to here"
	moved="$work/moved to here${installed#"$work/installed"}"
	check "the installed rt0-cc, moved" "$moved" -O2 -o from-installed hello.c
	runs "from an installed tree" ./from-installed "$hello"
	check "static-PIE, too" "$moved" -O2 -static-pie -o from-installed hello.c
	runs "from an installed tree" ./from-installed "$hello"
	ln -s "$moved" link-to-rt0-cc
	check "through a symbolic link" ./link-to-rt0-cc -o from-installed hello.c
	# shellcheck disable=SC2016  # for the inner shell
	check "through a relative path" sh -c 'cd "$(dirname "$0")" && ./rt0-cc -o "$1" "$2"' \
		"$moved" "$work/from-installed" "$work/hello.c"
	# shellcheck disable=SC2016  # for the inner shell
	check "through PATH" sh -c 'PATH=$(dirname "$0"):$PATH; rt0-cc -o from-path hello.c' \
		"$moved"
	check "by hand from there" sh by-hand.sh "$moved"
	runs "by hand from there" ./by-hand "$hello"
	name="nothing of the build tree in its flags"
	if "$moved" --print-flags 2>log | grep -qF "$RT0_BUILD/runtime"; then fail; else pass; fi
fi

exit $failed
