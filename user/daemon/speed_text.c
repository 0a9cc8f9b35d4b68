/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of the measurement. See speed_text.h. */
#include "daemon/speed_text.h"

#include "daemon/json_text.h"
#include "daemon/probe_record.h"

static const struct {
	const char *name, *json;
} works[SPEED_WORKS] = {
	[SPEED_REQUEST] = {"a request of 1 KB", "request_1k"},
	[SPEED_DOWN] = {"1 MB to the client", "down_1m"},
	[SPEED_UP] = {"1 MB from the client", "up_1m"},
};

static const struct {
	const char *text, *json; /* NULL: nothing was compared */
} verdicts[] = {
	[SPEED_NOT_COMPARED] = {NULL, NULL},
	[SPEED_KERNEL_LESS] = {"kernel records cost less for", "kernel"},
	[SPEED_USER_LESS] = {"records in user space cost less for", "user"},
	[SPEED_NO_DIFFERENCE] = {"no difference beyond the spread for", "neither"},
};
#define VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

/* --- for people ------------------------------------------------------------------------------- */

#define NAME   22
#define COLUMN 26

/* `last`: nothing follows in this line. */
static void print_spread(FILE *to, const struct speed_spread *s, double unit, int digits, bool last)
{
	char text[80];

	snprintf(text, sizeof(text), "%.*f (%.*f to %.*f)", digits, s->median / unit, digits,
		 s->low / unit, digits, s->high / unit);
	fprintf(to, "  %*s%s", last ? 0 : -COLUMN, text, last ? "\n" : "");
}

/* In microseconds. */
static void print_ns(FILE *to, const struct speed_spread *s, bool last)
{
	print_spread(to, s, 1000, s->median < 100000 ? 1 : 0, last);
}

static void print_work(FILE *to, const struct speed_figures *f, const char *name)
{
	const bool both = f->verdict != SPEED_NOT_COMPARED;

	fprintf(to, "  %-*s", NAME, name);
	print_ns(to, &f->ns[SPEED_USER], !both);
	if (both) {
		print_ns(to, &f->ns[SPEED_KERNEL], false);
		print_spread(to, &f->ratio, 1, 2, true);
	}
}

/* One sentence: each verdict, with the works that have it. */
static void print_verdict(FILE *to, const struct speed_suite *s)
{
	const char *gap = "";

	fprintf(to, "  %u rounds: ", s->rounds);
	for (size_t v = SPEED_NOT_COMPARED + 1; v < VERDICTS; v++) {
		bool named = false;

		for (int work = 0; work < SPEED_WORKS; work++) {
			if (s->works[work].verdict != v)
				continue;
			if (named)
				fprintf(to, ", %s", works[work].name);
			else
				fprintf(to, "%s%s %s", gap, verdicts[v].text, works[work].name);
			named = true;
			gap = "; ";
		}
	}
	fputc('\n', to);
}

static void print_suite(FILE *to, const struct speed_suite *s, enum tls_suite suite)
{
	fprintf(to, "\n%-*s  ", NAME + 2, probe_record_name(VERSION_TLS13, suite));
	if (s->missing)
		fprintf(to, "records in user space\n");
	else
		fprintf(to, "%-*s  %-*s  %s\n", COLUMN, "records in user space", COLUMN,
			"kernel records", "kernel / user space");
	for (int work = 0; work < SPEED_WORKS; work++)
		print_work(to, &s->works[work], works[work].name);
	if (s->missing)
		fprintf(to, "  %u rounds: kernel records were not measured\n", s->rounds);
	else
		print_verdict(to, s);
}

static void print_missing(FILE *to, const struct probe_row *row)
{
	fprintf(to, "\nThis kernel cannot carry the records: %s: %s\n", row->name, row->detail);
	if (row->next)
		fprintf(to, "next step: %s\n", row->next);
}

void speed_text_print(FILE *to, const struct speed_report *r, const char *kernel)
{
	const struct probe_row *said = NULL;

	fprintf(to,
		"kernel %s\n"
		"CPU time in microseconds of the calls that carry records: the median of the "
		"rounds, and\n"
		"in brackets all of them but the lowest and the highest tenth\n",
		kernel);
	for (int s = 0; s < SUITE_COUNT; s++)
		print_suite(to, &r->suites[s], (enum tls_suite)s);
	for (int s = 0; s < SUITE_COUNT; s++) {
		if (r->suites[s].missing && r->suites[s].missing != said)
			print_missing(to, r->suites[s].missing);
		said = r->suites[s].missing;
	}
	fprintf(to, "\nNot in it: memory, handshakes, the network, and the application's side "
		    "(edit, bypass).\n"
		    "How to choose: docs/operations.md, \"Which record layer\"\n");
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *json_ns(const struct speed_spread *s)
{
	return json_pack("{s:I, s:I, s:I}", "low", (json_int_t)s->low, "median",
			 (json_int_t)s->median, "high", (json_int_t)s->high);
}

static json_t *json_ratio(const struct speed_spread *s)
{
	return json_pack("{s:f, s:f, s:f}", "low", s->low, "median", s->median, "high", s->high);
}

/* What was not measured is null. */
static json_t *json_work(const struct speed_figures *f)
{
	const bool both = f->verdict != SPEED_NOT_COMPARED;

	return json_pack("{s:o, s:o, s:o, s:s?}", "user_ns", json_ns(&f->ns[SPEED_USER]),
			 "kernel_ns", both ? json_ns(&f->ns[SPEED_KERNEL]) : json_null(), "ratio",
			 both ? json_ratio(&f->ratio) : json_null(), "cheaper",
			 verdicts[f->verdict].json);
}

static json_t *json_suite(const struct speed_suite *s, enum tls_suite suite)
{
	const struct probe_row *row = s->missing;
	json_t *out = json_pack("{s:s, s:i, s:b}", "name", probe_record_name(VERSION_TLS13, suite),
				"rounds", (int)s->rounds, "kernel", !row);

	for (int work = 0; work < SPEED_WORKS; work++)
		json_object_set_new(out, works[work].json, json_work(&s->works[work]));
	if (row)
		json_object_set_new(out, "missing",
				    json_pack("{s:s, s:o, s:s*}", "name", row->name, "detail",
					      json_text(row->detail), "next", row->next));
	return out;
}

json_t *speed_text_json(const struct speed_report *r, const char *kernel)
{
	json_t *root = json_pack("{s:s, s:b}", "kernel", kernel, "record", r->probe.record);
	json_t *suites = json_array();

	for (int s = 0; s < SUITE_COUNT; s++)
		json_array_append_new(suites, json_suite(&r->suites[s], (enum tls_suite)s));
	json_object_set_new(root, "speed", suites);
	return root;
}
