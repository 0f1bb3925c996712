/* SPDX-License-Identifier: MIT */
/*
 * Source lines: .debug_line is, for each compiled file, a program that yields rows of address,
 * file and line, ascending within a sequence (DWARF 5, 6.2; versions 2 to 5 are read). All programs
 * are run once for all addresses asked for, until each has its row: the last one at or below it.
 *
 * Functions that the linker has dropped leave their sequences behind, at address 0 or thereabouts;
 * what begins below the program's text is passed over. Every byte is checked for being there, and
 * each step uses up at least one, so that damaged tables cost no more time than good ones.
 */
#include "symtab/dwarf.h"

enum {
	LNS_COPY = 1,
	LNS_ADVANCE_PC,
	LNS_ADVANCE_LINE,
	LNS_SET_FILE,
	LNS_SET_COLUMN,
	LNS_NEGATE_STMT,
	LNS_BASIC_BLOCK,
	LNS_CONST_ADD_PC,
	LNS_FIXED_ADVANCE_PC,
	LNS_PROLOGUE_END,
	LNS_EPILOGUE_BEGIN,
	LNS_SET_ISA,

	LNE_END_SEQUENCE = 1,
	LNE_SET_ADDRESS,

	LNCT_PATH = 1,
	LNCT_DIRECTORY,
};

/* A list of folders or files: since version 5, with a description of its own format. */
struct table {
	struct rt__bytes formats, entries;
	uint64_t count;
};

struct unit {
	const struct rt__dwarf *dwarf;
	struct rt__dwarf_format format;
	struct rt__bytes program, lengths; /* lengths: operands of each standard opcode */
	uint8_t min_inst, line_range, opcode_base;
	int8_t line_base;
	struct table dirs, files;
};

struct row {
	uint64_t addr, file;
	int64_t line;
};

struct search {
	const uint64_t *addrs;
	struct rt__line *lines;
	int n, missing;
	uint64_t lo; /* where text begins */
};

/* ---- names of files ---- */

struct entry {
	const char *name;
	uint64_t dir;
};

/* One entry of a table as version 5 writes it: each of its fields has a meaning and a form. */
static void
read_entry(const struct unit *u, struct rt__bytes formats, struct rt__bytes *b, struct entry *ret)
{
	*ret = (struct entry){NULL, 0};
	while (formats.p < formats.end && !formats.bad) {
		uint64_t meaning = rt__bytes_uleb(&formats), form = rt__bytes_uleb(&formats);
		struct rt__dwarf_value v = rt__dwarf_value(&u->format, b, form);

		if (meaning == LNCT_PATH)
			ret->name = rt__dwarf_string(u->dwarf, &u->format, &v);
		else if (meaning == LNCT_DIRECTORY && v.kind == RT_DW_NUMBER)
			ret->dir = v.num;
	}
}

/* One as older versions write it; the list ends with an empty name. */
static bool
read_old_entry(struct rt__bytes *b, bool is_file, struct entry *ret)
{
	*ret = (struct entry){rt__bytes_string(b), 0};
	if (!ret->name || !*ret->name)
		return false;
	if (is_file) {
		ret->dir = rt__bytes_uleb(b);
		rt__bytes_uleb(b); /* time and size */
		rt__bytes_uleb(b);
	}
	return !b->bad;
}

static bool
entry_at(const struct unit *u, const struct table *t, uint64_t index, bool is_file,
	 struct entry *ret)
{
	struct rt__bytes b = t->entries;

	if (u->format.version < 5) {
		for (uint64_t i = 1; read_old_entry(&b, is_file, ret); i++)
			if (i == index)
				return true;
		return false;
	}
	for (uint64_t i = 0; i < t->count && !b.bad; i++) {
		read_entry(u, t->formats, &b, ret);
		if (i == index)
			return !b.bad && ret->name;
	}
	return false;
}

