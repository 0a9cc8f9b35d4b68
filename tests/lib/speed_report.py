# SPDX-License-Identifier: BSD-2-Clause
"""What `kedge probe --speed` says, in a form that holds for any machine: no time is judged."""
import json

SUITES = ["tls1.3 aes-128-gcm", "tls1.3 aes-256-gcm", "tls1.3 chacha20-poly1305"]
WORKS = {"request_1k": "a request of 1 KB", "down_1m": "1 MB to the client", "up_1m": "1 MB from the client"}
ROUNDS = range(9, 52)


def in_order(spread):
    assert list(spread) == ["low", "median", "high"]
    assert 0 < spread["low"] <= spread["median"] <= spread["high"], spread


def check_work(work, kernel):
    assert set(work) == {"user_ns", "kernel_ns", "ratio", "cheaper"}
    in_order(work["user_ns"])
    if not kernel:
        assert work["kernel_ns"] is None and work["ratio"] is None and work["cheaper"] is None
        return
    in_order(work["kernel_ns"])
    in_order(work["ratio"])
    low, high = work["ratio"]["low"], work["ratio"]["high"]
    # Four digits are printed: 1.0 may be a little more or less.
    assert {"kernel": high <= 1, "user": low >= 1, "neither": low <= 1 <= high}[work["cheaper"]], work


def check_json(text):
    """All figures are there and fit each other. Returns {suite: was the kernel measured}."""
    answer = json.loads(text)
    assert set(answer) == {"kernel", "record", "speed"}
    assert [suite["name"] for suite in answer["speed"]] == SUITES
    for suite in answer["speed"]:
        assert suite["rounds"] in ROUNDS
        assert suite["kernel"] == ("missing" not in suite)
        for work in WORKS:
            check_work(suite[work], suite["kernel"])
        if not suite["kernel"]:
            assert suite["missing"]["name"] and suite["missing"]["detail"]
    return {suite["name"]: suite["kernel"] for suite in answer["speed"]}


def check_text(text, kernel):
    """kernel: the same for every suite."""
    lines = text.splitlines()
    for suite in SUITES:
        at = next(i for i, line in enumerate(lines) if line.startswith(suite))
        assert ("kernel records" in lines[at]) == kernel
        for line, name in zip(lines[at + 1:], WORKS.values()):
            assert line.startswith(f"  {name} ") and line.count(" to ") - name.count(" to ") == (3 if kernel else 1)
        rounds, said = lines[at + 1 + len(WORKS)].split(" rounds: ")
        assert int(rounds) in ROUNDS
        # One sentence, in which each work has a verdict.
        assert all(said.count(name) == kernel for name in WORKS.values()), said
        assert kernel or said == "kernel records were not measured"
    assert text.count("This kernel cannot carry the records: ") == (not kernel)
    assert "Not in it: memory, handshakes" in text
