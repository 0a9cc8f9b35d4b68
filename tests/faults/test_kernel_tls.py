# SPDX-License-Identifier: BSD-2-Clause
"""
A call of kernel TLS fails while kedge serves: nothing goes out in clear, the other connections do not notice, and
what becomes of the struck one is what tests/faults/table.py says. Only where the kernel has TLS: tests/guest/faults.sh.
"""
import pytest

import machine
from client import tls_context
from inject import Fault
from kernel_tls import Kernel
from table import KERNEL_TLS

pytestmark = pytest.mark.full
KINDS = [kind for kind in KERNEL_TLS if machine.rekeys() or not kind.startswith("new_")]
EACH = [(kind, name) for kind in KINDS for name in KERNEL_TLS[kind].errnos]
# Of these a capability may be lost. All others are the same whatever the policy.
OF_HANDOFF = [(kind, name) for kind, name in EACH if kind in ("ulp", "tx", "rx", "no_pad")]


@pytest.fixture(scope="module")
def contexts(certs):
    return {version: tls_context(certs.ca, version) for version in ("1.2", "1.3")}


@pytest.fixture(scope="module", params=["require", "prefer"])
def kernel(request, certs, contexts, group):
    if not any(c.record for c in request.config.kedge_combinations):
        pytest.skip("no kernel TLS here: tests/guest/faults.sh")
    with Kernel(certs, contexts, group, request.param) as kernel:
        yield kernel


def check(kernel, *faults):
    """How many of them have struck."""
    rounds = [(fault, kernel.check(fault)) for fault in faults]
    wrong = ["\n".join([*one.problems, *one.struck,
                        f"again: tests/faults/fault.py --phase kernel-tls --record {kernel.policy} {fault}"])
             for fault, one in rounds if one and one.problems]
    assert not wrong, "\n\n".join(wrong)
    return sum(bool(one and one.struck) for _, one in rounds)


def test_without_a_fault(kernel):
    assert not kernel.round().problems
    assert {kind for kind in KINDS if kernel.places(kind)} == set(KINDS)


@pytest.mark.parametrize("kind,name", OF_HANDOFF)
def test_hand_off(kernel, kind, name):
    """The first call, for a client of TLS 1.3; of the most telling errno also the second, for one of TLS 1.2."""
    numbers = (1, 2) if KERNEL_TLS[kind].errnos[name].short and kind != "no_pad" else (1,)
    assert check(kernel, *[Fault(kind, name, n) for n in numbers]) == len(numbers)


@pytest.mark.parametrize("kernel", ["require"], indirect=True)
@pytest.mark.parametrize("kind,name", [case for case in EACH if case not in OF_HANDOFF])
def test_each(kernel, kind, name):
    """At each of its calls the most telling errno, and all others at the first and the last."""
    count = len(kernel.places(kind))
    numbers = range(1, count + 1) if KERNEL_TLS[kind].errnos[name].short else sorted({1, count})
    assert check(kernel, *[Fault(kind, name, n) for n in numbers])
