/* Status as JSON and text. See status.h. */
#include "status.h"

#include <string.h>

#include "reply.h"

static const struct {
	const char *name, *text;
} counters[] = {
#define X(name_, text_) {#name_, text_},
#include "kedge/stats.def"
#undef X
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))
#define REASONS  (KEDGE_REASON_COUNT - 1)

_Static_assert(sizeof(((struct kedge_stats *)0)->reasons) == REASONS * sizeof(uint64_t),
	       "one counter a reason");

/* Rows are written by other threads; each counter is read once, so it is old at worst, never torn.
 */
static uint64_t sum(const struct kedge_stats *const *rows, size_t n, size_t offset)
{
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += __atomic_load_n((const uint64_t *)((const char *)rows[i] + offset),
					 __ATOMIC_RELAXED);
	return total;
}

json_t *status_json(const struct daemon *d)
{
	const struct shared *shared = &d->shared;
	const struct kedge_stats *const *rows = d->rows;
	size_t rows_count = d->conf->workers;
	json_t *root = json_object(), *stats = json_object(), *reasons = json_object();
	uint64_t accepted = sum(rows, rows_count, offsetof(struct kedge_stats, accepted));
	uint64_t closed = sum(rows, rows_count, offsetof(struct kedge_stats, closed));

	json_object_set_new(root, "version", json_string(KEDGE_VERSION));
	json_object_set_new(root, "workers", json_integer((json_int_t)rows_count));
	json_object_set_new(root, "generation", json_integer(d->generation->number));
	json_object_set_new(root, "generations_in_use", json_integer(generation_count()));
	json_object_set_new(root, "connections_open",
			    json_integer((json_int_t)(accepted - closed)));
	json_object_set_new(root, "record", json_string(shared->record_kernel ? "kernel" : "user"));
	json_object_set_new(root, "edit", json_string(shared->edit_kernel ? "kernel" : "user"));
	json_object_set_new(root, "bypass", json_string(shared->bypass ? "on" : "off"));
	for (size_t i = 0; i < COUNTERS; i++)
		json_object_set_new(
			stats, counters[i].name,
			json_integer((json_int_t)sum(rows, rows_count, i * sizeof(uint64_t))));
	for (size_t i = 0; i < REASONS; i++)
		json_object_set_new(
			reasons, reason_name((enum kedge_reason)(i + 1)),
			json_integer((json_int_t)sum(rows, rows_count,
						     offsetof(struct kedge_stats, reasons) +
							     i * sizeof(uint64_t))));
	json_object_set_new(root, "stats", stats);
	json_object_set_new(root, "reasons", reasons);
	return root;
}

static const char *text_of(const json_t *root, const char *key)
{
	const char *text = json_string_value(json_object_get(root, key));

	return text ? text : "?";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

void status_print(FILE *to, const json_t *status)
{
	const json_t *stats = json_object_get(status, "stats");
	const json_t *reasons = json_object_get(status, "reasons");

	fprintf(to, "kedge %s, %lld workers, %lld connections open\n", text_of(status, "version"),
		number_of(status, "workers"), number_of(status, "connections_open"));
	fprintf(to, "configuration %lld", number_of(status, "generation"));
	if (number_of(status, "generations_in_use") > 1)
		fprintf(to, ", %lld earlier ones still have connections",
			number_of(status, "generations_in_use") - 1);
	fputc('\n', to);
	fprintf(to, "record: %s   edit: %s   bypass: %s\n\n", text_of(status, "record"),
		text_of(status, "edit"), text_of(status, "bypass"));
	for (size_t i = 0; i < COUNTERS; i++)
		fprintf(to, "%-24s %12lld  %s\n", counters[i].name,
			number_of(stats, counters[i].name), counters[i].text);
	fprintf(to, "\nended, by reason\n");
	for (size_t i = 0; i < REASONS; i++) {
		const char *name = reason_name((enum kedge_reason)(i + 1));
		long long n = number_of(reasons, name);

		if (n)
			fprintf(to, "%-24s %12lld  %s\n", name, n,
				reason_text((enum kedge_reason)(i + 1)));
	}
}
