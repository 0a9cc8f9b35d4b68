# SPDX-License-Identifier: BSD-2-Clause
"""PROXY protocol prefixes, right and wrong ones, written from the specification."""
import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0, 1
TYPE_ALPN, TYPE_AUTHORITY, TYPE_CRC32C, TYPE_NOOP, TYPE_SSL = 0x01, 0x02, 0x03, 0x04, 0x20


def v1(src="198.51.100.22", dst="203.0.113.7", sport=35646, dport=443):
    family = "TCP6" if ":" in src else "TCP4"
    return f"PROXY {family} {src} {dst} {sport} {dport}\r\n".encode()


def v1_unknown(rest=""):
    return f"PROXY UNKNOWN{rest}\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def crc32c(data):
    """Castagnoli, reflected, as in RFC 4960 appendix B."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def v2(src="198.51.100.22", dst="203.0.113.7", sport=35646, dport=443, command=PROXY, tlvs=b"",
       family=None, addresses=None, crc=None):
    """crc: None for none, True for the right one, or the number to use."""
    if addresses is None:
        source, destination = ipaddress.ip_address(src), ipaddress.ip_address(dst)
        family = family if family is not None else (0x21 if source.version == 6 else 0x11)
        addresses = source.packed + destination.packed + struct.pack("!HH", sport, dport)
    if crc is not None:
        tlvs = tlvs + tlv(TYPE_CRC32C, b"\0\0\0\0")
    payload = addresses + tlvs
    whole = SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(payload)) + payload
    if crc is None:
        return whole
    return whole[:-4] + struct.pack("!I", crc32c(whole) if crc is True else crc)


def v2_local(tlvs=b""):
    return v2(command=LOCAL, family=0, addresses=b"", tlvs=tlvs)


def v2_unix():
    return v2(family=0x31, addresses=b"/a".ljust(108, b"\0") + b"/b".ljust(108, b"\0"))
