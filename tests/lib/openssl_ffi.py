# SPDX-License-Identifier: BSD-2-Clause
"""Things of OpenSSL that Python's ssl module does not show: TLS 1.3 suites, KeyUpdate, renegotiation.

Both reach through CPython's objects for the pointer behind them: struct PySSLContext holds its
SSL_CTX right after the object head, struct PySSLSocket its SSL after one more pointer (Modules/_ssl.c).
"""
import ctypes
import ssl

_lib = ctypes.CDLL("libssl.so.3")
for _name in ("SSL_CTX_get_options", "SSL_get_SSL_CTX"):
    getattr(_lib, _name).argtypes = [ctypes.c_void_p]
_lib.SSL_CTX_get_options.restype = ctypes.c_uint64
_lib.SSL_get_SSL_CTX.restype = ctypes.c_void_p
_lib.SSL_CTX_set_ciphersuites.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_lib.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]
_lib.SSL_renegotiate.argtypes = [ctypes.c_void_p]

_HEAD = object.__basicsize__


def _pointer(obj, offset):
    return ctypes.c_void_p.from_address(id(obj) + offset).value


def set_ciphersuites(context, suites):
    ctx = _pointer(context, _HEAD)
    assert _lib.SSL_CTX_get_options(ctx) & 0xFFFFFFFF == context.options & 0xFFFFFFFF
    if _lib.SSL_CTX_set_ciphersuites(ctx, suites.encode()) != 1:
        raise ssl.SSLError(f"no such suite: {suites}")


def _connection(ssl_object, context):
    conn = _pointer(ssl_object._sslobj, _HEAD + ctypes.sizeof(ctypes.c_void_p))
    assert _lib.SSL_get_SSL_CTX(conn) == _pointer(context, _HEAD)
    return conn


def renegotiate(ssl_object, context):
    """TLS 1.2: the next do_handshake() asks for another handshake."""
    if _lib.SSL_renegotiate(_connection(ssl_object, context)) != 1:
        raise ssl.SSLError("renegotiation refused")


def key_update(ssl_object, context, requested=True):
    """Queues a KeyUpdate; it goes out before the next write."""
    conn = _connection(ssl_object, context)
    if _lib.SSL_key_update(conn, 1 if requested else 0) != 1:
        raise ssl.SSLError("KeyUpdate refused")
