/* SPDX-License-Identifier: MIT */
/*
 * Atomics with the memory order in the name, and no default. All shared words of the runtime go
 * through these, so that every ordering is visible where it matters; a non-relaxed use names its
 * partner in a comment. They work on plain integer and pointer lvalues, by address.
 */
#ifndef RT_BASE_ATOMIC_H
#define RT_BASE_ATOMIC_H

#define rt__load_rlx(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define rt__load_acq(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)

#define rt__store_rlx(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define rt__store_rel(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define rt__store_seq(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)

#define rt__xchg_acq(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define rt__xchg_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define rt__xchg_acqrel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)

#define rt__add_rlx(p, v) __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)
#define rt__add_acqrel(p, v) __atomic_add_fetch((p), (v), __ATOMIC_ACQ_REL)
#define rt__add_seq(p, v) __atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)

/* Compare and swap: true when *p was `old` and is `new` now; *old is not written back. */
#define rt__cas_acq(p, old, new) rt__cas(p, old, new, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define rt__cas_rel(p, old, new) rt__cas(p, old, new, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define rt__cas_acqrel(p, old, new) rt__cas(p, old, new, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
#define rt__cas_rlx(p, old, new) rt__cas(p, old, new, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define rt__cas_seq(p, old, new) rt__cas(p, old, new, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#define rt__cas(p, old, new, ok, fail)                                                             \
	__extension__({                                                                            \
		__typeof__(*(p)) rt_old_ = (old);                                                  \
		__atomic_compare_exchange_n((p), &rt_old_, (new), 0, ok, fail);                    \
	})

/* Orders earlier stores before later loads (Dekker); each use cites its argument. */
#define rt__fence_seq() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Orders what a signal handler of the same thread sees: for the compiler only. */
#define rt__fence_signal() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif
