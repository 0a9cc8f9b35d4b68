# SPDX-License-Identifier: BSD-2-Clause
"""
What sentences say of the stored figures. Each is here with a gap for every figure; a sentence that is written anew is
written anew here, too. Figures in README.md are in the tables that make bench-docs writes.
"""
import re
import statistics

import figures
import machine
import pytest
import readme_tables
from aims import ALL, EDITED, InGuests, Natively
from guest_report import median
from native_report import NativeReport
from report import number

load = readme_tables.load
NATIVE, SHARED = (NativeReport(load(name)) for name in ("native", "shared-native"))
GUEST, SHARED_GUEST = (InGuests(load(name)) for name in ("guest", "shared-guest"))
IN_GUEST = next(found for where, found in load("memory")["results"].items() if where.startswith("In a guest"))


def words(text):
    return " ".join(text.split())


def page(name):
    return words((machine.ROOT / name).read_text())


def cpu(case, name):
    return number(NATIVE.median(case, name, "proxy_us"))


def busy(case, name):
    return f"{100 * NATIVE.median(case, name, 'busy'):.0f}"


def calls(case, name):
    return sum(NATIVE.data["system_calls"][case][name].values())


def whole(case, name, of=GUEST):
    """Thousands of instructions, on 6.12."""
    return number(of.whole("6.12", case, name) / 1000)


def full(case, name):
    """The same with all its zeros."""
    digits = whole(case, name)
    return f"{float(digits.replace(',', '')) * 1000:,.0f}"


def crypto(case, name):
    return f"{float(number(median(GUEST.kernels['6.12']['peers'][name][case], 'crypto') / 1000)) * 1000:,.0f}"


def held(name, key="used"):
    return f"{median(IN_GUEST[name], key) / median(IN_GUEST['nginx'], key):.2f}"


def rest(name):
    """Client and application at 1 KB: what is not the proxy's."""
    return statistics.median(run["all_us"] - run["proxy_us"] for run in NATIVE.runs["get1k"][name])


def more(case, name, than):
    return 100 * figures.change(GUEST.whole("6.12", case, name), GUEST.whole("6.12", case, than))


def shared_span(case):
    each = [SHARED_GUEST.whole("6.12", case, name) / 1000 for name in SHARED_GUEST.data["ours"] if name.endswith("+shared")]
    return number(min(each)), number(max(each))


def kb(name, key, less=0):
    return f"{(median(IN_GUEST[name], key) - less) / 1000:.1f}"


def record_costs():
    """Percent of instructions that kernel records take above kedge's own, the least and the most of sizes."""
    each = [more(case, "kedge+record", "kedge") for case in ("get1k", "get64k", "get1m", "post1m")]
    return f"{min(each):.0f}", f"{max(each):.0f}"


def most(names, *keys):
    """KB of these keys together, of the kedge with the most."""
    return f"{max(sum(median(IN_GUEST[name], key) for key in keys) for name in names) / 1000:.1f}"


def idle(record):
    """An idle connection of each kedge with or without kernel records: user space, kernel, kernel after a burst, together."""
    names = [name for name in IN_GUEST if name.startswith("kedge") and "shared" not in name and ("+record" in name) == record]
    return [most(names, "user"), most(names, "used"), most(names, "pages"), most(names, "user", "pages")]


def burst():
    """KB of pages beside objects, at most."""
    found = [median(runs, "pages") - median(runs, "used") for name, runs in IN_GUEST.items() if name.startswith("kedge")]
    return f"{max(found) / 1000:.0f}"


