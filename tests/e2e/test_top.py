# SPDX-License-Identifier: BSD-2-Clause
"""kedge top under a terminal: what is on the screen, at several sizes, and what is left behind at the end."""
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path

import pyte
import pytest

import machine
from client import Client, tls_context
from kedge import BINARY, Kedge, Listener
from rawapp import RawApp
from run import run


@pytest.fixture(scope="module")
def kedge(certs, cgroup, app):
    with Kedge(certs, app.text, [Listener("tls"), Listener("clear", tls=False)], cgroup=cgroup) as kedge:
        with Client(kedge["clear"]) as c:
            c.send(b"GET / HTTP/1.1\r\n\r\n")
            assert c.response().status == 400
        yield kedge


class Screen(pyte.Screen):
    """With the other screen that a program may switch to: pyte has only one."""

    def __init__(self, columns, rows):
        super().__init__(columns, rows)
        self.switched = []

    def set_mode(self, *modes, **kwargs):
        super().set_mode(*modes, **kwargs)
        if 1049 in modes and kwargs.get("private"):
            self.switched.append("other")

    def reset_mode(self, *modes, **kwargs):
        super().reset_mode(*modes, **kwargs)
        if 1049 in modes and kwargs.get("private"):
            self.switched.append("back")


class Top:
    """kedge top with a terminal of its own."""

    def __init__(self, *args, columns=80, rows=24, env=None, interval=0.2):
        self.master, self.slave = pty.openpty()
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [BINARY, "top", "--interval", str(interval), *map(str, args)], stdin=self.slave, stdout=self.slave,
            stderr=subprocess.PIPE, env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})},
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0.05)[0]:
            self.stream.feed(os.read(self.master, 65536))

    @property
    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, pattern):
        """Until the screen has it."""
        def look():
            self.read()
            return re.search(pattern, self.text, re.M)
        machine.wait_for(look, 20, lambda: f"{pattern} on\n{self.text}")
        return re.search(pattern, self.text, re.M)

    def press(self, keys):
        os.write(self.master, keys)

    def end(self):
        """Waits for its end; the exit status. The terminal is as it was."""
        machine.wait_for(lambda: self.read() or self.process.poll() is not None, 20, "the end of kedge top")
        self.read()
        assert self.screen.switched == ["other", "back"] and not self.screen.cursor.hidden
        assert termios.tcgetattr(self.slave) == self.before
        return self.process.returncode


def test_a_screen(kedge, certs):
    with Top("--control", kedge.control) as top:
        top.wait(rf"^kedge \d+\.\d+\.\d+(?:-dev)?  up \d+ (?:s|min \d+ s)  pid {kedge.pid}  \d+ workers?$")
        top.wait(r"^requests 0/s  connections 0 open, 0/s  in 0B/s  out 0B/s$")
        assert top.screen.switched == ["other"] and top.screen.cursor.hidden
        assert not termios.tcgetattr(top.slave)[3] & (termios.ECHO | termios.ICANON)
        top.wait(r"^http_host +0 +1$")
        with Client(kedge["tls"], tls=tls_context(certs.ca)) as c:
            deadline = machine.Deadline(20)
            while not re.search(r"^whole request +\d.*s +\d.*s +\d", top.text, re.M):
                assert c.request().status == 200
                top.read()
                assert deadline.left() > 0, top.text
            # All of these are of the same second.
            assert re.search(r"^requests \d[\d.k]*/s  connections 1 open", top.text, re.M), top.text
            assert re.search(r"^responses  2xx (?!0/s)\d", top.text, re.M), top.text
            for name in ("tls", "clear"):
                assert "{}:{} ".format(*kedge[name]) in top.text
            assert re.search(r"^edit|  edit (?:kernel|user)", top.text, re.M)
        top.press(b"q")
        assert top.end() == 0


@pytest.mark.parametrize("columns, rows", [(40, 10), (20, 5), (1, 1), (80, 1), (200, 60)])
def test_small_and_large_windows(kedge, columns, rows):
    """What does not fit is cut, and the screen never moves up."""
    with Top("--control", kedge.control, columns=columns, rows=rows) as top:
        machine.wait_for(lambda: top.read() or top.text.strip(), 20, "a screen")
        if columns >= 20 and rows > 1:
            top.wait(r"\Akedge \d")
        if columns >= 40 and rows > 1:
            assert re.search(r"^q: quit; \d+ more lines" if rows < 24 else r"^q: quit$", top.text, re.M), top.text
        top.press(b"q")
        assert top.end() == 0


def test_the_size_changes(kedge):
    with Top("--control", kedge.control, interval=3600) as top:
        top.wait(r"^ended, by reason")
        top.resize(40, 10)
        found = top.wait(r"^q: quit; (\d+) more lines")
        assert top.screen.display[9].startswith("q: quit") and int(found[1]) > 5
        top.resize(100, 30)
        top.wait(r"^ended, by reason")
        assert "more lines" not in top.text
        top.press(b"q")
        assert top.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_end_it_and_leave_nothing(kedge, number):
    with Top("--control", kedge.control) as top:
        top.wait(r"^latency")
        os.kill(top.process.pid, number)
        assert top.end() == -number


def test_ctrl_c(kedge):
    with Top("--control", kedge.control) as top:
        top.wait(r"^latency")
        top.press(b"\x03")
        assert top.end() == -signal.SIGINT


