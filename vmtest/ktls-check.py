#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tries kernel TLS on this kernel: sends bytes both ways with each cipher and version that kedge hands over.

Prints a line for each, `ok NAME` or `failed NAME: why`; exit status 1 if one failed. The AEAD modules are not loaded
before: setsockopt(TLS_TX) must load them, as on a machine where kedge runs.
"""

import os
import socket
import struct
import sys

TCP_ULP, SOL_TLS, TLS_TX, TLS_RX = 31, 282, 1, 2
VERSIONS = {"tls12": 0x0303, "tls13": 0x0304}
# linux/tls.h: cipher number, then the lengths of iv, key, salt; 8 bytes of record number follow.
CIPHERS = {
    "aes-128-gcm": (51, 8, 16, 4),
    "aes-256-gcm": (52, 8, 32, 4),
    "chacha20-poly1305": (54, 12, 32, 0),
}


def crypto_info(version, cipher):
    number, iv, key, salt = cipher
    return struct.pack("=HH", version, number) + os.urandom(iv + key + salt) + bytes(8)


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    for end in (near, far):
        end.settimeout(20)
        end.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
    return near, far


def receive(end, length):
    data = b""
    while len(data) < length:
        piece = end.recv(length - len(data))
        if not piece:
            break
        data += piece
    return data


def check(version, cipher):
    near, far = tcp_pair()
    with near, far:
        for sender, receiver in ((near, far), (far, near)):
            info = crypto_info(version, cipher)
            sender.setsockopt(SOL_TLS, TLS_TX, info)
            receiver.setsockopt(SOL_TLS, TLS_RX, info)
            data = os.urandom(20000)
            sender.sendall(data)
            if receive(receiver, len(data)) != data:
                raise OSError("other bytes arrived")


def main():
    status = 0
    for version_name, version in VERSIONS.items():
        for cipher_name, cipher in CIPHERS.items():
            name = f"{version_name} {cipher_name}"
            try:
                check(version, cipher)
                print(f"ok {name}")
            except OSError as error:
                print(f"failed {name}: {error}")
                status = 1
    return status


sys.exit(main())
