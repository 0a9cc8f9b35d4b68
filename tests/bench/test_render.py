# SPDX-License-Identifier: BSD-2-Clause
"""What is committed is what `make bench-docs` writes of the stored figures. Nothing is measured here."""
import copy
import json
import shutil

import figures
import native_report
import pictures
import plots
import pytest
import readme_tables
import render
import report
from guest_report import GuestReport

HINT = "make bench-docs writes it again"
NATIVE = readme_tables.load("native")


@pytest.mark.parametrize("file", render.texts(), ids=lambda file: file.name)
def test_texts_are_what_the_figures_say(file):
    assert file.read_text() == render.texts()[file], HINT


@pytest.mark.parametrize("name", render.drawings())
def test_pictures_are_what_the_figures_say(name):
    script, _ = render.drawings()[name]
    assert plots.draws((report.DOCS / name).read_text(), script), HINT


def test_the_pages_have_their_tables():
    for page, names in (("README.md", {"overview", "memory"}),
                        ("docs/benchmarks.md", {"overview", "guest", "native", "memory-all", "aims"})):
        found = {block[1] for block in readme_tables.BLOCK.findall((render.machine.ROOT / page).read_text())}
        assert names <= found, f"{page}: write <!-- bench: NAME, made by make bench-docs --> and <!-- /bench -->"


def with_more(data, path):
    """The same figures, the one at `path` ten percent higher."""
    changed = copy.deepcopy(data)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] *= 1.1
    return changed


@pytest.mark.parametrize("name, path, files", [
    ("guest", ("kernels", "6.12", "peers", "kedge", "get1k", 0, "whole"), {"guest.md", "README.md", "benchmarks.md", "overview.svg"}),
    ("memory", ("results", "Natively, Linux " + readme_tables.load("memory")["kernel"], "haproxy", 0, "user"), {"memory.md", "benchmarks.md"}),
    ("memory", ("results", readme_tables.memory_of(readme_tables.load("memory"), "In a guest")[0], "nginx", 0, "used"),
     {"memory.md", "README.md", "benchmarks.md"}),
    ("shared-guest", ("kernels", "6.12", "peers", "kedge+shared", "resume", 0, "whole"), {"shared-guest.md", "benchmarks.md"}),
])
def test_a_changed_figure_is_seen(monkeypatch, name, path, files):
    load = readme_tables.load
    changed = with_more(load(name), path)
    for module in (readme_tables, render):
        monkeypatch.setattr(module, "load", lambda which: changed if which == name else load(which))
    stale = {file.name for file, text in render.texts().items() if file.read_text() != text}
    stale |= {file for file, (script, _) in render.drawings().items() if not plots.draws((report.DOCS / file).read_text(), script)}
    assert stale == files


def changed_rounds(case, name, metric, factor):
    data = copy.deepcopy(NATIVE)
    peers = data["cases"][case]["peers"]
    runs = figures.runs_of(peers[name])
    peers[name] = figures.summary([{**run, metric: run[metric] * factor} for run in runs])
    return native_report.NativeReport(data)


def test_tables_and_pictures_have_the_same_ratio():
    made = changed_rounds("get1k", "kedge", "rate", 1)
    best, ratios = made.ratios("rate", made.ours)["get1k"]
    (row,) = [values for label, values in pictures.relative(made, "rate") if label == "get1k"]
    assert row[made.names.index("kedge")] == ratios["kedge"]
    assert row[made.names.index(best)] == {"median": 1, "min": 1, "max": 1}


def test_whoever_does_not_hold_the_rate_is_marked_and_left_out():
    case, name = "get1k-paced", "kedge+edit"
    assert name not in changed_rounds(case, name, "rate", 0.99).held_text()
    late = changed_rounds(case, name, "rate", 0.97)
    (row,) = [line for line in late.latency_table().splitlines() if line.startswith(f"| {case} |")]
    marked = [peer for peer, cell in zip(late.names, row.split(" | ")[1:], strict=True) if "†" in cell]
    assert marked == ["caddy", name]
    script = pictures.native(late)["native-latency.svg"][0]
    assert f'title "{name}"' not in script and f"caddy, {name}" in script
    assert f'title "{name}+bypass"' in script


def test_the_best_peer_is_one_that_held_the_rate():
    # nginx would have the least CPU of all, at a rate that was not asked for.
    made = changed_rounds("get1k-paced", "nginx", "rate", 0.5)
    assert made.best("get1k-paced", "proxy_us", False) == "hitch"
    assert "get1k-paced" not in made.ratios("rate", made.ours)


def test_nobody_held_the_rate():
    data = {**NATIVE, "paced_rates": {"get1k-paced": 10 * NATIVE["paced_rates"]["get1k-paced"]}}
    made = native_report.NativeReport(data)
    assert made.best("get1k-paced", "p99_us", False) is None
    assert made.text().count(native_report.DAGGER) >= 5 * len(made.names)
    assert set(pictures.native(made)) == {"native-rate.svg", "native-cpu.svg"}


def test_behind_goes_by_what_is_shown():
    assert not figures.behind(1.004, False) and figures.behind(1.006, False)
    assert not figures.behind(0.996, True) and figures.behind(0.994, True)


def test_one_seed_has_no_spread():
    data = readme_tables.load("guest")
    assert "(spread)" not in GuestReport(data).text()
    two = json.loads(json.dumps(data))
    two["seeds"] = [1, 2]
    for by_case in two["kernels"]["6.12"]["peers"].values():
        for runs in by_case.values():
            runs.append({**runs[0], "whole": runs[0]["whole"] * 1.02})
    assert "(2.0%)" in GuestReport(two).text()


def test_marks_without_an_end_are_an_error():
    begin = "<!-- bench: guest, made by make bench-docs -->\n"
    with pytest.raises(SystemExit, match="no end"):
        readme_tables.filled(begin + begin + "<!-- /bench -->", "")
    with pytest.raises(SystemExit, match="none of this name"):
        readme_tables.filled(begin.replace("guest", "guests") + "<!-- /bench -->", "")


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="gnuplot is not installed")
def test_a_picture_knows_what_drew_it(tmp_path):
    found = pictures.overview(readme_tables.load("guest"))
    assert [file.name for file in pictures.write(found, tmp_path)] == ["overview.svg"]
    assert pictures.write(found, tmp_path) == []
    text = (tmp_path / "overview.svg").read_text()
    assert "<title>Instructions a request" in text and not plots.draws(text, found["overview.svg"][0] + "\nset grid")
