# SPDX-License-Identifier: BSD-2-Clause
"""
A guest whose instructions are counted: QEMU with one emulated CPU on which an instruction takes a nanosecond
(-icount), an initramfs with everything in it, and a serial console as the only device. The same image with the same
seed gives exactly the same counts.
"""
import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import machine

HERE = Path(__file__).resolve().parent
VM = machine.ROOT / "build/vm"
VMTEST = machine.ROOT / "vmtest"
PLUGIN = machine.ROOT / "build/bench/plugin.so"
# With erms and fsrm the kernel would copy by `rep movsb`, and each byte counts as an instruction.
CPU = "max,-erms,-fsrm,-la57"
MEMORY_MB = 2048
COMMAND_LINE = ("console=ttyS0 quiet loglevel=3 panic=-1 oops=panic mitigations=auto nokaslr norandmaps "
                "tsc=reliable")


def fetch(label):
    """Fetches the kernel if it is missing. Returns its package and version."""
    done = subprocess.run([VMTEST / "fetch.sh", label], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def qemu_version():
    done = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True)
    return re.search(r"version (\S+)", done.stdout)[1]


class Image:
    """
    An initramfs for one kernel. programs: {path here: path in the guest}; plan: the text of /bench/plan.sh. Add files
    to `bench`, the guest's /bench, before make(), which fetches the kernel if it is missing.
    """

    def __init__(self, label):
        self.label = label
        self.base = Path(tempfile.mkdtemp(prefix="kedge-guest-"))
        self.tree = self.base / "tree"
        self.bench = self.tree / "bench"
        self.bench.mkdir(parents=True)
        self.file = self.base / "image"
        self.programs = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.base)

    def make(self, plan):
        for name in ("init", "lib.sh"):
            shutil.copy(HERE / "guest" / name, self.bench if name == "lib.sh" else self.tree)
        (self.bench / "plan.sh").write_text(plan)
        etc = self.tree / "etc"
        etc.mkdir()
        (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
        (etc / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        (self.tree / "programs").write_text("".join(f"{path} {seen}\n" for path, seen in self.programs.items()))
        fetch(self.label)
        subprocess.run([VMTEST / "mkflat.sh", self.label, self.tree, self.file], check=True)


class Guest:
    """One run of an image, from boot to power-off."""

    def __init__(self, image, seed=1, counted=None, symbols=None, top=0):
        """counted: addresses() of the kernel, to count by the plugin. symbols: a file, to count by function."""
        self.image, self.seed = image, seed
        self.base = Path(tempfile.mkdtemp(prefix="guest-", dir=image.base))
        self.counts = self.base / "counts"
        self.console = self.base / "console"
        self.plugin = []
        if counted:
            words = [PLUGIN, f"out={self.counts}", *(f"{k}={v}" for k, v in counted.items())]
            if symbols:
                words += [f"symbols={symbols}", f"top={top}"]
            self.plugin = ["-plugin", ",".join(map(str, words))]

    def argv(self):
        return ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-machine", "q35",
                "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off,align=off", "-smp", "1",
                "-cpu", CPU, "-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-monitor", "none",
                "-no-reboot", "-seed", str(self.seed), "-rtc", "base=2026-01-01T00:00:00,clock=vm",
                "-serial", f"file:{self.console}", "-kernel", str(VM / self.image.label / "vmlinuz"),
                "-initrd", str(self.image.file), "-append", COMMAND_LINE, *self.plugin]

    def run(self, seconds=3600):
        """Returns the lines of the console. Raises an error with them unless the plan ended with status 0."""
        done = subprocess.run(self.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False)
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        lines = text.replace("\r", "").splitlines()
        if done.returncode or "status 0" not in lines:
            end = "\n".join(lines[-40:])
            raise RuntimeError(f"{self.image.label}: the guest failed (QEMU: {done.returncode} {done.stdout})\n{end}")
        return lines

    def windows(self):
        """The plugin's counts, one for each window."""
        return [json.loads(line) for line in self.counts.read_text().splitlines()]


def _kept(label, name, make):
    """The result of make(), cached beside the kernel until the kernel or the guest's first process changes."""
    parts = fetch(label).encode() + (HERE / "guest/init").read_bytes() + (VMTEST / "mkflat.sh").read_bytes()
    file = VM / label / f"{name}-{hashlib.sha256(parts).hexdigest()[:16]}"
    if not file.exists():
        new = file.with_suffix(f".{id(parts)}")
        new.write_text(make())
        new.rename(file)
    return file


def addresses(label):
    """The addresses of two kernel functions that the plugin needs."""
    def make():
        with Image(label) as image:
            image.make("grep -E ' (__switch_to_asm|entry_SYSCALL_64)$' /proc/kallsyms\n")
            said = "\n".join(Guest(image).run(300))
        by_name = {name: at for at, name in re.findall(r"^([0-9a-f]{16}) [tT] (\w+)$", said, re.M)}
        return json.dumps({"switch": by_name["__switch_to_asm"], "syscall": by_name["entry_SYSCALL_64"]})
    return json.loads(_kept(label, "addresses", make).read_text())


def symbols(label):
    """A file with the address and name of every function of the kernel and its modules, ascending."""
    def make():
        with Image(label) as image:
            image.make("awk '$2 ~ /^[tTwW]$/ { print $1, $3 $4 }' /proc/kallsyms | sort | gzip -9 | base64\n")
            text = "".join(line for line in Guest(image).run(600) if re.fullmatch(r"[A-Za-z0-9+/=]{4,}", line))
        return gzip.decompress(base64.b64decode(text)).decode()
    return _kept(label, "symbols", make)
