/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: build/unit/ROOM/test_NAME PATTERN runs only the tests with such a name; * and ? stand
 * for any text and any character. A program that links this file needs no line for it: glibc gives
 * the arguments to constructors, too.
 */
#pragma once

void test_filter_set(int argc, char **argv) __attribute__((constructor));
