# SPDX-License-Identifier: BSD-2-Clause
"""
dist/kedge.schema.json: what kedge takes is valid, and what it rejects for its shape is not. Each configuration that a test
starts kedge with is judged as well (tests/lib/kedge.py).
"""
import json
import re

import jsonschema
import pytest

import docs
import machine
import schema
from kedge import BINARY
from run import run

DOCUMENTS = sorted([*machine.ROOT.glob("*.md"), *machine.ROOT.glob("docs/*.md")])
TOP = set(json.loads(schema.SCHEMA.read_text())["properties"])
LISTENERS = "listeners:\n  - {listen: '127.0.0.1:0', tls: off}\n"
APP = "app: 127.0.0.1:9\n"


def test_it_is_a_schema_and_up_to_date():
    text = schema.SCHEMA.read_text()
    jsonschema.Draft7Validator.check_schema(json.loads(text))
    done = run(BINARY, "check", "--schema")
    assert done.returncode == 0 and done.stdout == text, "make reference"


@pytest.mark.parametrize("path", ["dist/kedge.yaml", "debian/kedge.yaml"])
def test_a_configuration_of_ours_is_valid(path):
    text = (machine.ROOT / path).read_text()
    assert schema.load(text)["app"] and schema.faults(text) == []
    # And so is the default of each key that has one.
    assert schema.faults(re.sub(r"^(\s*)#([a-z0-9-]+: .*)$", r"\1\2", text, flags=re.M)) == []


def fragments():
    """The YAML of the documents: blocks whose first line is a key of a file's top level, or of a listener."""
    for path in DOCUMENTS:
        for _, text in docs.sections(path):
            for block in docs.blocks(text):
                first = next((line for line in block.splitlines() if not line.startswith("#")), "")
                key = re.match(r"([a-z0-9-]+):( |$)", first)
                if key and key[1] in TOP:
                    yield pytest.param(block, id=f"{path.name}-{key[1]}")


def test_the_documents_have_some():
    assert len(list(fragments())) >= 5


@pytest.mark.parametrize("block", fragments())
def test_the_yaml_of_a_document_is_valid(block):
    assert schema.faults(block) == []


def test_variables_are_valid(tmp_path):
    """In each kind of value."""
    text = ("app: ${APP}\nworkers: ${N}\nxff: ${XFF:-append}\nforwarded: ${ON}\ncheck: {status: '${FROM}-399', path: '${PATH}'}\n"
            "socket-mode: ${MODE:-0660}\nxff-trust: ['${NET}']\nproxy-tlvs: ['${TLV}']\nsend-proxy: v2\n"
            "listeners:\n  - {listen: '127.0.0.1:${PORT}', tls: off}\n")
    path = tmp_path / "kedge.yaml"
    path.write_text(text)
    done = run(BINARY, "check", "-c", path, env={"APP": "127.0.0.1:9", "N": "1", "ON": "on", "FROM": "200", "PATH": "/", "NET": "::/0",
                                                 "TLV": "alpn", "PORT": "0"})
    assert done.returncode == 0, done.stderr
    assert schema.faults(text) == []


