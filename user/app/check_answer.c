/* SPDX-License-Identifier: BSD-2-Clause */
/* The status of an answer. See check_answer.h. */
#include "app/check_answer.h"

/* The status line is complete. */
static enum check_answer_verdict line_ends(struct check_answer *a)
{
	unsigned status;

	if (a->line_len < sizeof(a->begin))
		return CHECK_ANSWER_BAD;
	status = response_head_status(a->begin, sizeof(a->begin));
	a->line_len = 0;
	a->cr = false;
	if (status >= 200 || status == 101) {
		a->status = (uint16_t)status;
		return CHECK_ANSWER_STATUS;
	}
	a->in_fields = true;
	return ++a->interim > CHECK_ANSWER_INTERIM_MAX ? CHECK_ANSWER_STORM : CHECK_ANSWER_MORE;
}

/* A reason phrase has no control characters but tabs; bytes above 127 are allowed. */
static bool may_follow(const struct check_answer *a, char c)
{
	if (a->line_len == sizeof(a->begin))
		return c == ' ';
	return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

static enum check_answer_verdict line_goes_on(struct check_answer *a, char c)
{
	if (c == '\n')
		return line_ends(a);
	if (a->cr)
		return CHECK_ANSWER_BAD;
	if (c == '\r') {
		a->cr = true;
		return a->line_len < sizeof(a->begin) ? CHECK_ANSWER_BAD : CHECK_ANSWER_MORE;
	}
	if (a->line_len < sizeof(a->begin)) {
		a->begin[a->line_len++] = c;
		return response_head_status(a->begin, a->line_len) ? CHECK_ANSWER_MORE
								   : CHECK_ANSWER_BAD;
	}
	if (!may_follow(a, c))
		return CHECK_ANSWER_BAD;
	a->line_len++;
	return CHECK_ANSWER_MORE;
}

/* Only the end of the head counts: an empty line. */
static void fields_go_on(struct check_answer *a, char c)
{
	if (c == '\n') {
		a->in_fields = a->line_len != 0;
		a->line_len = 0;
	} else if (c != '\r') {
		a->line_len++;
	}
}

enum check_answer_verdict check_answer_feed(struct check_answer *a, const char *bytes, size_t n)
{
	enum check_answer_verdict verdict = CHECK_ANSWER_MORE;

	for (size_t i = 0; i < n && verdict == CHECK_ANSWER_MORE; i++) {
		a->bytes++;
		if (a->in_fields)
			fields_go_on(a, bytes[i]);
		else
			verdict = line_goes_on(a, bytes[i]);
		if (verdict == CHECK_ANSWER_MORE && a->bytes >= CHECK_ANSWER_MAX)
			verdict = CHECK_ANSWER_LONG;
	}
	return verdict;
}
