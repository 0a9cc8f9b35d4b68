# SPDX-License-Identifier: BSD-2-Clause
"""How a guest's output and the plugin's counts are read. No guest is started here."""
import cases
import guest_run
import pytest
import vmbench_check

ANSWER = {"requests": 100, "wall_ns": 10_000_000, "cpu_ns": {"load": 1, "proxy": 5_000_000, "backend": 1}}


def window(other_user=2_000_000):
    def counts(user, kernel):
        return {"user": user, "kernel": kernel, "user_crypto": user // 10, "kernel_crypto": kernel // 10,
                "syscalls": 300}
    return {"switches": 50, "load": counts(1_000_000, 1_000_000), "backend": counts(500_000, 500_000),
            "other": counts(other_user, 5_000_000)}


def test_figures_of_a_window():
    got = guest_run.figures_of_window(ANSWER, window())
    assert (got["whole"], got["proxy"], got["proxy_user"]) == (100_000, 50_000, 20_000)
    assert got["crypto"] == (200_000 + 500_000 + 50_000 + 100_000) / 100
    assert (got["syscalls"], got["all_syscalls"], got["switches"]) == (3, 9, 0.5)
    assert got["idle"] == 0


def test_work_that_was_billed_to_the_wrong_task_is_noticed():
    with pytest.raises(RuntimeError, match="longer than everybody"):
        guest_run.figures_of_window({**ANSWER, "cpu_ns": {"proxy": 7_200_000}}, window())


def test_a_wait_for_a_timer_is_a_stall():
    fine, waited = (guest_run.figures_of_window(ANSWER, window(user)) for user in (2_000_000, 1_900_000))
    assert not guest_run.stalls({"6.12": {"kedge": {"get1k": [fine]}}})
    assert guest_run.stalls({"6.12": {"kedge": {"get1k": [fine, waited]}}}) == [
        "6.12: kedge: get1k: idle for 1.0% of the time"]


@pytest.mark.parametrize("lines, good", [
    (["tls nginx 0 0 0", "tls kedge+record 64 64 0", "tls kedge 64 64 0"], True),
    (["tls nginx 0 0 0", "tls kedge+record 0 0 0"], False),     # it was to use it
    (["tls kedge+record 64 0 0"], False),                       # in both directions
    (["tls kedge+edit 64 64 0"], False),                        # it was not
    (["tls kedge+record 64 64 1"], False),                      # and every record must be decrypted
])
def test_kernel_tls_is_used_by_whom_it_should_be(lines, good):
    if good:
        guest_run.check_kernel_tls(lines)
    else:
        with pytest.raises(RuntimeError):
            guest_run.check_kernel_tls(lines)


@pytest.mark.parametrize("name, group, more, good", [
    ("get1k", "small", 1.029, True), ("get1k", "small", 1.031, False), ("get1k", "small", 0.5, True),
    ("get64k", "bulk", 1.021, False), ("handshake", "handshake", 1.006, False),
])
def test_the_limits_of_the_check(name, group, more, good):
    case = next(c for c in cases.GUEST if c.name == name)
    assert case.group == group
    (found,) = vmbench_check.compare({"kedge": {name: 100000 * more}}, {"kedge": {name: 100000}}, [case])
    assert found[0] == good
