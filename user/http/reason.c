/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of reasons. See reason.h. */
#include "http/reason.h"

/* The words of reasons.def. */
enum {
	LEVEL_warning = LOG_LEVEL_WARN,
	LEVEL_info = LOG_LEVEL_INFO,
	LEVEL_debug = LOG_LEVEL_DEBUG,
};

static const struct row {
	const char *name, *text, *next;
	unsigned status;
	enum log_level level;
} rows[KEDGE_REASON_COUNT] = {
	[KEDGE_REASON_NONE] = {"none", "none", "nothing", 0, LOG_LEVEL_DEBUG},
#define X(name_, status_, level_, text_, next_) \
	[KEDGE_REASON_##name_] = {#name_, text_, next_, status_, (enum log_level)LEVEL_##level_},
#include "kedge/reasons.def"
#undef X
};

static const struct row *row_of(enum kedge_reason reason)
{
	return &rows[(unsigned)reason < KEDGE_REASON_COUNT ? reason : KEDGE_REASON_internal_error];
}

const char *reason_name(enum kedge_reason reason)
{
	return row_of(reason)->name;
}

const char *reason_text(enum kedge_reason reason)
{
	return row_of(reason)->text;
}

const char *reason_next(enum kedge_reason reason)
{
	return row_of(reason)->next;
}

enum log_level reason_level(enum kedge_reason reason)
{
	return row_of(reason)->level;
}

unsigned reason_status(enum kedge_reason reason)
{
	return row_of(reason)->status;
}
