/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/cert_file.c: what is read of a certificate and its key, and which files are refused,
 * each with one line that names the file and the cause.
 */
#include "tests/unit/tls/cert_rig.h"

#include <errno.h>

#include "tls/cert_file.h"

static struct made root = {.name = "root", .ca = true};
static struct made middle = {.name = "middle", .ca = true, .issuer = &root, .key = MADE_RSA};
static struct made leaf = {.name = "leaf", .sans = "DNS:a.test,IP:192.0.2.1", .issuer = &middle};
static struct made bare = {.name = "bare", .key = MADE_ED25519};

static const char *key, *chain;

static int set_up(void **state)
{
	made_cert(&root);
	made_cert(&middle);
	chain = made_chain(&leaf, &middle, &root);
	key = made_key_file(&leaf);
	return 0;
}

static int tear_down(void **state)
{
	made_free(&root);
	made_free(&middle);
	made_free(&leaf);
	made_free(&bare);
	made_end();
	return 0;
}

static void all_of_it_is_read(void **state)
{
	const struct conf_cert files = {.cert = (char *)chain, .key = (char *)key};
	struct cert c;

	assert_int_equal(cert_read(&c, &files), 0);
	assert_ptr_equal(c.files, &files);
	assert_int_equal(X509_cmp(c.leaf, leaf.x), 0);
	assert_int_equal(sk_X509_num(c.chain), 2);
	assert_int_equal(X509_cmp(sk_X509_value(c.chain, 0), middle.x), 0);
	assert_int_equal(X509_cmp(sk_X509_value(c.chain, 1), root.x), 0);
	assert_int_equal(EVP_PKEY_eq(c.key, made_key(leaf.key)), 1);
	assert_int_equal(sk_GENERAL_NAME_num(c.sans), 2);
	assert_null(c.staple);
	assert_int_equal(ERR_peek_error(), 0);
	cert_release(&c);
	assert_null(c.leaf);
	cert_release(&c); /* of nothing */
}

static void without_names_and_without_a_chain(void **state)
{
	const struct conf_cert files = made_pair(&bare);
	struct cert c;

	assert_int_equal(cert_read(&c, &files), 0);
	assert_null(c.sans);
	assert_int_equal(sk_X509_num(c.chain), 0);
	assert_int_equal(ERR_peek_error(), 0);
	cert_release(&c);
}

/* Text around the blocks is allowed, and a key in the same file too. */
static void one_file_for_both(void **state)
{
	char text[20000] = "Certificate and key of a.test:\n", part[10000];
	const char *const parts[] = {chain, key};
	struct conf_cert both;
	struct cert c;

	for (int i = 0; i < 2; i++) {
		FILE *f = fopen(parts[i], "r");

		part[fread(part, 1, sizeof(part) - 1, f)] = '\0';
		fclose(f);
		strcat(text, part);
	}
	both.cert = both.key = (char *)made_text("both", text);
	both.ocsp = NULL;
	assert_int_equal(cert_read(&c, &both), 0);
	assert_int_equal(sk_X509_num(c.chain), 2);
	cert_release(&c);
}

static void expect_refused(const char *cert, const char *key_file, int err, const char *words)
{
	const struct conf_cert files = {.cert = (char *)cert, .key = (char *)key_file};
	struct cert c;
	int r, lines;

	heard_begin();
	r = cert_read(&c, &files);
	lines = heard_end();
	assert_int_equal(r, err);
	assert_heard(words);
	assert_int_equal(lines, 1);
	assert_int_equal(ERR_peek_error(), 0);
	cert_release(&c);
}

static char cut_text[20000];

/* The file, cut here; `extra` is behind it. */
static const char *cut_file(const char *path, size_t n, const char *extra)
{
	FILE *f = fopen(path, "r");
	size_t len = fread(cut_text, 1, sizeof(cut_text) - 100, f);

	fclose(f);
	if (n < len)
		len = n;
	strcpy(cut_text + len, extra);
	return made_file("cut", cut_text, len + strlen(extra));
}

