/* SPDX-License-Identifier: BSD-2-Clause */
/* tests only: the expected results of the samples in tests/corpus/proxy/, by file name. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

#include "kedge/abi.h"

#define CLIENT4    "198.51.100.22:35646"
#define SERVER4    "203.0.113.7:443"
#define CLIENT6    "[2001:db8::22]:35646"
#define SERVER6    "[2001:db8:0:1::7]:443"
#define V6_LONGEST "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
#define NO_IP      AF_UNSPEC, "-", "-"

/* OTHER: the destination is of the other family. */
enum { LOCAL = 1, CRC = 2, OTHER = 4 };

static const struct done {
	const char *name;
	sa_family_t family;
	const char *src, *dst;
	const char *tlvs; /* types and lengths, in order */
	unsigned int flags;
} done[] = {
	{"done_v1_tcp4", AF_INET, CLIENT4, SERVER4, "", 0},
	{"done_v1_tcp4_lowest", AF_INET, "0.0.0.0:0", "0.0.0.0:0", "", 0},
	{"done_v1_tcp4_longest", AF_INET, "255.255.255.255:65535", "255.255.255.255:65535", "", 0},
	{"done_v1_tcp6", AF_INET6, CLIENT6, SERVER6, "", 0},
	{"done_v1_tcp6_upper_case", AF_INET6, CLIENT6, SERVER6, "", 0},
	{"done_v1_tcp6_longest", AF_INET6, V6_LONGEST, V6_LONGEST, "", 0},
	{"done_v1_tcp6_v4_mapped", AF_INET6, CLIENT4, SERVER4, "", 0},
	{"done_v1_tcp6_to_ipv4", AF_INET6, CLIENT6, SERVER4, "", OTHER},
	{"done_v1_tcp4_to_ipv6", AF_INET, CLIENT4, SERVER6, "", OTHER},
	{"done_v1_unknown", NO_IP, "", LOCAL},
	{"done_v1_unknown_space", NO_IP, "", LOCAL},
	{"done_v1_unknown_addresses", NO_IP, "", LOCAL},
	{"done_v1_unknown_anything", NO_IP, "", LOCAL},
	{"done_v1_unknown_longest", NO_IP, "", LOCAL},
	{"done_v1_from_curl", AF_INET, "127.0.0.1:57110", "127.0.0.1:54875", "", 0},
	{"done_v1_from_haproxy", AF_INET6, "[::1]:54158", "[::1]:59067", "", 0},
	{"done_v2_tcp4", AF_INET, CLIENT4, SERVER4, "", 0},
	{"done_v2_tcp6", AF_INET6, CLIENT6, SERVER6, "", 0},
	{"done_v2_tcp6_v4_mapped", AF_INET6, CLIENT4, SERVER4, "", 0},
	{"done_v2_udp4", AF_INET, CLIENT4, SERVER4, "", 0},
	{"done_v2_udp6", AF_INET6, CLIENT6, SERVER6, "", 0},
	{"done_v2_unix_stream", NO_IP, "", 0},
	{"done_v2_unix_dgram", NO_IP, "", 0},
	{"done_v2_unix_crc", NO_IP, "03:4 ", CRC},
	{"done_v2_unspec", NO_IP, "", 0},
	{"done_v2_unspec_with_bytes", NO_IP, "", 0},
	{"done_v2_unspec_family_stream", NO_IP, "", 0},
	{"done_v2_unspec_transport_inet", NO_IP, "", 0},
	{"done_v2_unspec_transport_inet6_short", NO_IP, "", 0},
	{"done_v2_local", NO_IP, "", LOCAL},
	{"done_v2_local_with_addresses", NO_IP, "", LOCAL},
	{"done_v2_local_with_garbage", NO_IP, "", LOCAL},
	{"done_v2_local_crc_not_read", NO_IP, "", LOCAL},
	{"done_v2_tlvs_tcp4", AF_INET, CLIENT4, SERVER4, "01:2 02:11 04:7 05:10 20:24 30:4 ", 0},
	{"done_v2_tlvs_tcp6_clouds", AF_INET6, CLIENT6, SERVER6, "ea:23 e0:8 ee:5 ", 0},
	{"done_v2_tlv_empty", AF_INET, CLIENT4, SERVER4, "e5:0 ", 0},
	{"done_v2_tlv_ssl_hollow", AF_INET, CLIENT4, SERVER4, "20:0 ", 0},
	{"done_v2_crc_tcp4", AF_INET, CLIENT4, SERVER4, "03:4 ", CRC},
	{"done_v2_crc_tcp6", AF_INET6, CLIENT6, SERVER6, "03:4 ", CRC},
	{"done_v2_crc_first", AF_INET, CLIENT4, SERVER4, "03:4 01:2 02:11 ", CRC},
	{"done_v2_crc_last", AF_INET, CLIENT4, SERVER4, "02:11 04:7 03:4 ", CRC},
	{"done_v2_longest", AF_INET, CLIENT4, SERVER4, "04:4065 ", 0},
	{"done_v2_longest_crc", AF_INET, CLIENT4, SERVER4, "03:4 04:4058 ", CRC},
	{"done_v2_from_haproxy", AF_INET, "127.0.0.1:41716", "127.0.0.1:40249", "", 0},
	{"done_v2_from_haproxy_crc", AF_INET6, "[::1]:46886", "[::1]:60215", "03:4 ", CRC},
	{"done_v2_from_haproxy_tlvs", AF_INET, "127.0.0.1:56738", "127.0.0.1:36821",
	 "03:4 01:8 02:11 05:23 20:63 ", CRC},
	{"done_v2_from_haproxy_check", NO_IP, "", LOCAL},
};

