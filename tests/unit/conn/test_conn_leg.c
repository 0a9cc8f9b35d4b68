/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn_leg.c: what the kernel does for an application's leg, and what happens when it does not. The
 * functions of kbpf.h and peername.h that it calls are fakes here, so that no right is needed.
 */
#include "app/leg_pool.h"
#include "base/capability_loss.h"
#include "bpf/peername.h"
#include "conn/conn_end.h"
#include "conn/conn_leg.h"

#include "tests/unit/conn/conn_parts.h"
#include "tests/lib/assert_reason.h"

static struct {
	int add, join, set, outcome; /* what the next call gives */
	bool detached;               /* the programs of peername */
	char log[64];
	bool with_text, bypass, named; /* what kbpf_flow_add() and peername_set() were given */
} kernel;

static void kernel_call(char letter)
{
	size_t n = strlen(kernel.log);

	assert_true(n + 1 < sizeof(kernel.log));
	kernel.log[n] = letter;
}

int kbpf_flow_add(struct kbpf *bpf, struct kbpf_flow *flow, int fd, unsigned index,
		  const struct http1_conf *http1, bool bypass)
{
	(void)bpf;
	(void)fd;
	(void)index;
	kernel_call('a');
	kernel.with_text = http1 != NULL;
	kernel.bypass = bypass;
	if (!kernel.add)
		*flow = (struct kbpf_flow){.cookie = 7, .note = &note};
	return kernel.add;
}

int kbpf_flow_join(struct kbpf *bpf, struct kbpf_flow *flow, int fd)
{
	(void)bpf;
	(void)flow;
	(void)fd;
	kernel_call('j');
	return kernel.join;
}

void kbpf_flow_set_text(struct kbpf_flow *flow, const struct http1_conf *http1)
{
	flow->text_len = http1->text_len;
}

void kbpf_flow_del(struct kbpf *bpf, struct kbpf_flow *flow)
{
	(void)bpf;
	if (flow->cookie)
		kernel_call('d');
	flow->cookie = 0;
}

int kbpf_flow_resume(struct kbpf *bpf, struct kbpf_flow *flow, bool tunnel)
{
	(void)bpf;
	(void)flow;
	(void)tunnel;
	return 0;
}

uint64_t kbpf_flow_body_rest(struct kbpf *bpf, const struct kbpf_flow *flow)
{
	(void)bpf;
	(void)flow;
	return 0;
}

int peername_set(struct peername *p, int fd, const union addr *who)
{
	(void)p;
	(void)fd;
	kernel_call('n');
	kernel.named = who != NULL;
	return kernel.set;
}

int peername_outcome(struct peername *p, int fd)
{
	(void)p;
	(void)fd;
	kernel_call('o');
	return kernel.outcome;
}

bool peername_attached(const struct peername *p)
{
	(void)p;
	kernel_call('?');
	return !kernel.detached;
}

static char some_peername; /* what it is does not matter to conn_leg.c */

/* A leg of a kernel that does all of it; each part is required or not. */
static void leg(bool required)
{
	memset(&kernel, 0, sizeof(kernel));
	for (enum capability i = 0; i < CAPABILITY_COUNT; i++)
		capability_start(i, required);
	begin(CONN_CONNECT);
	app_leg(false);
	shared.edit_kernel = shared.bypass = true;
	shared.peername = (struct peername *)&some_peername;
	worker.names_look_ms = 0;
	conn_leg_choose(c);
}

static void expect_log(const char *calls)
{
	assert_string_equal(kernel.log, calls);
	memset(kernel.log, 0, sizeof(kernel.log));
}

/* --- the choice ------------------------------------------------------------------------------- */

static void the_kernel_does_what_it_can(void **state)
{
	(void)state;
	leg(false);
	assert_true(c->flow.leg->edit_kernel && c->flow.leg->bypass);
	shared.edit_kernel = false;
	conn_leg_choose(c);
	assert_true(!c->flow.leg->edit_kernel && c->flow.leg->bypass);
	shared.bypass = false;
	conn_leg_choose(c);
	assert_true(!c->flow.leg->edit_kernel && !c->flow.leg->bypass);
}

