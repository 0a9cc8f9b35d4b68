# SPDX-License-Identifier: BSD-2-Clause
"""PROXY protocol: every valid form works, and nothing invalid reaches the application."""
import pytest

import prefix
from client import Client
from run import seen

SOCKET = "127.0.0.1"
GOOD = {
    "v1_tcp4": (prefix.v1(), "198.51.100.22"),
    "v1_tcp6": (prefix.v1("2001:db8::22", "2001:db8::7"), "2001:db8::22"),
    "v1_longest": (b"PROXY TCP6 " + b":".join([b"ffff"] * 8) + b" " + b":".join([b"ffff"] * 8)
                   + b" 65535 65535\r\n", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    # nginx's stream module, once it knows the client by a prefix itself.
    "v1_tcp6_to_ipv4": (b"PROXY TCP6 2001:db8::22 192.0.2.1 51512 443\r\n", "2001:db8::22"),
    "v1_tcp4_to_ipv6": (b"PROXY TCP4 198.51.100.22 2001:db8::7 51512 443\r\n", "198.51.100.22"),
    "v1_unknown": (prefix.v1_unknown(), SOCKET),
    "v1_unknown_with_rest": (prefix.v1_unknown(" ffff::1 ffff::2 1 2"), SOCKET),
    "v2_tcp4": (prefix.v2(), "198.51.100.22"),
    "v2_tcp6": (prefix.v2("2001:db8::22", "2001:db8::7"), "2001:db8::22"),
    "v2_local": (prefix.v2_local(), SOCKET),
    "v2_local_with_tlvs": (prefix.v2_local(prefix.tlv(prefix.TYPE_NOOP, b"xx")), SOCKET),
    "v2_local_with_addresses": (prefix.v2(command=prefix.LOCAL), SOCKET),
    "v2_unspecified_family": (prefix.v2(family=0, addresses=b""), SOCKET),
    "v2_unix": (prefix.v2_unix(), SOCKET),
    "v2_tlvs": (prefix.v2(tlvs=prefix.tlv(prefix.TYPE_ALPN, b"h2")
                          + prefix.tlv(prefix.TYPE_AUTHORITY, b"a.example.test")
                          + prefix.tlv(0xEA, b"\x01vpce-1234")), "198.51.100.22"),
    "v2_empty_tlv": (prefix.v2(tlvs=prefix.tlv(prefix.TYPE_NOOP, b"")), "198.51.100.22"),
    "v2_long_tlv": (prefix.v2(tlvs=prefix.tlv(prefix.TYPE_NOOP, bytes(2000))), "198.51.100.22"),
    "v2_crc": (prefix.v2(crc=True), "198.51.100.22"),
    "v2_crc_after_tlv": (prefix.v2(tlvs=prefix.tlv(0xEA, b"x"), crc=True), "198.51.100.22"),
}
BAD = {
    "missing": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "prefix_missing"),
    "tls_instead": (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", "prefix_missing"),
    "v1_no_such_family": (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "prefix_bad"),
    "v1_lower_case": (b"PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "prefix_bad"),
    "v1_two_spaces": (b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "prefix_bad"),
    "v1_family_mismatch": (b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "prefix_bad"),
    "v1_source_of_the_other_family": (b"PROXY TCP6 198.51.100.22 2001:db8::7 1 2\r\n", "prefix_bad"),
    "v1_octet_too_big": (b"PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", "prefix_bad"),
    "v1_port_too_big": (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "prefix_bad"),
    "v1_port_leading_zero": (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "prefix_bad"),
    "v1_no_port": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "prefix_bad"),
    "v1_more_words": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "prefix_bad"),
    "v1_bare_lf": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "prefix_bad"),
    "v1_header_injected": (b"PROXY TCP4 1.2.3.4\nX: y 1.2.3.4 1 2\r\n", "prefix_bad"),
    "v1_endless": (b"PROXY UNKNOWN " + b"x" * 200, "prefix_too_long"),
    "v2_version_3": (prefix.SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12), "prefix_bad"),
    "v2_command_2": (prefix.v2(command=2), "prefix_bad"),
    "v2_family_9": (prefix.v2(family=0x91), "prefix_bad"),
    "v2_too_short_for_family": (prefix.v2(family=0x21), "prefix_bad"),
    "v2_tlv_over_the_end": (prefix.v2(tlvs=b"\x04\xff\xff"), "prefix_bad"),
    "v2_crc_wrong": (prefix.v2(crc=0x12345678), "prefix_crc"),
    "v2_huge": (prefix.SIGNATURE + b"\x21\x11\xff\xff" + bytes(64), "prefix_too_long"),
    "v2_signature_broken": (prefix.SIGNATURE[:-1] + b"X" + bytes(16), "prefix_missing"),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_prefix(end_front, leg, name):
    bytes_, expected = GOOD[name]
    listener, tls = leg
    with Client(end_front[listener + "_proxy"], bytes_, tls) as c:
        assert seen(c.request().text)["xff"] == expected


@pytest.mark.parametrize("name", ["v1_tcp4", "v2_tlvs"])
def test_byte_by_byte(end_front, leg, name):
    bytes_, expected = GOOD[name]
    listener, tls = leg
    with Client(end_front[listener + "_proxy"], bytes_, tls, cut=1) as c:
        assert seen(c.request().text)["xff"] == expected


