# SPDX-License-Identifier: BSD-2-Clause
"""A gRPC client over TLS: ADDRESS CA CASE. Prints "fine" if all is as it must be, or the code of what failed."""
import sys
import threading

import grpc

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
             ("grpc.ssl_target_name_override", "localhost"), ("grpc.enable_retries", 0)]
LARGE = bytes(range(256)) * (40 << 10)  # 10 MiB


class Calls:
    def __init__(self, channel):
        def path(name):
            return f"/test.Test/{name}"
        self.echo = channel.unary_unary(path("Echo"))
        self.count = channel.unary_stream(path("Count"))
        self.total = channel.stream_unary(path("Total"))
        self.talk = channel.stream_stream(path("Talk"))
        self.nothing = channel.unary_unary(path("Nothing"))
        self.end = channel.unary_stream(path("End"))


def unary(calls):
    for message in (b"", b"hello", LARGE):
        assert calls.echo(message) == message


def many_at_once(calls):
    asked = [(b"%d" % i, calls.echo.future(b"%d" % i)) for i in range(500)]
    assert all(future.result() == message for message, future in asked)


def down(calls):
    got = list(calls.count(b"2000 10000"))
    assert [int(m.split(b" ")[0]) for m in got] == list(range(2000))
    assert sum(map(len, got)) == sum(len(b"%d " % i) + 10000 for i in range(2000))


def up(calls):
    assert calls.total(LARGE[:50000] for _ in range(400)) == b"20000000"


def both(calls):
    """Each message waits for the answer to the one before it, and several streams share the connection."""
    def one(number):
        answered = threading.Event()

        def say():
            for i in range(300):
                yield b"%d %d" % (number, i) + LARGE[:i * 100]
                answered.wait()
                answered.clear()
        for i, answer in enumerate(calls.talk(say())):
            assert answer == (b"%d %d" % (number, i) + LARGE[:i * 100])[::-1]
            answered.set()
        done.append(number)
    done = []
    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(8))


def cancelled(calls):
    """A stream that the client leaves, in the midst of it, does no harm to the next call."""
    stream = calls.count(b"1000000 100000")
    next(stream)
    stream.cancel()
    assert calls.echo(b"after") == b"after"


def unknown(calls):
    """A status in the trailers."""
    try:
        calls.nothing(b"")
        raise AssertionError("it was answered")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def end_in_order(calls):
    """The server says GOAWAY, and the call that is under way comes to its end."""
    assert list(calls.end(b"wait")) == [b"ending", b"still there"]


def end_at_once(calls):
    stream = calls.end(b"")
    assert next(stream) == b"ending"
    next(stream)


address, ca, case = sys.argv[1:]
with open(ca, "rb") as f:
    credentials = grpc.ssl_channel_credentials(f.read())
channel = grpc.secure_channel(address, credentials, options=UNLIMITED)
try:
    globals()[case](Calls(channel))
    print("fine")
except grpc.RpcError as error:
    print(error.code().name)
