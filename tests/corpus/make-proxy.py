#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes tests/corpus/proxy/: samples of PROXY protocol prefixes, one file each, named by behaviour.

The first word of a name is the verdict on the whole file (done, bad, none, more). The expected result of each is
in tests/unit/http/test_proxy_proto.c; tests/fuzz/fuzz_proxy.c starts from the same files. They are in the tree, so
run this only after a change here.
"""
import ipaddress
import pathlib
import struct
import zlib

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
UNSPEC, INET, INET6, UNIX = range(4)
STREAM, DGRAM = 1, 2
LOCAL, PROXY = 0x20, 0x21
CLIENT4, SERVER4 = "198.51.100.22", "203.0.113.7"
CLIENT6, SERVER6 = "2001:db8::22", "2001:db8:0:1::7"


def crc32c(data):
    """Bit by bit: on purpose not as in user/http/proxy_proto.c."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32/ISCSI


def v1(text, end="\r\n"):
    return f"PROXY {text}{end}".encode("latin-1")


def tlv(kind, value=b"", length=None):
    return struct.pack(">BH", kind, len(value) if length is None else length) + value


def v2(block, command=PROXY, family=INET, transport=STREAM, length=None):
    length = len(block) if length is None else length
    return SIGNATURE + struct.pack(">BBH", command, family << 4 | transport, length) + block


def ends(src, dst, sport=35646, dport=443):
    pack = lambda a: ipaddress.ip_address(a).packed
    return pack(src) + pack(dst) + struct.pack(">HH", sport, dport)


IP4, IP6 = ends(CLIENT4, SERVER4), ends(CLIENT6, SERVER6)
PATHS = b"/run/client.sock".ljust(108, b"\0") + b"/run/server.sock".ljust(108, b"\0")
ALPN, AUTHORITY, NOOP = tlv(1, b"h2"), tlv(2, b"example.org"), tlv(4, bytes(7))
UNIQUE_ID, NETNS = tlv(5, b"request-17"), tlv(0x30, b"blue")
SSL = tlv(0x20, bytes([7, 0, 0, 0, 0]) + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"client"))
AWS_VPCE = tlv(0xEA, b"\x01vpce-0123456789abcdef0")
GOOGLE_PSC, AZURE_LINK = tlv(0xE0, bytes(range(8))), tlv(0xEE, b"\x01" + bytes(4))
NO_CRC = tlv(3, bytes(4))


def sealed(prefix):
    """Fills in the one NO_CRC of a prefix."""
    assert prefix.count(NO_CRC) == 1
    return prefix.replace(NO_CRC, tlv(3, struct.pack(">I", crc32c(prefix))))


V6_LONGEST = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

