# SPDX-License-Identifier: BSD-2-Clause
"""
Common to all pytest suites: parts started once, the line of totals, the log of a failed test.

    KEDGE_TEST_SHORT   leaves out the tests marked `full`, and runs the others with two combinations, not with all;
                       with "each-kernel", runs only the tests marked `each_kernel`
"""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "lib"))

import certs as certs_module  # noqa: E402
import client as client_module  # noqa: E402
import kedge as kedge_module  # noqa: E402
import machine  # noqa: E402
import process  # noqa: E402

SHORT = os.environ.get("KEDGE_TEST_SHORT", "")
totals = {"passed": 0, "failed": 0, "skipped": 0}
skips = {}
seconds = {}
left_out = 0


def pytest_runtest_logreport(report):
    seconds[report.nodeid] = seconds.get(report.nodeid, 0) + report.duration
    if report.when == "call" or report.failed or (report.when == "setup" and report.skipped):
        totals[report.outcome] += 1
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skips.setdefault(reason, []).append(report.nodeid)


def pytest_sessionfinish(session, exitstatus):
    # A suite that cannot be collected must not look like one without failures.
    if exitstatus not in (0, 1, 5) and not totals["failed"]:
        totals["failed"] += 1


def pytest_terminal_summary(terminalreporter, config):
    for reason, tests in sorted(skips.items()):
        terminalreporter.write_line(f"skipped {len(tests)}: {reason}: {tests[0]}"
                                    + (" ..." if len(tests) > 1 else ""))


def pytest_unconfigure(config):
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    name = os.environ.get("KEDGE_SUITE", "pytest")
    if SHORT:
        print(f"{name}: short: {left_out} tests left out, two combinations at most (make test-full runs all)")
    if seconds:
        slowest = max(seconds, key=seconds.get)
        print(f"{name}: slowest: {slowest}, {seconds[slowest]:.0f} s")
    print("{name}: {passed} passed, {failed} failed, {skipped} skipped".format(name=name, **totals))


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    if call.excinfo and call.excinfo.errisinstance(machine.NoCgroup):
        why = f"needs a cgroup v2: {call.excinfo.value}"
        call.excinfo = pytest.CallInfo.from_call(lambda: pytest.skip(why), call.when).excinfo
    report = (yield).get_result()
    if report.failed:
        for proc in process.living:
            report.sections.append((f"last lines of {proc.name}", proc.log(last=40)))


def pytest_configure(config):
    config.addinivalue_line("markers", "full: takes long; left out where KEDGE_TEST_SHORT is set")
    config.addinivalue_line("markers", "each_kernel: proves on each kernel what kernels differ in, in a minute or so")
    if os.geteuid() == 0:
        machine.remove_stale()
    if not kedge_module.BINARY.exists():
        totals["failed"] += 1
        pytest.exit(f"{kedge_module.BINARY}: not there; `make asan` builds it", returncode=3)
    probed = kedge_module.probe()
    config.kedge_combinations = [c for c in kedge_module.ALL if not c.missing(probed)]
    config.kedge_missing = {c: c.missing(probed) for c in kedge_module.ALL if c.missing(probed)}


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return certs_module.Certs(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def tls(certs):
    return client_module.tls_context(certs.ca)


@pytest.fixture(scope="session", autouse=True)
def kernel_log():
    """A warning in the kernel's log fails the session, whichever test caused it."""
    before = len(machine.kernel_warnings())
    yield
    assert machine.kernel_warnings()[before:] == []


@pytest.fixture(scope="session")
def cgroup():
    """The cgroup of kedge and the applications of this session; false if this machine has none for us."""
    group = machine.try_cgroup()
    yield group
    group.remove()


@pytest.fixture
def own_cgroup():
    """A cgroup in which no other kedge of this session has attached anything."""
    group = machine.Cgroup()
    yield group
    group.remove()


def chosen(config, which):
    """
    which: "all" of the available combinations, "ends": nothing and everything in the kernel, or
    "most": as much as there is.
    """
    available = config.kedge_combinations
    if which == "most" or SHORT == "each-kernel":
        return available[-1:]
    if which == "ends" or SHORT or os.environ.get("KEDGE_TEST_COMBINATIONS") == "ends":
        return list(dict.fromkeys([available[0], available[-1]]))
    return available


def pytest_generate_tests(metafunc):
    """`combo` runs a test with each available combination of capabilities, `ends` with two, `most` with
    one."""
    for name, which in (("combo", "all"), ("ends", "ends"), ("most", "most")):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, chosen(metafunc.config, which), ids=str, scope="session")


def is_left_out(item):
    if SHORT == "each-kernel":
        return not item.get_closest_marker("each_kernel")
    return SHORT and item.get_closest_marker("full")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Sorts by combination, so that a kedge in front is started once for all its tests."""
    def combination(item):
        params = item.callspec.params if hasattr(item, "callspec") else {}
        case = params.get("case")
        return str(params.get("combo") or params.get("ends") or params.get("most") or ""), getattr(case, "group", ())
    global left_out  # pylint: disable=global-statement
    out = [item for item in items if is_left_out(item)]
    left_out = len(out)
    if out:
        config.hook.pytest_deselected(items=out)
    items[:] = sorted((item for item in items if not is_left_out(item)), key=combination)


class Fronts:
    """kedge in front of an application, started when first asked for and then kept for a while."""

    def __init__(self, certs, cgroup):
        self.certs, self.cgroup = certs, cgroup
        self.running = {}

    def get(self, combination, app_name, make_app):
        key = combination, app_name
        if key not in self.running:
            # One combination at a time: the machine is small.
            for other in [k for k in self.running if k[0] is not combination]:
                self.end(other)
            app = make_app(self.cgroup)
            kedge = kedge_module.Kedge(self.certs, app.text, combination=combination,
                                       cgroup=self.cgroup)
            kedge.app = app
            self.running[key] = kedge
        kedge = self.running[key]
        if kedge.process.popen.poll() is not None:
            log = kedge.log()
            self.drop(kedge)
            pytest.fail(f"kedge had died before this test\n{log}")
        return kedge

    def drop(self, kedge):
        """Ends a kedge that a test has broken, without checks."""
        for key in [k for k, v in self.running.items() if v is kedge]:
            del self.running[key]
        kedge.kill()
        kedge.app.stop()

    def end(self, key):
        kedge = self.running.pop(key)
        try:
            kedge.wait_idle()
            machine.wait_for(lambda: not kedge.entries_of_flows(), what="entries left in the maps")
            kedge.stop()
        finally:
            kedge.kill()
            kedge.app.stop()


@pytest.fixture(scope="session")
def fronts(certs, cgroup):
    everything = Fronts(certs, cgroup)
    yield everything
    for key in list(everything.running):
        everything.end(key)
