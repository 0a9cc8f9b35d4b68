# SPDX-License-Identifier: BSD-2-Clause
"""PROXY protocol prefixes, right and wrong ones, written from the specification, and a strict reader of them."""
import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0, 1
TYPE_ALPN, TYPE_AUTHORITY, TYPE_CRC32C, TYPE_NOOP, TYPE_UNIQUE_ID, TYPE_SSL = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20
SSL_VERSION, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG = 0x21, 0x23, 0x24, 0x25


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


class Header:
    """What a header says. `length`: its bytes. The addresses are None if it has none."""

    def __init__(self, version, length):
        self.version, self.length = version, length
        self.command, self.family = PROXY, 0
        self.src = self.dst = None  # (text, port), or the 108 bytes of a unix socket
        self.tlvs = []              # (type, value), in their order
        self.crc = False            # there is a checksum; it is right, or there is no Header

    def values(self, kind):
        return [value for number, value in self.tlvs if number == kind]

    def ssl(self):
        """(client, verify, {type: value}) of TYPE_SSL; None: there is none."""
        if not self.values(TYPE_SSL):
            return None
        value, = self.values(TYPE_SSL)
        client, verify = struct.unpack("!BI", value[:5])
        return client, verify, dict(_tlvs(value[5:]))


def _tlvs(data):
    out = []
    while data:
        kind, length = struct.unpack("!BH", data[:3])
        assert len(data) >= 3 + length, data
        out.append((kind, data[3:3 + length]))
        data = data[3 + length:]
    return out


def _decode_v1(data):
    end = data.find(b"\r\n")
    if end < 0:
        assert len(data) < 107, data
        return None
    header = Header(1, end + 2)
    words = data[:end].decode("ascii").split(" ")
    assert words[0] == "PROXY" and end + 2 <= 107, words
    if words[1:] == ["UNKNOWN"]:
        return header
    family, src, dst, sport, dport = words[1:]
    header.family = {"TCP4": 0x11, "TCP6": 0x21}[family]
    for text, port in ((src, sport), (dst, dport)):
        ip = ipaddress.ip_address(text)
        assert ip.version == (6 if family == "TCP6" else 4) and str(int(port)) == port, words
    header.src, header.dst = (src, int(sport)), (dst, int(dport))
    return header


def _decode_v2(data):
    if len(data) < 16:
        return None
    ver_cmd, family, length = struct.unpack("!BBH", data[12:16])
    assert ver_cmd >> 4 == 2 and ver_cmd & 15 in (LOCAL, PROXY), data
    if len(data) < 16 + length:
        return None
    header = Header(2, 16 + length)
    header.command, header.family, rest = ver_cmd & 15, family, data[16:16 + length]
    if family == 0x31:
        header.src, header.dst, rest = rest[:108], rest[108:216], rest[216:]
    elif family:
        size = {0x11: 4, 0x21: 16}[family]
        ports = struct.unpack("!HH", rest[2 * size:2 * size + 4])
        header.src = (str(ipaddress.ip_address(rest[:size])), ports[0])
        header.dst = (str(ipaddress.ip_address(rest[size:2 * size])), ports[1])
        rest = rest[2 * size + 4:]
    header.tlvs = _tlvs(rest)
    if header.values(TYPE_CRC32C):
        kind, value = header.tlvs[-1]
        assert kind == TYPE_CRC32C and len(header.values(kind)) == 1, header.tlvs
        whole = data[:header.length - 4]
        assert struct.unpack("!I", value)[0] == crc32c(whole + b"\0\0\0\0"), header.tlvs
        header.crc = True
    return header


def decode(data):
    """The Header that data begins with; None: it is not whole yet. Anything else is an AssertionError."""
    data = bytes(data)
    if data[:12] == SIGNATURE[:len(data)]:
        return _decode_v2(data)
    assert data[:6] == b"PROXY "[:len(data)], data[:32]
    return _decode_v1(data)
