/* SPDX-License-Identifier: MIT */
/* rt_wg_go: r10 points to a struct rt__wg_call. */
#include "arch/x86_64/macros.S"

	go_entry rt__wg_go, rt__newproc_wg
	go_words_entry rt__wg_go_words, rt__newproc_wg_words
