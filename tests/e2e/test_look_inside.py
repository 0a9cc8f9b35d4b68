# SPDX-License-Identifier: BSD-2-Clause
"""bpftool's recipes in docs/bpf-abi.md: each is run as written, against a kedge at work."""
import re
import struct

import pytest

import bpftool
import kedge as kedge_module
import prefix
from client import Client
from machine import ROOT
from rawapp import RawApp
from run import run

TEXT = (ROOT / "docs/bpf-abi.md").read_text()
PINS = "/sys/fs/bpf/kedge"
FIRST_SLOT = "key 0 0 0 0"


def table(header):
    """The rows of a table of the document, as lists of cells."""
    lines = TEXT[TEXT.index(header):].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in
            lines[:next(i for i, line in enumerate(lines + [""]) if not line.startswith("|"))]]


RECIPES = [cells[1].strip("`") for cells in table("| question | command |")]
MAPS = [cells[0].strip("`") for cells in table("| pin | what | key |")]
# What must be in the output, if a name alone says too little.
SHOWS = {
    "map dump kdg_stats": r'"requests_bpf": [1-9]',
    "map dump kdg_flow": r'"requests": 1,(.|\n)*"state": ',
    "map lookup kdg_note": r'"standing": ',
    "map lookup kdg_text": r'"client": "198\.51\.100\.22',
    "map dump kdg_app": r'"cookie": [1-9]',
    "map dump kdg_pair": r"Found \d+ elements|\[\]",
    "map dump kdg_leg": r'"key": [1-9]|key:',
    "map dump kdg_appleg": r'"key": [1-9]|key:',
    "cgroup tree": r"sock_ops.*kdg_sockops",
    "map show kdg_flow": r"hash +name kdg_flow(.|\n)*memlock",
    "prog show kdg_request": r"sk_msg +name kdg_request.*run_cnt",
}


@pytest.fixture(scope="module")
def at_work(certs, cgroup, request):
    """
    kedge with everything in the kernel, and its one client, which has had an answer and is still connected. A
    client that is idle keeps its flow, however long the tests take.
    """
    combination = kedge_module.Combination(False, True, True)
    if str(combination) not in [str(c) for c in request.config.kedge_combinations]:
        pytest.skip(combination.missing(kedge_module.probe()))
    with RawApp(cgroup=cgroup) as app, \
            kedge_module.Kedge(certs, app.text, combination=combination, cgroup=cgroup,
                               flags=["--app-idle-timeout-ms", "86400000"]) as kedge:
        with Client(kedge["clear_proxy"], prefix.v1()) as c:
            assert c.request().status == 200
            yield kedge
        kedge.wait_idle()


def test_every_map_has_a_recipe(at_work):
    """The document has every map that is pinned."""
    pinned = {path.name for path in at_work.pin.iterdir()}
    assert set(MAPS) <= pinned and len(MAPS) == 8
    assert {name for name in pinned if name.startswith("kdg_")} - set(MAPS) == set()
    for name in MAPS:
        assert any(f"{PINS}/{name}" in command for command in RECIPES), name


def slot_of_the_client(kedge):
    """Each worker has slots of its own, and the client may be with any worker."""
    flow, = bpftool.rows(kedge.pin / "kdg_flow")
    return "key " + " ".join(str(byte) for byte in struct.pack("<I", flow["formatted"]["value"]["slot"]))


@pytest.mark.parametrize("command", RECIPES)
def test_recipe(at_work, bpf_stats, command):
    verb = " ".join(re.search(r"bpftool (\w+) (\w+)", command).groups())
    name = "".join(re.findall(r"kdg_\w+", command))
    if verb.startswith("prog"):
        # Other kedges may run here, but programs are found by name.
        with Client(at_work["clear"]) as c:
            c.request()
    command = command.replace(PINS, str(at_work.pin))
    if FIRST_SLOT in command:
        command = command.replace(FIRST_SLOT, slot_of_the_client(at_work))
    done = run("bash", "-euc", command)
    assert not done.stderr and done.returncode == 0, done
    assert re.search(SHOWS[f"{verb} {name}".strip()], done.stdout), done.stdout


def test_cookies_name_the_same_sockets(at_work):
    """`ss` shows the keys of the maps, so that a flow's socket can be found."""
    cookies = [struct.unpack("<Q", bytes(int(byte, 16) for byte in row["key"]))[0]
               for row in bpftool.rows(at_work.pin / "kdg_flow")]
    sockets = run("ss", "-tneH").stdout
    assert any(f" sk:{cookie:x} " in sockets for cookie in cookies), (cookies, sockets)
