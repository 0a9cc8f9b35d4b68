# SPDX-License-Identifier: BSD-2-Clause
"""
Real servers that are restarted one after the other, under load: what their clients notice.

    KEDGE_TEST_ROUNDS   how often each is restarted (1)
"""
import functools
import os

import pytest

from asked import Asked
from farm import Load, command, farm, restart, told

ROUNDS = int(os.environ.get("KEDGE_TEST_ROUNDS", "1"))


@pytest.mark.parametrize("env", [{}, {"NODE_ENDS": "at_once"}], ids=["in_order", "at_once"])
def test_a_rolling_restart(tmp_path, certs, cgroup, ends, env):
    """Without a word to kedge. A server that ends has connections in its queue that it has not accepted, and the
    kernel resets them: what was on them goes to another server."""
    with farm(tmp_path, certs, cgroup, ends, functools.partial(Asked, **env), 3) as kedge:
        with Load(kedge["clear"], ["GET"]) as load:
            for server in kedge.servers * ROUNDS:
                load.go_on()
                restart(kedge, server)
            load.go_on()
        print(f"answers: {sum(load.done)}, kedge: {told(kedge)}")
        assert load.faults == []


def test_a_rolling_restart_with_drain(tmp_path, certs, cgroup, ends):
    with farm(tmp_path, certs, cgroup, ends, Asked, 3) as kedge:
        with Load(kedge["clear"], ["GET", "POST"]) as load:
            for server in kedge.servers * ROUNDS:
                load.go_on()
                command(kedge, server, "drain")
                at = kedge.servers.index(server)
                kedge.wait_status(lambda s, at=at: s["applications"][0]["servers"][at]["connections"] == 0,
                                  "no connection", 30)
                restart(kedge, server)
                command(kedge, server, "ready")
            load.go_on()
        print(f"answers: {sum(load.done)}, kedge: {told(kedge)}")
        assert load.faults == []
