/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tests only: sends TCP SYNs by a packet socket, with changing sources and ports, as fast as one
 * core can or RATE a second. Prints how many.
 *
 *   flood INTERFACE MAC SOURCE_NET TARGET PORT SECONDS RATE
 *
 * SOURCE_NET: three numbers of an IPv4 address, "10.77.2": sources are its 254 hosts.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64

struct packet {
	struct ether_header eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static uint32_t add_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *b = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void checksums(struct packet *p)
{
	p->ip.check = 0;
	p->ip.check = fold(add_words(0, &p->ip, sizeof(p->ip)));
	p->tcp.check = 0;
	p->tcp.check = fold(add_words(add_words(IPPROTO_TCP + sizeof(p->tcp), &p->ip.saddr, 8),
				      &p->tcp, sizeof(p->tcp)));
}

static void first(struct packet *p, const char *mac, const char *target, const char *port)
{
	unsigned byte[6] = {0};

	sscanf(mac, "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
	       &byte[5]);
	for (int i = 0; i < 6; i++)
		p->eth.ether_dhost[i] = (uint8_t)byte[i];
	p->eth.ether_type = htons(ETHERTYPE_IP);
	p->ip = (struct iphdr){.version = 4,
			       .ihl = 5,
			       .ttl = 64,
			       .protocol = IPPROTO_TCP,
			       .tot_len = htons(sizeof(p->ip) + sizeof(p->tcp))};
	inet_pton(AF_INET, target, &p->ip.daddr);
	p->tcp = (struct tcphdr){.doff = 5, .syn = 1, .window = htons(64240)};
	p->tcp.dest = htons((uint16_t)atoi(port));
}

static void next(struct packet *p, uint32_t net, uint64_t number)
{
	p->ip.saddr = htonl(net | (uint32_t)(1 + number % 254));
	p->ip.id = htons((uint16_t)number);
	p->tcp.source = htons((uint16_t)(1024 + number % 60000));
	p->tcp.seq = htonl((uint32_t)number * 2654435761u);
	checksums(p);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static struct packet packets[BATCH];
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	struct mmsghdr messages[BATCH] = {0};
	struct iovec pieces[BATCH];
	uint64_t sent = 0, number = 0;
	const struct timespec pause = {.tv_nsec = 200000};
	double begin = seconds(), end, rate;
	uint32_t net;
	char text[32];
	int fd;

	if (argc != 8)
		return fprintf(stderr,
			       "usage: flood INTERFACE MAC SOURCE_NET TARGET PORT SECONDS RATE\n"),
		       2;
	snprintf(text, sizeof(text), "%s.0", argv[3]);
	net = ntohl(inet_addr(text));
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return perror("flood"), 1;
	for (int i = 0; i < BATCH; i++) {
		first(&packets[i], argv[2], argv[4], argv[5]);
		pieces[i] = (struct iovec){&packets[i], sizeof(packets[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
	}
	end = begin + atof(argv[6]);
	rate = atof(argv[7]);
	while (seconds() < end) {
		int n;

		if (rate > 0 && (double)sent > rate * (seconds() - begin)) {
			nanosleep(&pause, NULL);
			continue;
		}
		for (int i = 0; i < BATCH; i++)
			next(&packets[i], net, number++);
		n = sendmmsg(fd, messages, BATCH, 0);
		sent += n > 0 ? (uint64_t)n : 0;
	}
	printf("%llu SYNs, %.0f a second\n", (unsigned long long)sent,
	       (double)sent / (seconds() - begin));
	return 0;
}
