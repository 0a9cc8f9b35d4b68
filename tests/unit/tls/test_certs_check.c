/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/certs_check.c: each pair of a configuration is read once, each that is at fault has its
 * line, and clients' troubles are told once.
 */
#include "tests/unit/tls/cert_rig.h"

#include <errno.h>

#include "tls/certs_check.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct made good = {.name = "good", .sans = "DNS:good.test"};
static struct made other = {.name = "other", .sans = "DNS:other.test"};
static struct made bare = {.name = "bare"}; /* a warning */

static struct conf_cert fine, second, warned;
static struct conf_cert no_file = {.cert = (char *)"/nowhere/a.crt", .key = (char *)"/nowhere/a"};
static struct conf_cert wrong_key; /* of another certificate */

static struct conf_listener listener_of(struct conf_cert *certs, size_t n)
{
	return (struct conf_listener){.tls = true, .certs = certs, .certs_count = n};
}

/* The result; heard and *lines have what was said. */
static int check(struct conf_listener *listeners, size_t n, bool warn, int *lines)
{
	const struct conf conf = {.listeners = listeners, .listeners_count = n};
	int r;

	heard_begin();
	r = certs_check(&conf, warn);
	*lines = heard_end();
	return r;
}

static void nothing_is_wrong(void **state)
{
	struct conf_cert both[] = {fine, second};
	struct conf_listener l[] = {listener_of(both, 2), listener_of(&fine, 1), {.tls = false}};
	int lines;

	for (int warn = 0; warn < 2; warn++) {
		assert_int_equal(check(l, LEN(l), warn, &lines), 0);
		assert_int_equal(lines, 0);
		assert_int_equal(check(NULL, 0, warn, &lines), 0);
		assert_int_equal(lines, 0);
	}
}

static void certificates_of_routes_are_read(void **state)
{
	struct conf_names names = {.set = (char *[]){(char *)"good.test"}, .count = 1};
	struct conf_route routes[] = {{.names = names},
				      {.names = names, .certs = &no_file, .certs_count = 1},
				      {.names = names, .certs = &wrong_key, .certs_count = 1}};
	struct conf_listener l = listener_of(&fine, 1);
	int lines;

	l.routes = routes;
	l.routes_count = 1;
	assert_int_equal(check(&l, 1, true, &lines), 0);
	assert_int_equal(lines, 0);
	l.routes_count = 3;
	assert_int_equal(check(&l, 1, true, &lines), -EINVAL);
	assert_int_equal(lines, 2);
	/* A route whose certificates do not have its name. */
	routes[1].certs = &second;
	l.routes_count = 2;
	assert_int_equal(check(&l, 1, true, &lines), 0);
	assert_int_equal(lines, 1);
	assert_heard("route good.test: no certificate of it has this name");
	assert_int_equal(check(&l, 1, false, &lines), 0);
	assert_int_equal(lines, 0);
}

static void every_fault_has_a_line(void **state)
{
	struct conf_cert a[] = {fine, no_file, second}, b[] = {wrong_key, fine};
	struct conf_listener l[] = {listener_of(a, 3), listener_of(b, 2)};
	int lines;

	/* A missing file is not the worst of them. */
	assert_int_equal(check(l, 2, true, &lines), -EINVAL);
	assert_int_equal(lines, 2);
	assert_heard("/nowhere/a.crt: cannot open");
	assert_heard("does not belong to certificate");
	l[0] = listener_of(b, 2);
	l[1] = listener_of(a, 3);
	assert_int_equal(check(l, 2, false, &lines), -EINVAL);
	assert_int_equal(lines, 2);
}

static void the_same_pair_is_read_once(void **state)
{
	struct conf_cert twice[] = {no_file, no_file};
	struct conf_listener l[] = {listener_of(twice, 2), listener_of(&no_file, 1)};
	int lines;

	assert_int_equal(check(l, 2, false, &lines), -ENOENT);
	assert_int_equal(lines, 1);

	/* With another key, or with an OCSP response, it is another pair. */
	twice[1].key = (char *)"/nowhere/b";
	assert_int_equal(check(l, 1, false, &lines), -ENOENT);
	assert_int_equal(lines, 2);
	twice[1] = no_file;
	twice[1].ocsp = (char *)"/nowhere/ocsp";
	assert_int_equal(check(l, 1, false, &lines), -ENOENT);
	assert_int_equal(lines, 2);
	twice[0].ocsp = (char *)"/nowhere/other";
	assert_int_equal(check(l, 1, false, &lines), -ENOENT);
	assert_int_equal(lines, 2);
}