SENTENCES = {
    "docs/benchmarks.md": [
        ("kedge takes {} µs of CPU a request where nginx takes {}.", [cpu("get1k", EDITED), cpu("get1k", "nginx")]),
        ("kedge's core is busy for {} % of the time, nginx's for {} %:", [busy("get1k", EDITED), busy("get1k", "nginx")]),
        ("Of the {} µs, entering the kernel {} times", [cpu("get1k", EDITED), f"{calls('get1k', EDITED):.1f}"]),
        ("of the others' CPU at 64 KB ({} of hitch)", [Natively(NATIVE).best("get64k", EDITED, "proxy_us")]),
        ("at 64 KB kedge's core is busy for {} % of the time, hitch's for {} %.", [busy("get64k", EDITED), busy("get64k", "hitch")]),
        ("1 MB up takes {} µs with edit and bypass in the kernel, {} µs with", [cpu("post1m", EDITED), cpu("post1m", "kedge+bypass")]),
        ("It is {} system calls against {}.", [f"{calls('post1m', EDITED):.0f}", f"{calls('post1m', 'kedge+bypass'):.0f}"]),
        ("system: {} KB a connection are left, {} with kernel records.",
         [f"{median(IN_GUEST[name], 'user') / 1000:.1f}" for name in ("kedge", "kedge+record")]),
        ("{} times nginx's is held, and {} times with kernel TLS", [held("kedge"), held("kedge+record")]),
        ("natively {} times nginx's rate with {} of its CPU, and in the guest {} to {} thousand instructions, where nginx takes {}.",
         [Natively(SHARED).best("resume", "kedge+shared"), Natively(SHARED).best("resume", "kedge+shared", "proxy_us"),
          *shared_span("resume"), whole("resume", "nginx", SHARED_GUEST)]),
        ("all processes): nginx {}, kedge {}, hitch, which does as kedge does, {}.",
         [whole("resume", name) for name in ("nginx", "kedge", "hitch")]),
        ("full handshakes 6,945, now {})", [whole("handshake", "kedge")]),
        ("the kernel executes {} instructions of AES where OpenSSL has {},", [crypto("get64k", ALL), crypto("get64k", EDITED)]),
        ("{} in the whole guest against {} with kedge's own records and {} of hitch. At 1 KB it is {} against {}.",
         [full("get64k", ALL), full("get64k", EDITED), full("get64k", "hitch"), full("get1k", ALL), full("get1k", EDITED)]),
        ("a request of 1 KB is {} instructions against {} with the edit in user space, an upload of 1 MB {} % more,",
         [full("get1k", "kedge+record+edit"), full("get1k", "kedge+record"),
          f"{more('post1m', 'kedge+record+edit', 'kedge+record'):.0f}"]),
        ("such as 16 KB with the edit alone on 6.12 ({},", [full("get16k", "kedge+edit")]),
    ],
    "docs/operations.md": [
        ("It takes {} KB of user space, or {} KB with kernel records.", [kb("kedge", "user"), kb("kedge+record", "user")]),
        ("The kernel needs {} KB for its sockets, and {} KB more with kernel TLS.",
         [kb("kedge", "used"), kb("kedge+record", "used", median(IN_GUEST["kedge"], "used"))]),
        ("the kernel keeps up to {} KB more for each, until", [burst()]),
        ("kernel records take {} to {} % more instructions than kedge's own,", record_costs()),
    ],
    "docs/scaling.md": [
        ("| records in user space | {} KB | {} KB | {} KB | {} KB |", idle(False)),
        ("| kernel records | {} KB | {} KB | {} KB | {} KB |", idle(True)),
        ("{} were measured with the client on the same two cores", [number(NATIVE.median("handshake", "kedge", "rate"))]),
    ],
}


@pytest.mark.parametrize("name, sentence, said", [(name, *one) for name, all_of in SENTENCES.items() for one in all_of])
def test_a_sentence_says_what_the_figures_say(name, sentence, said):
    wanted = sentence.format(*said)
    assert wanted in page(name), f"{name} has not: {wanted}"


def test_what_is_said_in_words():
    each = [rest(name) for name in NATIVE.names if name != "caddy"]
    wanted = f"Client and application take {min(each):.0f} to {max(each):.0f} on top, with caddy {rest('caddy'):.0f},"
    assert wanted in page("docs/benchmarks.md"), wanted
    for case in ("get64k", "handshake"):
        assert abs(more(case, "kedge+record+edit", "kedge+record")) < 1


def test_what_readme_says_of_kernel_memory():
    def times(name, key="used"):
        return float(held(name, key))
    text = page("README.md")
    assert "slightly more for kedge than for nginx, and about half as much again with kernel TLS" in text
    assert 1.01 < times("kedge") < 1.15 and 1.01 < times("kedge+edit+bypass") < 1.15
    assert 1.4 < times("kedge+record+edit+bypass") < 1.6
    assert "more than half as much again, or more than twice as much with kernel TLS" in text
    assert 1.5 < times("kedge", "pages") < 1.8 and 2 < times("kedge+record+edit+bypass", "pages") < 2.4
    assert "`app-reuse: shared` and without kernel TLS, it is as much as for nginx" in text
    assert times("kedge+shared") < 1.02 and times("kedge+shared", "pages") < 1.02


def test_readme_has_figures_in_its_tables_only():
    text = (machine.ROOT / "README.md").read_text()
    section = re.search(r"^## Benchmarks\n(.*?)^## ", text, re.M | re.S)[1]
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)", "", readme_tables.BLOCK.sub("", section))
    found = set(re.findall(r"\d[\d.,]*\d|\d", prose)) - {readme_tables.KERNEL, "1"}
    assert not found, f"figures outside the tables that make bench-docs writes: {sorted(found)}"
