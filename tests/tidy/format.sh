#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks formatting (clang-format), scripts (shellcheck) and spelling (codespell): format.sh ROOT
set -eu
cd "$1"
files() {
	git ls-files -co --exclude-standard -- "$@"
}
status=0
files '*.c' '*.h' | xargs clang-format --dry-run -Werror || status=1
files | xargs grep -lE '^#!/bin/(ba)?sh' | xargs shellcheck -x || status=1
files '*.c' '*.h' '*.S' '*.md' '*.py' '*.sh' '*.ld' '*.pml' 'tools/*' |
	xargs codespell -q 3 -L wronly,inits,te,pring,fo,thre || status=1
exit $status
