/* SPDX-License-Identifier: MIT */
/* rt_go_attr: r10 points to a struct rt__go_call. */
#include "arch/x86_64/macros.S"

	go_entry rt__go_attr, rt__newproc_attr
