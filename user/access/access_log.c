/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The access log's writer. See access_log.h.
 *
 * Under load the writer polls the rings every GATHER_MS: a worker then makes no system call per
 * line. After GATHER_MS without a line the writer sleeps until a worker wakes it. A worker whose
 * ring is half full wakes it early.
 */
#include "access/access_log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "access/access_sink.h"
#include "base/log.h"
#include "base/clock.h"
#include "base/denied.h"
#include "base/ring.h"

/* Per worker; room for some thousand requests. */
#define RING_BYTES    (1u << 20)
#define GATHER_MS     50
/* The longest wait for a slow sink when kedge exits. */
#define LAST_WORDS_MS 1000
#define OUT_BYTES     (2 * ACCESS_LINE_MAX)
#define ENTRY_MAX     (sizeof(struct access_entry) + ACCESS_TEXTS_MAX + ADDR_TEXT_MAX)

struct access_log {
	char *target; /* a copy: a reload frees the configuration that has it */
	struct sink sink;
	enum access_format format;
	unsigned workers;
	struct ring *rings; /* one per worker */
	struct kedge_stats *const *rows;
	int wake_fd;
	/* atomic; set by one side, taken by the other */
	bool asleep, hurried, reopen, stop;
	pthread_t thread;
	bool started;
	/* of the writer thread alone */
	bool failing;      /* the sink's last answer was an error, and it was said */
	uint64_t until_ms; /* of the last words; 0 before */
	int64_t wall_us;   /* see access_format_line() */
	size_t out_len;
	char out[OUT_BYTES];
	uint8_t entry[ENTRY_MAX];
};

