# SPDX-License-Identifier: BSD-2-Clause
"""
A fault in a call that only kernel TLS makes. A round without a fault shows which calls are made, and in which order: a
fault is for the n-th one of its kind.
"""
import collections
import re

import machine
from front import Front
from inject import Fault, Watch
from serving import ANSWER, BODY, SOCKET, Round
from table import ENDS, GOES_ON, KERNEL_TLS, LOST, Errno
from talk import Talk

TRIES = 5
HAND_OFF, NEW_KEYS = ("ulp", "tx", "rx"), ("new_tx", "new_rx")
CALL = re.compile(r"^(\w+)\(")
LINE_OF_LOSS = r"kedge: (\w+): record: lost: .*"
SAID = {"require": ("error", "it is required, so new connections are refused"),
        "prefer": ("warning", "user space carries the records of new connections")}


class Place:
    """The n-th call of its kind; `number` counts all calls of that name."""

    def __init__(self, kind, call, number, line):
        self.kind, self.call, self.number, self.line = kind, call, number, line


class Reader:
    """Finds the kinds of KERNEL_TLS in strace's lines. sources: the clients whose keys the kernel has already."""

    def __init__(self, sources):
        self.sources, self.begun, self.keyed = sources, set(), set()

    def places(self, lines):
        count, found = collections.Counter(), []
        for line in lines:
            call = CALL.match(line)
            if not call:
                continue
            count[call[1]] += 1
            kind = self._kind(line, call[1])
            if kind:
                found.append(Place(kind, call[1], count[call[1]], line))
        return found

    def _kind(self, line, call):
        socket = SOCKET.search(line)
        kind = next((name for name, one in KERNEL_TLS.items() if one.call == call and re.search(one.shows, line)), None)
        if not socket or not kind:
            return None
        if kind == "ulp":
            self.begun.add(socket[0])
        if kind in ("tx", "rx"):
            first = socket[0] in self.begun and (socket[0], kind) not in self.keyed
            self.keyed.add((socket[0], kind))
            return kind if first else "new_" + kind
        # Before the hand-off it is OpenSSL that writes.
        ours = (socket[0], "tx") in self.keyed or socket[3] in self.sources
        return kind if kind != "write" or ours else None


def costs_the_capability(place, fate):
    """kedge takes it for lost, says so, and tries it again later."""
    return place.kind in HAND_OFF and fate.what != GOES_ON


class Keyed(Talk):
    """Asks for new keys, where the kernel takes them."""

    def update(self):
        if self.client and machine.rekeys():
            self._try(lambda: self.client.key_update(requested=True))