WRONG = {
    "unknown_key": APP + LISTENERS + "colour: red\n",
    "misspelt_key": APP + LISTENERS + "worker: 1\n",
    "key_of_another_level": APP + LISTENERS + "listen: '127.0.0.1:1'\n",
    "check_detail_at_the_top": APP + LISTENERS + "check-path: /x\n",
    "unknown_key_of_a_listener": APP + "listeners:\n  - {listen: '127.0.0.1:0', tls: off, workers: 1}\n",
    "unknown_key_of_a_cert": APP + LISTENERS + "certs:\n  - {cert: a, key: b, chain: c}\n",
    "unknown_key_of_an_app": "apps:\n  a: {servers: ['127.0.0.1:9'], workers: 1}\n" + LISTENERS,
    "unknown_key_of_a_check": APP + LISTENERS + "check: {paths: /x}\n",
    "no_listen": APP + "listeners:\n  - {tls: off}\n",
    "no_key_for_a_cert": APP + LISTENERS + "certs:\n  - {cert: a}\n",
    "no_servers": "apps:\n  a: {check: tcp}\n" + LISTENERS,
    "no_names": APP + "listeners:\n  - {listen: '127.0.0.1:0', routes: [{app: '127.0.0.1:9'}]}\n",
    "bad_name_of_an_app": "apps:\n  'a b': {servers: ['127.0.0.1:9']}\n" + LISTENERS,
    "empty_check": APP + LISTENERS + "check: {}\n",
    "not_a_word": APP + LISTENERS + "xff: maybe\n",
    "true_is_not_on": APP + LISTENERS + "forwarded: true\n",
    "word_of_a_list": APP + LISTENERS + "proxy-tlvs: [alpn, colour]\n",
    "not_a_version": APP + LISTENERS + "tls-min: 1.1\n",
    "not_a_number": APP + LISTENERS + "workers: lots\n",
    "too_small": APP + LISTENERS + "connections-max: 0\n",
    "too_large": APP + LISTENERS + "workers: 100000\n",
    "not_whole": APP + LISTENERS + "workers: 1.5\n",
    "not_octal": APP + LISTENERS + "socket-mode: '0680'\n",
    "not_a_status": APP + LISTENERS + "check: {status: 99}\n",
    "list_for_one": APP + LISTENERS + "log-level: [info]\n",
    "one_for_a_list": APP + LISTENERS + "trust: 10.0.0.0/8\n",
    "mapping_for_one": APP + LISTENERS + "user: {name: kedge}\n",
    "listeners_as_a_mapping": APP + "listeners: {listen: '127.0.0.1:0'}\n",
    "address_as_a_list": APP + "listeners:\n  - {listen: [127.0.0.1], tls: off}\n",
    "apps_as_a_list": "apps:\n  - {servers: ['127.0.0.1:9']}\n" + LISTENERS,
    "empty_value": APP + LISTENERS + "user:\n",
    "list_of_lists": APP + LISTENERS + "xff-trust: [[10.0.0.0/8]]\n",
    "not_a_mapping": "- listen\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_shape_is_neither_taken_nor_valid(tmp_path, name):
    path = tmp_path / "kedge.yaml"
    path.write_text(WRONG[name])
    done = run(BINARY, "check", "-c", path)
    assert done.returncode == 2, done.stdout
    assert schema.faults(WRONG[name]) != [], done.stderr


# Values of some keys: what kedge takes, what it does not, and what it does not, but a schema cannot tell from one that it takes:
# +1, 1.0 and 01 are the number 1 there, and 0x1, too.
NUMBERS = (["1", "01", "'1'", "'01'", "64", "'64'", "'${N}'"],
           ["-1", "'-1'", "'+1'", "'1.0'", "' 1'", "1_0", "'1e1'", "1.5", "65", "'65'", "'100'", "4294967297", "'4294967297'", "one", "''", "true"],
           ["+1", "1.0", "1.", "1e0", "0x1", "0o1"])
VALUES = {
    "workers": (NUMBERS[0] + ["0", "'0'", "00"], NUMBERS[1], NUMBERS[2] + ["-0"]),
    "check-rise": (NUMBERS[0] + ["100", "'100'"], ["0", "'0'", "'00'", "101", "'101'", "'0101'", "'1000'", "-1"], NUMBERS[2]),
    "head-bytes-max": (["8192", "'8192'", "'08192'", "65536", "'65536'"], ["8191", "'8191'", "'999'", "'1'", "65537", "'65537'", "'70000'"], []),
    "drain-timeout-ms": (["1", "86400000", "'86400000'"], ["0", "'0'", "86400001", "'86400001'", "'90000000'", "'100000000'"], []),
    "check-status": (["200", "'200'", "200-399", "'599-599'", "'${N}'"],
                     ["99", "'99'", "600", "'600'", "'100-300'", "'199-200'", "'200-600'", "'0200'", "'200-0300'", "'200-'", "'-300'",
                      "'200 - 300'", "2000", "'2000'"],
                     ["+200", "200.0", "0200", "'399-200'"]),
    "socket-mode": (["660", "0660", "'660'", "'0660'", "0066", "'066'", "066", "777", "000", "'0000'", "'${M}'"],
                    ["680", "'680'", "0680", "768", "866", "778", "'778'", "'66'", "778", "1000", "1777", "'1777'", "'00660'", "-660", "rw"],
                    ["66", "0", "7", "00660", "+660", "660.0", "0o660"]),
    "tls-min": (["1.2", "'1.3'"], ["1.1", "1.21", "'1.20'", "2", "'1.2 '"], ["1.20", "+1.3"]),
    "forwarded": (["on", "'off'"], ["true", "false", "yes", "ON", "1", "''"], []),
    "log-level": (["info", "'info'"], ["INFO", "[info]", "1", "''"], []),
    "access-log": (["/dev/null", "5", "1.5", "true", "'5'"], ["''", "[a]", "{a: b}"], []),
    "check-path": (["/", "'/5'", "'${P}'"], ["5", "a", "''", "true"], []),
    "check-host": (["a", "'a.b:5'", "true"], ["5", "5.5", "''"], []),
    "alpn": (["[h2]", "[h2, 5]", "[5.5]", "[true]"], ["h2", "5", "['']", "{h2: on}", "[[h2]]"], []),
    "proxy-tlvs": (["[alpn]", "[alpn, ssl]"], ["alpn", "[alpn, alpn]", "[ALPN]", "[5]", "['']"], []),
}


def with_value(tmp_path, key, value):
    """What kedge says of it, and what is wrong with it by the schema."""
    inner = {"check-rise": "rise", "check-status": "status", "check-path": "path", "check-host": "host"}.get(key)
    line = f"check: {{{inner}: {value}}}\n" if inner else f"{key}: {value}\n"
    listen = "unix:/run/kedge-none" if key == "socket-mode" else "127.0.0.1:0"
    text = (f"{line}{APP}{'mode: tcp' if key == 'alpn' else 'send-proxy: v2'}\n"
            f"listeners:\n  - {{listen: '{listen}', tls: {'on' if key == 'alpn' else 'off'}{', self-signed: on' if key == 'alpn' else ''}}}\n")
    path = tmp_path / "kedge.yaml"
    path.write_text(text)
    done = run(BINARY, "check", "-c", path, env={"N": "1" if inner != "status" else "200", "M": "660", "P": "/x"})
    assert done.returncode in (0, 2), done.stderr
    return done, schema.faults(text)


@pytest.mark.parametrize("key", VALUES)
def test_kedge_and_the_schema_take_the_same_values(tmp_path, key):
    wrong = []
    for expected, values in zip("yn?", VALUES[key]):
        for value in values:
            done, faults = with_value(tmp_path, key, value)
            if (done.returncode == 0, not faults) != {"y": (True, True), "n": (False, False), "?": (False, True)}[expected]:
                wrong.append(f"{key}: {value}: kedge {done.returncode} {done.stderr.strip()[-100:]}, schema {faults}")
    assert not wrong, "\n".join(wrong)
