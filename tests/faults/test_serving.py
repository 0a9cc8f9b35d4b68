# SPDX-License-Identifier: BSD-2-Clause
"""
A system call of a worker fails while kedge serves. Connections that have nothing to do with it must not notice, the
one that it struck must end as it should, and afterwards all must be as before.
"""
import pytest

from conftest import available
from inject import Fault
from serving import Round
from table import ONLY_IN, WORKER
from talk import MARK, not_records

# Of the short form: the first calls, and some in the middle of requests.
SHORT_N = (1, 2, 4, 9, 16)
# A round makes fewer calls of one kind, except for epoll_wait(2): above their number, nothing is struck.
LONG_N = range(1, 120)


def pytest_generate_tests(metafunc):
    if "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", available(metafunc.config), scope="session")


def check(running, mode, tls, fault):
    """One round. Returns whether the fault struck; a failure says how to see it again."""
    front = running.get(mode)
    one = Round(front, fault, tls).run()
    front.spoilt = bool(one.problems)
    assert not one.problems, "\n".join(
        [f"{fault}: {problem}" for problem in one.problems] + one.struck
        + [f"again: tests/faults/fault.py --mode {mode} {fault or 'none'}"])
    return bool(one.struck)


def test_without_a_fault(running, mode, tls_of_faults):
    assert not check(running, mode, tls_of_faults, None)


def skip_unless_made(mode, call):
    if mode not in ONLY_IN.get(call, (mode,)):
        pytest.skip(f"{call} is not called in mode {mode}")


@pytest.mark.parametrize("call", WORKER)
def test_the_most_telling(running, mode, call, tls_of_faults):
    skip_unless_made(mode, call)
    struck = [check(running, mode, tls_of_faults, Fault(call, name, n))
              for name, errno in WORKER[call].items() if errno.short for n in SHORT_N]
    assert any(struck), f"kedge made no call of {call}"


@pytest.mark.full
@pytest.mark.parametrize("call,name", [(call, name) for call, errnos in WORKER.items() for name in errnos])
def test_each(running, mode, call, name, tls_of_faults):
    skip_unless_made(mode, call)
    if mode in WORKER[call][name].not_in:
        pytest.skip(f"{call}: {name} in mode {mode}: {WORKER[call][name].why}")
    for n in LONG_N:
        if not check(running, mode, tls_of_faults, Fault(call, name, n)):
            break
    assert 1 < n <= LONG_N[-1], f"struck {n - 1} times"


# Not accept4: nobody new gets in. Not epoll_wait: nothing happens any more. Not connect: its second call, for another
# reason, would fail as well.
@pytest.mark.full
@pytest.mark.parametrize("call", [call for call in WORKER if call not in ("accept4", "epoll_wait", "connect")])
def test_from_then_on(running, mode, call, tls_of_faults):
    skip_unless_made(mode, call)
    name = next(name for name, errno in WORKER[call].items() if errno.short)
    assert any([check(running, mode, tls_of_faults, Fault(call, name, n, on=True)) for n in (1, 3, 8, 20)])


# --- these checks can fail ----------------------------------------------------------------------
def test_wrong_answers_are_seen(running, tls_of_faults):
    front = running.get("user")
    right, front.app.respond = front.app.respond, lambda conn, req: right(conn, req).replace(MARK, MARK[::-1])
    try:
        one = Round(front, None, tls_of_faults).run()
    finally:
        front.app.respond = right
    assert len([p for p in one.problems if "answer to" in p]) >= len(one.talks)


def test_a_connection_that_breaks_without_a_fault_is_seen(running, tls_of_faults):
    front = running.get("user")
    right, front.app.respond = front.app.respond, lambda conn, req: conn.reset()
    try:
        one = Round(front, None, tls_of_faults).run()
    finally:
        front.app.respond = right
    assert any("though the fault was not in it" in p for p in one.problems), one.problems


def test_clear_text_is_seen():
    record = b"\x17\x03\x03\x00\x02ab"
    assert not not_records(record * 3 + record[:6])
    assert "no TLS record at byte 7" in not_records(record + b"HTTP/1.1 200 OK\r\n")
    assert "clear text" in not_records(b"\x17\x03\x03\x01\x00" + MARK)