DONE = {
    "v1_tcp4": v1(f"TCP4 {CLIENT4} {SERVER4} 35646 443"),
    "v1_tcp4_lowest": v1("TCP4 0.0.0.0 0.0.0.0 0 0"),
    "v1_tcp4_longest": v1("TCP4 255.255.255.255 255.255.255.255 65535 65535"),
    "v1_tcp6": v1(f"TCP6 {CLIENT6} {SERVER6} 35646 443"),
    "v1_tcp6_upper_case": v1("TCP6 2001:DB8::22 2001:DB8:0:1::7 35646 443"),
    "v1_tcp6_longest": v1(f"TCP6 {V6_LONGEST} {V6_LONGEST} 65535 65535"),
    "v1_tcp6_v4_mapped": v1(f"TCP6 ::ffff:{CLIENT4} ::ffff:{SERVER4} 35646 443"),
    "v1_tcp6_to_ipv4": v1(f"TCP6 {CLIENT6} {SERVER4} 35646 443"),
    "v1_tcp4_to_ipv6": v1(f"TCP4 {CLIENT4} {SERVER6} 35646 443"),
    "v1_unknown": v1("UNKNOWN"),
    "v1_unknown_space": v1("UNKNOWN "),
    "v1_unknown_addresses": v1(f"UNKNOWN {CLIENT6} {SERVER6} 35646 443"),
    "v1_unknown_anything": v1("UNKNOWN  \0 PROXY \x7f\xff\t"),
    "v1_unknown_longest": v1(f"UNKNOWN {V6_LONGEST} {V6_LONGEST} 65535 65535"),
    "v2_tcp4": v2(IP4),
    "v2_tcp6": v2(IP6, family=INET6),
    "v2_tcp6_v4_mapped": v2(ends(f"::ffff:{CLIENT4}", f"::ffff:{SERVER4}"), family=INET6),
    "v2_udp4": v2(IP4, transport=DGRAM),
    "v2_udp6": v2(IP6, family=INET6, transport=DGRAM),
    "v2_unix_stream": v2(PATHS, family=UNIX),
    "v2_unix_dgram": v2(PATHS, family=UNIX, transport=DGRAM),
    "v2_unix_crc": sealed(v2(PATHS + NO_CRC, family=UNIX)),
    "v2_unspec": v2(b"", family=UNSPEC, transport=UNSPEC),
    "v2_unspec_with_bytes": v2(b"whatever", family=UNSPEC, transport=UNSPEC),
    "v2_unspec_family_stream": v2(IP4, family=UNSPEC),
    "v2_unspec_transport_inet": v2(IP4, transport=UNSPEC),
    "v2_unspec_transport_inet6_short": v2(b"xy", family=INET6, transport=UNSPEC),
    "v2_local": v2(b"", command=LOCAL, family=UNSPEC, transport=UNSPEC),
    "v2_local_with_addresses": v2(IP4, command=LOCAL),
    "v2_local_with_garbage": v2(b"\x03\xff\xff" * 5, command=LOCAL, family=15, transport=15),
    "v2_local_crc_not_read": v2(tlv(3, b"oops"), command=LOCAL, family=UNSPEC, transport=UNSPEC),
    "v2_tlvs_tcp4": v2(IP4 + ALPN + AUTHORITY + NOOP + UNIQUE_ID + SSL + NETNS),
    "v2_tlvs_tcp6_clouds": v2(IP6 + AWS_VPCE + GOOGLE_PSC + AZURE_LINK, family=INET6),
    "v2_tlv_empty": v2(IP4 + tlv(0xE5)),
    "v2_tlv_ssl_hollow": v2(IP4 + tlv(0x20)),
    "v2_crc_tcp4": sealed(v2(IP4 + NO_CRC)),
    "v2_crc_tcp6": sealed(v2(IP6 + NO_CRC, family=INET6)),
    "v2_crc_first": sealed(v2(IP4 + NO_CRC + ALPN + AUTHORITY)),
    "v2_crc_last": sealed(v2(IP4 + AUTHORITY + NOOP + NO_CRC)),
    "v2_longest": v2(IP4 + tlv(4, bytes(4096 - 16 - len(IP4) - 3))),
    "v2_longest_crc": sealed(v2(IP4 + NO_CRC + tlv(4, b"\xff" * (4096 - 16 - len(IP4) - 3 - 7)))),
    # Recorded from HAProxy 2.6 and curl 7.88: samples that none of us wrote.
    "v1_from_curl": v1("TCP4 127.0.0.1 127.0.0.1 57110 54875"),
    "v1_from_haproxy": v1("TCP6 ::1 ::1 54158 59067"),
    "v2_from_haproxy": bytes.fromhex("0d0a0d0a000d0a515549540a2111000c7f0000017f000001a2f49d39"),
    "v2_from_haproxy_crc": bytes.fromhex(
        "0d0a0d0a000d0a515549540a2121002b0000000000000000000000000000000100000000000000000000000000000001"
        "b726eb37030004f59edd5f"
    ),
    "v2_from_haproxy_tlvs": bytes.fromhex(
        "0d0a0d0a000d0a515549540a211100887f0000017f000001dda28fd5030004f7abe466010008687474702f312e310200"
        "0b6578616d706c652e6f72670500172d37463030303030313a444441325f364230343542383820003f01000000002100"
        "07544c5376312e332500075253413230343824000a5253412d534841323536230016544c535f4145535f3235365f4743"
        "4d5f534841333834"
    ),
    "v2_from_haproxy_check": bytes.fromhex("0d0a0d0a000d0a515549540a20000007030004a9b87e8f"),
}

GOOD4 = f"{CLIENT4} {SERVER4} 35646 443"

