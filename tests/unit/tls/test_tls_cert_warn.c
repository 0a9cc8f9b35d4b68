/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/tls_cert_warn.c: which certificates are warned of, and with which words; those that are
 * fine are not. What this host trusts is the test's (SSL_CERT_FILE).
 */
#include "tests/unit/tls/cert_rig.h"

#include "tls/tls_cert.h"
#include "tls/tls_cert_warn.h"

static struct made root = {.name = "Root of the test", .ca = true};
static struct made middle = {.name = "middle", .ca = true, .issuer = &root};
static struct made good = {.name = "good", .sans = "DNS:good.test"};

static SSL_CTX *make(void *arg)
{
	return SSL_CTX_new(TLS_server_method());
}

/* Warns of these, in this order; how many lines that are. */
static int warned(const struct conf_cert *pairs, size_t n)
{
	struct tls_certs *t = NULL;

	assert_int_equal(tls_certs_load(&t, pairs, n), 0);
	assert_int_equal(tls_certs_build(t, make, NULL), 0);
	heard_begin();
	tls_certs_warn(t);
	tls_certs_free(t);
	assert_int_equal(ERR_peek_error(), 0);
	return heard_end();
}

static int warned_of(struct made *m)
{
	struct conf_cert pair = made_pair(m);
	int lines = warned(&pair, 1);

	made_free(m);
	return lines;
}

/* As a second one, behind one that is fine. */
static int warned_behind(struct made *first, struct made *m)
{
	struct conf_cert pairs[] = {made_pair(first), made_pair(m)};
	int lines = warned(pairs, 2);

	made_free(m);
	return lines;
}

static void nothing_to_say(void **state)
{
	struct conf_cert pair = made_pair(&good);

	assert_int_equal(warned(&pair, 1), 0);
}

static void the_one_that_kedge_made(void **state)
{
	struct tls_certs *t = NULL;

	assert_int_equal(tls_certs_self_signed(&t), 0);
	assert_int_equal(tls_certs_build(t, make, NULL), 0);
	heard_begin();
	tls_certs_warn(t);
	assert_int_equal(heard_end(), 1);
	assert_heard("certificate self-signed: made by kedge for localhost, for trials");
	tls_certs_free(t);
}

/* --- who can get it --------------------------------------------------------------------------- */

static void no_subject_alt_name(void **state)
{
	struct made bare = {.name = "bare"};

	assert_int_equal(warned_of(&bare), 1);
	assert_heard("bare.crt: has no subjectAltName, which clients go by: they refuse it");
	assert_int_equal(warned_behind(&good, &bare), 1);
	assert_heard("bare.crt: has no subjectAltName, which clients go by: no client gets it");
}

static void a_name_that_is_none_of_a_host(void **state)
{
	struct made mail = {.name = "mail", .sans = "email:who@good.test"};

	assert_int_equal(warned_of(&mail), 1);
	assert_heard("mail.crt: has no subjectAltName");
}

/* Only those who name no host can get it: fine for the first. */
static void an_address_alone(void **state)
{
	struct made ip = {.name = "ip", .sans = "IP:192.0.2.1"};

	assert_int_equal(warned_of(&ip), 0);
	assert_int_equal(warned_behind(&good, &ip), 1);
	assert_heard("ip.crt: no client gets it: it has no DNS name");
}

static void all_names_are_taken(void **state)
{
	struct made first = {.name = "first", .sans = "DNS:a.test,DNS:b.test"};
	struct made second = {.name = "second", .sans = "DNS:B.test"};
	struct made other = {.name = "other", .sans = "DNS:b.test", .key = MADE_ED25519};
	struct made more = {.name = "more", .sans = "DNS:b.test,DNS:c.test"};

	assert_int_equal(warned_behind(&first, &second), 1);
	assert_heard("second.crt: no client gets it: certificates before it have its names and the "
		     "same type of key");
	assert_int_equal(warned_behind(&first, &other), 0); /* for clients that want it */
	assert_int_equal(warned_behind(&first, &more), 0);
	/* The default is for somebody, whatever its names. */
	assert_int_equal(warned_behind(&second, &first), 0);
	made_free(&second);
}

