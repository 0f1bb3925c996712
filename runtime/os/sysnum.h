/* SPDX-License-Identifier: MIT */
/* System call numbers and kernel constants. Written out, because musl has no kernel headers and
 * the runtime also builds against the host's libc for its unit tests. */
#ifndef RT_OS_SYSNUM_H
#define RT_OS_SYSNUM_H

#include <sys/syscall.h>

#define RT_PROT_NONE 0
#define RT_PROT_READ 1
#define RT_PROT_WRITE 2
#define RT_MAP_PRIVATE 0x02
#define RT_MAP_ANONYMOUS 0x20
#define RT_MAP_GROWSDOWN 0x0100
#define RT_MAP_NORESERVE 0x4000
#define RT_MAP_FIXED 0x10
#define RT_MAP_FIXED_NOREPLACE 0x100000
#define RT_MADV_DONTNEED 4
#define RT_MADV_HUGEPAGE 14
#define RT_MADV_NOHUGEPAGE 15
#define RT_MADV_GUARD_INSTALL 102
#define RT_MADV_GUARD_REMOVE 103
#define RT_MREMAP_MAYMOVE 1
#define RT_MREMAP_FIXED 2
#define RT_MREMAP_DONTUNMAP 4 /* Linux 5.7 */

#define RT_AT_FDCWD (-100)
#define RT_O_CLOEXEC 02000000
#define RT_SEEK_END 2

#define RT_FUTEX_WAIT_PRIVATE 128
#define RT_FUTEX_WAKE_PRIVATE 129
#define RT_FUTEX_WAIT_BITSET_PRIVATE 137 /* its time is absolute */
#define RT_FUTEX_ANY (-1)

#define RT_POLLOUT 4

#define RT_PR_SET_TIMERSLACK 29

#define RT_RLIMIT_STACK 3
#define RT_RLIMIT_AS 9

#define RT_MEMBARRIER_PRIVATE 8 /* Linux 4.14 */
#define RT_MEMBARRIER_REGISTER_PRIVATE 16

#define RT_SIG_BLOCK 0
#define RT_SIG_UNBLOCK 1
#define RT_SIG_SETMASK 2

#define RT_SYS_process_madvise 440
#define RT_PIDFD_SELF (-10000) /* Linux 6.15 */

#define RT_ESRCH 3
#define RT_EINTR 4
#define RT_EAGAIN 11
#define RT_EFAULT 14
#define RT_EEXIST 17
#define RT_EINVAL 22
#define RT_EMFILE 24
#define RT_ETIMEDOUT 110

#endif