BAD = {
    "v1_lone_lf": v1(f"TCP4 {GOOD4}", end="\n"),
    "v1_lone_cr": v1(f"TCP4 {GOOD4}", end="\rx"),
    "v1_cr_cr_lf": v1(f"TCP4 {GOOD4}", end="\r\r\n"),
    "v1_unknown_lone_lf": v1("UNKNOWN", end="\n"),
    "v1_unknown_cr_inside": v1("UNKNOWN a\rb"),
    "v1_empty": v1(""),
    "v1_protocol_only": v1("TCP4"),
    "v1_protocol_lower_case": v1(f"tcp4 {GOOD4}"),
    "v1_protocol_tcp5": v1(f"TCP5 {GOOD4}"),
    "v1_protocol_udp4": v1(f"UDP4 {GOOD4}"),
    "v1_protocol_longer": v1("UNKNOWNS"),
    "v1_protocol_nul": v1(f"TCP4\0 {GOOD4}"),
    "v1_space_before_protocol": v1(f" TCP4 {GOOD4}"),
    "v1_two_spaces": v1(f"TCP4 {CLIENT4}  {SERVER4} 35646 443"),
    "v1_tab": v1(f"TCP4 {CLIENT4}\t{SERVER4} 35646 443"),
    "v1_trailing_space": v1(f"TCP4 {GOOD4} "),
    "v1_trailing_word": v1(f"TCP4 {GOOD4} 1"),
    "v1_one_port": v1(f"TCP4 {CLIENT4} {SERVER4} 35646"),
    "v1_no_ports": v1(f"TCP4 {CLIENT4} {SERVER4}"),
    "v1_one_address": v1(f"TCP4 {CLIENT4} 35646 443"),
    "v1_port_65536": v1(f"TCP4 {CLIENT4} {SERVER4} 65536 443"),
    "v1_port_99999": v1(f"TCP4 {CLIENT4} {SERVER4} 35646 99999"),
    "v1_port_six_digits": v1(f"TCP4 {CLIENT4} {SERVER4} 100443 443"),
    "v1_port_leading_zero": v1(f"TCP4 {CLIENT4} {SERVER4} 35646 0443"),
    "v1_port_two_zeros": v1(f"TCP4 {CLIENT4} {SERVER4} 00 443"),
    "v1_port_negative": v1(f"TCP4 {CLIENT4} {SERVER4} -1 443"),
    "v1_port_plus": v1(f"TCP4 {CLIENT4} {SERVER4} +1 443"),
    "v1_port_hex": v1(f"TCP4 {CLIENT4} {SERVER4} 0x1 443"),
    "v1_port_nul": v1(f"TCP4 {CLIENT4} {SERVER4} 1\0002 443"),
    "v1_port_empty": v1(f"TCP4 {CLIENT4} {SERVER4} 35646 "),
    "v1_ip_leading_zero": v1(f"TCP4 198.051.100.22 {SERVER4} 35646 443"),
    "v1_ip_three_parts": v1(f"TCP4 198.51.100 {SERVER4} 35646 443"),
    "v1_ip_256": v1(f"TCP4 {CLIENT4} 203.0.113.256 35646 443"),
    "v1_ip_nul": v1(f"TCP4 198.51.100.22\0 {SERVER4} 35646 443"),
    "v1_ip_name": v1(f"TCP4 localhost {SERVER4} 35646 443"),
    "v1_ip_v6_in_tcp4": v1(f"TCP4 {CLIENT6} {SERVER6} 35646 443"),
    "v1_ip_v4_in_tcp6": v1(f"TCP6 {CLIENT4} {SERVER4} 35646 443"),
    "v1_ip_v4_in_tcp6_only_the_source": v1(f"TCP6 {CLIENT4} {SERVER6} 35646 443"),
    "v1_ip_v6_in_tcp4_only_the_source": v1(f"TCP4 {CLIENT6} {SERVER4} 35646 443"),
    "v1_ip_destination_is_none": v1(f"TCP6 {CLIENT6} unix:/run/nginx.sock 35646 443"),
    "v1_ip_destination_zone": v1(f"TCP4 {CLIENT4} fe80::1%lo 35646 443"),
    "v1_ip_destination_256": v1(f"TCP6 {CLIENT6} 203.0.113.256 35646 443"),
    "v1_ip_five_hex_digits": v1(f"TCP6 20001:db8::22 {SERVER6} 35646 443"),
    "v1_ip_padded_hex_digits": v1(f"TCP6 02001:db8::22 {SERVER6} 35646 443"),
    "v1_ip_two_double_colons": v1(f"TCP6 2001::db8::22 {SERVER6} 35646 443"),
    "v1_ip_zone": v1(f"TCP6 fe80::1%eth0 {SERVER6} 35646 443"),
    "v1_ip_brackets": v1(f"TCP6 [{CLIENT6}] {SERVER6} 35646 443"),
    "v1_ip_46_letters": v1(f"TCP6 {'1' * 46} {SERVER6} 35646 443"),
    "v2_version_1": v2(IP4, command=0x11),
    "v2_version_3": v2(IP4, command=0x31),
    "v2_version_3_local": v2(IP4, command=0x30),
    "v2_command_2": v2(IP4, command=0x22),
    "v2_command_15": v2(IP4, command=0x2F),
    "v2_family_4": v2(IP4, family=4),
    "v2_family_15": v2(IP4, family=15),
    "v2_transport_3": v2(IP4, transport=3),
    "v2_transport_15_unspec": v2(IP4, family=UNSPEC, transport=15),
    "v2_short_tcp4": v2(IP4[:-1]),
    "v2_short_tcp4_empty": v2(b""),
    "v2_short_tcp6": v2(IP6[:-1], family=INET6),
    "v2_short_udp6": v2(IP4, family=INET6, transport=DGRAM),
    "v2_short_unix": v2(PATHS[:-1], family=UNIX),
    "v2_tlv_one_byte": v2(IP4 + b"\x04"),
    "v2_tlv_two_bytes": v2(IP4 + b"\x04\x00"),
    "v2_tlv_one_byte_after_another": v2(IP4 + NOOP + b"\x04"),
    "v2_tlv_over_the_end": v2(IP4 + tlv(4, b"xx", length=3)),
    "v2_tlv_over_the_end_65535": v2(IP4 + tlv(0xE5, b"xx", length=65535)),
    "v2_tlv_over_the_end_unix": v2(PATHS + tlv(4, b"", length=1), family=UNIX),
    "v2_crc_three_bytes": v2(IP4 + tlv(3, bytes(3))),
    "v2_crc_five_bytes": v2(IP4 + tlv(3, bytes(5))),
    "v2_crc_empty": v2(IP4 + tlv(3)),
    "v2_crc_twice": v2(IP4 + NO_CRC + NO_CRC),
    # the first checksum is valid, so that only the rule against a second one can refuse it
    "v2_crc_twice_first_right": sealed(v2(IP4 + NO_CRC + tlv(3, b"\1\2\3\4"))),
    "v2_crc_zero": v2(IP4 + NO_CRC),
    "v2_crc_wrong": v2(IP4 + tlv(3, b"\xde\xad\xbe\xef") + ALPN),
    "v2_crc_little_endian": v2(IP4 + tlv(3, struct.pack("<I", crc32c(v2(IP4 + NO_CRC))))),
    "v2_crc_of_zlib": v2(IP4 + tlv(3, struct.pack(">I", zlib.crc32(v2(IP4 + NO_CRC))))),
    "v1_long_no_end": b"PROXY UNKNOWN " + b"x" * (107 - 14),
    "v1_long_crlf_at_108": v1("UNKNOWN " + "x" * (108 - 14 - 2)),
    "v2_long_4097": v2(b"", length=4097 - 16),
    "v2_long_65551": v2(b"", length=65535),
    "v2_long_local": v2(b"", command=LOCAL, family=UNSPEC, transport=UNSPEC, length=4097 - 16),
}

