/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_text.c: the text in the exposition format, line by line. */
#include "metrics_rig.h"

#include <ctype.h>
#include <errno.h>

#include "base/capability_loss.h"
#include "metrics/counters.h"

static char *text(void)
{
	char *out = NULL;
	size_t len;
	FILE *to = open_memstream(&out, &len);

	metrics_write(to, &numbers);
	fclose(to);
	return out;
}

static void every_counter_is_a_sum_with_help_and_type(void **state)
{
	char line[256], *all;

	for (size_t i = 0; i < counters_count; i++)
		for (int w = 0; w < WORKERS; w++)
			((uint64_t *)rows[w])[i] = 1000 * (uint64_t)w + i;
	for (int i = 1; i < KEDGE_REASON_COUNT; i++)
		((uint64_t *)&rows[1]->reasons)[i - 1] = (uint64_t)i;
	all = text();
	for (size_t i = 0; i < counters_count; i++) {
		/* These are told by listener. */
		if (!strncmp(counters[i].name, "responses", strlen("responses")))
			continue;
		snprintf(line, sizeof(line), "kedge_%s_total %zu", counters[i].name, 1000 + 2 * i);
		has(all, line);
		snprintf(line, sizeof(line), "# HELP kedge_%s_total %s", counters[i].name,
			 counters[i].text);
		has(all, line);
		snprintf(line, sizeof(line), "# TYPE kedge_%s_total counter", counters[i].name);
		has(all, line);
	}
	snprintf(line, sizeof(line), "kedge_ended_total{reason=\"http_host\"} %d",
		 KEDGE_REASON_http_host);
	has(all, line);
	has(all, "kedge_capability{capability=\"edit\"} 1");
	has(all, "kedge_capability{capability=\"bypass\"} 0");
	has(all, "kedge_capability{capability=\"guard\"} 0");
	has(all, "kedge_guard_stranger_total 0");
	has(all, "kedge_workers 2");
	free(all);
}

static void histograms_add_up_over_workers_and_buckets(void **state)
{
	char *all;

	histogram_take(&metrics_row(metrics, 0)->request, 20, 1);
	histogram_take(&metrics_row(metrics, 1)->request, 3000000, 2);
	histogram_take(&metrics_row(metrics, 1)->request, 100000000, 1);
	metrics_row(metrics, 1)->flows[2][1][0] = 7;
	all = text();
	has(all, "kedge_request_seconds_bucket{le=\"0.000032\"} 2");
	has(all, "kedge_request_seconds_bucket{le=\"2.097152\"} 2");
	has(all, "kedge_request_seconds_bucket{le=\"4.194304\"} 3");
	has(all, "kedge_request_seconds_bucket{le=\"+Inf\"} 4");
	has(all, "kedge_request_seconds_sum 103.000020");
	has(all, "kedge_request_seconds_count 4");
	has(all, "kedge_handshake_seconds_count 0");
	has(all, "kedge_flow_capabilities_total{record=\"kernel\",edit=\"kernel\",bypass=\"off\"} "
		 "7");
	free(all);
}

static void listeners_have_their_own_counts(void **state)
{
	struct metrics_listener *a = metrics_listener(metrics, "127.0.0.1:443", 0);
	struct metrics_listener *again = metrics_listener(metrics, "127.0.0.1:443", 1);
	struct metrics_listener *odd = metrics_listener(metrics, "unix:/a\"b\\c\n", 0);
	char *all;

	assert_non_null(a);
	assert_ptr_equal(a, metrics_listener(metrics, "127.0.0.1:443", 0));
	a->accepted = 5;
	again->accepted = 6;
	a->closed = 3;
	a->flows = 2;
	a->requests = 7;
	again->requests = 8;
	a->responses[2] = 3;
	again->responses[2] = 4;
	a->own[4] = 5;
	odd->own[0] = 6;
	odd->closed = 1; /* read before its accept: never below zero */
	all = text();
	has(all, "kedge_listener_accepted_total{listener=\"127.0.0.1:443\"} 11");
	has(all, "kedge_listener_connections_open{listener=\"127.0.0.1:443\"} 8");
	has(all, "kedge_listener_flows_total{listener=\"127.0.0.1:443\"} 2");
	has(all, "kedge_requests_total{listener=\"127.0.0.1:443\"} 15");
	has(all, "kedge_responses_total{listener=\"127.0.0.1:443\",class=\"2xx\"} 7");
	has(all, "kedge_responses_total{listener=\"127.0.0.1:443\",class=\"5xx\"} 0");
	has(all, "kedge_responses_own_total{listener=\"127.0.0.1:443\",class=\"4xx\"} 5");
	has(all, "kedge_responses_own_total{listener=\"unix:/a\\\"b\\\\c?\",class=\"other\"} 6");
	has(all, "kedge_listener_connections_open{listener=\"unix:/a\\\"b\\\\c?\"} 0");
	free(all);
}

