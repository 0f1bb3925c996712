#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the names that an object or archive defines for others: usage: symbols.py FILE...

Everything is linked into other people's programs, and hidden visibility does not keep two static
definitions of one name from clashing. So a name is public (rt_), ours (rt__), part of the init
table (rt_pkg_), or one of the libc names that we replace on purpose.
"""
import re
import subprocess
import sys

REPLACED = {  # libc's names; the file that defines each says why
    "malloc", "calloc", "realloc", "free", "aligned_alloc", "malloc_usable_size", "free_sized",
    "free_aligned_sized", "mallinfo", "mallinfo2", "malloc_info", "malloc_stats", "malloc_trim",
    "__libc_malloc", "__libc_calloc", "__libc_realloc", "__libc_free",
    "exit", "raise", "abort", "gettid", "pthread_create", "thrd_create",
    "pthread_exit", "thrd_exit", "pthread_kill", "pthread_getcpuclockid",
    "pthread_getschedparam", "pthread_setschedparam", "pthread_setschedprio",
    "sched_getaffinity", "sched_setaffinity", "pthread_getaffinity_np", "pthread_setaffinity_np",
    "pthread_mutexattr_setprotocol",
    "sigaction", "sigaltstack", "signal", "bsd_signal", "__sysv_signal", "__synccall",
    "pthread_key_delete", "tss_delete", "__setxid", "setgroups",
    "__syscall_cp", "syscall", "fork", "_Fork", "vfork", "__clone", "pthread_sigmask",
    "setjmp", "_setjmp", "__setjmp", "longjmp", "_longjmp", "__lock", "__unlock", "__wait",
    "__block_all_sigs", "__block_app_sigs", "__restore_sigs",
}
ENTRY = {"_start", "_rt0_amd64_linux", "_rt0_amd64", "__dso_handle"}
OURS = re.compile(r"rt_[a-z]|rt__[a-z]")


def main():
    bad, seen = [], 0
    for path in sys.argv[1:]:
        out = subprocess.run(["nm", "-g", "--defined-only", path], capture_output=True, text=True,
                             check=True).stdout
        for line in out.splitlines():
            words = line.split()
            if len(words) != 3:
                continue
            seen += 1
            name = words[2]
            if not OURS.match(name) and name not in REPLACED | ENTRY:
                bad.append(f"{path}: {name}")
    print("\n".join(f"{b}: not in our name space" for b in bad) or f"{seen} names are ours")
    return 1 if bad or seen < 50 else 0


sys.exit(main())