/* Folder 0 is the one that the compiler ran in, which older versions do not name here. */
static void
set_file(const struct unit *u, uint64_t index, struct rt__line *l)
{
	struct entry file, dir, root;

	*l = (struct rt__line){.line = l->line};
	if (!entry_at(u, &u->files, index, true, &file))
		return;
	l->file = file.name;
	if (*file.name == '/')
		return;
	if ((file.dir != 0 || u->format.version >= 5) &&
	    entry_at(u, &u->dirs, file.dir, false, &dir))
		l->dir = dir.name;
	if (l->dir && *l->dir != '/' && file.dir != 0 && u->format.version >= 5 &&
	    entry_at(u, &u->dirs, 0, false, &root))
		l->root = root.name;
}

/* ---- a unit's header ---- */

/* Reads a table and goes behind it. */
static bool
read_table(const struct unit *u, struct rt__bytes *b, bool is_file, struct table *t)
{
	struct entry e;

	*t = (struct table){0};
	if (u->format.version < 5) {
		t->entries = *b;
		while (read_old_entry(b, is_file, &e))
			;
		return !b->bad;
	}
	unsigned nformats = rt__bytes_u8(b);
	const uint8_t *start = b->p;
	for (unsigned i = 0; i < nformats; i++) {
		rt__bytes_uleb(b);
		rt__bytes_uleb(b);
	}
	t->formats = (struct rt__bytes){start, b->p, b->bad};
	t->count = rt__bytes_uleb(b);
	t->entries = *b;
	if (nformats == 0 && t->count != 0)
		return false; /* entries of nothing: no end to them */
	for (uint64_t i = 0; i < t->count && !b->bad; i++)
		read_entry(u, t->formats, b, &e);
	return !b->bad;
}

/* b: the unit, behind its length. */
static bool
read_header(struct rt__bytes b, struct unit *u)
{
	uint8_t max_ops = 1;

	u->format.version = rt__bytes_u16(&b);
	if (u->format.version < 2 || u->format.version > 5)
		return false;
	if (u->format.version >= 5)
		rt__bytes_take(&b, 2); /* sizes of addresses and segments */
	uint64_t header_size = rt__dwarf_offset(&b, u->format.offset_size);
	struct rt__bytes header = rt__bytes_part(&b, 0, header_size);
	if (header.bad)
		return false;
	u->program = (struct rt__bytes){header.end, b.end, b.bad};
	u->min_inst = rt__bytes_u8(&header);
	if (u->format.version >= 4)
		max_ops = rt__bytes_u8(&header);
	rt__bytes_u8(&header); /* is_stmt */
	u->line_base = rt__bytes_i8(&header);
	u->line_range = rt__bytes_u8(&header);
	u->opcode_base = rt__bytes_u8(&header);
	if (u->line_range == 0 || u->opcode_base == 0 || max_ops != 1)
		return false;
	u->lengths = rt__bytes_part(&header, 0, u->opcode_base - 1u);
	rt__bytes_take(&header, u->opcode_base - 1u);
	return read_table(u, &header, false, &u->dirs) && read_table(u, &header, true, &u->files);
}

/* ---- its program ---- */

struct machine {
	const struct unit *u;
	struct search *s;
	struct row row, last; /* last: the one that holds up to row.addr */
	bool has_last;
	uint64_t start; /* of the sequence */
	bool started;
};

static void
begin_sequence(struct machine *m)
{
	m->row = (struct row){.file = 1, .line = 1};
	m->has_last = m->started = false;
}

/* The addresses from the last row to this one belong to the last one's line. */
static void
add_row(struct machine *m)
{
	struct search *s = m->s;

	if (!m->started) {
		m->start = m->row.addr;
		m->started = true;
	}
	if (m->has_last && m->last.addr < m->row.addr && m->start >= s->lo) {
		for (int i = 0; i < s->n; i++) {
			if (s->addrs[i] < m->last.addr || s->addrs[i] >= m->row.addr ||
			    s->lines[i].file)
				continue;
			s->lines[i].line = (int)m->last.line;
			set_file(m->u, m->last.file, &s->lines[i]);
			s->missing -= s->lines[i].file != NULL;
		}
	}
	/* Line 0 is code that belongs to none; a report is better off with the one before it. */
	int64_t line = m->row.line;
	if ((line <= 0 || line > INT32_MAX) && m->has_last) {
		m->last.addr = m->row.addr;
		return;
	}
	m->last = m->row;
	m->has_last = line > 0 && line <= INT32_MAX;
}

