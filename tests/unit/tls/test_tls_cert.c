/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/tls_cert.c: which certificates a client gets that asks for a name, who shares a context,
 * and what the fingerprints depend on.
 */
#include "tests/unit/tls/cert_rig.h"

#include <errno.h>

#include "tls/cert_name.h"
#include "tls/tls_cert.h"

static struct made root = {.name = "root", .ca = true};
static struct made ec_a = {.name = "ec-a", .sans = "DNS:a.test", .issuer = &root};
static struct made rsa_a = {
	.name = "rsa-a", .sans = "DNS:A.test,DNS:only-rsa.test,DNS:x.wild.test", .key = MADE_RSA};
static struct made ec_wild = {.name = "ec-wild", .sans = "DNS:*.wild.test"};
static struct made ed_a = {.name = "ed-a", .sans = "DNS:a.test", .key = MADE_ED25519};
static struct made ed448_a = {.name = "ed448-a", .sans = "DNS:a.test", .key = MADE_ED448};
static struct made late_a = {.name = "late-a", .sans = "DNS:a.test,DNS:late.test"};
static struct made rsa_late = {.name = "rsa-late", .sans = "DNS:late.test", .key = MADE_RSA};
static struct made ip = {.name = "ip", .sans = "IP:192.0.2.1,email:a@b.test"};
static struct made bare = {.name = "bare"};
static struct made weak = {.name = "weak", .sans = "DNS:weak.test", .key = MADE_RSA_512};
static struct made *const all[] = {&root,   &ec_a,     &rsa_a, &ec_wild, &ed_a, &ed448_a,
				   &late_a, &rsa_late, &ip,    &bare,    &weak};

#define ALL (sizeof(all) / sizeof(all[0]))

static struct conf_cert pairs[ALL];
static struct tls_certs *certs;

/* --- contexts --------------------------------------------------------------------------------- */

static int made, fail_at; /* contexts so far; the one that fails, 0: none */

static SSL_CTX *make(void *arg)
{
	assert_ptr_equal(arg, &made);
	return ++made == fail_at ? NULL : SSL_CTX_new(TLS_server_method());
}

static struct conf_cert *pair_of(const struct made *m)
{
	for (size_t i = 0; i < ALL; i++)
		if (all[i] == m)
			return &pairs[i];
	fail();
	return NULL;
}

/* Loads and builds these, in this order, until NULL. */
static void build(struct made *first, ...)
{
	static struct conf_cert list[ALL];
	size_t n = 0;
	va_list ap;

	va_start(ap, first);
	for (struct made *m = first; m; m = va_arg(ap, struct made *))
		list[n++] = *pair_of(m);
	va_end(ap);
	tls_certs_free(certs);
	certs = NULL;
	made = fail_at = 0;
	assert_int_equal(tls_certs_load(&certs, list, n), 0);
	assert_int_equal(tls_certs_build(certs, make, &made), 0);
	assert_int_equal(ERR_peek_error(), 0);
}

/* The common names of the certificates in a context, by key type: "ec-a rsa-a". */
static const char *held(SSL_CTX *ctx)
{
	static char names[300];
	char *at = names;

	names[0] = '\0';
	assert_non_null(ctx);
	for (long op = SSL_CERT_SET_FIRST; SSL_CTX_set_current_cert(ctx, op) == 1;
	     op = SSL_CERT_SET_NEXT) {
		at += sprintf(at, "%s", at == names ? "" : " ");
		X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_CTX_get0_certificate(ctx)),
					  NID_commonName, at, 100);
		at += strlen(at);
	}
	return names;
}

static SSL_CTX *find(const char *host)
{
	char name[CERT_NAME_MAX + 1];

	return cert_name_normalise(name, host, strlen(host)) ? NULL : tls_certs_find(certs, name);
}

#define assert_held(name, want) assert_string_equal(held(find(name)), want)

static void by_name_and_key_type(void **state)
{
	build(&ec_a, &rsa_a, &ec_wild, NULL);
	assert_held("a.test", "rsa-a ec-a");
	assert_held("only-rsa.test", "rsa-a");
	assert_held("y.wild.test", "ec-wild");
	/* An exact name of one key type and a wildcard of the other go together. */
	assert_held("x.wild.test", "rsa-a ec-wild");
	assert_string_equal(held(tls_certs_default(certs)), "rsa-a ec-a");
}

