#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs clang-tidy (.clang-tidy) and cppcheck over the runtime: lint.sh ROOT MUSL_INCLUDE
set -eu
cd "$1"
musl=$2
builtin=$(clang -print-file-name=include)
flags="-std=gnu17 -Iruntime -Iruntime/include -nostdinc -isystem $musl -isystem $builtin"
# shellcheck disable=SC2016  # $flags and $@ are for the inner shell
git ls-files 'runtime/*.c' 'crt/*.c' |
	xargs -P2 -n8 sh -c 'flags=$0; clang-tidy --quiet "$@" -- $flags 2>/dev/null' "$flags"
git ls-files 'runtime/*.c' 'crt/*.c' |
	xargs cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr \
		--enable=warning,portability --suppress=missingInclude --suppress=unknownMacro \
		--suppress=preprocessorErrorDirective -D__x86_64__ -D__GNUC__=12 \
		-Iruntime -Iruntime/include
