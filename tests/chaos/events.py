# SPDX-License-Identifier: BSD-2-Clause
"""
What happens to a run, and when: a schedule that the seed alone decides. Each kind of event has random numbers of its
own, so that a run without one kind has the others at the same moments.
"""
import random
from dataclasses import dataclass

from machine import PATIENCE

# By kind: how often at most in ten seconds, and how long one lasts (ms), which is 0 for a moment.
KINDS = {
    "app-kill": (3, (0, 300)),      # SIGKILL, and a new one later
    "app-end": (3, (0, 200)),       # SIGTERM: it ends in order
    "app-stop": (4, (50, 1500)),    # SIGSTOP, SIGCONT
    "app-deaf": (3, (100, 1500)),   # accepts nobody, and its queue is short
    "kedge-stop": (4, (50, 1500)),
    "kedge-kill": (2, (0, 200)),
    "kedge-end": (2, (0, 200)),     # SIGTERM: drains
    "reload": (8, (0, 0)),          # another configuration
    "sockets": (8, (0, 0)),         # ss -K: some connections, at one of their ends
    "net": (3, (300, 2000)),        # loses segments, sends some twice
    "descriptors": (3, (50, 600)),  # only a few more
    "agent": (3, (100, 800)),       # another program claims the application's sockets
}
# How long the client may need to notice, in seconds, after the end of an event.
AFTER = 4.0 * PATIENCE
# With these, what one side sends to end a connection may be lost, or never be sent.
SILENT = {"net", "vanish"}


@dataclass(frozen=True)
class Event:
    at: float        # seconds from the begin
    kind: str
    begins: bool     # or it ends
    number: int      # of its kind, for what it draws

    def __str__(self):
        return f"{self.at:7.3f} {self.kind} {'begins' if self.begins else 'ends'} ({self.number})"


def draw_of(seed, event):
    return random.Random(f"{seed} {event.kind} {event.number}")


def kinds_of(seed, possible=None):
    """Those of a seed: some, few or one of all; now and then none, so that a calm run is judged, too."""
    draw = random.Random(f"{seed} kinds")
    names = [k for k in [*KINDS, "vanish"] if possible is None or k in possible]
    share = draw.choice((0.15, 0.3, 0.5, 1.0))
    return {k for k in names if draw.random() < share}


def of_kind(seed, kind, seconds):
    draw = random.Random(f"{seed} {kind}")
    often, (least, most) = KINDS[kind]
    count, at, out = max(1, draw.randint(1, round(often * seconds / 10) or 1)), 0.0, []
    for number in range(count):
        at += draw.uniform(0.3, 2 * seconds / (count + 1))
        lasts = draw.randint(least, most) / 1000
        if at + lasts > seconds:
            break
        out.append(Event(at, kind, True, number))
        if most:
            out.append(Event(at + lasts, kind, False, number))
        at += lasts
    return out


def schedule(seed, seconds, kinds):
    """All events in the order of time."""
    return sorted((e for k in KINDS if k in kinds for e in of_kind(seed, k, seconds)), key=lambda e: (e.at, e.kind))


def settings(seed, kinds, number=0):
    """
    What the configuration with this number says, of what a reload can change. Some runs have long deadlines: what ends
    late there has stalled. Where a side can go in silence, deadlines must end it.
    """
    mood = random.Random(f"{seed} mood").choice(("patient", "patient", "hasty"))
    if mood == "patient" and kinds & SILENT:
        mood = "medium"
    tight = random.Random(f"{seed} tight").random() < 0.3
    draw = random.Random(f"{seed} settings {number}")
    names = ("prefix-timeout-ms", "handshake-timeout-ms", "head-timeout-ms", "idle-timeout-ms", "linger-timeout-ms",
             "response-timeout-ms", "connect-timeout-ms", "rate-grace-ms")
    # Those of a patient run are longer than a client waits, on a slow machine, too.
    long = round(60000 * PATIENCE)
    low, high = {"patient": (long, long + 1), "medium": (4000, 5000), "hasty": (60, 500)}[mood]
    keys = {name: draw.randint(low, high) for name in names}
    keys["drain-timeout-ms"] = round(PATIENCE * draw.randint(*(1000, 1500) if mood == "patient" else (100, 1500)))
    keys["connect-early"] = draw.choice(("on", "off"))
    keys["app-reuse"] = random.Random(f"{seed} reuse").choice(("client", "client", "off"))
    if keys["app-reuse"] == "client" and random.Random(f"{seed} shared").random() < 0.5:
        keys["app-reuse"] = "shared"
    keys["app-idle-timeout-ms"] = draw.choice((4000, 200))
    keys["body-rate-min"] = draw.choice((0, 200000)) if mood == "hasty" else 0
    keys["connections-max"] = draw.choice((16384, 5)) if tight and "reload" in kinds else 16384
    keys["address-connections-max"] = draw.choice((0, 2)) if tight else 0
    return mood, keys


def fixed_settings(seed):
    """What a reload cannot change, or does not here; and whether the application is shown its client."""
    draw = random.Random(f"{seed} fixed")
    return {"workers": draw.choice((1, 2)), "access-log-format": "json"}, draw.random() < 0.3


def limits(keys):
    """Does it turn clients away?"""
    return keys["connections-max"] < 100 or keys["address-connections-max"] != 0
