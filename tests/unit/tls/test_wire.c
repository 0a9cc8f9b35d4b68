/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user/tls/wire.c between a test that plays OpenSSL and a socket. The source is included, so that
 * its system calls and its allocations can fail.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "tests/lib/random.h"

/* The next so many calls fail with this errno; at most so many bytes at a time (0: all). */
struct fault {
	int err, times;
	size_t max;
	unsigned calls;
};

static struct fault sending, receiving;
static bool no_memory;

static bool fails(struct fault *f)
{
	f->calls++;
	if (!f->times)
		return false;
	f->times--;
	errno = f->err;
	return true;
}

static size_t limited(const struct fault *f, size_t n)
{
	return f->max && n > f->max ? f->max : n;
}

static ssize_t test_send(int fd, const void *bytes, size_t n, int flags)
{
	assert_int_equal(flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	return fails(&sending) ? -1 : send(fd, bytes, limited(&sending, n), flags);
}

static ssize_t test_recv(int fd, void *bytes, size_t n, int flags)
{
	assert_int_equal(flags, MSG_DONTWAIT);
	return fails(&receiving) ? -1 : recv(fd, bytes, limited(&receiving, n), flags);
}

#define send          test_send
#define recv          test_recv
#define malloc(n)     (no_memory ? NULL : malloc(n))
#define realloc(p, n) (no_memory ? NULL : realloc(p, n))
#include "tls/unsent.c"
#include "tls/wire.c"
#undef send
#undef recv
#undef malloc
#undef realloc

#define IN_SIZE  4096
#define OUT_SIZE 1000

static uint8_t *in, *out; /* on the heap: the sanitizer sees a byte too many */
static struct record_scratch scratch;

struct end {
	struct wire w;
	BIO *bio;
	int fd, peer;
};

static void start(struct end *e, bool exact)
{
	int ends[2];

	sending = receiving = (struct fault){0};
	no_memory = false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	e->fd = ends[0];
	e->peer = ends[1];
	wire_init(&e->w, e->fd, &scratch, exact);
	e->bio = wire_bio(&e->w);
	assert_non_null(e->bio);
	wire_begin(&e->w);
}

static void stop(struct end *e)
{
	BIO_free(e->bio);
	wire_reset(&e->w);
	assert_true(wire_idle(&e->w));
	close(e->fd);
	if (e->peer >= 0)
		close(e->peer);
}

/* Another leg of the worker uses the buffers. */
static int leave_and_return(struct end *e)
{
	int r = wire_end(&e->w);

	memset(in, 0xa5, IN_SIZE);
	memset(out, 0x5a, OUT_SIZE);
	wire_begin(&e->w);
	return r;
}

static void peer_says(struct end *e, const void *bytes, size_t n)
{
	assert_int_equal(send(e->peer, bytes, n, 0), n);
}

static void peer_ends(struct end *e)
{
	close(e->peer);
	e->peer = -1;
}

/* What arrives next, all of it. */
static void peer_hears(struct end *e, const void *bytes, size_t n)
{
	uint8_t got[8192];

	assert_true(n < sizeof(got));
	assert_int_equal(recv(e->peer, got, sizeof(got), 0), n);
	assert_memory_equal(got, bytes, n);
}

static void peer_hears_nothing(struct end *e)
{
	char byte;

	assert_int_equal(recv(e->peer, &byte, 1, MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

static void expect_retry(struct end *e)
{
	char byte;

	assert_int_equal(BIO_read(e->bio, &byte, 1), -1);
	assert_true(BIO_should_read(e->bio));
}

static void expect_dead(struct end *e)
{
	char byte;

	assert_int_equal(BIO_read(e->bio, &byte, 1), -1);
	assert_false(BIO_should_retry(e->bio));
	assert_int_equal(BIO_write(e->bio, "x", 1), -1);
	assert_false(BIO_should_retry(e->bio));
}

static void make_text(uint8_t *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		text[i] = (uint8_t)(i * 7 + i / 256);
}

/* Reads `size` bytes at a time until there is nothing; how many that were. */
static size_t read_all(struct end *e, size_t size, uint8_t *got, size_t max)
{
	size_t at = 0;
	int n;

	do {
		assert_true(at + size <= max);
		n = BIO_read(e->bio, got + at, (int)size);
		at += n > 0 ? (size_t)n : 0;
		leave_and_return(e);
	} while (n > 0);
	return at;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void every_cut_of_the_stream_in_reads_of_any_size(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 5, 64, 300};
	uint8_t text[150], got[700];

	make_text(text, sizeof(text));
	for (int exact = 0; exact < 2; exact++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
			for (size_t cut = 1; cut < sizeof(text); cut++) {
				struct end e;
				size_t n;

				start(&e, exact);
				peer_says(&e, text, cut);
				n = read_all(&e, sizes[s], got, sizeof(got));
				assert_int_equal(n, cut);
				assert_true(wire_idle(&e.w));
				peer_says(&e, text + cut, sizeof(text) - cut);
				n += read_all(&e, sizes[s], got + n, sizeof(got) - n);
				assert_int_equal(n, sizeof(text));
				assert_memory_equal(got, text, n);
				expect_retry(&e);
				stop(&e);
			}
}

static void one_recv_serves_many_reads(void **state)
{
	uint8_t text[IN_SIZE], byte;
	struct end e;

	start(&e, false);
	make_text(text, sizeof(text));
	peer_says(&e, text, 100);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(BIO_read(e.bio, &byte, 1), 1);
		assert_int_equal(byte, text[i]);
	}
	assert_int_equal(receiving.calls, 1);

	/* A buffer that was filled says nothing of what is behind it. */
	peer_says(&e, text, sizeof(text));
	assert_int_equal(BIO_read(e.bio, &byte, 1), 1);
	assert_int_equal(receiving.calls, 2);
	assert_int_equal(e.w.in_len, sizeof(text) - 1);
	stop(&e);
}

static void an_exact_wire_takes_only_what_is_asked_for(void **state)
{
	uint8_t got[16];
	struct end e;

	start(&e, true);
	peer_says(&e, "0123456789", 10);
	assert_int_equal(BIO_read(e.bio, got, 4), 4);
	assert_true(wire_idle(&e.w));
	assert_int_equal(recv(e.fd, got, sizeof(got), 0), 6);
	assert_memory_equal(got, "456789", 6);
	stop(&e);
}

static void the_end_at_each_byte(void **state)
{
	uint8_t text[40], got[100];

	make_text(text, sizeof(text));
	for (int exact = 0; exact < 2; exact++)
		for (size_t n = 0; n <= sizeof(text); n++) {
			struct end e;

			start(&e, exact);
			if (n)
				peer_says(&e, text, n);
			peer_ends(&e);
			assert_int_equal(read_all(&e, 7, got, sizeof(got)), n);
			assert_memory_equal(got, text, n);
			for (int i = 0; i < 3; i++) {
				assert_int_equal(BIO_read(e.bio, got, 1), 0);
				assert_false(BIO_should_retry(e.bio));
			}
			assert_true(e.w.eof);
			assert_int_equal(e.w.err, 0);
			if (!exact)
				assert_int_equal(fill(&e.w), 0);
			/* Else OpenSSL would call a missing close_notify fatal. */
			assert_false(BIO_eof(e.bio));
			stop(&e);
		}
}

static void an_error_of_the_socket_is_for_good(void **state)
{
	static const int errs[] = {ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM, EPIPE};

	for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		const int want = errs[i] == EPIPE ? -EPIPE : -ECONNRESET;
		struct end e;
		char byte;

		start(&e, i % 2);
		peer_says(&e, "late", 4);
		receiving = (struct fault){.err = errs[i], .times = 1};
		assert_int_equal(BIO_read(e.bio, &byte, 1), -1);
		assert_false(BIO_should_retry(e.bio));
		assert_int_equal(e.w.err, errs[i]);
		expect_dead(&e);
		assert_int_equal(fill(&e.w), -ECONNRESET);
		assert_int_equal(wire_send(&e.w), want);
		assert_int_equal(wire_end(&e.w), want);
		stop(&e);
	}
}

static void interrupted_calls_are_made_again(void **state)
{
	struct end e;
	char byte;

	start(&e, false);
	peer_says(&e, "x", 1);
	receiving = (struct fault){.err = EINTR, .times = 3};
	sending = receiving;
	assert_int_equal(BIO_read(e.bio, &byte, 1), 1);
	assert_int_equal(receiving.calls, 4);
	assert_int_equal(BIO_write(e.bio, "y", 1), 1);
	assert_int_equal(wire_end(&e.w), 0);
	assert_int_equal(sending.calls, 4);
	peer_hears(&e, "y", 1);
	stop(&e);
}

static void the_first_bytes_are_remembered(void **state)
{
	uint8_t text[20], got[20];

	make_text(text, sizeof(text));
	for (size_t n = 0; n <= sizeof(text); n++)
		for (size_t size = 1; size <= 9; size++) {
			const size_t want = n < WIRE_FIRST_BYTES ? n : WIRE_FIRST_BYTES;
			struct end e;

			start(&e, n % 2);
			if (n)
				peer_says(&e, text, n);
			for (int r = 1; r > 0;)
				r = BIO_read(e.bio, got, (int)size);
			assert_int_equal(e.w.first_len, want);
			assert_memory_equal(e.w.first, text, want);
			stop(&e);
		}
}

/* --- budgets ---------------------------------------------------------------------------------- */

static void reads_of_one_entry_are_counted(void **state)
{
	uint8_t text[4 * RECORD_READ_RECORDS_MAX];
	struct end e;
	char byte;

	start(&e, false);
	make_text(text, sizeof(text));
	peer_says(&e, text, sizeof(text));
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < 2 * RECORD_READ_RECORDS_MAX; i++)
			assert_int_equal(BIO_read(e.bio, &byte, 1), 1);
		assert_false(e.w.spent);
		expect_retry(&e);
		assert_true(e.w.spent);
		leave_and_return(&e);
		assert_false(e.w.spent);
	}
	/* There is nothing more, and that is what it says. */
	expect_retry(&e);
	assert_false(e.w.spent);
	stop(&e);
}

static void bytes_of_one_entry_are_counted(void **state)
{
	uint8_t got[IN_SIZE];
	uint32_t total = 0;
	struct end e;
	int n;

	start(&e, false);
	do {
		send(e.peer, got, sizeof(got), 0);
		n = BIO_read(e.bio, got, sizeof(got));
		total += n > 0 ? (uint32_t)n : 0;
	} while (n > 0 && total <= RECORD_READ_BYTES_MAX);
	assert_true(e.w.spent);
	assert_int_equal(total, RECORD_READ_BYTES_MAX);
	leave_and_return(&e);
	assert_true(BIO_read(e.bio, got, sizeof(got)) > 0);
	stop(&e);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void writes_are_sent_together(void **state)
{
	struct end e;

	start(&e, false);
	for (int i = 0; i < 10; i++)
		assert_int_equal(BIO_write(e.bio, "0123456789", 10), 10);
	peer_hears_nothing(&e);
	assert_int_equal(wire_room(&e.w), OUT_SIZE - 100);
	assert_false(wire_idle(&e.w));
	assert_int_equal(wire_end(&e.w), 0);
	assert_true(wire_idle(&e.w));
	assert_int_equal(sending.calls, 1);
	stop(&e);
}

/* A flight is complete when OpenSSL turns to the answer. */
static void a_read_sends_what_was_gathered(void **state)
{
	struct end e;

	start(&e, true);
	BIO_write(e.bio, "flight", 6);
	expect_retry(&e);
	peer_hears(&e, "flight", 6);

	BIO_write(e.bio, "flight", 6);
	sending = (struct fault){.err = EAGAIN, .times = 1};
	expect_retry(&e); /* kept */
	assert_int_equal(e.w.unsent.len, 6);
	assert_int_equal(wire_send(&e.w), 0);
	peer_hears(&e, "flight", 6);

	BIO_write(e.bio, "flight", 6);
	sending = (struct fault){.err = ECONNRESET, .times = 1};
	expect_dead(&e);
	stop(&e);
}

static void sizes_around_that_of_the_buffer(void **state)
{
	uint8_t text[2 * OUT_SIZE];

	make_text(text, sizeof(text));
	for (size_t before = 0; before <= OUT_SIZE; before += OUT_SIZE / 2)
		for (size_t n = OUT_SIZE - 2; n <= OUT_SIZE + 2; n++) {
			uint8_t got[3 * OUT_SIZE];
			struct end e;

			start(&e, false);
			if (before)
				assert_int_equal(BIO_write(e.bio, text, (int)before), before);
			assert_int_equal(BIO_write(e.bio, text, (int)n), n);
			assert_int_equal(wire_end(&e.w), 0);
			assert_int_equal(recv(e.peer, got, sizeof(got), 0), before + n);
			assert_memory_equal(got, text, before);
			assert_memory_equal(got + before, text, n);
			stop(&e);
		}
}

static void what_the_socket_does_not_take_is_kept(void **state)
{
	struct end e;

	start(&e, false);
	BIO_write(e.bio, "abcdef", 6);
	sending = (struct fault){.err = EAGAIN, .times = 1};
	assert_int_equal(leave_and_return(&e), -EAGAIN);
	assert_false(wire_idle(&e.w));
	/* What comes later waits behind it. */
	sending = (struct fault){.err = EAGAIN, .times = 1};
	BIO_write(e.bio, "ghi", 3);
	assert_int_equal(leave_and_return(&e), -EAGAIN);
	assert_int_equal(sending.calls, 1);
	sending = (struct fault){0};
	assert_int_equal(wire_send(&e.w), 0);
	assert_int_equal(wire_send(&e.w), 0);
	assert_int_equal(sending.calls, 1);
	peer_hears(&e, "abcdefghi", 9);
	stop(&e);
}

/* Random sizes against a socket that takes some, or nothing: all comes, in order. */
static void nothing_is_lost_or_out_of_order(void **state)
{
	uint32_t x = 2463534242;
	uint8_t text[3000], got[4096];
	size_t written = 0, read = 0;
	struct end e;

	start(&e, false);
	while (read < 400000) {
		size_t n = 1 + random_next(&x) % sizeof(text);
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)((written + i) % 251);
		sending.max = random_next(&x) % 3 ? 0 : 1 + random_next(&x) % 700;
		sending.err = EAGAIN;
		sending.times = random_next(&x) % 4 == 0;
		if (e.w.unsent.len < UNSENT_MAX / 2) {
			assert_int_equal(BIO_write(e.bio, text, (int)n), n);
			written += n;
		}
		if (random_next(&x) % 2)
			leave_and_return(&e);
		if (random_next(&x) % 4 == 0)
			wire_send(&e.w);
		r = recv(e.peer, got, 1 + random_next(&x) % sizeof(got), 0);
		for (ssize_t i = 0; i < r; i++)
			assert_int_equal(got[i], (read + (size_t)i) % 251);
		read += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(e.w.err, 0);
	stop(&e);
}

static void a_peer_that_reads_nothing_has_a_limit(void **state)
{
	static uint8_t text[UNSENT_MAX + 1];
	struct end e;

	for (size_t first = 0; first <= 10; first += 10) {
		start(&e, false);
		sending = (struct fault){.err = EAGAIN, .times = INT32_MAX};
		BIO_write(e.bio, text, (int)(UNSENT_MAX - first));
		if (first)
			BIO_write(e.bio, text, (int)first);
		assert_int_equal(leave_and_return(&e), -EAGAIN);
		assert_int_equal(e.w.unsent.len, UNSENT_MAX);
		assert_int_equal(e.w.err, 0);
		BIO_write(e.bio, text, 1);
		assert_int_equal(wire_end(&e.w), -ECONNRESET);
		assert_int_equal(e.w.err, ENOBUFS);
		expect_dead(&e);
		stop(&e);
	}

	start(&e, false);
	assert_int_equal(BIO_write(e.bio, text, sizeof(text)), -1);
	assert_int_equal(e.w.err, ENOBUFS);
	stop(&e);
}

/* What has been sent of the bytes that are kept makes room. */
static void the_limit_is_for_what_is_left(void **state)
{
	static uint8_t text[UNSENT_MAX];
	struct end e;
	size_t sent;

	start(&e, false);
	sending = (struct fault){.err = EAGAIN, .times = 1};
	BIO_write(e.bio, text, sizeof(text));
	assert_int_equal(leave_and_return(&e), -EAGAIN);
	assert_int_equal(wire_send(&e.w), -EAGAIN); /* more than the socket takes */
	sent = e.w.unsent.at;
	assert_in_range(sent, 1, sizeof(text) - 1);
	BIO_write(e.bio, text, (int)sent);
	assert_int_equal(leave_and_return(&e), -EAGAIN);
	assert_int_equal(e.w.unsent.len - e.w.unsent.at, sizeof(text));
	stop(&e);
}

static void a_peer_that_is_gone(void **state)
{
	struct end e;

	start(&e, false);
	peer_ends(&e);
	BIO_write(e.bio, "x", 1);
	assert_int_equal(wire_end(&e.w), -EPIPE);
	assert_int_equal(e.w.err, EPIPE);
	assert_int_equal(wire_send(&e.w), -EPIPE);
	assert_int_equal(wire_send(&e.w), -EPIPE);
	stop(&e);

	/* Also when it is found while what is older is sent. */
	start(&e, false);
	BIO_write(e.bio, "x", 1);
	sending = (struct fault){.err = EAGAIN, .times = 1};
	assert_int_equal(leave_and_return(&e), -EAGAIN);
	sending = (struct fault){.err = ECONNRESET, .times = 1};
	BIO_write(e.bio, "y", 1);
	assert_int_equal(wire_end(&e.w), -ECONNRESET);
	assert_int_equal(e.w.err, ECONNRESET);
	assert_int_equal(sending.calls, 1);
	stop(&e);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void without_memory_the_leg_dies(void **state)
{
	struct end e;
	char byte;

	start(&e, false);
	peer_says(&e, "abc", 3);
	assert_int_equal(BIO_read(e.bio, &byte, 1), 1);
	no_memory = true;
	assert_int_equal(wire_end(&e.w), -ECONNRESET);
	assert_int_equal(e.w.err, ENOMEM);
	assert_int_equal(e.w.in_len, 0); /* it pointed into the shared buffer */
	no_memory = false;
	stop(&e);

	start(&e, false);
	BIO_write(e.bio, "abc", 3);
	sending = (struct fault){.err = EAGAIN, .times = 1};
	no_memory = true;
	assert_int_equal(wire_end(&e.w), -ECONNRESET);
	assert_int_equal(e.w.err, ENOMEM);
	no_memory = false;
	stop(&e);
}

static void openssl_is_told_no_more_than_it_needs(void **state)
{
	struct end e;

	start(&e, false);
	assert_int_equal(BIO_flush(e.bio), 1);
	assert_int_equal(BIO_ctrl(e.bio, BIO_CTRL_DUP, 0, NULL), 1);
	assert_int_equal(BIO_pending(e.bio), 0);
	assert_int_equal(BIO_wpending(e.bio), 0);
	assert_int_equal(BIO_eof(e.bio), 0);
	assert_string_equal(BIO_method_name(e.bio), "kedge wire");
	stop(&e);
}

static int set_up(void **state)
{
	in = malloc(IN_SIZE);
	out = malloc(OUT_SIZE);
	scratch = (struct record_scratch){
		.in = in, .out = out, .in_size = IN_SIZE, .out_size = OUT_SIZE};
	return !in || !out;
}

static int tear_down(void **state)
{
	free(in);
	free(out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_of_the_stream_in_reads_of_any_size),
		cmocka_unit_test(one_recv_serves_many_reads),
		cmocka_unit_test(an_exact_wire_takes_only_what_is_asked_for),
		cmocka_unit_test(the_end_at_each_byte),
		cmocka_unit_test(an_error_of_the_socket_is_for_good),
		cmocka_unit_test(interrupted_calls_are_made_again),
		cmocka_unit_test(the_first_bytes_are_remembered),
		cmocka_unit_test(reads_of_one_entry_are_counted),
		cmocka_unit_test(bytes_of_one_entry_are_counted),
		cmocka_unit_test(writes_are_sent_together),
		cmocka_unit_test(a_read_sends_what_was_gathered),
		cmocka_unit_test(sizes_around_that_of_the_buffer),
		cmocka_unit_test(what_the_socket_does_not_take_is_kept),
		cmocka_unit_test(nothing_is_lost_or_out_of_order),
		cmocka_unit_test(a_peer_that_reads_nothing_has_a_limit),
		cmocka_unit_test(the_limit_is_for_what_is_left),
		cmocka_unit_test(a_peer_that_is_gone),
		cmocka_unit_test(without_memory_the_leg_dies),
		cmocka_unit_test(openssl_is_told_no_more_than_it_needs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
