/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections by source address: a hash table in shards. Each shard has its own lock, so workers
 * seldom wait for each other. The hash has a random seed: nobody can choose addresses that collide.
 */
#include "listen/sources.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "base/check.h"

#define SHARDS  64
#define BUCKETS 256 /* per shard */

struct source {
	LIST_ENTRY(source) link;
	uint64_t key[2];
	unsigned count, refused; /* not both 0 in the table */
	unsigned shard;
};
LIST_HEAD(source_list, source);

struct shard {
	pthread_mutex_t lock;
	struct source_list buckets[BUCKETS];
};

struct sources {
	uint64_t seed[3];
	struct shard shards[SHARDS];
};

struct sources *sources_new(void)
{
	struct sources *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (getrandom(s->seed, sizeof(s->seed), 0) != (ssize_t)sizeof(s->seed)) {
		free(s);
		return NULL;
	}
	for (int i = 0; i < SHARDS; i++)
		pthread_mutex_init(&s->shards[i].lock, NULL);
	return s;
}

void sources_free(struct sources *s)
{
	for (int i = 0; s && i < SHARDS; i++)
		pthread_mutex_destroy(&s->shards[i].lock);
	free(s);
}

/* The 64-bit finaliser of MurmurHash3: each input bit changes about half of the output bits. */
static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccd;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53;
	return h ^ h >> 33;
}

static uint64_t hash(const struct sources *s, const uint64_t key[2])
{
	uint64_t h = mix(s->seed[0] ^ key[0]);

	return mix(mix((h + s->seed[1]) ^ key[1]) + s->seed[2]);
}

/* False: this address is not counted. */
static bool key_of(uint64_t key[2], const union addr *client)
{
	uint8_t ip[16];

	if (!addr_ip(ip, client))
		return false;
	if (!addr_is_ipv4(client))
		memset(ip + 8, 0, 8);
	memcpy(key, ip, sizeof(ip));
	return true;
}

static struct source *find(struct source_list *bucket, const uint64_t key[2])
{
	struct source *e;

	LIST_FOREACH(e, bucket, link) {
		if (e->key[0] == key[0] && e->key[1] == key[1])
			return e;
	}
	return NULL;
}

#ifdef KEDGE_CHECKS
/* With the lock held: a source of the table is where it is found, and somebody has it. */
static void source_check(struct sources *s, const struct source *e)
{
	uint64_t h = hash(s, e->key);

	CHECK(e, e->shard == h % SHARDS);
	CHECK(e, find(&s->shards[e->shard].buckets[h / SHARDS % BUCKETS], e->key) == e);
	CHECK(e, e->count || e->refused);
	CHECK(e, e->refused <= SOURCES_REFUSED_MAX);
}
#endif

static unsigned *counter_of(struct source *e, bool refused)
{
	return refused ? &e->refused : &e->count;
}

/* With the lock held. */
static int enter(struct source_list *bucket, struct source **out, const struct source *new,
		 bool refused, unsigned max)
{
	struct source *e = find(bucket, new->key);

	if (e && *counter_of(e, refused) >= max)
		return -EDQUOT;
	if (!e) {
		e = malloc(sizeof(*e));
		if (!e)
			return -ENOMEM;
		*e = *new;
		LIST_INSERT_HEAD(bucket, e, link);
	}
	++*counter_of(e, refused);
	*out = e;
	return 0;
}

static int enter_as(struct sources *s, struct source **out, const union addr *client, bool refused,
		    unsigned max)
{
	struct source new = {0};
	struct shard *shard;
	uint64_t h;
	int err;

	*out = NULL;
	if (!key_of(new.key, client))
		return 0;
	h = hash(s, new.key);
	new.shard = h % SHARDS;
	shard = &s->shards[new.shard];
	pthread_mutex_lock(&shard->lock);
	err = enter(&shard->buckets[h / SHARDS % BUCKETS], out, &new, refused, max);
	if (!err)
		CHECKED(source_check(s, *out));
	pthread_mutex_unlock(&shard->lock);
	return err;
}

static void leave_as(struct sources *s, struct source *source, bool refused)
{
	pthread_mutex_t *lock;

	if (!source)
		return;
	lock = &s->shards[source->shard].lock;
	pthread_mutex_lock(lock);
	CHECKED(source_check(s, source));
	assert(*counter_of(source, refused)); /* else it would be freed twice, or never */
	--*counter_of(source, refused);
	if (!source->count && !source->refused) {
		LIST_REMOVE(source, link);
		free(source);
	}
	pthread_mutex_unlock(lock);
}

int sources_enter(struct sources *s, struct source **out, const union addr *client, unsigned max)
{
	return enter_as(s, out, client, false, max);
}

void sources_leave(struct sources *s, struct source *source)
{
	leave_as(s, source, false);
}

int sources_refuse(struct sources *s, struct source **out, const union addr *client)
{
	return enter_as(s, out, client, true, SOURCES_REFUSED_MAX);
}

void sources_refuse_over(struct sources *s, struct source *source)
{
	leave_as(s, source, true);
}