static void given_twice(void **state)
{
	struct made late = {
		.name = "late", .sans = "DNS:late.test", .from_days = -9, .until_days = -1};
	struct conf_cert pairs[] = {made_pair(&late), made_pair(&late)};

	/* Its dates are complained of once. */
	assert_int_equal(warned(pairs, 2), 2);
	assert_heard("late.crt: is given twice");
	assert_heard("late.crt: has expired");
	made_free(&late);
}

/* --- who can verify it ------------------------------------------------------------------------ */

static void dates(void **state)
{
	struct made m = {.name = "dated", .sans = "DNS:good.test", .from_days = -9};

	m.until_days = -1;
	assert_int_equal(warned_of(&m), 1);
	assert_heard("dated.crt: has expired: clients will refuse it");
	m.from_days = 1;
	m.until_days = 9;
	assert_int_equal(warned_of(&m), 1);
	assert_heard("dated.crt: is not valid yet: clients will refuse it");
}

static void the_intermediate_is_missing(void **state)
{
	struct made leaf = {.name = "leaf", .sans = "DNS:leaf.test", .issuer = &middle};
	struct conf_cert pair = made_pair(&leaf);

	assert_int_equal(warned(&pair, 1), 1);
	assert_heard("leaf.crt: its issuer (/CN=middle) is neither in the file nor trusted");
	/* Another one in its place does not help. */
	pair.cert = (char *)made_chain(&leaf, &root, NULL);
	assert_int_equal(warned(&pair, 1), 1);
	pair.cert = (char *)made_chain(&leaf, &root, &middle);
	assert_int_equal(warned(&pair, 1), 0);
	pair.cert = (char *)made_chain(&leaf, &middle, NULL);
	assert_int_equal(warned(&pair, 1), 0);
	made_free(&leaf);
}

/* Signed by a root directly: fine if this host has the root, as clients do then. */
static void the_issuer_is_trusted_here(void **state)
{
	struct made leaf = {.name = "direct", .sans = "DNS:leaf.test", .issuer = &root};
	struct conf_cert pair = made_pair(&leaf);

	assert_int_equal(warned(&pair, 1), 1);
	assert_heard("direct.crt: its issuer (/CN=Root of the test)");
	setenv("SSL_CERT_FILE", made_chain(&root, NULL, NULL), 1);
	assert_int_equal(warned(&pair, 1), 0);
	setenv("SSL_CERT_FILE", "/nowhere", 1);
	made_free(&leaf);
}

static void several_faults_of_one(void **state)
{
	struct made bad = {.name = "bad", .issuer = &middle, .from_days = -9, .until_days = -1};

	assert_int_equal(warned_of(&bad), 3);
	assert_heard("bad.crt: has no subjectAltName");
	assert_heard("bad.crt: has expired");
	assert_heard("bad.crt: its issuer");
}

static int tear_down(void **state)
{
	made_free(&root);
	made_free(&middle);
	made_free(&good);
	made_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_say),
		cmocka_unit_test(the_one_that_kedge_made),
		cmocka_unit_test(no_subject_alt_name),
		cmocka_unit_test(a_name_that_is_none_of_a_host),
		cmocka_unit_test(an_address_alone),
		cmocka_unit_test(all_names_are_taken),
		cmocka_unit_test(given_twice),
		cmocka_unit_test(dates),
		cmocka_unit_test(the_intermediate_is_missing),
		cmocka_unit_test(the_issuer_is_trusted_here),
		cmocka_unit_test(several_faults_of_one),
	};

	return cmocka_run_group_tests(tests, made_begin, tear_down);
}
