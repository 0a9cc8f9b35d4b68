#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The rooms of user/: each includes itself and those above it in the list, and no other. Says what is wrong and what to
do; status 1 then. `make lint` runs it.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = "base confine config bpf tls http guard access metrics app listen conn daemon".split()
INCLUDE = re.compile(r'^#\s*include\s+"([^"]+)"', re.M)


def faults_of(path):
    room = path.parent.name
    for name in INCLUDE.findall(path.read_text()):
        first = name.split("/")[0]
        if "/" not in name and not name.endswith(".skel.h"):
            yield f'{path}: "{name}": name the room, too: "{room}/{name}"'
        elif first in ROOMS and ROOMS.index(first) > ROOMS.index(room):
            yield (f'{path}: "{name}": {room} cannot include {first}, which is below it. Move what is needed to {room} '
                   f"or above, or let {first} hand it over (a parameter, a callback)")


def main():
    user = ROOT / "user"
    faults = [f"{path}: a room that tests/lint/rooms.py does not know: {', '.join(ROOMS)}"
              for path in sorted(user.iterdir()) if path.name not in ROOMS]
    for path in sorted(user.glob("*/*.[ch]")):
        faults += faults_of(path) if path.parent.name in ROOMS else []
    print("\n".join(f.replace(f"{ROOT}/", "") for f in faults), end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main())