static void
extended(struct machine *m, struct rt__bytes *b)
{
	uint64_t n = rt__bytes_uleb(b);
	struct rt__bytes op = rt__bytes_part(b, 0, n);

	rt__bytes_take(b, n);
	switch (rt__bytes_u8(&op)) {
	case LNE_END_SEQUENCE:
		add_row(m);
		begin_sequence(m);
		break;
	case LNE_SET_ADDRESS:
		m->row.addr = rt__bytes_left(&op) == 4 ? rt__bytes_u32(&op) : rt__bytes_u64(&op);
		break;
	default:
		break;
	}
}

static void
advance(struct machine *m, uint64_t by)
{
	m->row.addr += by * m->u->min_inst;
}

static void
special(struct machine *m, uint8_t op)
{
	unsigned n = op - m->u->opcode_base;

	advance(m, n / m->u->line_range);
	m->row.line += m->u->line_base + (int)(n % m->u->line_range);
	add_row(m);
}

/* A standard opcode, or one that is younger than we are: those say how many operands they have. */
static void
standard(struct machine *m, uint8_t op, struct rt__bytes *b)
{
	struct rt__bytes lengths = m->u->lengths;

	switch (op) {
	case LNS_COPY:
		add_row(m);
		break;
	case LNS_ADVANCE_PC:
		advance(m, rt__bytes_uleb(b));
		break;
	case LNS_ADVANCE_LINE:
		m->row.line = (int64_t)((uint64_t)m->row.line + (uint64_t)rt__bytes_sleb(b));
		break;
	case LNS_SET_FILE:
		m->row.file = rt__bytes_uleb(b);
		break;
	case LNS_CONST_ADD_PC:
		advance(m, (255u - m->u->opcode_base) / m->u->line_range);
		break;
	case LNS_FIXED_ADVANCE_PC:
		m->row.addr += rt__bytes_u16(b);
		break;
	default:
		rt__bytes_take(&lengths, op - 1u);
		for (unsigned n = rt__bytes_u8(&lengths); n > 0; n--)
			rt__bytes_uleb(b);
	}
}

static void
run_program(const struct unit *u, struct search *s)
{
	struct machine m = {.u = u, .s = s};
	struct rt__bytes b = u->program;

	begin_sequence(&m);
	while (b.p < b.end && !b.bad && s->missing > 0) {
		uint8_t op = rt__bytes_u8(&b);

		if (op >= u->opcode_base)
			special(&m, op);
		else if (op == 0)
			extended(&m, &b);
		else
			standard(&m, op, &b);
	}
}

void
rt__lines_find(const struct rt__dwarf *dwarf, uint64_t lo, const uint64_t *addrs, int n,
	       struct rt__line *lines)
{
	struct search s = {addrs, lines, n, n, lo};
	struct rt__bytes all = dwarf->line;

	for (int i = 0; i < n; i++)
		lines[i] = (struct rt__line){0};
	while (all.p < all.end && !all.bad && s.missing > 0) {
		struct unit u = {.dwarf = dwarf};
		struct rt__bytes unit = rt__dwarf_part(&all, &u.format.offset_size);

		if (!unit.bad && read_header(unit, &u))
			run_program(&u, &s);
	}
}

void
rt__lines_file(const struct rt__dwarf *dwarf, uint64_t offset, uint64_t index, struct rt__line *l)
{
	struct unit u = {.dwarf = dwarf};
	struct rt__bytes b = dwarf->line;

	rt__bytes_take(&b, offset);
	struct rt__bytes unit = rt__dwarf_part(&b, &u.format.offset_size);
	if (!unit.bad && read_header(unit, &u))
		set_file(&u, index, l);
}
