/* SPDX-License-Identifier: MIT */
/*
 * Values as debug information writes them (DWARF 5, 7.5): what line tables and .debug_info share.
 * Compressed sections are as good as none (elf.c), split debug information lies in other files.
 */
#include "symtab/dwarf.h"

enum {
	FORM_ADDR = 0x01,
	FORM_BLOCK2 = 0x03,
	FORM_BLOCK4,
	FORM_DATA2,
	FORM_DATA4,
	FORM_DATA8,
	FORM_STRING,
	FORM_BLOCK,
	FORM_BLOCK1,
	FORM_DATA1,
	FORM_FLAG,
	FORM_SDATA,
	FORM_STRP,
	FORM_UDATA,
	FORM_REF_ADDR,
	FORM_REF1,
	FORM_REF2,
	FORM_REF4,
	FORM_REF8,
	FORM_REF_UDATA,
	FORM_INDIRECT,
	FORM_SEC_OFFSET,
	FORM_EXPRLOC,
	FORM_FLAG_PRESENT,
	FORM_STRX,
	FORM_ADDRX,
	FORM_REF_SUP4,
	FORM_STRP_SUP,
	FORM_DATA16,
	FORM_LINE_STRP,
	FORM_REF_SIG8,
	FORM_IMPLICIT_CONST,
	FORM_LOCLISTX,
	FORM_RNGLISTX,
	FORM_REF_SUP8,
	FORM_STRX1,
	FORM_STRX2,
	FORM_STRX3,
	FORM_STRX4,
	FORM_ADDRX1,
	FORM_ADDRX2,
	FORM_ADDRX3,
	FORM_ADDRX4,
};

/* How a form is written: how wide; or, of those that hold bytes, how wide their length is. */
enum { W_0, W_1, W_2, W_3, W_4, W_8, W_16, W_ULEB, W_SLEB, W_OFFSET };

static const struct {
	uint8_t width, kind;
} forms[] = {
	[FORM_ADDR] = {W_8, RT_DW_ADDR},
	[FORM_BLOCK] = {W_ULEB, RT_DW_BLOCK},
	[FORM_BLOCK1] = {W_1, RT_DW_BLOCK},
	[FORM_BLOCK2] = {W_2, RT_DW_BLOCK},
	[FORM_BLOCK4] = {W_4, RT_DW_BLOCK},
	[FORM_EXPRLOC] = {W_ULEB, RT_DW_BLOCK},
	[FORM_DATA1] = {W_1, RT_DW_NUMBER},
	[FORM_DATA2] = {W_2, RT_DW_NUMBER},
	[FORM_DATA4] = {W_4, RT_DW_NUMBER},
	[FORM_DATA8] = {W_8, RT_DW_NUMBER},
	[FORM_DATA16] = {W_16, RT_DW_OTHER},
	[FORM_FLAG] = {W_1, RT_DW_NUMBER},
	[FORM_FLAG_PRESENT] = {W_0, RT_DW_OTHER},
	[FORM_SDATA] = {W_SLEB, RT_DW_NUMBER},
	[FORM_UDATA] = {W_ULEB, RT_DW_NUMBER},
	[FORM_SEC_OFFSET] = {W_OFFSET, RT_DW_NUMBER},
	[FORM_LOCLISTX] = {W_ULEB, RT_DW_OTHER},
	[FORM_RNGLISTX] = {W_ULEB, RT_DW_RNGLISTX},
	[FORM_STRP] = {W_OFFSET, RT_DW_STRP},
	[FORM_LINE_STRP] = {W_OFFSET, RT_DW_LINE_STRP},
	[FORM_STRP_SUP] = {W_OFFSET, RT_DW_OTHER},
	[FORM_STRX] = {W_ULEB, RT_DW_STRX},
	[FORM_STRX1] = {W_1, RT_DW_STRX},
	[FORM_STRX2] = {W_2, RT_DW_STRX},
	[FORM_STRX3] = {W_3, RT_DW_STRX},
	[FORM_STRX4] = {W_4, RT_DW_STRX},
	[FORM_ADDRX] = {W_ULEB, RT_DW_ADDRX},
	[FORM_ADDRX1] = {W_1, RT_DW_ADDRX},
	[FORM_ADDRX2] = {W_2, RT_DW_ADDRX},
	[FORM_ADDRX3] = {W_3, RT_DW_ADDRX},
	[FORM_ADDRX4] = {W_4, RT_DW_ADDRX},
	[FORM_REF1] = {W_1, RT_DW_UNIT_REF},
	[FORM_REF2] = {W_2, RT_DW_UNIT_REF},
	[FORM_REF4] = {W_4, RT_DW_UNIT_REF},
	[FORM_REF8] = {W_8, RT_DW_UNIT_REF},
	[FORM_REF_UDATA] = {W_ULEB, RT_DW_UNIT_REF},
	[FORM_REF_ADDR] = {W_OFFSET, RT_DW_INFO_REF},
	[FORM_REF_SIG8] = {W_8, RT_DW_OTHER},
	[FORM_REF_SUP4] = {W_4, RT_DW_OTHER},
	[FORM_REF_SUP8] = {W_8, RT_DW_OTHER},
};