static void fake_servers(void *servers_arg, metrics_app_server_fn *each, void *each_arg)
{
	assert_ptr_equal(servers_arg, &numbers);
	each(each_arg,
	     &(struct metrics_app_server){"web", "127.0.0.1:3000", true, true, 3, 2, 9, 1});
	each(each_arg,
	     &(struct metrics_app_server){"we\"b", "unix:/a\\\n", false, false, 0, 0, 4, 5});
}

static void fake_apps(void *servers_arg, metrics_app_fn *each, void *each_arg)
{
	assert_ptr_equal(servers_arg, &numbers);
	each(each_arg, "web", 17);
	each(each_arg, "we\"b", 0);
}

static void servers_have_theirs(void **state)
{
	char *all;

	numbers.servers = fake_servers;
	numbers.apps = fake_apps;
	numbers.servers_arg = &numbers;
	all = text();
#define WEB "{application=\"web\",server=\"127.0.0.1:3000\"}"
#define ODD "{application=\"we\\\"b\",server=\"unix:/a\\\\?\"}"
	has(all, "kedge_server_up" WEB " 1");
	has(all, "kedge_server_up" ODD " 0");
	has(all, "kedge_server_ready" WEB " 1");
	has(all, "kedge_server_ready" ODD " 0");
	has(all, "kedge_server_connections" WEB " 3");
	has(all, "kedge_server_busy" WEB " 2");
	has(all, "kedge_server_connects_total" WEB " 9");
	has(all, "kedge_server_connects_total" ODD " 4");
	has(all, "kedge_server_connect_failures_total" WEB " 1");
	has(all, "kedge_server_connect_failures_total" ODD " 5");
	has(all, "kedge_application_waiting{application=\"web\"} 17");
	has(all, "kedge_application_waiting{application=\"we\\\"b\"} 0");
	free(all);
}

static void fake_certs(void *certs_arg, metrics_cert_fn *each, void *each_arg)
{
	assert_ptr_equal(certs_arg, &numbers);
	each(each_arg,
	     &(struct metrics_cert){"a:1", "/x\".pem", "CN=x,O=\\,", "x.test", 1234567890});
}

static void certificates_and_reloads_are_told(void **state)
{
	struct metrics_reloads reloads = {.restart = 2, .done = 2, .refused = 3, .last = 99};
	char *all;

	(void)state;
	all = text();
	assert_null(strstr(all, "kedge_reload"));
	free(all);
	numbers.certs = fake_certs;
	numbers.certs_arg = &numbers;
	numbers.reloads = &reloads;
	all = text();
	has(all, "kedge_certificate_not_after_seconds{listener=\"a:1\",file=\"/x\\\".pem\","
		 "subject=\"CN=x,O=\\\\,\",names=\"x.test\"} 1234567890");
	has(all, "kedge_reloads_total{result=\"done\"} 2");
	has(all, "kedge_reloads_total{result=\"refused\"} 3");
	has(all, "kedge_reload_last_success 1");
	has(all, "kedge_restart_pending 2");
	has(all, "kedge_reload_last_timestamp_seconds 99");
	free(all);
	reloads.last_refused = true;
	all = text();
	has(all, "kedge_reload_last_success 0");
	free(all);
}

/* Connections are counted apart: a close that is read before its accept is never below zero. */
static void open_connections_are_never_below_zero(void **state)
{
	char *all;

	(void)state;
	rows[0]->accepted = 5;
	rows[1]->closed = 3;
	all = text();
	has(all, "kedge_connections_open 2");
	free(all);
	rows[1]->closed = 6;
	all = text();
	has(all, "kedge_connections_open 0");
	free(all);
}

