/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what must hold of kedge's own data, whatever a client, an application or the kernel
 * does. A struct has a function NAME_check() of CHECK()s beside it. Those who change the struct
 * call it when they are done, with CHECKED(). Only builds with sanitizers and the fuzzers have
 * -DKEDGE_CHECKS. In all others nothing is left, not even a test of a condition.
 *
 * A check only reads. It may be slow: CONTRIBUTING.md says how often the slow ones run.
 */
#pragma once

#ifdef KEDGE_CHECKS

/* Of the object, this must hold. If not: says so, with the way to this place, and aborts. */
#define CHECK(object, must_hold) CHECK_SAYING(object, must_hold, #must_hold)

/* If `when` is true, this must hold. */
#define CHECK_IF(object, when, must_hold) \
	CHECK_SAYING(object, !(when) || (must_hold), "if " #when ": " #must_hold)

#define CHECK_SAYING(object, is_true, text) \
	((is_true) ? (void)0 : check_failed(__FILE__, __LINE__, __func__, text, #object, (object)))

/* A call of a function that checks. */
#define CHECKED(call) (call)

__attribute__((noreturn)) void check_failed(const char *file, int line, const char *function,
					    const char *must_hold, const char *name,
					    const void *object);

#else
#define CHECKED(call) ((void)0)
#endif
