/* SPDX-License-Identifier: MIT */
/* Is this the musl that musl.h describes? Compared with what the kernel said, where it costs no
 * system call; a different layout shows in at least one of these. */
#include "libc/libc.h"

#include "libc/musl.h"

void
rt__libc_check(const unsigned long *auxv, size_t page_size)
{
	struct musl_pthread *self = musl_self();
	const char *wrong = NULL;

	if (__libc.auxv != (const size_t *)auxv || __libc.page_size != page_size)
		wrong = "struct __libc";
	else if (__libc.tls_size < sizeof *self || __libc.tls_cnt > 1)
		wrong = "the TLS fields of struct __libc";
	else if (self->self != self || self->next != self || self->prev != self || self->tid <= 0)
		wrong = "struct pthread";
	else if (self->locale != &__libc.global_locale || self->detach_state != MUSL_JOINABLE ||
		 self->robust_list.head != &self->robust_list.head)
		wrong = "the later fields of struct pthread";
	if (wrong)
		rt__die_at_boot("this libc is not musl 1.2.3 to 1.2.6: %s differs", wrong);
}

int32_t
rt__libc_first_tid(void)
{
	return musl_self()->tid;
}
