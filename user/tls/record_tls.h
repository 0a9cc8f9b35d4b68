/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: what both layers of TLS records have in common, the kernel's (record_ktls.c) and that
 * of user space (record_aead.c): records without data and the answers to them, KeyUpdates, ends and
 * failures. The rules are in control_record.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/control_record.h"
#include "tls/keys.h"
#include "tls/ktls.h"
#include "tls/record.h"

struct record_tls;

/* What a layer does in its own way. */
struct record_tls_ops {
	/* Sends one record that is not data. 0: it will be sent, or was; -EAGAIN: nothing was
	 * taken, the socket is full; or -errno of the socket. */
	int (*send_control)(struct record_tls *t, uint8_t type, const void *bytes, size_t n);
	/* The next record of a direction has these keys. 0 or -errno. */
	int (*set_tx)(struct record_tls *t, const union ktls_crypto *tx);
	int (*set_rx)(struct record_tls *t, const union ktls_crypto *rx);
	/* Half a KeyUpdate has come: the old keys still hold. 0 or -errno. */
	int (*keep_rx)(struct record_tls *t);
	/* Is there room for the last record? 0: yes; -EAGAIN; or -errno of the socket. */
	int (*room_to_end)(struct record_tls *t);
	/* Is the last record on its way, so that a FIN can follow? As room_to_end(). */
	int (*ended)(struct record_tls *t);
	/* Fails the leg after a system call on its socket gave `err`, a negative errno. Returns
	 * what reads give from now on. */
	int (*fail_from_errno)(struct record_tls *t, int err);
};

/* A leg of TLS records. Layers begin their structs with it. */
struct record_tls {
	struct record r;
	const struct record_tls_ops *ops;
	int failed;         /* -errno that every read gives from now on, 0 while alive */
	bool ended;         /* the client's stream is over */
	bool alerted, shut; /* how far the end of our direction is */
	bool asked;         /* for a KeyUpdate of the client, which has not come yet */
	uint8_t answer[5];  /* a control record; nothing is read before it is sent */
	uint8_t answer_len, answer_type;
	uint8_t suite; /* enum tls_suite */
	struct control control;
	uint64_t tx_records, rx_records; /* under the present keys */
	/* TLS 1.3; len is 0 if KeyUpdates cannot be followed. */
	struct keys_traffic traffic;
};

/*
 * The most records under one key. AES-GCM is safe for 2^24.5 records of full size (RFC 8446 section
 * 5.5): our direction gets new keys, and the client is asked for new ones, long before. If it gives
 * none, and in TLS 1.2, the leg ends. ChaCha20-Poly1305 has no such limit.
 */
#ifndef RECORD_TLS_KEY_RECORDS
#define RECORD_TLS_KEY_RECORDS (UINT64_C(1) << 23)
#endif

/* traffic: NULL if KeyUpdates cannot be followed. It is copied. */
void record_tls_init(struct record_tls *t, const struct record_tls_ops *ops,
		     enum tls_version version, enum tls_suite suite,
		     const struct keys_traffic *traffic);

/* Every read gives `err`, a negative errno, from now on. Returns it. */
int record_tls_fail(struct record_tls *t, int err, enum kedge_reason reason);

/*
 * Fails the leg with -EPROTO. Tells the client why, unless `description` is ALERT_NONE or our
 * direction has ended. The alert is lost if the socket is full.
 */
int record_tls_fail_with_alert(struct record_tls *t, uint8_t description, enum kedge_reason reason);

/*
 * A whole record of another type than data was read. The leg's state shows the result: it goes on,
 * has ended, has failed, or owes the client an answer.
 */
void record_tls_control(struct record_tls *t, uint8_t type, const uint8_t *bytes, size_t n);

/* Sends the answer that is due, and our new keys after a KeyUpdate. As record_tls_answer(). */
int record_tls_send_answer(struct record_tls *t);

/* Before every read and write. 0: no answer is due any more; -EAGAIN; or the leg is dead. */
static inline int record_tls_answer(struct record_tls *t)
{
	if (!t->answer_len || t->alerted) /* after an alert nothing is sent */
		return 0;
	return record_tls_send_answer(t);
}

/*
 * So many records were sent, or received, under the present keys. 0: go on, perhaps with an answer
 * that is due; or the leg is dead.
 */
int record_tls_sent(struct record_tls *t, uint64_t records);
int record_tls_received(struct record_tls *t, uint64_t records);

/* A send gave `err`, -EAGAIN or another negative errno. Returns what a caller of record.h gets. */
int record_tls_write_failure(struct record_tls *t, int err);

/* The close_write of record.h. */
int record_tls_close_write(struct record *r);

/* Wipes what is secret in it. */
void record_tls_wipe(struct record_tls *t);

/* Between two calls. See base/check.h. */
void record_tls_check(const struct record_tls *t);
