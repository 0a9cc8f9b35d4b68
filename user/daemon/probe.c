/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of the probes. See probe.h. */
#include "daemon/probe.h"

#include <stdarg.h>
#include <stdio.h>

#include "guard/guard_probe.h"

void probe_say(struct probe_report *r, const char *capability, const char *name, bool ok,
	       const char *fmt, ...)
{
	struct probe_row *new;
	va_list ap;

	if (r->count == PROBE_ROWS_MAX)
		return;
	new = &r->rows[r->count++];
	new->capability = capability;
	new->ok = ok;
	new->next = NULL;
	new->fallback = false;
	snprintf(new->name, sizeof(new->name), "%s", name);
	va_start(ap, fmt);
	vsnprintf(new->detail, sizeof(new->detail), fmt, ap);
	va_end(ap);
}

void probe_next_step(struct probe_report *r, const char *next)
{
	if (r->count && !r->rows[r->count - 1].ok)
		r->rows[r->count - 1].next = next;
}

void probe_fallback(struct probe_report *r, const char *next)
{
	probe_next_step(r, next);
	if (r->count)
		r->rows[r->count - 1].fallback = true;
}

void probe_guard(struct probe_report *r)
{
	char why[256] = "";

	r->guard = !guard_probe_load(why);
	probe_say(r, "guard", "XDP program", r->guard, "%s",
		  r->guard ? "verified; whether a driver has XDP of its own shows at the start"
			   : why);
	probe_next_step(r, "run as root, or grant the capabilities of docs/guard.md");
	if (!r->guard)
		return;
	if (guard_probe_dispatcher(why) < 0)
		probe_say(r, "guard", "dispatcher", false, "%s", why);
	else
		probe_say(r, "guard", "dispatcher", true, "other XDP programs may be beside it");
	probe_next_step(r,
			"the guard is alone on its interfaces; other XDP programs must go first");
}

void probe_no_bpf(struct probe_report *r, const char *why)
{
	probe_say(r, "edit", "sk_msg program", false, "%s", why);
	probe_fallback(r, "put that right; until then user space edits, with the same bytes");
}

void probe_no_peername(struct probe_report *r, const char *why)
{
	probe_say(r, "peername", "getpeername programs", false, "%s", why);
	probe_fallback(r, "applications see kedge as their peer until then");
}

void probe_no_bypass(struct probe_report *r, const char *why)
{
	probe_say(r, "bypass", "sockops program", false, "%s", why);
}
