/* SPDX-License-Identifier: MIT */
/* rt_go. Its kin are in files of their own: a program has in it what it calls. */
#include "arch/x86_64/macros.S"

	go_entry rt__go, rt__newproc
	go_words_entry rt__go_words, rt__newproc_words
