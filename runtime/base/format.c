/* SPDX-License-Identifier: MIT */
/*
 * A printf for places where libc's may not be used: the scheduler's stack, where the thread
 * pointer belongs to a goroutine that may already run elsewhere, signal handlers, and the time
 * before libc is up. Rejected: libc's snprintf, which reads the locale through the thread pointer
 * and brings 12 KiB of floating point into every program.
 */
#include "base/base.h"

struct out {
	char *buf;
	size_t size, len;
};

static void
put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void
put_string(struct out *o, const char *s)
{
	for (s = s ? s : "(null)"; *s; s++)
		put(o, *s);
}

static void
put_number(struct out *o, unsigned long long v, unsigned base, int width, char pad, bool negative)
{
	char digits[24];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while ((v /= base) != 0);
	if (negative && pad == '0')
		put(o, '-');
	for (int i = n + negative; i < width; i++)
		put(o, pad);
	if (negative && pad != '0')
		put(o, '-');
	while (n > 0)
		put(o, digits[--n]);
}

static unsigned long long
next_unsigned(va_list *ap, int longs)
{
	return longs ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int);
}

static void
put_signed(struct out *o, va_list *ap, int longs, int width, char pad)
{
	long long v = longs ? va_arg(*ap, long) : va_arg(*ap, int);

	put_number(o, v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v, 10, width, pad,
		   v < 0);
}

static void
put_conversion(struct out *o, char conv, va_list *ap, int longs, int width, char pad)
{
	switch (conv) {
	case 's':
		put_string(o, va_arg(*ap, const char *));
		break;
	case 'c':
		put(o, (char)va_arg(*ap, int));
		break;
	case 'd':
	case 'i':
		put_signed(o, ap, longs, width, pad);
		break;
	case 'u':
		put_number(o, next_unsigned(ap, longs), 10, width, pad, false);
		break;
	case 'x':
		put_number(o, next_unsigned(ap, longs), 16, width, pad, false);
		break;
	case 'p':
		put_string(o, "0x");
		put_number(o, (uintptr_t)va_arg(*ap, void *), 16, 0, '0', false);
		break;
	default:
		put(o, conv);
	}
}

size_t
rt__vformat(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {buf, size, 0};
	va_list ap;

	va_copy(ap, args);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		char pad = *fmt == '0' ? '0' : ' ';
		int width = 0, longs = 0;
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + (*fmt - '0');
		for (; *fmt == 'l' || *fmt == 'z'; fmt++)
			longs++;
		if (!*fmt)
			break;
		put_conversion(&o, *fmt, &ap, longs, width, pad);
	}
	va_end(ap);
	if (size > 0)
		buf[o.len < size ? o.len : size - 1] = 0;
	return o.len;
}

size_t
rt__format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	size_t n = rt__vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
