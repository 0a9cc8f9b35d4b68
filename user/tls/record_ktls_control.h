/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user only: records without data on a leg of kernel records, and the answers to them. The rules
 * are in control_record.h.
 */
#pragma once

#include <stddef.h>

#include "tls/record_ktls_types.h"

/*
 * A whole record of another type than data was read. The leg's state shows the result: it goes on,
 * has ended, has failed, or owes the client an answer.
 */
void record_ktls_control(struct record_ktls *k, uint8_t type, const uint8_t *bytes, size_t n);

/* Sends the answer that is due, and our new keys after a KeyUpdate. As record_ktls_answer(). */
int record_ktls_send_answer(struct record_ktls *k);

/* Before every read and write. 0: no answer is due any more; -EAGAIN; or the leg is dead. */
static inline int record_ktls_answer(struct record_ktls *k)
{
	if (!k->answer_len || k->alerted) /* after an alert nothing is sent */
		return 0;
	return record_ktls_send_answer(k);
}