uint64_t
rt__dwarf_offset(struct rt__bytes *b, unsigned size)
{
	return size == 8 ? rt__bytes_u64(b) : rt__bytes_u32(b);
}

struct rt__bytes
rt__dwarf_part(struct rt__bytes *b, unsigned *ret_offset_size)
{
	uint64_t size = rt__bytes_u32(b);

	*ret_offset_size = size == UINT32_MAX ? 8 : 4;
	if (size == UINT32_MAX)
		size = rt__bytes_u64(b);
	struct rt__bytes part = rt__bytes_part(b, 0, size);
	rt__bytes_take(b, size);
	part.bad |= b->bad;
	return part;
}

static uint64_t
read_3(struct rt__bytes *b)
{
	uint64_t low = rt__bytes_u16(b);

	return low | (uint64_t)rt__bytes_u8(b) << 16;
}

static uint64_t
read_width(struct rt__bytes *b, unsigned width, unsigned offset_size)
{
	switch (width) {
	case W_1:
		return rt__bytes_u8(b);
	case W_2:
		return rt__bytes_u16(b);
	case W_3:
		return read_3(b);
	case W_4:
		return rt__bytes_u32(b);
	case W_8:
		return rt__bytes_u64(b);
	case W_16:
		rt__bytes_take(b, 16);
		return 0;
	case W_ULEB:
		return rt__bytes_uleb(b);
	case W_SLEB:
		return (uint64_t)rt__bytes_sleb(b);
	case W_OFFSET:
		return rt__dwarf_offset(b, offset_size);
	default:
		return 0;
	}
}

struct rt__dwarf_value
rt__dwarf_value(const struct rt__dwarf_format *format, struct rt__bytes *b, uint64_t form)
{
	struct rt__dwarf_value v = {RT_DW_NONE, {0}};

	if (form == FORM_INDIRECT)
		form = rt__bytes_uleb(b); /* and no second time */
	if (form == FORM_STRING) {
		v.kind = RT_DW_STRING;
		v.str = rt__bytes_string(b);
	} else if (form < RT_ARRAY_LEN(forms) && forms[form].kind != RT_DW_NONE) {
		unsigned width = forms[form].width;

		if (form == FORM_REF_ADDR && format->version == 2)
			width = W_8; /* as wide as an address, then */
		v.kind = forms[form].kind;
		v.num = read_width(b, width, format->offset_size);
		if (v.kind == RT_DW_BLOCK)
			rt__bytes_take(b, v.num);
	} else {
		b->bad = true;
	}
	return v;
}

bool
rt__dwarf_indexed(struct rt__bytes section, uint64_t base, uint64_t index, unsigned size,
		  uint64_t *ret)
{
	uint64_t left = rt__bytes_left(&section);

	if (index > left || base > left)
		return false;
	struct rt__bytes b = rt__bytes_part(&section, base + index * size, size);
	*ret = rt__dwarf_offset(&b, size);
	return !b.bad;
}

static const char *
string_in(struct rt__bytes section, uint64_t offset)
{
	struct rt__bytes b = rt__bytes_part(&section, offset, 0);

	b.end = section.end;
	return rt__bytes_string(&b);
}

const char *
rt__dwarf_string(const struct rt__dwarf *dwarf, const struct rt__dwarf_format *format,
		 const struct rt__dwarf_value *v)
{
	uint64_t offset;

	switch (v->kind) {
	case RT_DW_STRING:
		return v->str;
	case RT_DW_STRP:
		return string_in(dwarf->str, v->num);
	case RT_DW_LINE_STRP:
		return string_in(dwarf->line_str, v->num);
	case RT_DW_STRX:
		return rt__dwarf_indexed(dwarf->str_offsets, format->str_base, v->num,
					 format->offset_size, &offset)
			? string_in(dwarf->str, offset)
			: NULL;
	default:
		return NULL;
	}
}