static void certificates_that_are_refused(void **state)
{
	expect_refused("/nowhere/a.crt", key, -ENOENT, "certificate /nowhere/a.crt: cannot open");
	expect_refused(made_text("empty", ""), key, -EINVAL,
		       "empty: holds no certificate in PEM form\n");
	expect_refused(made_text("text", "no PEM at all\n"), key, -EINVAL,
		       "text: holds no certificate");
	expect_refused(key, key, -EINVAL,
		       "leaf.key: is a private key: are cert and key swapped?\n");
	expect_refused(peer_dir(), key, -EISDIR, "cannot be read: Is a directory");
}

/* How often it is in the file that was cut last. */
static int count(const char *what)
{
	int n = 0;

	for (const char *at = cut_text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* A chain that lost its end would be a chain that clients cannot verify. */
static void a_file_that_is_damaged_behind_its_first_certificate(void **state)
{
	struct stat whole, alone;
	const char *one = made_chain(&leaf, NULL, NULL);

	stat(one, &alone);
	chain = made_chain(&leaf, &middle, &root);
	stat(chain, &whole);
	for (size_t n = (size_t)alone.st_size; n < (size_t)whole.st_size; n += 31) {
		const struct conf_cert files = {.cert = (char *)cut_file(chain, n, ""),
						.key = (char *)key};
		struct cert c;
		int r, lines;

		heard_begin();
		r = cert_read(&c, &files);
		lines = heard_end();
		if (r) {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(lines, 1);
		} else {
			/* It was cut between two, or at the very end. */
			assert_int_equal(count("-----END CERTIFICATE-----"),
					 1 + sk_X509_num(c.chain));
			assert_int_equal(count("-BEGIN "), 1 + sk_X509_num(c.chain));
		}
		cert_release(&c);
	}
	expect_refused(cut_file(chain, (size_t)alone.st_size,
				"-----BEGIN CERTIFICATE-----\nAAAA\n"
				"-----END CERTIFICATE-----\n"),
		       key, -EINVAL, "cut: damaged after the first certificate");
	expect_refused(cut_file(chain, (size_t)alone.st_size, "-----BEGIN CERTIFICATE----\nAAAA\n"),
		       key, -EINVAL, "cut");
}

static const char *encrypted_key(void)
{
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey(bio, made_key(leaf.key), EVP_aes_128_cbc(),
				 (const uint8_t *)"pass", 4, NULL, NULL);
	return made_bio("encrypted", "key", bio);
}

static void keys_that_are_refused(void **state)
{
	struct made other = {.name = "other", .key = MADE_RSA};

	expect_refused(chain, "/nowhere/a.key", -ENOENT, "key /nowhere/a.key: cannot open");
	expect_refused(chain, made_text("empty", ""), -EINVAL,
		       "holds no unencrypted private key in PEM form\n");
	expect_refused(chain, chain, -EINVAL, "is a certificate: are cert and key swapped?\n");
	/* Nobody is asked for the passphrase. */
	expect_refused(chain, encrypted_key(), -EINVAL, "holds no unencrypted private key");
	expect_refused(chain, made_key_file(&other), -EINVAL,
		       "other.key: does not belong to certificate");
	expect_refused(chain, cut_file(key, 100, ""), -EINVAL, "holds no unencrypted private key");
}

static void a_key_that_others_can_read(void **state)
{
	const char *path = made_key_file(&leaf);

	assert_int_equal(chmod(path, 0644), 0);
	expect_refused(chain, path, -EPERM, "leaf.key");
	assert_int_equal(chmod(path, 0600), 0);
}

static void an_ocsp_response_that_is_not_there(void **state)
{
	const struct conf_cert files = {
		.cert = (char *)chain, .key = (char *)key, .ocsp = (char *)"/nowhere/a.ocsp"};
	struct cert c;
	int r;

	heard_begin();
	r = cert_read(&c, &files);
	assert_int_equal(heard_end(), 1);
	assert_int_equal(r, -ENOENT);
	assert_heard("OCSP response /nowhere/a.ocsp: cannot open");
	assert_null(c.staple);
	cert_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_read),
		cmocka_unit_test(without_names_and_without_a_chain),
		cmocka_unit_test(one_file_for_both),
		cmocka_unit_test(certificates_that_are_refused),
		cmocka_unit_test(a_file_that_is_damaged_behind_its_first_certificate),
		cmocka_unit_test(keys_that_are_refused),
		cmocka_unit_test(a_key_that_others_can_read),
		cmocka_unit_test(an_ocsp_response_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