/* Not even a name is set: the kernel would show it to nobody. */
static void on_a_unix_socket_it_does_nothing(void **state)
{
	(void)state;
	server_conf.addr.family = AF_UNIX;
	leg(true);
	assert_true(!c->flow.leg->edit_kernel && !c->flow.leg->bypass);
	assert_reason(conn_leg_register(c), KEDGE_REASON_NONE);
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	expect_log("");
}

static void in_mode_tcp_it_does_nothing(void **state)
{
	(void)state;
	listener_conf.mode = MODE_TCP;
	leg(false);
	assert_true(!c->flow.leg->edit_kernel && !c->flow.leg->bypass);
}

static void what_was_lost_is_not_chosen(void **state)
{
	(void)state;
	leg(false);
	capability_failed(CAPABILITY_BYPASS, EBUSY, now());
	conn_leg_choose(c);
	assert_true(c->flow.leg->edit_kernel && !c->flow.leg->bypass);
}

/* --- before the connect ----------------------------------------------------------------------- */

static void a_leg_is_registered(void **state)
{
	(void)state;
	leg(false);
	assert_reason(conn_leg_register(c), KEDGE_REASON_NONE);
	expect_log("na");
	assert_true(kernel.with_text && kernel.bypass && kernel.named);
	assert_true(c->flow.leg->named);
	c->flow.leg->edit_kernel = false; /* the bypass needs no text */
	c->nobody = true;
	assert_reason(conn_leg_register(c), KEDGE_REASON_NONE);
	assert_false(kernel.with_text || kernel.named);
	expect_log("na");
	c->flow.leg->bypass = false;
	shared.peername = NULL;
	assert_reason(conn_leg_register(c), KEDGE_REASON_NONE);
	assert_false(c->flow.leg->named);
	expect_log("");
}

static void a_leg_that_is_not_taken_goes_on_without(void **state)
{
	(void)state;
	leg(false);
	kernel.add = -EBUSY;
	kernel.set = -EPERM;
	assert_reason(conn_leg_register(c), KEDGE_REASON_NONE);
	assert_false(c->flow.leg->edit_kernel || c->flow.leg->bypass || c->flow.leg->named);
	assert_true(capability_is_lost(CAPABILITY_EDIT));
	assert_true(capability_is_lost(CAPABILITY_BYPASS));
	assert_true(capability_is_lost(CAPABILITY_PEERNAME));
}

static void or_is_refused_if_it_is_required(void **state)
{
	(void)state;
	leg(true);
	kernel.add = -EBUSY;
	assert_reason(conn_leg_register(c), KEDGE_REASON_capability_lost);
	kernel.add = -ENOSPC; /* no room is one connection too many */
	conn_leg_choose(c);
	assert_reason(conn_leg_register(c), KEDGE_REASON_limit_connections);
	expect_log("nana");
	kernel.set = -EPERM;
	assert_reason(conn_leg_register(c), KEDGE_REASON_capability_lost);
	expect_log("n"); /* what comes after it is not tried */
}

/* One of the two may be required. */
static void what_is_lost_but_not_required(void **state)
{
	(void)state;
	leg(false);
	capability_start(CAPABILITY_EDIT, true);
	c->flow.leg->edit_kernel = false;
	assert_true(conn_leg_lost(c, EBUSY));
	assert_false(capability_is_lost(CAPABILITY_EDIT));
	c->flow.leg->edit_kernel = c->flow.leg->bypass = true;
	assert_false(conn_leg_lost(c, EBUSY));
	assert_false(c->flow.leg->edit_kernel || c->flow.leg->bypass);
}

/* --- connected -------------------------------------------------------------------------------- */

static void registered(bool required)
{
	leg(required);
	assert_reason(conn_leg_register(c), KEDGE_REASON_NONE);
	expect_log("na");
	note.paired = 1;
}