static void as_clients_write_names(void **state)
{
	build(&ec_a, &rsa_a, &ec_wild, NULL);
	assert_held("A.TEST", "rsa-a ec-a");
	assert_held("a.test.", "rsa-a ec-a");
	assert_held("Y.Wild.Test.", "ec-wild");
}

static void names_that_nobody_has(void **state)
{
	static const char *const names[] = {
		"b.test",        "",          ".",           ".a.test", "a.test..",
		"x.y.wild.test", "wild.test", "*.wild.test", "*",       ".wild.test",
		"test",          "a.tes",
	};
	char name[400];

	build(&ec_a, &rsa_a, &ec_wild, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (find(names[i]))
			fail_msg("'%s' is found", names[i]);
	for (size_t n = 200; n < sizeof(name); n++) {
		memset(name, 'x', n);
		name[n - 1] = '\0';
		assert_null(find(name));
		memcpy(name + n - 1 - strlen(".wild.test"), ".wild.test", strlen(".wild.test"));
		assert_int_equal(find(name) != NULL, n - 1 <= 253);
	}
}

static void one_of_each_key_type(void **state)
{
	build(&ed448_a, &ec_a, &ed_a, &rsa_a, NULL);
	assert_held("a.test", "rsa-a ec-a ed-a ed448-a");
	/* The first of a type has it. */
	build(&late_a, &ec_a, NULL);
	assert_held("a.test", "late-a");
	build(&ec_a, &late_a, NULL);
	assert_held("a.test", "ec-a");
	assert_held("late.test", "late-a");
}

/* The first pair, and the other key types for the first name that it lists. */
static void the_default(void **state)
{
	build(&ec_wild, &ec_a, &rsa_a, NULL);
	assert_string_equal(held(tls_certs_default(certs)), "ec-wild");
	build(&late_a, &rsa_a, NULL);
	assert_string_equal(held(tls_certs_default(certs)), "rsa-a late-a");
	build(&late_a, &rsa_late, NULL); /* its second name is not looked at */
	assert_string_equal(held(tls_certs_default(certs)), "late-a");
	assert_held("late.test", "rsa-late late-a");
	/* Without a DNS name it is found by nobody, and is the default all the same. */
	build(&bare, NULL);
	assert_string_equal(held(tls_certs_default(certs)), "bare");
	assert_null(find("bare"));
	build(&ip, &ec_a, NULL);
	assert_int_equal(made, 2); /* none for a name that is no name */
	assert_string_equal(held(tls_certs_default(certs)), "ip");
	assert_null(find("192.0.2.1"));
	assert_null(find("b.test"));
	assert_held("a.test", "ec-a");
}

static void the_same_choice_is_one_context(void **state)
{
	build(&rsa_a, NULL);
	assert_int_equal(made, 2); /* three names, and the default */
	assert_ptr_equal(find("a.test"), find("only-rsa.test"));
	build(&ec_a, &rsa_a, NULL);
	assert_int_equal(made, 3);
	assert_ptr_not_equal(find("a.test"), find("only-rsa.test"));
}

static void many_names(void **state)
{
	static char sans[20000];
	struct made many = {.name = "many", .sans = sans};
	struct conf_cert pair;
	char *at = sans, name[30];

	for (int i = 0; i < 500; i++)
		at += sprintf(at, "%sDNS:n%d.test", i ? "," : "", (i * 7919) % 500);
	pair = made_pair(&many);
	tls_certs_free(certs);
	certs = NULL;
	made = fail_at = 0;
	assert_int_equal(tls_certs_load(&certs, &pair, 1), 0);
	assert_int_equal(tls_certs_build(certs, make, &made), 0);
	for (int i = 0; i < 500; i++) {
		sprintf(name, "n%d.test", i);
		assert_held(name, "many");
	}
	assert_null(find("n500.test"));
	made_free(&many);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static void loading_that_fails(void **state)
{
	struct conf_cert list[] = {pairs[1], pairs[2], {.cert = (char *)"/nowhere", .key = NULL}};
	struct tls_certs *none = NULL;

	heard_begin();
	assert_int_equal(tls_certs_load(&none, list, 0), -EINVAL);
	assert_int_equal(heard_end(), 1);
	assert_heard("no certificate given");

	heard_begin();
	assert_int_equal(tls_certs_load(&none, list, 3), -ENOENT);
	assert_int_equal(heard_end(), 1);
	assert_heard("/nowhere: cannot open");
	assert_null(none);
	tls_certs_free(NULL);
}

static void each_context_may_fail(void **state)
{
	struct conf_cert list[] = {pairs[1], pairs[2], pairs[3]};
	int needed, r;

	build(&ec_a, &rsa_a, &ec_wild, NULL);
	needed = made;
	for (int n = 1; n <= needed + 1; n++) {
		struct tls_certs *t = NULL;

		made = 0;
		fail_at = n;
		assert_int_equal(tls_certs_load(&t, list, 3), 0);
		heard_begin();
		r = tls_certs_build(t, make, &made);
		assert_int_equal(heard_end(), n <= needed);
		assert_int_equal(r, n <= needed ? -ENOMEM : 0);
		tls_certs_free(t);
	}
}

/* OpenSSL's security level. */
static void a_key_that_is_too_weak(void **state)
{
	struct tls_certs *t = NULL;
	int r;

	fail_at = 0;
	assert_int_equal(tls_certs_load(&t, pair_of(&weak), 1), 0);
	heard_begin();
	r = tls_certs_build(t, make, &made);
	assert_int_equal(heard_end(), 1);
	assert_int_equal(r, -EINVAL);
	assert_heard("weak.crt: cannot be used: ee key too small");
	assert_int_equal(ERR_peek_error(), 0);
	tls_certs_free(t);
}

/* --- fingerprints ----------------------------------------------------------------------------- */

static void digest(uint8_t out[32], struct conf_cert *list, size_t n, bool identity, uint8_t begin)
{
	struct tls_certs *t = NULL;

	memset(out, 0xaa, 32);
	out[0] = begin;
	assert_int_equal(tls_certs_load(&t, list, n), 0);
	if (identity)
		tls_certs_identify(t, out);
	else
		tls_certs_digest(t, out);
	tls_certs_free(t);
}

static void fingerprints(void **state)
{
	struct conf_cert alone = pairs[1], chained = alone, two[] = {pairs[1], pairs[2]},
			 turned[] = {pairs[2], pairs[1]};
	uint8_t a[32], b[32];

	/* The key's file and the certificate's name do not matter, the certificate does. */
	digest(a, &alone, 1, false, 0);
	digest(b, &alone, 1, false, 0);
	assert_memory_equal(a, b, 32);
	digest(b, &pairs[2], 1, false, 0);
	assert_memory_not_equal(a, b, 32);

	digest(a, two, 2, false, 0);
	digest(b, turned, 2, false, 0);
	assert_memory_not_equal(a, b, 32);
	digest(b, two, 1, false, 0);
	assert_memory_not_equal(a, b, 32);
	digest(a, two, 2, true, 0);
	digest(b, two, 2, true, 0);
	assert_memory_equal(a, b, 32);
	digest(b, turned, 2, true, 0);
	assert_memory_not_equal(a, b, 32);
	digest(b, two, 2, true, 1); /* of something else */
	assert_memory_not_equal(a, b, 32);

	/* The chain is for the digest alone: who kedge says it is does not change with it. */
	digest(a, &alone, 1, false, 0);
	{
		uint8_t id[32], id_chained[32];

		digest(id, &alone, 1, true, 0);
		chained.cert = (char *)made_chain(&ec_a, &root, NULL);
		digest(b, &chained, 1, false, 0);
		digest(id_chained, &chained, 1, true, 0);
		assert_memory_not_equal(a, b, 32);
		assert_memory_equal(id, id_chained, 32);
		made_chain(&ec_a, NULL, NULL);
	}
}

static int set_up(void **state)
{
	for (size_t i = 0; i < ALL; i++)
		pairs[i] = made_pair(all[i]);
	return 0;
}

static int tear_down(void **state)
{
	tls_certs_free(certs);
	for (size_t i = 0; i < ALL; i++)
		made_free(all[i]);
	made_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name_and_key_type),
		cmocka_unit_test(as_clients_write_names),
		cmocka_unit_test(names_that_nobody_has),
		cmocka_unit_test(one_of_each_key_type),
		cmocka_unit_test(the_default),
		cmocka_unit_test(the_same_choice_is_one_context),
		cmocka_unit_test(many_names),
		cmocka_unit_test(loading_that_fails),
		cmocka_unit_test(each_context_may_fail),
		cmocka_unit_test(a_key_that_is_too_weak),
		cmocka_unit_test(fingerprints),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
