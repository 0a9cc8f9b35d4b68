/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: text for people, within 80 columns: names that may hold anything, durations, large
 * numbers, lines that are folded. Columns are those of the terminal: a wide character has two.
 * Characters beyond ASCII are shown as they are if setlocale(3) has been told of them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A line has one column less than a terminal: some begin a new line after the last one. */
#define SHOW_COLUMNS 79

/* Room for a name of a configuration, whatever is in it. */
#define SHOW_NAME 1024

/*
 * Copies text of at most `columns` columns: what cannot be printed is "?", and what is too long
 * ends in "~". `out` is never cut in the middle of a character. Returns the columns.
 */
unsigned show_name(char *out, size_t size, const char *text, unsigned columns);

/*
 * How many bytes of text fit in one line of so many columns: to the last space where it could be
 * folded, otherwise whole characters, at least one. The next line begins behind the spaces.
 */
size_t show_line(const char *text, unsigned columns);

/*
 * Writes text as a column of a table, filled up with spaces. If it is too long, it has a line of
 * its own, and the column is empty.
 */
void show_column(FILE *to, unsigned columns, const char *text);

/* "0 s", "59 s", "5 min 3 s", "4 h 59 min", "3 d 4 h" */
#define SHOW_DURATION 32
const char *show_duration(char buf[SHOW_DURATION], uint64_t seconds);

/* "0 us", "640 us", "1.5 ms", "12 s" */
const char *show_time_us(char buf[SHOW_DURATION], uint64_t us);

/* Short, for narrow columns: "0", "999", "1.2k", "34M" */
const char *show_count(char buf[SHOW_DURATION], double n);

/* "1 listener", "2 listeners" */
const char *show_plural(char *buf, size_t size, uint64_t n, const char *one, const char *many);

/*
 * Writes text, folded at its spaces. The cursor is at column `at`; further lines begin at `indent`.
 * Ends the line.
 */
void show_folded(FILE *to, unsigned at, unsigned indent, const char *text);