static void a_leg_is_joined(void **state)
{
	(void)state;
	registered(true);
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	expect_log("?oj");
	assert_true(c->flow.leg->edit_kernel && c->flow.leg->bypass);
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	expect_log("oj"); /* the programs are looked for once in a second */
	set_clock(now() + 1000);
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	expect_log("?oj");
}

static void one_that_is_not_registered_is_not(void **state)
{
	(void)state;
	leg(true);
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	expect_log("");
}

static void an_application_that_has_gone(void **state)
{
	(void)state;
	registered(true);
	kernel.join = -ECONNRESET;
	assert_reason(conn_leg_join(c), KEDGE_REASON_app_gone);
	assert_false(capability_is_lost(CAPABILITY_EDIT));
}

static void a_join_that_fails(void **state)
{
	(void)state;
	registered(false);
	kernel.join = -EBUSY;
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	assert_false(c->flow.leg->edit_kernel || c->flow.leg->bypass);
	expect_log("?ojd");
	assert_true(capability_is_lost(CAPABILITY_EDIT));
}

static void a_required_join_that_fails(void **state)
{
	(void)state;
	registered(true);
	kernel.join = -EBUSY;
	assert_reason(conn_leg_join(c), KEDGE_REASON_capability_lost);
}

/* --- the application's end -------------------------------------------------------------------- */

static void an_end_that_cannot_be_paired(void **state)
{
	(void)state;
	registered(false);
	note.paired = 0;
	note.unpaired = ENOSPC;
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	assert_true(c->flow.leg->edit_kernel && !c->flow.leg->bypass);
	assert_true(capability_is_lost(CAPABILITY_BYPASS));
	c->flow.leg->bypass = true;
	capability_start(CAPABILITY_BYPASS, true);
	assert_reason(conn_leg_join(c), KEDGE_REASON_capability_lost);
}

/* TCP_DEFER_ACCEPT: the end is made with the first byte. */
static void an_end_that_is_not_there_yet(void **state)
{
	(void)state;
	registered(true);
	note.paired = 0;
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	assert_true(c->flow.leg->bypass);
	capability_failed(CAPABILITY_BYPASS, ENXIO, now()); /* nor was the last */
	assert_reason(conn_leg_join(c), KEDGE_REASON_capability_lost);
}

/* --- the name --------------------------------------------------------------------------------- */

static void a_name_that_does_not_arrive(void **state)
{
	(void)state;
	registered(false);
	kernel.outcome = -EAFNOSUPPORT; /* of this client only: nothing is lost */
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	assert_false(capability_is_lost(CAPABILITY_PEERNAME));
	kernel.outcome = -ENXIO;
	assert_reason(conn_leg_join(c), KEDGE_REASON_NONE);
	assert_true(capability_is_lost(CAPABILITY_PEERNAME));
}

static void a_required_name_that_does_not_arrive(void **state)
{
	(void)state;
	registered(true);
	memset(kernel.log, 0, sizeof(kernel.log));
	kernel.outcome = -EAFNOSUPPORT;
	assert_reason(conn_leg_join(c), KEDGE_REASON_peername_family);
	kernel.outcome = -ENXIO;
	assert_reason(conn_leg_join(c), KEDGE_REASON_capability_lost);
	expect_log("?oo"); /* it is not joined */
	kernel.outcome = 0;
	kernel.detached = true;
	set_clock(now() + 1000);
	assert_reason(conn_leg_join(c), KEDGE_REASON_capability_lost);
	expect_log("?");
}

/* --- the close -------------------------------------------------------------------------------- */

static void a_leg_is_closed(void **state)
{
	(void)state;
	leg(false);
	c->flow.leg->edit = &edit;
	conn_leg_close(c, false);
	assert_int_equal(far_end(app), 0);
	assert_string_equal(fake.log, "E");
	assert_null(c->flow.leg);
	conn_leg_close(c, true); /* there is none any more */
	assert_string_equal(fake.log, "E");
	expect_log("");
}

/* The application would take a part of a request for all of it. */
static void one_that_lacks_a_part_of_a_request_is_reset(void **state)
{
	(void)state;
	leg(false);
	c->flow.leg->edit = &edit;
	edit.holds = true;
	conn_leg_close(c, false);
	assert_int_equal(far_end(app), ECONNRESET);
}

