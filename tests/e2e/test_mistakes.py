# SPDX-License-Identifier: BSD-2-Clause
"""Mistakes that only the files show. check and run say the same, end with the same status, and leave nothing on the system."""
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from kedge import BINARY

PINS = Path(f"/sys/fs/bpf/kedge-mistakes-{os.getpid()}")


def make(path, text="", mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def half(path, whole):
    text = whole.read_text()
    return make(path, text[:len(text) // 2])


# name: the flags that are wrong, from a directory and the certificates, and what is said of them
MISTAKES = {
    "key of another": (lambda d, c: ["--cert", c.ec.cert, "--key", c.rsa.key], "key "),
    "swapped": (lambda d, c: ["--cert", c.ec.key, "--key", c.ec.cert], "swapped"),
    "half a certificate": (lambda d, c: ["--cert", half(d / "half.pem", c.ec.cert), "--key", c.ec.key], "certificate "),
    "half a key": (lambda d, c: ["--cert", c.ec.cert, "--key", half(d / "half.key", c.ec.key)], "key "),
    "an empty key": (lambda d, c: ["--cert", c.ec.cert, "--key", make(d / "empty.key")], "key "),
    "a directory": (lambda d, c: ["--cert", d, "--key", c.ec.key], "certificate "),
    "a key for everybody": (lambda d, c: ["--cert", c.ec.cert, "--key", make(d / "open.key", c.ec.key.read_text(), 0o644)], "chmod"),
    "one that is wrong, one that is late": (lambda d, c: ["--cert", d, "--key", c.ec.key, "--cert", d / "b.pem", "--key", d / "b.key"],
                                            "b.pem"),
    "ticket keys": (lambda d, c: [*c.ec.flags(), "--ticket-keys", make(d / "tickets", "no key\n")], "ticket keys"),
    "control too long": (lambda d, c: [*c.ec.flags(), "--control", "/run/" + 110 * "x"], "is longer than 107 bytes"),
    "control is a file": (lambda d, c: [*c.ec.flags(), "--control", make(d / "file")], "control socket .*: there is a file"),
    "control is a directory": (lambda d, c: [*c.ec.flags(), "--control", d], "control socket .*: there is a directory"),
    "access log is a directory": (lambda d, c: [*c.ec.flags(), "--access-log", d], "access log .*: there is a directory"),
    "a socket's path is a file": (lambda d, c: [*c.ec.flags(), "--listen", f"unix:{make(d / 'file')}", "--tls", "off"], "listener .*: there is a file"),
    "listener is the control socket": (lambda d, c: [*c.ec.flags(), "--listen", f"unix:{d}/control", "--tls", "off"], "listener .*: the same path"),
    "listener is metrics": (lambda d, c: [*c.ec.flags(), "--listen", "127.0.0.1:9", "--tls", "off", "--metrics", "127.0.0.1:9"], "same address as metrics"),
    "a mistake in the text": (lambda d, c: [*c.ec.flags(), "--xff", "perhaps"], "perhaps"),
    "a user": (lambda d, c: [*c.ec.flags(), "--user", "no-such-user"], "no-such-user"),
    "a circle": (lambda d, c: [*c.ec.flags(), "--listen", "127.0.0.1:8", "--tls", "off"], "is this listener itself"),
}

# The same for files that may come later. systemd starts kedge again.
LATE = {
    "no certificate": (lambda d, c: ["--cert", d / "none.pem", "--key", c.ec.key], "certificate .*: No such file"),
    "no key": (lambda d, c: ["--cert", c.ec.cert, "--key", d / "none.key"], "key .*: No such file"),
    "two of them": (lambda d, c: ["--cert", d / "a.pem", "--key", d / "a.key", "--cert", d / "b.pem", "--key", d / "b.key"],
                    "(?s)a.pem.*b.pem"),
    "no ticket keys": (lambda d, c: [*c.ec.flags(), "--ticket-keys", d / "none"], "ticket keys .*: No such file"),
}


def said(stderr):
    """Without times."""
    return sorted(re.sub(r"^\S*T\S+ ", "", line) for line in stderr.splitlines() if "error: " in line)


def files(directory):
    return sorted((p, stat.S_IFMT(p.lstat().st_mode)) for p in directory.rglob("*"))


@pytest.mark.parametrize("name", [*MISTAKES, *LATE])
def test_check_and_run_say_the_same(tmp_path, certs, name):
    wrong, word = (MISTAKES | LATE)[name]
    args = ["--listen", f"unix:{tmp_path}/listener", "--app", "127.0.0.1:8", "--pin", PINS, "--control", tmp_path / "control",
            "--access-log", tmp_path / "access", *wrong(tmp_path, certs)]
    before, status = files(tmp_path), 2 if name in MISTAKES else 1
    check, run = (subprocess.run([BINARY, command, *args], capture_output=True, text=True, check=False, timeout=60)
                  for command in ("check", "run"))
    assert (check.returncode, run.returncode) == (status, status), check.stderr + run.stderr
    assert said(check.stderr) == said(run.stderr) != []
    assert re.search(word, "\n".join(said(run.stderr))), run.stderr
    # Nothing was begun.
    assert "capabilities: " not in run.stderr and not PINS.exists()
    assert files(tmp_path) == before
