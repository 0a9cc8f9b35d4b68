# SPDX-License-Identifier: BSD-2-Clause
"""openssl s_client as a client that asks for new keys while it takes a response."""
import subprocess
import threading

from pattern import Checker


def download(address, ca, size, every=1 << 20):
    """
    Downloads /bytes/SIZE and asks for new keys after each `every` bytes at most. Checks every byte. Returns how
    often it asked. s_client reads all pending input as one order, so it gets the next one after it has said KEYUPDATE.
    """
    argv = ["openssl", "s_client", "-connect", "%s:%d" % address, "-CAfile", str(ca), "-verify_return_error",
            "-servername", "localhost", "-tls1_3"]
    checker, asked, errors = Checker(), 0, []
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        reader = threading.Thread(target=lambda: errors.extend(client.stderr))
        reader.start()

        def say(line):
            client.stdin.write(line)
            client.stdin.flush()
        say(b"GET /bytes/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % size)
        while not client.stdout.readline().startswith(b"HTTP/1.1 200 "):
            pass
        while client.stdout.readline() != b"\r\n":
            pass
        while checker.size < size:
            if checker.size >= asked * every and errors.count(b"KEYUPDATE\n") == asked:
                say(b"K\n")
                asked += 1
            data = client.stdout.read1(min(size - checker.size, 65536))
            if not data:
                raise EOFError(f"after {checker.size} of {size} bytes: {errors[-5:]}")
            checker.take(data)
        client.kill()
        reader.join()
    return asked