static void warnings_are_for_who_asks(void **state)
{
	struct conf_listener l[] = {listener_of(&warned, 1), listener_of(&warned, 1)};
	int lines;

	assert_int_equal(check(l, 2, false, &lines), 0);
	assert_int_equal(lines, 0);
	/* The second listener has the same: once is enough. */
	assert_int_equal(check(l, 2, true, &lines), 0);
	assert_int_equal(lines, 1);
	assert_heard("bare.crt: has no subjectAltName");
	l[1].tls = false;
	assert_int_equal(check(l + 1, 1, true, &lines), 0);
	assert_int_equal(lines, 0);
}

/* Faults come first. */
static void no_warnings_beside_faults(void **state)
{
	struct conf_cert both[] = {warned, no_file};
	struct conf_listener l = listener_of(both, 2);
	int lines;

	assert_int_equal(check(&l, 1, true, &lines), -ENOENT);
	assert_int_equal(lines, 1);
	assert_heard("/nowhere/a.crt");
}

static void ticket_keys_that_cannot_be_read(void **state)
{
	struct conf_listener l = listener_of(&fine, 1);
	const struct conf conf = {
		.listeners = &l, .listeners_count = 1, .ticket_keys = (char *)"/nowhere/tickets"};
	int r;

	heard_begin();
	r = certs_check(&conf, true);
	assert_int_equal(heard_end(), 1);
	assert_int_equal(r, -ENOENT);
	assert_heard("ticket keys /nowhere/tickets");
}

/* It is the same on every kernel: kedge probe tells what the kernel can do. */
static void records_that_the_kernel_must_carry(void **state)
{
	struct conf_listener l = listener_of(&fine, 1);
	const struct conf conf = {.listeners = &l, .listeners_count = 1, .record = POLICY_REQUIRE};

	assert_int_equal(certs_check(&conf, true), 0);
}

static void seen_before(void **state)
{
	struct conf_cert a[] = {fine, second}, same[] = {fine, second}, turned[] = {second, fine},
			 stapled[] = {fine, second};
	struct conf_listener l[] = {
		listener_of(a, 2),    listener_of(turned, 2),  listener_of(a, 1),
		listener_of(same, 2), listener_of(stapled, 2), {.tls = false},
		{.tls = false},
	};
	static const bool want[] = {false, false, false, true, false, false, true};
	const struct conf conf = {.listeners = l, .listeners_count = LEN(l)};

	stapled[1].ocsp = (char *)"/nowhere/ocsp";
	same[0].cert = strdup(fine.cert); /* what it says counts, not where it is */
	same[0].key = strdup(fine.key);
	for (size_t i = 0; i < LEN(want); i++)
		assert_int_equal(certs_seen_before(&conf, i), want[i]);
	free(same[0].cert);
	free(same[0].key);
}

static int set_up(void **state)
{
	fine = made_pair(&good);
	second = made_pair(&other);
	warned = made_pair(&bare);
	wrong_key = fine;
	wrong_key.key = (char *)made_key_file(&(struct made){.name = "wrong", .key = MADE_ED25519});
	return made_begin(state);
}

static int tear_down(void **state)
{
	made_free(&good);
	made_free(&other);
	made_free(&bare);
	made_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_wrong),
		cmocka_unit_test(certificates_of_routes_are_read),
		cmocka_unit_test(every_fault_has_a_line),
		cmocka_unit_test(the_same_pair_is_read_once),
		cmocka_unit_test(warnings_are_for_who_asks),
		cmocka_unit_test(no_warnings_beside_faults),
		cmocka_unit_test(ticket_keys_that_cannot_be_read),
		cmocka_unit_test(records_that_the_kernel_must_carry),
		cmocka_unit_test(seen_before),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
