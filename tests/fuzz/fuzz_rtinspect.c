/* SPDX-License-Identifier: MIT */
/*
 * fuzz_rtinspect.c: libFuzzer on rtinspect; README.md tells how to run it.
 *
 * FUZZ_NO_DWARF in the environment leaves libdw out, which makes it about twice as fast.
 */
#include <stdlib.h>

#include "mutate_elf.h"
#include "rtinspect_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rtinspect_target(data, size, getenv("FUZZ_NO_DWARF") == NULL);
	return 0;
}

/* Half the time libFuzzer's own mutations, which know what the program compares with. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	if (seed % 2 == 0) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	return mutate_elf(data, size, seed);
}