static void a_leg_is_reset(void **state)
{
	(void)state;
	registered(false);
	conn_leg_close(c, true);
	assert_int_equal(far_end(app), ECONNRESET);
	expect_log("d"); /* no editor owned it */
	assert_null(c->flow.leg);
}

static void closes_with(enum kedge_standing standing, int err)
{
	app_leg(true);
	note.standing = (uint8_t)standing;
	conn_leg_close(c, false);
	assert_int_equal(far_end(app), err);
}

/* Whatever ends the flow, an application does not take part of a request for all of it. */
static void within_a_request_a_leg_is_reset(void **state)
{
	(void)state;
	leg(false);
	conn_leg_close(c, true);
	closes_with(KEDGE_BETWEEN, 0);
	closes_with(KEDGE_HEAD, ECONNRESET);
	closes_with(KEDGE_BODY, ECONNRESET);
	closes_with(KEDGE_WAITING, 0);
	closes_with(KEDGE_TUNNEL, 0);
	closes_with(KEDGE_REFUSED, ECONNRESET);
}

/* In a tunnel nothing else tells that the application lacks bytes. */
static void a_leg_with_bytes_in_front_is_reset(void **state)
{
	(void)state;
	leg(false);
	conn_leg_close(c, true);
	assert_true(residue_keep(&c->flow.up, "x", 1));
	closes_with(KEDGE_BETWEEN, 0); /* they are of another request */
	closes_with(KEDGE_TUNNEL, ECONNRESET);
	app_leg(true);
	conn_closed_enter(c, false);
	assert_int_equal(far_end(app), ECONNRESET);
}

static void bypassed_leg(void)
{
	app_leg(true);
	c->flow.leg->bypass = true;
	c->flow.leg->kbpf.note = &note;
}

/* Without an answer it is not known whether the application's end was ever made. */
static void the_close_tells_whether_the_bypass_worked(void **state)
{
	(void)state;
	registered(false);
	c->flow.leg->edit = &edit;
	note.paired = 0;
	conn_leg_close(c, false);
	assert_false(capability_is_lost(CAPABILITY_BYPASS));
	bypassed_leg();
	c->flow.leg->response.done = 1;
	conn_leg_close(c, false);
	assert_true(capability_is_lost(CAPABILITY_BYPASS));
	bypassed_leg();
	c->flow.leg->response.done = 1;
	note.paired = 1;
	conn_leg_close(c, false);
	assert_false(capability_is_lost(CAPABILITY_BYPASS));
}

/* --- given back ------------------------------------------------------------------------------- */

static struct doors doors = {.generation = &generation};

/* One request, and its response. */
static void served(void)
{
	joined();
	worker.doors = &doors;
	app_conf.app_reuse = APP_REUSE_SHARED;
	conf.connections_max = 10;
	conf.app_idle_timeout_ms = 4000;
	c->flow.reuses = true;
	note.requests = c->flow.leg->response.done = 1;
	c->flow.leg->served_us = worker.loop.now_us;
}

static int clear(void **state)
{
	leg_pool_clear(&worker.legs);
	worker.doors = NULL;
	return down(state);
}

static void a_leg_is_given_back(void **state)
{
	struct leg *l;

	(void)state;
	served();
	l = c->flow.leg;
	conn_leg_give_back(c);
	assert_null(c->flow.leg);
	assert_ptr_equal(leg_pool_oldest(&worker.legs), l);
	assert_int_equal(l->before, 1);
	assert_int_equal(servers.set[0]->connections, 1);
	assert_int_equal(c->requests, 1);
	assert_int_equal(c->responses, 1);
	assert_int_equal(l->idle_timer.due_ms, now() + 4000);
	assert_string_equal(fake.log, "");
}