class KernelRound(Round):
    """place: where the fault is to strike. contexts: of a TLS 1.2 and of a TLS 1.3 client."""

    def __init__(self, front, policy, contexts, fault=None, place=None):
        super().__init__(front, fault, contexts["1.3"])
        self.policy, self.contexts, self.place = policy, contexts, place
        self.fate = KERNEL_TLS[place.kind].errnos[fault.errno] if place else None

    def _talk(self, kind, version="1.3"):
        one = Keyed(self.front, kind, self.contexts[version])
        one.open()
        return one

    def _drive(self):
        first, clear, tunnel = self.bystanders
        first.ask()
        newer, older = self.newcomers = [self._talk("tls"), self._talk("tls", "1.2")]
        newer.begin(BODY, ANSWER)
        older.ask(BODY, ANSWER)
        clear.ask(100)
        newer.finish()
        newer.update()
        newer.ask(100)
        tunnel.ask(ANSWER)
        first.update()
        first.ask()
        older.half_close()
        newer.half_close()

    def places(self):
        """Of a round without a fault, in the order of time."""
        assert isinstance(self.fault, Watch) and not self.problems, self.problems
        return Reader({one.source for one in self.bystanders if one.tls}).places(self.lines)

    def missed(self):
        """The calls came in another order this time, so that the fault has struck nothing or another kind of call."""
        shows = KERNEL_TLS[self.place.kind].shows
        return not self.struck or not all(re.search(shows, line) for line in self.struck)

    # --- what must hold ---------------------------------------------------------------------------
    def _known(self):
        return Errno("", client=self.fate.reasons) if self.fate else Errno("")

    def _judge(self, before):
        super()._judge(before)
        if not self.struck or not self.front.alive() or self.missed():
            return
        falls = self.fate.what == LOST and self.policy == "prefer"
        if (falls or self.fate.what == GOES_ON) and self.broken:
            self.problems.append(f"{self.broken[0]} broke, and could have gone on: {self.broken[0].broken}")
        if not falls and self.fate.what in (LOST, ENDS) and self.place.kind in HAND_OFF + NEW_KEYS:
            self._judge_end_of_one()
        if costs_the_capability(self.place, self.fate):
            self._judge_loss(before["stats"])

    def _judge_end_of_one(self):
        if not self.broken or not set(self.reasons) & set(self.fate.reasons):
            self.problems.append(f"no connection ended for {' or '.join(self.fate.reasons)}")

    def _judge_loss(self, before):
        """kedge says it once, and only where it may does user space go on; later the kernel has new connections again."""
        level, words = SAID[self.policy]
        lines = self.front.kedge.process.matches(LINE_OF_LOSS)
        if len(lines) != 1 or lines[0][1] != level or words not in lines[0][0]:
            self.problems.append(f"said of the loss: {[line[0] for line in lines]}")
        user = self.front.status()["stats"]["flows_record_user"] - before["flows_record_user"]
        # When the other key was refused, user space may have the next ones.
        if (user > 0) != (self.policy == "prefer") and self.fate.what == LOST:
            self.problems.append(f"user space had {user} connections")
        try:
            machine.wait_for(self._works_again, what="the kernel carries records again")
        except TimeoutError as error:
            self.problems.append(str(error))

    def _works_again(self):
        before = self.front.status()["stats"]["flows_record_kernel"]
        one = self._talk("tls")
        one.ask()
        one.close()
        self.front.app.forget()
        self.problems += one.wrong
        status = self.front.status()
        lost = next((x["lost"] for x in status["capability_losses"] if x["capability"] == "record"), False)
        return not lost and status["stats"]["flows_record_kernel"] > before


class Kernel:
    """Fronts with kernel records, by "require" or "prefer": one for many faults, but another for each loss."""

    def __init__(self, certs, contexts, group, policy):
        self.certs, self.contexts, self.group, self.policy = certs, contexts, group, policy
        self.front, self._places = None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.front:
            self.front.end()

    def _front(self, fresh):
        if self.front and (fresh or self.front.spoilt or not self.front.alive()):
            front, self.front = self.front, None
            front.end()
        self.front = self.front or Front(self.certs, "record", self.group, flags=("--record", self.policy))
        return self.front

    def round(self, fault=None, place=None):
        fresh = place and costs_the_capability(place, KERNEL_TLS[place.kind].errnos[fault.errno])
        front = self._front(fresh)
        one = KernelRound(front, self.policy, self.contexts, fault, place)
        front.spoilt = True
        one.run()
        front.spoilt = bool(one.problems)
        if fresh:  # it has said what it says once
            self.front = None
            front.end()
        return one

    def places(self, kind):
        if self._places is None:
            self._places = self.round(Watch(sorted({one.call for one in KERNEL_TLS.values()}))).places()
        return [place for place in self._places if place.kind == kind]

    def check(self, fault):
        """fault.call is a kind, and fault.n its n-th call. The round; None if fewer calls are made."""
        one = None
        for _ in range(TRIES):
            places = self.places(fault.call)
            if fault.n > len(places):
                return None
            place = places[fault.n - 1]
            one = self.round(Fault(place.call, fault.errno, place.number), place)
            if not one.missed() or "kedge has died" in one.problems:
                return one
            # What it did to a call of another kind is not judged here.
            self._places = None
            if self.front:
                self.front.spoilt = True
        one.problems = [f"{fault} has struck no such call in {TRIES} tries"]
        return one