@pytest.mark.parametrize("name", ["v1_tcp4", "v1_unknown", "v2_tcp6", "v2_crc"])
def test_prefix_comes_only_with_the_first_payload(end_front, leg, name):
    bytes_, expected = GOOD[name]
    listener, tls = leg
    before = end_front.stat("accepted")
    c = Client(end_front[listener + "_proxy"], bytes_, tls, prefix_alone=False, handshake=False)
    with c:
        # kedge has the connection and must wait while it is silent.
        end_front.wait_status(lambda s: s["stats"]["accepted"] > before)
        if tls:
            c.handshake()
        assert seen(c.request().text)["xff"] == expected


@pytest.mark.parametrize("name", BAD)
def test_bad_prefix_never_reaches_the_application(end_raw, name):
    bytes_, reason = BAD[name]
    before = end_raw.reason(reason)
    with Client(end_raw["clear_proxy"], bytes_) as c:
        assert b"HTTP/1.1 200" not in c.recv_all()
    end_raw.wait_reason(reason, before + 1)
    assert end_raw.app.connections == []


def test_missing_prefix_before_tls(end_raw, tls):
    before = end_raw.reason("prefix_missing")
    with Client(end_raw["tls_proxy"], b"", tls, handshake=False) as c:
        c.send_raw(c.client_hello())
        c.sock.settimeout(20)
        try:
            assert c.sock.recv(100) == b""
        except ConnectionResetError:
            pass
    end_raw.wait_reason("prefix_missing", before + 1)


SECOND = {"v1": prefix.v1(), "v1_unknown": prefix.v1_unknown(), "v2": prefix.v2(), "v2_local": prefix.v2_local()}
# A prefix at a listener that reads none, or behind one that was read; in front of TLS, or inside it.
UNREAD = {"clear": ("clear", b"", False), "clear_second": ("clear_proxy", prefix.v2(), False),
          "tls": ("tls", b"", False), "tls_second": ("tls_proxy", prefix.v1(), False),
          "in_tls": ("tls", b"", True), "in_tls_second": ("tls_proxy", prefix.v2(), True)}


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize("version", SECOND)
@pytest.mark.parametrize("place", UNREAD)
def test_a_prefix_that_nobody_reads_is_told_as_one(end_raw, tls, place, version, cut):
    listener, first, inside = UNREAD[place]
    before = end_raw.reason("prefix_unexpected")
    with Client(end_raw[listener], first, tls if inside else None, cut=cut) as c:
        try:
            (c.send if inside else c.send_raw)(SECOND[version] + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            got = c.recv_all()
        except (ConnectionResetError, BrokenPipeError):
            got = None
        end_raw.wait_reason("prefix_unexpected", before + 1)
        if listener.startswith("clear") and got is not None:
            assert got.startswith(b"HTTP/1.1 400 ") and b"proxy-protocol" in got
    assert [r for c in end_raw.app.connections for r in c.requests] == []


def test_a_request_with_the_method_proxy_is_none(end_raw):
    before = end_raw.reason("prefix_unexpected")
    with Client(end_raw["clear"]) as c:
        assert c.request(method="PROXY").status == 200
    with Client(end_raw["clear"]) as c:
        c.send(b"PROXY /here HTTP/1.1\r\n\r\n")
        assert c.recv_all().startswith(b"HTTP/1.1 400 ")
    assert end_raw.reason("prefix_unexpected") == before


def test_untrusted_source_is_refused(end_raw, tls):
    before = end_raw.reason("prefix_forbidden")
    with Client(end_raw["tls_untrusted"], prefix.v1(), tls, handshake=False) as c:
        try:
            c.send_raw(c.client_hello())
            assert c.sock.recv(100) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass
    end_raw.wait_reason("prefix_forbidden", before + 1)
    assert end_raw.app.connections == []


def test_optional_takes_both(end_front, tls):
    for bytes_, expected in ((prefix.v1(), "198.51.100.22"), (prefix.v2(), "198.51.100.22"),
                             (b"", SOCKET)):
        with Client(end_front["tls_optional"], bytes_, tls) as c:
            assert seen(c.request().text)["xff"] == expected


@pytest.mark.parametrize("listener", ["tls", "tls_proxy", "tls_optional", "clear", "clear_proxy"])
@pytest.mark.parametrize("how", ["close", "reset", "half_prefix"])
def test_health_check_is_counted_and_not_an_error(end_front, listener, how):
    lines = len(end_front.process.lines)
    before = end_front.stat("closed")
    c = Client(end_front[listener])
    if how == "half_prefix" and listener.endswith("_proxy"):
        c.send_raw(b"PROXY TCP4 198.")
    if how == "reset":
        c.reset()
    c.close()
    end_front.wait_status(lambda s: s["stats"]["closed"] > before)
    assert not [line for line in end_front.process.lines[lines:] if ": error:" in line]


def test_plain_health_check_counter(end_front):
    before = end_front.stat("health_checks")
    Client(end_front["tls_proxy"]).close()
    end_front.wait_status(lambda s: s["stats"]["health_checks"] > before)


def test_local_prefix_then_close_is_a_health_check(end_front):
    before = end_front.stat("health_checks")
    Client(end_front["tls_proxy"], prefix.v2_local()).close()
    end_front.wait_status(lambda s: s["stats"]["health_checks"] > before)


def test_counters_of_prefixes(end_front):
    before = end_front.status()["stats"]
    for bytes_ in (prefix.v1(), prefix.v1_unknown(), prefix.v2(), prefix.v2_local()):
        with Client(end_front["clear_proxy"], bytes_) as c:
            c.request()
    after = end_front.status()["stats"]
    assert {k: after[k] - before[k] for k in ("prefix_v1", "prefix_v2", "prefix_local")} == {
        "prefix_v1": 2, "prefix_v2": 2, "prefix_local": 2}