/* The reason of every bad_ sample that is not here is prefix_bad. */
static const struct {
	const char *name;
	enum kedge_reason reason;
} reasons[] = {
	{"bad_v1_long_no_end", KEDGE_REASON_prefix_too_long},
	{"bad_v1_long_crlf_at_108", KEDGE_REASON_prefix_too_long},
	{"bad_v2_long_4097", KEDGE_REASON_prefix_too_long},
	{"bad_v2_long_65551", KEDGE_REASON_prefix_too_long},
	{"bad_v2_long_local", KEDGE_REASON_prefix_too_long},
	{"bad_v2_crc_zero", KEDGE_REASON_prefix_crc},
	{"bad_v2_crc_wrong", KEDGE_REASON_prefix_crc},
	{"bad_v2_crc_little_endian", KEDGE_REASON_prefix_crc},
	{"bad_v2_crc_of_zlib", KEDGE_REASON_prefix_crc},
};

/* How many bytes decide the verdict: a bad prefix is refused before its end. */
static const struct {
	const char *name;
	size_t bytes;
} settled[] = {
	{"none_tls_client_hello", 1},
	{"none_http_get", 1},
	{"none_http_post", 2},
	{"none_http2_preface", 3},
	{"none_http_propfind", 4},
	{"none_http_blank_lines_first", 5},
	{"none_v1_no_space", 6},
	{"none_v1_tab", 6},
	{"none_v2_signature_second_half", 3},
	{"none_v2_signature_last_byte", 12},
	{"bad_v1_unknown_lone_lf", 14},
	{"bad_v1_unknown_cr_inside", 17},
	{"bad_v1_long_no_end", 107},
	{"bad_v1_long_crlf_at_108", 107},
	{"bad_v2_version_1", 13},
	{"bad_v2_version_3_local", 13},
	{"bad_v2_command_2", 13},
	{"bad_v2_family_4", 14},
	{"bad_v2_transport_3", 14},
	{"bad_v2_short_tcp4", 16},
	{"bad_v2_short_unix", 16},
	{"bad_v2_long_4097", 16},
	{"bad_v2_long_local", 16},
};
