# SPDX-License-Identifier: BSD-2-Clause
"""kedge probe --speed where the kernel has TLS: both layers are measured. Under emulation, so no figure is judged."""
from pathlib import Path

import pytest

import speed_report
from kedge import BINARY
from run import run

pytestmark = pytest.mark.each_kernel
# One for each connection whose records are measured.
LEGS = 9 * len(speed_report.SUITES)


def tls_stat():
    lines = Path("/proc/net/tls_stat").read_text().splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def test_both_layers_are_measured():
    before = tls_stat()
    done = run(BINARY, "probe", "--speed", "--json", timeout=30)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert set(speed_report.check_json(done.stdout).values()) == {True}
    after = tls_stat()
    # The probe itself has a few more.
    assert LEGS < after["TlsTxSw"] - before["TlsTxSw"] < 2 * LEGS
    assert after["TlsDecryptError"] == before["TlsDecryptError"]
    assert after["TlsCurrTxSw"] == before["TlsCurrTxSw"] and after["TlsCurrRxSw"] == before["TlsCurrRxSw"]


def test_each_suite_has_its_sentence():
    done = run(BINARY, "probe", "--speed", timeout=30)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    print("\n" + done.stdout)
    speed_report.check_text(done.stdout, kernel=True)