/* Of a leg that has served two clients, the second one's requests are its own. */
static void its_next_client_counts_its_own(void **state)
{
	struct leg *l;

	(void)state;
	served();
	l = c->flow.leg;
	conn_leg_give_back(c);
	assert_ptr_equal(leg_pool_take(&worker.legs, servers.set[0], UINT64_MAX), l);
	l->owner = c;
	c->flow.leg = l;
	c->requests = c->responses = 0;
	note.requests = l->response.done = 4;
	assert_int_equal(conn_requests(c), 3);
	conn_leg_give_back(c);
	assert_int_equal(c->requests, 3);
	assert_int_equal(c->responses, 3);
	assert_int_equal(l->before, 4);
}

/* Each of these alone is reason enough to close it. */
static void in_doubt_it_is_closed(void **state)
{
	static struct generation other;

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct leg *l;

		served();
		l = c->flow.leg;
		switch (i) {
		case 0:
			app_conf.app_reuse = APP_REUSE_CLIENT;
			break;
		case 1:
			doors.generation = &other;
			break;
		case 2:
			worker.draining = true;
			break;
		case 3:
			server_set_admin(l->server, SERVER_DRAIN, now());
			break;
		case 4:
			conf.connections_max = 0;
			break;
		case 5:
			l->served_us = 0;
			break;
		case 6:
			l->response.doubtful = true;
			break;
		case 7:
			l->response.said_close = true;
			break;
		case 8:
			l->in = true;
			break;
		case 9:
			l->ends = true;
			break;
		case 10:
			l->eof = true;
			break;
		case 11:
			l->full = true;
			break;
		case 12:
			l->shut = true;
			break;
		case 13:
			l->write_dead = true;
			break;
		case 14:
			c->flow.client_eof = true;
			break;
		case 15:
			c->flow.unsent = true;
			break;
		case 16:
			note.last = 1;
			break;
		case 17:
			note.requests = 2;
			break;
		case 18:
			note.standing = KEDGE_HEAD;
			break;
		case 19: /* half of an empty line may be in the editor */
			c->flow.tail[3] = '\r';
			break;
		}
		conn_leg_give_back(c);
		assert_null(c->flow.leg);
		assert_int_equal(worker.legs.idle_count, 0);
		assert_int_equal(servers.set[0]->connections, 0);
		doors.generation = &generation;
		clear(state);
		up(state);
	}
}

static void how_requests_are_edited(void **state)
{
	struct http1_conf with_tls, without;

	(void)state;
	leg(false);
	conf.x_forwarded_proto = true;
	conn_http1_conf(c, &without);
	listener_conf.tls = true;
	conn_http1_conf(c, &with_tls);
	assert_memory_not_equal(&with_tls, &without, sizeof(without));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

#define GIVEN(name) cmocka_unit_test_setup_teardown(name, up, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kernel_does_what_it_can),
		TEST(on_a_unix_socket_it_does_nothing),
		TEST(in_mode_tcp_it_does_nothing),
		TEST(what_was_lost_is_not_chosen),
		TEST(a_leg_is_registered),
		TEST(a_leg_that_is_not_taken_goes_on_without),
		TEST(or_is_refused_if_it_is_required),
		TEST(what_is_lost_but_not_required),
		TEST(a_leg_is_joined),
		TEST(one_that_is_not_registered_is_not),
		TEST(an_application_that_has_gone),
		TEST(a_join_that_fails),
		TEST(a_required_join_that_fails),
		TEST(an_end_that_cannot_be_paired),
		TEST(an_end_that_is_not_there_yet),
		TEST(a_name_that_does_not_arrive),
		TEST(a_required_name_that_does_not_arrive),
		TEST(a_leg_is_closed),
		TEST(one_that_lacks_a_part_of_a_request_is_reset),
		TEST(a_leg_is_reset),
		TEST(within_a_request_a_leg_is_reset),
		TEST(a_leg_with_bytes_in_front_is_reset),
		TEST(the_close_tells_whether_the_bypass_worked),
		GIVEN(a_leg_is_given_back),
		GIVEN(its_next_client_counts_its_own),
		GIVEN(in_doubt_it_is_closed),
		TEST(how_requests_are_edited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
