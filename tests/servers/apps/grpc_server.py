# SPDX-License-Identifier: BSD-2-Clause
"""gRPC without TLS, and without generated code: a message is bytes. The method `End` ends the server."""
import threading
from concurrent import futures

import grpc

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
told_to_end = threading.Event()


def echo(message, context):
    return message


def count(message, context):
    """As many messages as the request says, each of so many bytes."""
    number, size = map(int, message.split())
    for i in range(number):
        yield b"%d " % i + bytes(size)


def total(messages, context):
    return b"%d" % sum(map(len, messages))


def talk(messages, context):
    """Answers each message before it takes the next."""
    for message in messages:
        yield message[::-1]


def end(message, context):
    """Says one word, ends the server, and ends itself only if the server lets it."""
    yield b"ending"
    told_to_end.set()
    if message == b"wait":
        yield b"still there"
    else:
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait()


HANDLERS = {"Echo": grpc.unary_unary_rpc_method_handler(echo), "Count": grpc.unary_stream_rpc_method_handler(count),
            "Total": grpc.stream_unary_rpc_method_handler(total), "Talk": grpc.stream_stream_rpc_method_handler(talk),
            "End": grpc.unary_stream_rpc_method_handler(end)}

pool = futures.ThreadPoolExecutor(max_workers=64)
server = grpc.server(pool, options=UNLIMITED)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", HANDLERS),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print("listening on", port, flush=True)
told_to_end.wait()
# A call that is under way has a moment; then it is cut.
server.stop(grace=1).wait()
print("ended", flush=True)
