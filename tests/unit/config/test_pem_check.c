/* SPDX-License-Identifier: BSD-2-Clause */
/* pem_check.c: damage that OpenSSL ignores, and text that is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/pem_check.h"
#include "tests/lib/heard.h"

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END   "-----END CERTIFICATE-----\n"
#define BODY  "MIIB\nAQAB\n"

/* pem_check() of these bytes; messages are in heard[]. */
static int check(const char *bytes, size_t len)
{
	_cleanup_(fclosep)
	FILE *f = fmemopen((void *)bytes, len, "r");
	int err;

	assert_non_null(f);
	/* pem_check() starts at the beginning, wherever the file position is. */
	getc(f);
	heard_begin();
	err = pem_check(f, "certificate", "c.pem");
	heard_end();
	return err;
}

static void blocks_with_text_around_them_are_fine(void **state)
{
	static const char *const files[] = {
		BEGIN BODY END,
		BEGIN BODY END BEGIN BODY END,
		"subject=CN = a\n\n" BEGIN BODY END "anything\n" BEGIN BODY END "end",
		"-----BEGIN X-----\r\nMIIB\r\n-----END X-----\r\n",
		BEGIN BODY "-----END CERTIFICATE-----",
		BEGIN BODY "-----END CERTIFICATE-----  \t\n",
		"no block at all\n",
		"\n",
		"-----\n",
		/* Headers of an encrypted key (RFC 1421). */
		"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n" BODY
		"-----END RSA PRIVATE KEY-----\n",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(check(files[i], strlen(files[i])), 0);
		assert_string_equal(heard, "");
	}
}

static bool has(const char *text, const char *kind)
{
	_cleanup_(fclosep)
	FILE *f = fmemopen((void *)text, strlen(text), "r");

	while (getc(f) != EOF) /* as after a search that found nothing */
		;
	return pem_has(f, kind);
}

static void the_kind_of_a_block(void **state)
{
	assert_true(has("text\n" BEGIN BODY END, "CERTIFICATE-----"));
	assert_true(has("-----BEGIN TRUSTED CERTIFICATE-----\r\n", "CERTIFICATE-----"));
	assert_true(has("-----BEGIN EC PRIVATE KEY-----\n", "PRIVATE KEY-----"));
	assert_false(has(BEGIN BODY END, "PRIVATE KEY-----"));
	assert_false(has("BEGIN CERTIFICATE-----\n" END, "CERTIFICATE-----"));
	assert_false(has("\n", "CERTIFICATE-----"));
}

#define DAMAGED "damaged: neither a line of a PEM block nor one between two\n"
#define CUT     "the file ends in the middle of a PEM block\n"

static void damage_is_said_with_its_line(void **state)
{
	static const struct {
		const char *file, *said;
	} cases[] = {
		{"----BEGIN CERTIFICATE-----\n" BODY END, ":1: " DAMAGED},
		{"x-----BEGIN CERTIFICATE-----\n" BODY END, ":1: " DAMAGED},
		{"-----BEGIN CERTIFICATE----\n" BODY END, ":1: " DAMAGED},
		{"-----BEGIN -----\n" BODY END, ":1: " DAMAGED},
		{BODY END, ":3: " DAMAGED},
		{BEGIN BODY END "\n" BODY END, ":8: " DAMAGED},
		{BEGIN BODY BEGIN BODY END, ":4: " DAMAGED},
		{BEGIN BODY "----END CERTIFICATE-----\n", ":4: " DAMAGED},
		{BEGIN BODY "-----END CERTIFICATE\n", ":4: " DAMAGED},
		{BEGIN BODY, ":3: " CUT},
		{BEGIN, ":1: " CUT},
		{"-----BEGIN CERTIFICATE-----", ":1: " CUT},
		{BEGIN "MIIB", ":2: " CUT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char said[256];

		snprintf(said, sizeof(said), "error: certificate c.pem%s", cases[i].said);
		assert_int_equal(check(cases[i].file, strlen(cases[i].file)), -EINVAL);
		assert_string_equal(heard, said);
	}
}

/* A DER file, or zeros after a disk failure. */
static void a_nul_is_damage(void **state)
{
	static const char zeros[64];
	static const char inside[] = BEGIN "MI\0B\n" END;

	assert_int_equal(check(zeros, sizeof(zeros)), -EINVAL);
	assert_string_equal(heard, "error: certificate c.pem:1: " DAMAGED);
	assert_int_equal(check(inside, sizeof(inside) - 1), -EINVAL);
	assert_string_equal(heard, "error: certificate c.pem:2: " DAMAGED);
}

/* Text between blocks may have lines of any length. */
/* --- a file that cannot be read to its end ---------------------------------------------------- */

struct ailing {
	const char *bytes;
	size_t at, sick_at; /* from there on the disk fails */
};

static ssize_t read_ailing(void *cookie, char *buf, size_t size)
{
	struct ailing *a = cookie;
	size_t n = a->sick_at - a->at < size ? a->sick_at - a->at : size;

	if (!n) {
		errno = EIO;
		return -1;
	}
	memcpy(buf, a->bytes + a->at, n);
	a->at += n;
	return (ssize_t)n;
}

static int seek_ailing(void *cookie, off64_t *to, int whence)
{
	struct ailing *a = cookie;

	assert_int_equal(whence, SEEK_SET);
	a->at = (size_t)*to;
	return 0;
}

/* What comes before the fault is whole, and would pass for the file. */
static void a_fault_is_not_the_end(void **state)
{
	struct ailing a = {.bytes = BEGIN BODY END BEGIN BODY END,
			   .sick_at = strlen(BEGIN BODY END)};
	cookie_io_functions_t io = {.read = read_ailing, .seek = seek_ailing};
	_cleanup_(fclosep)
	FILE *f = fopencookie(&a, "r", io);

	(void)state;
	assert_non_null(f);
	heard_begin();
	assert_int_equal(pem_check(f, "certificate", "c.pem"), -EIO);
	assert_true(ferror(f)); /* somebody else has met it */
	assert_int_equal(pem_check(f, "key", "k.pem"), -EIO);
	heard_end();
	assert_non_null(strstr(heard, "certificate c.pem: cannot be read: Input/output error"));
	assert_non_null(strstr(heard, "key k.pem: cannot be read: Input/output error"));
}

static void a_long_line_is_read_in_part(void **state)
{
	static char file[4096];

	for (size_t len = 200; len < 300; len++) {
		memset(file, 'x', len);
		strcpy(file + len, "\n" BEGIN BODY END);
		assert_int_equal(check(file, strlen(file)), 0);
		/* A mark at its end is damage, unless it is beyond the part that is read. */
		memset(file, 'x', len);
		strcpy(file + len, "-----BEGIN X-----\n" BEGIN BODY END);
		assert_int_equal(check(file, strlen(file)), len < 244 ? -EINVAL : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_with_text_around_them_are_fine),
		cmocka_unit_test(the_kind_of_a_block),
		cmocka_unit_test(damage_is_said_with_its_line),
		cmocka_unit_test(a_nul_is_damage),
		cmocka_unit_test(a_fault_is_not_the_end),
		cmocka_unit_test(a_long_line_is_read_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
