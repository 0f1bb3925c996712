#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes the assembly that makes gdb load a script with the program: embed.sh SCRIPT.py OUT.S
#
# 4 says that the text itself follows, its name first (SECTION_SCRIPT_ID_PYTHON_TEXT). It is a debug
# section: not loaded at run time, and gone after strip.
set -eu
cat >"$2" <<END
.section .note.GNU-stack, "", @progbits
.section .debug_gdb_scripts, "MS", @progbits, 1
.byte 4
.ascii "${1##*/}\n"
.incbin "$1"
.byte 0
END
