/* SPDX-License-Identifier: MIT */
/* rt_scope_go: r10 points to a struct rt__scope_call. */
#include "arch/x86_64/macros.S"

	go_entry rt__scope_go, rt__scope_newproc
