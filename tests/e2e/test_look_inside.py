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
PIN_TABLES = re.findall(r"^\| pin \| what \| key \|.*\n(?:\|.*\n)+", TEXT, re.M)
MAPS, PEERNAME_MAPS, GUARD_MAPS = [re.findall(r"^\| `(kdg_\w+)`", lines, re.M) for lines in PIN_TABLES]
# Of these the kernel makes no list.
STORAGE = re.findall(r"^\| `(kdg_\w+)` \| socket storage \|", TEXT, re.M)
FIELDS = TEXT[TEXT.index("\n## Fields\n"):TEXT.index("\n## Programs\n")]
# Their fields are counters, which another page explains.
COUNTERS = {"kedge_stats", "kedge_peer_stats", "kedge_guard_stats"}
# What must be in the output, if a name alone says too little.
SHOWS = {
    "map dump kdg_stats": r'"requests_bpf": [1-9]',
    "map dump kdg_flow": r'"requests": 1,(.|\n)*"state": ',
    "map lookup kdg_note": r'"standing": ',
    "map lookup kdg_text": r'"client": "198\.51\.100\.22',
    "map dump kdg_app": r'"cookie": [1-9]',
    "map dump kdg_pair": r"Found \d+ elements|\[\]",
    "map dump kdg_peer_stats": r'"peers": [1-9]',
    "map dump kdg_coming": r"Found \d+ elements|\[\]",
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
                               flags=["--app-idle-timeout-ms", "86400000", "--peername", "prefer",
                                      "--app-cgroup", cgroup.path]) as kedge:
        with Client(kedge["clear_proxy"], prefix.v1()) as c:
            assert c.request().status == 200
            yield kedge
        kedge.wait_idle()


def test_every_map_has_a_recipe(at_work):
    """The document has every map that is pinned."""
    pinned = {path.name for path in at_work.pin.iterdir()}
    assert set(MAPS) <= pinned and len(MAPS) == 8
    assert {name for name in pinned if name.startswith("kdg_")} - set(MAPS) == set()
    of_peername = {path.name for path in at_work.pin.with_name(f"{at_work.pin.name}-peername").iterdir()}
    assert of_peername == set(PEERNAME_MAPS)
    for name in [*MAPS, *PEERNAME_MAPS]:
        assert any(command.endswith(f"/{name}") or f"/{name} " in command for command in RECIPES) != (name in STORAGE), name


def test_socket_storage_cannot_be_listed(at_work):
    """As the page says: bpftool shows nothing, although the client's address is there."""
    assert set(STORAGE) == {"kdg_client", "kdg_peer"}
    assert at_work.status()["peername_stats"]["shown"] >= 1
    for name in STORAGE:
        pin = at_work.pin.with_name(f"{at_work.pin.name}-peername") / name
        assert run("bpftool", "-j", "map", "dump", "pinned", pin).stdout == "[]\n"


# --- fields ----------------------------------------------------------------------------------------
class Types:
    """The types of an object file, and what its maps are made of."""

    def __init__(self, path):
        self.types = {one["id"]: one for one in bpftool.objects("btf", "dump", "file", path)["types"]}
        maps, = (one for one in self.types.values() if one["kind"] == "DATASEC" and one["name"] == ".maps")
        self.maps = {}
        for entry in maps["vars"]:
            variable = self.types[entry["type_id"]]
            self.maps[variable["name"]] = {member["name"]: member["type_id"]
                                           for member in self.types[variable["type_id"]]["members"]}

    def fields(self, number, struct_name="", found=None):
        """{(struct, field)}: of a type, and of all that it contains."""
        found = set() if found is None else found
        one = self.types[number]
        if one["kind"] in ("PTR", "TYPEDEF", "ARRAY", "CONST"):
            return self.fields(one["type_id"], struct_name, found)
        if one["kind"] in ("STRUCT", "UNION"):
            name = struct_name if one["name"] == "(anon)" else one["name"]
            for member in one["members"]:
                if member["name"] not in ("(anon)", "pad"):
                    found.add((name, member["name"]))
                self.fields(member["type_id"], name, found)
        return found


def section(struct_name):
    """The part of the page about a struct: up to the end of the next table, or its rows of a table of several."""
    rows = re.search(rf"^\| `{struct_name}` \|.*\n(?:\| \|.*\n)*", FIELDS, re.M)
    if rows:
        return rows[0]
    begin = re.search(rf"`struct {struct_name}`[,:]", FIELDS).start()
    return FIELDS[begin:FIELDS.index("|\n\n", begin)]


@pytest.mark.parametrize("name", ["flow", "peername", "guard"])
def test_every_field_is_explained(name):
    """Each field of each map's key and value, at any depth, is on the page where its struct is."""
    types = Types(ROOT / "build" / f"{name}.bpf.o")
    pinned = {one: parts for one, parts in types.maps.items() if one.startswith("kdg_")}
    assert set(pinned) == set({"flow": MAPS, "peername": PEERNAME_MAPS, "guard": GUARD_MAPS}[name])
    fields = set().union(*(types.fields(parts[part]) for parts in pinned.values() for part in ("key", "value") if part in parts))
    assert len(fields) > 10
    for struct_name, field in sorted(fields):
        if struct_name in COUNTERS:
            assert f"`struct {struct_name}`" in FIELDS
        else:
            assert f"`{field}`" in section(struct_name), (struct_name, field)


def test_the_rule_of_versions_is_the_same_everywhere():
    rule = ("Counters and reasons are appended: that moves the fields behind them and does not raise the version. "
            "Every other change of a map's key or value raises it")
    for page in ("docs/bpf-abi.md", "CONTRIBUTING.md"):
        assert rule in " ".join((ROOT / page).read_text().split()), page


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
