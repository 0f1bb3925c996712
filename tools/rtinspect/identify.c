/* SPDX-License-Identifier: MIT */
/*
 * identify.c: says what a file is, in words, from its first bytes.
 *
 * It exists so that a wrong file is answered with what it is instead of what it lacks. It is no
 * substitute for file(1): it knows what people pass to an ELF tool by mistake.
 */
#include "identify.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

static const struct {
	unsigned machine;
	const char *name;
} machines[] = {
	{EM_X86_64, "x86-64"},   {EM_386, "i386"},        {EM_AARCH64, "aarch64"},
	{EM_ARM, "arm"},         {EM_RISCV, "riscv"},     {EM_PPC, "powerpc"},
	{EM_PPC64, "powerpc64"}, {EM_S390, "s390"},       {EM_MIPS, "mips"},
	{EM_SPARC, "sparc"},     {EM_SPARCV9, "sparc64"}, {EM_LOONGARCH, "loongarch"},
	{EM_BPF, "bpf"},
};

static const struct {
	const char *bytes;
	size_t length;
	const char *what;
} kinds[] = {
	{"!<arch>\n", 8, "an archive; look at a program that was linked with it"},
	{"!<thin>\n", 8, "a thin archive; look at a program that was linked with it"},
	{"BC\xc0\xde", 4, "LLVM bitcode, which is not linked yet"},
	{"\xde\xc0\x17\x0b", 4, "LLVM bitcode, which is not linked yet"},
	{"\xcf\xfa\xed\xfe", 4, "a Mach-O file"},
	{"\xca\xfe\xba\xbe", 4, "a Mach-O or Java class file"},
	{"\x1f\x8b", 2, "a gzip-compressed file"},
	{"\xfd"
	 "7zXZ",
	 5, "an xz-compressed file"},
	{"\x28\xb5\x2f\xfd", 4, "a zstd-compressed file"},
	{"MZ", 2, "a Windows or EFI program"},
	{"#!", 2, "a script"},
};

const char *
ri_identify_machine(unsigned machine)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		if (machines[i].machine == machine) {
			return machines[i].name;
		}
	}
	return NULL;
}

static const char *
type_name(unsigned type)
{
	switch (type) {
	case ET_REL:
		return "relocatable object";
	case ET_EXEC:
		return "program";
	case ET_DYN:
		return "program or shared library";
	case ET_CORE:
		return "core file";
	default:
		return "file of unknown type";
	}
}

static bool
identify_elf(const uint8_t *data, size_t size, char *ret_text, size_t room)
{
	bool wide = data[EI_CLASS] == ELFCLASS64;
	bool big = data[EI_DATA] == ELFDATA2MSB;
	const char *name;
	char number[32];
	uint16_t type;
	uint16_t machine;

	if (wide && data[EI_DATA] == ELFDATA2LSB) {
		return false;
	}
	if ((!wide && data[EI_CLASS] != ELFCLASS32) || (!big && data[EI_DATA] != ELFDATA2LSB) ||
	    size < sizeof(Elf32_Ehdr)) {
		return false;
	}
	/* e_type and e_machine lie at the same place in both classes. */
	memcpy(&type, data + offsetof(Elf32_Ehdr, e_type), sizeof(type));
	memcpy(&machine, data + offsetof(Elf32_Ehdr, e_machine), sizeof(machine));
	type = big ? be16toh(type) : le16toh(type);
	machine = big ? be16toh(machine) : le16toh(machine);
	name = ri_identify_machine(machine);
	if (name == NULL) {
		snprintf(number, sizeof(number), "machine %u", machine);
		name = number;
	}
	snprintf(ret_text, room, "a %s %s-endian ELF %s for %s", wide ? "64-bit" : "32-bit",
		 big ? "big" : "little", type_name(type), name);
	return true;
}

bool
ri_identify_foreign(const uint8_t *data, size_t size, char *ret_text, size_t room)
{
	if (size >= EI_NIDENT && memcmp(data, ELFMAG, SELFMAG) == 0) {
		return identify_elf(data, size, ret_text, room);
	}
	if (size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0) {
		return false;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (size >= kinds[i].length && memcmp(data, kinds[i].bytes, kinds[i].length) == 0) {
			snprintf(ret_text, room, "%s", kinds[i].what);
			return true;
		}
	}
	snprintf(ret_text, room, "not an ELF file");
	return true;
}

const char *
ri_identify_linkage(const struct ri_image *image, bool ours)
{
	const struct ri_dynamic *dynamic = &image->dynamic;

	switch (image->header.e_type) {
	case ET_REL:
		return "relocatable-object";
	case ET_CORE:
		return "core-file";
	case ET_EXEC:
		return dynamic->needed ? "dynamic" : "static";
	case ET_DYN:
		break;
	default:
		return "elf-file";
	}
	/* Linkers have marked PIEs since 2015; before that only the absence of a name told. */
	if ((dynamic->flags_1 & DF_1_PIE) != 0 || ours ||
	    (image->interpreter != NULL && !dynamic->soname)) {
		return dynamic->needed ? "dynamic-pie" : "static-pie";
	}
	return "shared-library";
}