static void wake(struct access_log *log)
{
	uint64_t one = 1;

	if (write(log->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is awake already */
}

/* --- the workers' side ------------------------------------------------------------------------ */

void access_log_put(struct access_log *log, unsigned worker, const struct access_entry *e,
		    const struct access_texts *t)
{
	struct ring *ring = &log->rings[worker];
	const struct iovec pieces[] = {
		{(void *)e, sizeof(*e)},
		{(void *)t->request, e->request_len},
		{(void *)t->referer, e->referer_len},
		{(void *)t->agent, e->agent_len},
		{(void *)t->host, e->host_len},
		{(void *)t->request_id, e->request_id_len},
		{(void *)t->listener, e->listener_len},
		{(void *)t->id, e->id_len},
		{(void *)t->sni, e->sni_len},
	};

	/* The room of entry[]. */
	assert(e->request_len <= ACCESS_REQUEST_MAX && e->referer_len <= ACCESS_FIELD_MAX &&
	       e->agent_len <= ACCESS_FIELD_MAX && e->listener_len <= ADDR_TEXT_MAX &&
	       e->id_len <= ACCESS_ID_MAX && e->host_len <= ACCESS_HOST_MAX &&
	       e->request_id_len <= ACCESS_REQUEST_ID_MAX && e->sni_len <= ACCESS_SNI_MAX);
	if (!ring_put(ring, pieces, sizeof(pieces) / sizeof(pieces[0])))
		__atomic_fetch_add(&log->rows[worker]->access_dropped, 1, __ATOMIC_RELAXED);
	/* Either the writer sees the entry before it sleeps, or this sees that it sleeps. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((__atomic_load_n(&log->asleep, __ATOMIC_RELAXED) &&
	     __atomic_exchange_n(&log->asleep, false, __ATOMIC_RELAXED)) ||
	    (ring_used(ring) > ring->size / 2 &&
	     !__atomic_exchange_n(&log->hurried, true, __ATOMIC_RELAXED)))
		wake(log);
}

enum access_format access_log_format(const struct access_log *log)
{
	return log->format;
}

void access_log_reopen(struct access_log *log)
{
	__atomic_store_n(&log->reopen, true, __ATOMIC_RELEASE);
	wake(log);
}

/* --- the writer's side: the sink -------------------------------------------------------------- */

static void say_closed(const char *target, int err, const char *what)
{
	char why[DENIED_TEXT];

	if (!strcmp(target, ACCESS_TO_JOURNAL))
		log_err(err, "access log %s: %s (is systemd-journald running?)", target, what);
	else if (err == -EACCES)
		log_error("access log %s: %s: %s: %s", target, what, strerror(-err),
			  denied_text(why, target, DENIED_WRITE));
	else
		log_err(err, "access log %s: %s", target, what);
}

static void reopen_if_asked(struct access_log *log)
{
	int err;

	if (!__atomic_exchange_n(&log->reopen, false, __ATOMIC_ACQUIRE))
		return;
	err = sink_reopen(&log->sink);
	if (err)
		say_closed(log->sink.target, err, "cannot be reopened: the old one stays in use");
}

static void count_lines(__u64 *counter, const char *text, size_t len)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	__atomic_fetch_add(counter, lines, __ATOMIC_RELAXED);
}

static void wakes_forget(struct access_log *log)
{
	uint64_t n;

	if (read(log->wake_fd, &n, sizeof(n)) < 0)
		return; /* there was none */
}

/* Waits for room in the sink. False: kedge exits, and LAST_WORDS_MS are over. */
static bool wait_for_room(struct access_log *log)
{
	struct pollfd fds[] = {{.fd = log->sink.fd, .events = POLLOUT},
			       {.fd = log->wake_fd, .events = POLLIN}};
	uint64_t now = monotonic_ms();
	int wait_ms = -1;

	if (__atomic_load_n(&log->stop, __ATOMIC_ACQUIRE)) {
		if (!log->until_ms)
			log->until_ms = now + LAST_WORDS_MS;
		if (now >= log->until_ms)
			return false;
		wait_ms = (int)(log->until_ms - now);
	}
	poll(fds, 2, wait_ms);
	if (fds[1].revents)
		wakes_forget(log);
	reopen_if_asked(log);
	return true;
}

/* Logs one line until the sink works again. Reopens it if its reader or the journal may be back. */
static void say_failure(struct access_log *log, int err)
{
	if (err == -EAGAIN && !log->failing)
		log_warn("access log %s: still full when kedge ends: the last lines are lost",
			 log->sink.target);
	else if (!log->failing)
		log_err(err, "access log %s: cannot be written: lines are dropped and counted",
			log->sink.target);
	log->failing = true;
	if (err == -EPIPE || err == -ECONNREFUSED || err == -ENOTCONN)
		sink_reopen(&log->sink);
}

/* Writes out[], or drops it and counts the lines. They are counted in the first worker's row: only
 * the sum of the rows is shown. */
static void flush(struct access_log *log)
{
	size_t at = 0;

	while (at < log->out_len) {
		ssize_t n = sink_write(&log->sink, log->out + at, log->out_len - at);

		if (n == -EAGAIN && wait_for_room(log))
			continue;
		if (n < 0) {
			say_failure(log, (int)n);
			count_lines(&log->rows[0]->access_dropped, log->out + at,
				    log->out_len - at);
			break;
		}
		count_lines(&log->rows[0]->access_lines, log->out + at, (size_t)n);
		log->failing = false;
		at += (size_t)n;
	}
	log->out_len = 0;
}

/* --- the writer's side: the rings ------------------------------------------------------------- */

static void add_line(struct access_log *log)
{
	struct access_entry e;
	struct access_texts t;

	memcpy(&e, log->entry, sizeof(e));
	t.request = (const char *)log->entry + sizeof(e);
	t.referer = t.request + e.request_len;
	t.agent = t.referer + e.referer_len;
	t.host = t.agent + e.agent_len;
	t.request_id = t.host + e.host_len;
	t.listener = t.request_id + e.request_id_len;
	t.id = t.listener + e.listener_len;
	t.sni = t.id + e.id_len;
	assert(OUT_BYTES - log->out_len >= ACCESS_LINE_MAX);
	log->out_len +=
		access_format_line(log->out + log->out_len, log->format, &e, &t, log->wall_us);
}

static int64_t wall_now_us(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000 - (int64_t)monotonic_us();
}

/* Writes all entries. True: there was one. */
static bool drain_rings(struct access_log *log)
{
	bool any = false;

	log->wall_us = wall_now_us();
	__atomic_store_n(&log->hurried, false, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < log->workers; i++) {
		while (ring_take(&log->rings[i], log->entry, sizeof(log->entry))) {
			any = true;
			add_line(log);
			if (OUT_BYTES - log->out_len < ACCESS_LINE_MAX)
				flush(log);
		}
	}
	flush(log);
	return any;
}

static bool rings_empty(const struct access_log *log)
{
	for (unsigned i = 0; i < log->workers; i++)
		if (ring_used(&log->rings[i]))
			return false;
	return true;
}

static void wait_for_lines(struct access_log *log, bool busy)
{
	struct pollfd p = {.fd = log->wake_fd, .events = POLLIN};

	__atomic_store_n(&log->asleep, !busy, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (busy || rings_empty(log))
		poll(&p, 1, busy ? GATHER_MS : -1);
	__atomic_store_n(&log->asleep, false, __ATOMIC_RELAXED);
	if (p.revents)
		wakes_forget(log);
}

static void *writer_main(void *arg)
{
	struct access_log *log = arg;

	pthread_setname_np(pthread_self(), "kedge/access");
	while (!__atomic_load_n(&log->stop, __ATOMIC_ACQUIRE)) {
		wait_for_lines(log, drain_rings(log));
		reopen_if_asked(log);
	}
	drain_rings(log);
	return NULL;
}

/* --- begin and end ---------------------------------------------------------------------------- */

static int rings_init(struct access_log *log, unsigned workers)
{
	log->rings = aligned_alloc(_Alignof(struct ring), workers * sizeof(*log->rings));
	if (!log->rings)
		return -ENOMEM;
	memset(log->rings, 0, workers * sizeof(*log->rings));
	log->workers = workers;
	for (unsigned i = 0; i < workers; i++)
		if (ring_init(&log->rings[i], RING_BYTES) < 0)
			return -ENOMEM;
	return 0;
}

int access_log_open(struct access_log **out, const char *target, enum access_format format,
		    unsigned workers)
{
	struct access_log *log = calloc(1, sizeof(*log));
	int err;

	if (!log)
		return log_err(ENOMEM, "access log");
	log->sink.fd = -1;
	log->format = format;
	log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = log->wake_fd < 0 ? -errno : rings_init(log, workers);
	log->target = strdup(target);
	if (!err && !log->target)
		err = -ENOMEM;
	if (err)
		log_err(err, "access log: cannot be set up");
	else if ((err = sink_open(&log->sink, log->target)) < 0)
		say_closed(target, err, "cannot be opened");
	if (err) {
		access_log_close(log);
		return err;
	}
	*out = log;
	return 0;
}

int access_log_start(struct access_log *log, struct kedge_stats *const *rows)
{
	int err;

	log->rows = rows;
	err = pthread_create(&log->thread, NULL, writer_main, log);
	if (err)
		return log_err(err, "access log: thread cannot be started");
	log->started = true;
	return 0;
}

void access_log_close(struct access_log *log)
{
	if (!log)
		return;
	if (log->started) {
		__atomic_store_n(&log->stop, true, __ATOMIC_RELEASE);
		wake(log);
		pthread_join(log->thread, NULL);
	}
	for (unsigned i = 0; i < log->workers; i++)
		ring_fini(&log->rings[i]);
	free(log->rings);
	sink_close(&log->sink);
	if (log->wake_fd >= 0)
		close(log->wake_fd);
	free(log->target);
	free(log);
}