static void capabilities_are_told_with_their_losses(void **state)
{
	struct kedge_peer_stats peers = {.shown = 4};
	char *all;

	(void)state;
	numbers.record_kernel = numbers.bypass = true;
	numbers.peername = &peers;
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		capability_start((enum capability)i, false);
	all = text();
	has(all, "kedge_capability{capability=\"record\"} 1");
	has(all, "kedge_capability{capability=\"bypass\"} 1");
	has(all, "kedge_capability{capability=\"peername\"} 1");
	has(all, "kedge_capability_lost{capability=\"edit\"} 0");
	has(all, "kedge_capability_losses_total{capability=\"edit\"} 0");
	has(all, "kedge_peername_shown_total 4");
	free(all);
	capability_failed(CAPABILITY_EDIT, ENOSPC, 1);
	assert_false(capability_try(CAPABILITY_EDIT, 2));
	all = text();
	has(all, "kedge_capability{capability=\"edit\"} 0");
	has(all, "kedge_capability{capability=\"record\"} 1");
	has(all, "kedge_capability_lost{capability=\"edit\"} 1");
	has(all, "kedge_capability_losses_total{capability=\"edit\"} 1");
	has(all, "kedge_capability_without_total{capability=\"edit\"} 2");
	free(all);
	capability_start(CAPABILITY_EDIT, false);
	metrics_app_unix(metrics, true); /* BPF does not see it */
	all = text();
	has(all, "kedge_capability{capability=\"edit\"} 0");
	has(all, "kedge_capability{capability=\"bypass\"} 0");
	has(all, "kedge_capability{capability=\"peername\"} 0");
	has(all, "kedge_capability{capability=\"record\"} 1");
	free(all);
	metrics_app_unix(metrics, false);
	all = text();
	has(all, "kedge_capability{capability=\"edit\"} 1");
	free(all);
}

static double value_of(const char *all, const char *name)
{
	char begin[128];
	const char *line;

	snprintf(begin, sizeof(begin), "\n%s ", name);
	line = strstr(all, begin);
	if (!line)
		fail_msg("no %s", name);
	return strtod(line + strlen(begin), NULL);
}

static void the_process_is_described(void **state)
{
	char *all;

	(void)state;
	numbers.started = 1234567890;
	all = text();
	has(all, "kedge_build_info{version=\"" KEDGE_VERSION "\"} 1");
	has(all, "process_start_time_seconds 1234567890");
	assert_true(value_of(all, "process_resident_memory_bytes") > 1e5);
	assert_true(value_of(all, "process_max_fds") >= 16);
	assert_true(value_of(all, "process_cpu_seconds_total") > 0);
	free(all);
}

/* NAME{labels} VALUE; with a name of the format's characters, and a value that is a number. */
static void check_sample(const char *line, const char *family, size_t family_len)
{
	const char *c = line;
	char *end;

	while (isalnum((unsigned char)*c) || *c == '_')
		c++;
	assert_true(c > line && !strncmp(line, family, family_len));
	if (*c == '{') {
		bool quoted = false;

		for (c++; *c && (quoted || *c != '}'); c++) {
			if (quoted && *c == '\\')
				c++;
			else if (*c == '"')
				quoted = !quoted;
		}
		assert_int_equal(*c++, '}');
	}
	assert_int_equal(*c, ' ');
	strtod(c + 1, &end);
	assert_true(end > c + 1 && *end == '\0');
}

/* HELP, TYPE, samples: each family once, all of its lines together (exposition format 0.0.4). */
static void every_line_belongs_to_the_family_before_it(void **state)
{
	char *all, *save = NULL, family[96] = "", *names[512];
	size_t count = 0;

	(void)state;
	metrics_listener(metrics, "unix:/a b\"c\\}", 0)->flows = 1;
	numbers.servers = fake_servers;
	numbers.apps = fake_apps;
	numbers.servers_arg = &numbers;
	all = text();
	for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[96], type[16];

		if (sscanf(line, "# HELP %95s", name) == 1) {
			for (size_t i = 0; i < count; i++)
				assert_string_not_equal(names[i], name);
			assert_true(count < sizeof(names) / sizeof(names[0]));
			names[count++] = line + strlen("# HELP ");
			line[strlen("# HELP ") + strlen(name)] = '\0';
			strcpy(family, name);
		} else if (sscanf(line, "# TYPE %95s %15s", name, type) == 2) {
			assert_string_equal(name, family);
			assert_true(!strcmp(type, "counter") || !strcmp(type, "gauge") ||
				    !strcmp(type, "histogram"));
			/* By convention, a counter's name says so. */
			assert_int_equal(!strcmp(type, "counter"),
					 !strcmp(name + strlen(name) - 6, "_total"));
		} else {
			check_sample(line, family, strlen(family));
		}
	}
	assert_true(count > counters_count);
	free(all);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, up, down)
	const struct CMUnitTest tests[] = {
		TEST(every_counter_is_a_sum_with_help_and_type),
		TEST(histograms_add_up_over_workers_and_buckets),
		TEST(listeners_have_their_own_counts),
		TEST(servers_have_theirs),
		TEST(certificates_and_reloads_are_told),
		TEST(open_connections_are_never_below_zero),
		TEST(capabilities_are_told_with_their_losses),
		TEST(the_process_is_described),
		TEST(every_line_belongs_to_the_family_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
