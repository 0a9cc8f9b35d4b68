# SPDX-License-Identifier: BSD-2-Clause
"""The story of the README, step by step: what curl, HAProxy and a raw client get from Express."""
import re
import pytest

import prefix
from client import Client, request
from kedge import Kedge, Listener
from run import curl, seen, url
from story import Balancer, Express

TRUE = "198.51.100.22"


def test_s1_application_alone(front):
    answer = curl(f"http://{front.app.text}/")
    assert seen(answer) == {"ip": "127.0.0.1", "xff": None}


def test_s2_tls_adds_the_address_of_the_socket(front, certs):
    answer = curl("-4", "--cacert", certs.ca, "--interface", "127.0.0.8", url(front["tls"]))
    assert seen(answer)["xff"] == "127.0.0.8"


def test_s3_appended_to_what_came_in(front, certs):
    answer = curl("-4", "--cacert", certs.ca, "-H", "X-Forwarded-For: 127.0.0.2", url(front["tls"]))
    assert seen(answer)["xff"] == "127.0.0.2, 127.0.0.1"


def test_s4_curl_sends_a_prefix(front, certs):
    answer = curl("-4", "--haproxy-protocol", "--cacert", certs.ca, url(front["tls_proxy"]))
    assert seen(answer)["xff"] == "127.0.0.1"


@pytest.mark.parametrize("make", [prefix.v1, prefix.v2])
def test_s5_prefix_address_comes_last(front, tls, make):
    with Client(front["tls_proxy"], make(), tls) as c:
        answer = c.request(fields=[("X-Forwarded-For", "127.0.0.4, 127.0.0.3, 127.0.0.2")])
    assert seen(answer.text)["xff"] == f"127.0.0.4, 127.0.0.3, 127.0.0.2, {TRUE}"
    assert seen(answer.text)["ip"] == "127.0.0.1"  # this application trusts no proxy


def test_s6_express_trusts_one_hop(ends, certs, cgroup, tls):
    listeners = [Listener("tls_proxy", proxy="require")]
    with Express(cgroup, trust_proxy=1) as app, \
            Kedge(certs, app.text, listeners, ends, cgroup) as kedge, \
            Client(kedge["tls_proxy"], prefix.v1(), tls) as c:
        answer = c.request(fields=[("X-Forwarded-For", "127.0.0.4, 127.0.0.3, 127.0.0.2")])
        c.close()
    assert seen(answer.text)["ip"] == TRUE


@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl"])
def test_s7_behind_haproxy(front, certs, send):
    with Balancer(front["tls_proxy"], send) as balancer:
        answer = curl("-4", "--cacert", certs.ca, "--interface", "127.0.0.5", url(balancer.address))
    assert seen(answer)["xff"] == "127.0.0.5"


def test_s7_haproxy_health_checks_are_no_errors(end_front):
    before = end_front.status()
    noise = len(end_front.process.lines)
    with Balancer(end_front["tls_proxy"], "send-proxy-v2", "check send-proxy-v2 inter 50ms"):
        end_front.wait_status(lambda s: s["stats"]["health_checks"]
                              >= before["stats"]["health_checks"] + 3, "three health checks")
    loud = [line for line in end_front.process.lines[noise:] if ": error:" in line or ": warn" in line]
    assert loud == []


def test_s8_unknown_ca_is_the_clients_doing(front, certs):
    before = front.reason("tls_client_alert")
    answer = curl("-4", url(front["tls"]))
    assert answer.returncode == 60
    front.wait_reason("tls_client_alert", before + 1)
    assert seen(curl("-4", "--cacert", certs.ca, url(front["tls"])))["xff"] == "127.0.0.1"


def test_s9_application_asked_directly_believes_a_forger(ends, cgroup):
    with Express(cgroup, trust_proxy=1) as app:
        answer = curl("-H", "X-Forwarded-For: 192.0.2.66", f"http://{app.text}/")
    assert seen(answer) == {"ip": "192.0.2.66", "xff": "192.0.2.66"}


def test_s10_every_request_of_a_connection(front, certs, tls):
    forged = [("X-Forwarded-For", "192.0.2.66")]
    with Client(front["tls_proxy"], prefix.v1(), tls) as c:
        for _ in range(3):
            assert seen(c.request().text)["xff"] == TRUE
        c.send(b"".join(request(target=f"/{i}", fields=forged) for i in range(10)))
        assert [seen(c.response().text)["xff"] for _ in range(10)] == [f"192.0.2.66, {TRUE}"] * 10
    answer = curl("-4", "-v", "--cacert", certs.ca, *[url(front["tls"], f"/{i}") for i in range(3)])
    assert answer.stdout.count('req.xff: "127.0.0.1"') == 3
    assert len(re.findall(r"Re-?using existing .*\bconnection", answer.stderr)) == 2


def test_both_families(ends, certs, cgroup, tls, ipv6):
    listeners = [Listener("six", addr="[::1]:0"), Listener("six_proxy", addr="[::1]:0",
                                                           proxy="require")]
    with Express(cgroup, host="::1") as app, Kedge(certs, app.text, listeners, ends, cgroup) as kedge:
        answer = curl("-6", "--cacert", certs.ca, url(kedge["six"]))
        assert seen(answer) == {"ip": "::1", "xff": "::1"}
        with Client(kedge["six_proxy"], prefix.v2("2001:db8::22", "2001:db8::7"), tls) as c:
            assert seen(c.request().text)["xff"] == "2001:db8::22"


def test_dual_stack_listener_shows_ipv4_as_ipv4(ends, certs, cgroup, ipv6):
    with Express(cgroup) as app, \
            Kedge(certs, app.text, [Listener("any", addr="*:0")], ends, cgroup) as kedge:
        for flag, address in (("-4", "127.0.0.1"), ("-6", "::1")):
            answer = curl(flag, "--cacert", certs.ca, url(kedge["any"]))
            assert seen(answer)["xff"] == address