NONE = {
    "tls_client_hello": bytes.fromhex("1603010200010001fc0303") + bytes(32),
    "http_get": b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "http_post": b"POST / HTTP/1.1\r\n",
    "http_propfind": b"PROPFIND / HTTP/1.1\r\n",
    "http2_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http_blank_lines_first": b"\r\n\r\nGET / HTTP/1.1\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "v1_lower_case": b"proxy TCP4 198.51.100.22 203.0.113.7 35646 443\r\n",
    "v1_no_space": b"PROXY\r\n",
    "v1_tab": b"PROXY\tTCP4 198.51.100.22 203.0.113.7 35646 443\r\n",
    "v1_leading_space": b" PROXY UNKNOWN\r\n",
    "v2_signature_last_byte": SIGNATURE[:-1] + b"\r" + v2(IP4)[12:],
    "v2_signature_second_half": SIGNATURE[5:] + v2(IP4)[12:],
    "nul": b"\0",
}

MORE = {
    "nothing": b"",
    "v1_without_lf": v1(f"TCP4 {GOOD4}", end="\r"),
    "v1_106_bytes": b"PROXY UNKNOWN " + b"x" * (106 - 14),
    "v2_signature": SIGNATURE,
    "v2_without_block": v2(b"", length=12),
    "v2_longest_allowed": v2(b"", length=4096 - 16),
}


def main():
    folder = pathlib.Path(__file__).parent / "proxy"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for verdict, samples in (("done", DONE), ("bad", BAD), ("none", NONE), ("more", MORE)):
        for name, data in samples.items():
            (folder / f"{verdict}_{name}").write_bytes(data)


if __name__ == "__main__":
    main()