def test_it_may_be_stopped_and_goes_on(kedge):
    """Ctrl-Z: the terminal is the shell's in between."""
    with Top("--control", kedge.control) as top:
        top.wait(r"^latency")
        top.press(b"\x1a")
        machine.wait_for(lambda: top.read() or top.screen.switched == ["other", "back"], 20, "the shell's screen")
        _, status = os.waitpid(top.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status) and termios.tcgetattr(top.slave) == top.before
        top.screen.switched.clear()
        os.kill(top.process.pid, signal.SIGCONT)
        top.screen.reset()
        top.wait(r"^latency")
        top.press(b"q")
        assert top.end() == 0


def test_a_terminal_cannot_be_held(kedge):
    """Ctrl-S is a key like any other, so what comes at the end arrives."""
    with Top("--control", kedge.control) as top:
        top.wait(r"^latency")
        top.press(b"\x13")
        top.screen.reset()
        top.wait(r"^latency")
        os.kill(top.process.pid, signal.SIGTERM)
        assert top.end() == -signal.SIGTERM


def waits_in_write(pid):
    """Twice, some time apart, with the same stack."""
    first = Path(f"/proc/{pid}/syscall").read_text()
    time.sleep(0.5)  # the time that it is given to go on
    return first.startswith("1 0x1 ") and Path(f"/proc/{pid}/syscall").read_text() == first


def test_a_terminal_that_nobody_reads_does_not_keep_it(kedge):
    with Top("--control", kedge.control, columns=200, rows=60, interval=0.1) as top:
        top.wait(r"^latency")
        machine.wait_for(lambda: waits_in_write(top.process.pid), 60, "a write that waits")
        os.kill(top.process.pid, signal.SIGTERM)
        assert top.process.wait(20) == -signal.SIGTERM
        assert termios.tcgetattr(top.slave) == top.before


def test_a_kedge_that_goes_away_and_comes_back(certs, cgroup, app):
    clear = [Listener("clear", tls=False)]
    kedge = Kedge(certs, app.text, clear, cgroup=cgroup)
    try:
        with Top("--control", kedge.control) as top:
            top.wait(rf"pid {kedge.pid} ")
            os.kill(kedge.pid, signal.SIGSTOP)
            top.wait(r"^kedge has not answered for \d+ s; trying again")
            os.kill(kedge.pid, signal.SIGCONT)
            top.wait(rf"pid {kedge.pid} ")
            os.kill(kedge.pid, signal.SIGKILL)
            top.wait(r"^kedge has not answered for \d+ s; trying again")
            # The path of the socket decides where the line is cut.
            machine.wait_for(lambda: top.read() or "nokedgeanswers" in re.sub(r"\s", "", top.text), 20, "the cause")
            with Kedge(certs, app.text, clear, cgroup=cgroup, flags=["--control", kedge.control]) as again:
                top.wait(rf"pid {again.pid} ")
                top.press(b"q")
                assert top.end() == 0
    finally:
        kedge.kill()


def test_names_of_any_characters(certs, cgroup):
    """Wide ones have two columns, and the table stays in order."""
    path = Path(tempfile.mkdtemp(prefix="kedge-", dir="/tmp")) / "日本語.sock"
    try:
        with RawApp(cgroup=cgroup) as app, \
             Kedge(certs, app.text, [Listener("clear", tls=False, addr=f"unix:{path}")], cgroup=cgroup) as kedge, \
             Top("--control", kedge.control, columns=160) as top:
            found = top.wait(r"^(unix:/.*)$")
            assert "日本語.sock" in found[1]
            # Each is a cell and an empty one; the number behind the name is below its heading.
            line = next(y for y, text in enumerate(top.screen.display) if "日本語" in text)
            cells = [top.screen.buffer[line][x].data for x in range(top.screen.columns)]
            heading = top.screen.display[line - 1]
            assert cells[heading.index("open") + 3] in "0123456789", (heading, cells)
            top.press(b"q")
            assert top.end() == 0
    finally:
        shutil.rmtree(path.parent)


def test_batches(kedge):
    done = run(BINARY, "top", "-b", "-n", "2", "--interval", "0.1", "--control", kedge.control)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(rf"^kedge .* pid {kedge.pid} ", done.stdout, re.M)) == 2
    assert "\033" not in done.stdout and "q: quit" not in done.stdout
    assert len(re.findall(r"^requests \d[\d.k]*/s ", done.stdout, re.M)) == 2


def test_where_there_is_no_screen(kedge, tmp_path):
    done = run(BINARY, "top", "--control", kedge.control, env={**os.environ, "TERM": "xterm"})
    assert done.returncode == 2 and done.stdout == "" and "use --batch" in done.stderr
    with Top("--control", kedge.control, env={"TERM": "dumb"}) as top:
        assert top.process.wait(20) == 2 and b"use --batch" in top.process.stderr.read()
        top.read()
        assert top.text.strip() == ""
    with Top("--control", tmp_path / "nobody") as top:
        assert top.process.wait(20) == 1 and b"no kedge answers" in top.process.stderr.read()
        top.read()
        assert top.screen.switched == []


@pytest.mark.parametrize("args, says", [
    (["--interval", "0"], "seconds, from 0.1 to 3600"), (["--interval", "x"], "seconds, from"),
    (["--interval", "nan"], "seconds, from"), (["-n", "0"], "a number, from 1"), (["-n", "-1"], "a number, from 1"),
    (["more"], "not an option"), (["--no-such"], "--no-such: unknown option: see kedge top --help"),
])
def test_mistakes(args, says):
    done = run(BINARY, "top", *args)
    assert done.returncode == 2 and says in done.stderr and done.stdout == ""
