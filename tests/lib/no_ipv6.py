# SPDX-License-Identifier: BSD-2-Clause
"""Runs a command as on a host without IPv6: `python3 no_ipv6.py COMMAND...`.

With ipv6.disable=1 socket(AF_INET6, ...) fails with EAFNOSUPPORT. Here a seccomp filter makes it fail. Other
address families work.
"""
import ctypes
import os
import socket
import struct
import sys

LD_ABS, JEQ, RET = 0x20, 0x15, 0x06  # BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EAFNOSUPPORT = 97
NUMBER, FIRST_ARGUMENT = 0, 16  # in struct seccomp_data
SYS_SOCKET = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

FILTER = [(LD_ABS, 0, 0, NUMBER), (JEQ, 0, 3, SYS_SOCKET),
          (LD_ABS, 0, 0, FIRST_ARGUMENT), (JEQ, 0, 1, socket.AF_INET6),
          (RET, 0, 0, ERRNO | EAFNOSUPPORT), (RET, 0, 0, ALLOW)]


class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main():
    code = b"".join(struct.pack("HBBI", *line) for line in FILTER)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(FILTER), code)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "no seccomp filter")
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
