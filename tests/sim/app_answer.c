/* SPDX-License-Identifier: BSD-2-Clause */
/* What an application answers: responses of all forms, and what is none. */
#include <stdio.h>
#include <string.h>

#include "cover.h"
#include "people.h"

static void add(struct served *l, const char *text)
{
	http1_bytes_add(&l->todo, text, strlen(text));
}

static void add_body(struct served *l, size_t n)
{
	static char text[66000];

	if (!text[0])
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)('a' + (i * 5 + i / 97) % 26);
	http1_bytes_add(&l->todo, text + dice(97), n);
}

static size_t any_size(void)
{
	switch (dice(4)) {
	case 0:
		return dice(3);
	case 1:
		return dice(1500);
	case 2:
		return dice(20000);
	default:
		return dice(65000);
	}
}

/* In the client's stream, behind all that there is. */
static size_t here(const struct served *l)
{
	return l->begin + l->s->in.len + l->todo.len - l->todo_at;
}

/* The next item begins there. */
static struct item *begin(struct served *l)
{
	struct client *c = l->client;
	struct item *it = &c->item[c->items++];

	if (c->items > ITEMS_MAX)
		world_fail("a client has too many responses");
	*it = (struct item){.begin = here(l), .end = SIZE_MAX};
	return it;
}

static void end(struct served *l, struct item *it)
{
	it->end = here(l);
}

void served_continue(struct served *l)
{
	struct item *it = begin(l);

	add(l, dice_rare(4) ? "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
			    : "HTTP/1.1 100 Continue\r\n\r\n");
	end(l, it);
}

/* --- as they should be ------------------------------------------------------------------------ */

static bool closes_seldom(const struct served *l)
{
	return l->client->script.theme == THEME_KEPT;
}

static void add_start(struct served *l, struct item *it, unsigned status)
{
	static const char *const doubts[] = {"Keep-Alive: timeout=0\r\n", "X-Odd : a\r\n",
					     "X-Fold: a\r\n b\r\n", "X-Odd\r\n"};
	char line[160];

	it->doubtful = !l->plain && dice_rare(16);
	it->closes = dice_rare(closes_seldom(l) ? 60 : 12);
	/* Each is another than all others. */
	snprintf(line, sizeof(line), "HTTP/1.1 %u It\r\nX-For: %u, %u, %u\r\n%s%s", status,
		 l->client->id, l->answered, l->s->id, it->closes ? "Connection: close\r\n" : "",
		 it->doubtful ? doubts[dice(4)] : "");
	add(l, line);
}

static void add_length(struct served *l, struct item *it, bool head)
{
	size_t n = any_size();
	char line[64];

	add_start(l, it, 200);
	snprintf(line, sizeof(line), "Content-Length: %zu\r\n\r\n", n);
	add(l, line);
	if (!head)
		add_body(l, n);
}

static void add_chunked(struct served *l, struct item *it, bool head)
{
	char line[64];

	add_start(l, it, 200);
	add(l, "Transfer-Encoding: chunked\r\n\r\n");
	for (unsigned n = head ? 0 : dice(5); n; n--) {
		size_t size = 1 + any_size() / 4;

		snprintf(line, sizeof(line), "%zX%s\r\n", size, dice_rare(4) ? ";a" : "");
		add(l, line);
		add_body(l, size);
		add(l, "\r\n");
	}
	if (!head)
		add(l, dice_rare(4) ? "0\r\nX-T: a\r\n\r\n" : "0\r\n\r\n");
}

static void add_to_end(struct served *l, struct item *it)
{
	add(l, dice_rare(2) ? "HTTP/1.0 200 OK\r\n\r\n"
			    : "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	add_body(l, any_size());
	it->closes = it->to_end = true;
	l->shut_behind = true;
}

static void add_usual(struct served *l, struct item *it, bool head)
{
	switch (dice(8)) {
	case 4:
	case 5:
		add_chunked(l, it, head);
		break;
	case 6:
		add_start(l, it, dice_rare(2) ? 204 : 304);
		add(l, "\r\n");
		break;
	case 7:
		if (!head && dice_rare(2)) {
			add_to_end(l, it);
			break;
		}
		/* fallthrough */
	default:
		add_length(l, it, head);
		break;
	}
}

/* --- as they should not be -------------------------------------------------------------------- */

enum odd_sort { ODD_GARBAGE = 3, ODD_101 = 4, ODD_TEXTS = 9, ODD_408 = 9, ODD_SORTS = 12 };

/* Is request k, or one behind it, an upgrade? Then a 101 or a surplus answer can be its answer. */
static bool upgrade_comes(const struct script *s, unsigned k)
{
	for (; k < s->requests; k++)
		if (s->request[k].upgrade)
			return true;
	return false;
}

/* True if the end of the item is known nevertheless. */
static bool add_odd(struct served *l, struct item *it, unsigned k, bool head)
{
	static const char *const texts[ODD_TEXTS] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdefgh",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
		"garbage\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
		"HTTP/1.1 2",
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ntoo short",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
	};
	static const uint8_t unreadable[] = {0, 1, 2, 8};
	bool lost = l->client->script.theme == THEME_LOST;
	unsigned sort = lost ? unreadable[dice(4)] : dice(ODD_SORTS + 6);

	if (sort >= ODD_SORTS + 2)
		sort = ODD_408 + sort % 3;
	else if (sort >= ODD_SORTS)
		sort = ODD_101; /* seldom without an upgrade behind it */
	if ((sort == ODD_101 || sort >= ODD_TEXTS) && upgrade_comes(&l->client->script, k))
		sort = ODD_GARBAGE;
	if (sort < ODD_TEXTS) {
		add(l, texts[sort]);
		it->odd = true;
		l->shut_behind = dice_rare(lost ? 8 : 2);
		return false;
	}
	/* One more than was asked for. */
	add_length(l, it, head);
	end(l, it);
	it->final = true;
	it = begin(l);
	if (sort == ODD_408)
		add(l, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
	else
		add_length(l, it, false);
	end(l, it);
	it->final = it->surplus = true;
	return true;
}

static bool add_upgrade(struct served *l, struct item *it)
{
	if (!l->client->script.tunnel)
		return false;
	add(l, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	       "Upgrade: websocket\r\n\r\n");
	it->tunnel = it->final = true;
	cover_count(COVER_TUNNELS);
	return true;
}

void served_answer(struct served *l)
{
	unsigned k = l->answered++;
	const struct script_request *q = &l->client->script.request[k];
	struct item *it;

	if (!l->client->script.expects && dice_rare(12))
		served_continue(l);
	it = begin(l);
	it->head = q->head;
	it->hasty = !q->say_end || q->end > l->want_begin + l->s->out_taken;
	if (q->upgrade && add_upgrade(l, it))
		return;
	if (l->odd_at == k - l->first && add_odd(l, it, k, q->head))
		return;
	if (it->odd)
		return;
	it->final = true;
	if (!q->head &&
	    ((l->breaks && it->hasty) || (l->client->script.theme == THEME_LONG && dice_rare(2))))
		add_to_end(l, it);
	else
		add_usual(l, it, q->head);
	if (it->to_end)
		return;
	end(l, it);
	if (it->closes && dice_rare(2))
		l->shut_behind = true;
}
