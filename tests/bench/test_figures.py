# SPDX-License-Identifier: BSD-2-Clause
"""The arithmetic of the reports, compared with values by hand."""
import cases
import figures
import pytest
import report


def answer(wall_ms=500, proxy_ms=100, requests=1000):
    return {"requests": requests, "wall_ns": wall_ms * 10**6, "p50_ns": 1500, "p99_ns": 2000,
            "p999_ns": 9000, "cpu_ns": {"load": 50 * 10**6, "proxy": proxy_ms * 10**6, "backend": 10**7}}


def test_units_of_a_run():
    run = figures.of_run(answer())
    assert run["rate"] == 2000
    assert run["proxy_us"] == 100
    assert run["all_us"] == 160
    assert run["busy"] == 0.2
    assert (run["p50_us"], run["p99_us"], run["p999_us"]) == (1.5, 2, 9)


def test_summary_is_over_the_rounds():
    runs = [figures.of_run(answer(wall_ms=w)) for w in (500, 1000, 250, 2000)]
    rate = figures.summary(runs)["rate"]
    assert (rate["median"], rate["min"], rate["max"]) == (1500, 500, 4000)
    assert rate["rounds"] == [2000, 1000, 4000, 500]


def test_a_ratio_is_formed_within_rounds():
    # Twice as fast in every round, even if the machine slows down from round to round.
    fast = [figures.of_run(answer(wall_ms=w)) for w in (100, 200, 900)]
    slow = [figures.of_run(answer(wall_ms=2 * w)) for w in (100, 200, 900)]
    assert figures.ratio(fast, slow, "rate") == {"median": 2, "min": 2, "max": 2}


def test_rounds_must_pair_up():
    with pytest.raises(ValueError):
        figures.ratio([figures.of_run(answer())], [], "rate")


def test_the_best_peer():
    runs = {name: [figures.of_run(answer(wall_ms=w, proxy_ms=p))] for name, w, p in
            (("a", 100, 90), ("b", 200, 80), ("kedge", 50, 10))}
    assert figures.best(runs, ["a", "b"], "rate", highest=True) == "a"
    assert figures.best(runs, ["a", "b"], "proxy_us", highest=False) == "b"


@pytest.mark.parametrize("value, text", [(0.123, "0.12"), (9.994, "9.99"), (12.34, "12.3"),
                                         (1234.5, "1,234"), (1234567, "1,234,567")])
def test_numbers_for_people(value, text):
    assert report.number(value) == text


def test_cases_are_chosen_by_pattern():
    names = [c.name for c in cases.chosen(cases.NATIVE, "get1k-c* handshake")]
    assert names == ["get1k-c1", "get1k-c32", "get1k-c256", "handshake"]
    assert cases.chosen(cases.NATIVE, "") == cases.NATIVE
    with pytest.raises(SystemExit):
        cases.chosen(cases.NATIVE, "get1k nothing*")
