/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: a client leg's record layer and an application leg's editor that do what the test
 * says, for conn_parts.h and mover_fakes.h. Both make their own operations of these.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "conn/mover.h"

/* What the next call of each kind gives; calls are logged by their first letter. */
static struct {
	const char *in;   /* for read; NULL: nothing there, "": the end */
	ssize_t read;     /* instead: an error */
	ssize_t write;    /* an error */
	size_t write_max; /* what each write takes at most; 0: all */
	size_t room;      /* or one write, with an error behind it; 0: all */
	int flush, close; /* of the client leg */
	ssize_t drain[8];
	unsigned drains;
	ssize_t send;        /* an error */
	unsigned sends_left; /* sends that take all before that error; 0: none */
	size_t send_max;     /* what each send takes at most; 0: all */
	bool asks;           /* a send ends with an upgrade */
	uint64_t body_rest;  /* of a body; 0: not known */
	size_t longest;      /* send that is not of a body */
	int edit_flush, resume;
	/*
	 * r(ead) w(rite) f(lush) c(lose_write) d(rain) F(ree); s(end) b(ody) e(dit's flush), resume
	 * into a T(unnel) or H(ead), E: freed.
	 */
	char log[128];
	char out[1024]; /* what the client got */
	size_t out_len;
} fake;

static struct kedge_note note;

static void note_call(char letter)
{
	size_t n = strlen(fake.log);

	assert_true(n + 1 < sizeof(fake.log));
	fake.log[n] = letter;
}

static ssize_t fake_read(struct record *r, void *buf, size_t len)
{
	size_t n;

	(void)r;
	note_call('r');
	if (fake.read)
		return fake.read;
	if (!fake.in)
		return -EAGAIN;
	n = strlen(fake.in);
	assert_true(n <= len);
	memcpy(buf, fake.in, n);
	fake.in = NULL;
	return (ssize_t)n;
}

static ssize_t fake_write(struct record *r, const void *buf, size_t len)
{
	(void)r;
	note_call('w');
	if (fake.write)
		return fake.write;
	if (fake.write_max && len > fake.write_max)
		len = fake.write_max;
	if (fake.room && len > fake.room)
		len = fake.room;
	if (fake.room)
		fake.write = -EAGAIN;
	assert_true(fake.out_len + len < sizeof(fake.out));
	memcpy(fake.out + fake.out_len, buf, len);
	fake.out_len += len;
	return (ssize_t)len;
}

static int fake_flush(struct record *r)
{
	(void)r;
	note_call('f');
	return fake.flush;
}

static int fake_close_write(struct record *r)
{
	(void)r;
	note_call('c');
	return fake.close;
}

static ssize_t fake_send(struct edit *e, const void *buf, size_t len)
{
	(void)e;
	(void)buf;
	note_call('s');
	if (len > fake.longest)
		fake.longest = len;
	if (fake.send && !fake.sends_left)
		return fake.send;
	fake.sends_left -= fake.sends_left > 0;
	note.requests++;
	if (fake.send_max && len > fake.send_max)
		len = fake.send_max;
	if (fake.asks)
		note.standing = KEDGE_WAITING;
	return (ssize_t)len;
}
