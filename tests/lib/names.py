# SPDX-License-Identifier: BSD-2-Clause
"""A name service of a test's own: a hosts file, and a DNS server that says what the test wants, or nothing."""
import contextlib
import ipaddress
import socket
import struct
import threading
from pathlib import Path

A, AAAA = 1, 28


class Dns:
    """Answers for the names in `names`: {name: [address, ...]}. silent: takes questions and says nothing."""

    def __init__(self, host="127.0.0.77"):
        self.names, self.silent, self.asked = {}, False, []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 53))
        self.host = host
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def stop(self):
        """From here on nobody is at the port. A second call changes nothing."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes the thread, though it says that there is no peer
        self.thread.join()
        self.sock.close()

    def _serve(self):
        while True:
            try:
                question, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            answer = self.answer(question)
            if answer and not self.silent:
                self.sock.sendto(answer, peer)

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack("!H", question[at + 1:at + 3])[0]
        name = ".".join(labels)
        self.asked.append((name, kind))
        found = [ipaddress.ip_address(a) for a in self.names.get(name, [])]
        found = [a for a in found if (a.version == 6) == (kind == AAAA)] if kind in (A, AAAA) else []
        code = 0 if name in self.names else 3
        head = question[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(found), 0, 0)
        body = question[12:at + 5]
        for a in found:
            body += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(a.packed)) + a.packed
        return head + body


class Names:
    """Files that take the place of /etc/hosts and /etc/resolv.conf for a program started with `prefix`."""

    def __init__(self, base, dns=None):
        self.hosts, self.resolv, self.switch = (Path(base) / n for n in ("hosts", "resolv.conf", "nsswitch.conf"))
        self.write()
        options = "options timeout:30 attempts:1"
        self.resolv.write_text(f"nameserver {dns.host}\n{options}\n" if dns else "nameserver 127.0.0.78\n")
        self.switch.write_text("hosts: files dns\npasswd: files\ngroup: files\n")

    def write(self, **hosts):
        """In place: what is mounted is the file, not its name."""
        lines = "".join(f"{addr} {name}\n" for name, addrs in hosts.items() for addr in addrs.split())
        self.hosts.write_text("127.0.0.1 localhost\n" + lines)

    @property
    def prefix(self):
        mounts = " && ".join(f"mount --bind {f} /etc/{f.name}" for f in (self.hosts, self.resolv, self.switch))
        return ["unshare", "-m", "bash", "-c", f'{mounts} && exec "$@"', "names"]
