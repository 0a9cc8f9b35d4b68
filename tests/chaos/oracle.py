# SPDX-License-Identifier: BSD-2-Clause
"""
Judges a run by its three logs: what the clients got, what the application saw, and kedge's access log.

    at most once    no request comes to the application twice, not even in part; with app-reuse one that may be repeated
                    may, on another connection, if nothing of an answer was given before
    whole           a request is complete there only if the client has sent all of it, and then it is what was sent
    true            an answer that a client gets was given, to this request; the client has compared its bytes
    in its place    an answer of kedge itself is one that it may give there
    not lost        where nothing happened that can cost a request, none is lost
    counted         the access log has a line for each request, and the counters agree with it
"""
import json
from collections import defaultdict
from dataclasses import dataclass, field

import events
import plan
from machine import PATIENCE
from rawapp import REPEATABLE

# What kedge may say itself: too late, application, limits.
OWN = (408, 502, 503, 504)
LATE = (408, 504)
# Seconds that a drain leaves to running requests: less than any drain-timeout of the patient runs.
DRAINED = 0.5 * PATIENCE
# These cost no request.
HARMLESS = {"reload"}


@dataclass
class Facts:
    """What is known of a run beside its logs."""
    mood: str
    kinds: set
    windows: list = field(default_factory=list)  # (kind, begin, end) of what has happened
    limited: bool = False                        # some configuration turned clients away
    shown: bool = False                          # peername: the application is shown its client
    updates_end: bool = False                    # a KeyUpdate ends its connection on this kernel
    lives: int = 1                               # kedges, one after the other
    reuse: bool = False                          # app-reuse: client
    killed: bool = False                         # one of them had no time to write its log
    stats: dict = field(default_factory=dict)    # of the last one
    reasons: dict = field(default_factory=dict)


class AppLog:
    """What the application has written: by id, the connections where each thing was seen."""

    def __init__(self, lines):
        self.lines, self.by_id, self.faults = lines, defaultdict(list), []
        self.peers = {}
        self.heads, self.seen, self.begun, self.done = (defaultdict(list) for _ in range(4))
        for line in lines:
            word, *rest = line.split(" ")
            if word == "F":
                self.faults.append(line)
            if word == "C":
                self.peers[rest[0]] = rest[1]
            if word in "HSAD":
                {"H": self.heads, "S": self.seen, "A": self.begun, "D": self.done}[word][rest[0]].append(rest[1:])
                self.by_id[rest[0]].append(line)


class AccessLog:
    def __init__(self, lines):
        self.rows, self.by_id = [json.loads(line) for line in lines], defaultdict(list)
        self.cut = []  # of requests whose first line is not complete
        for row in self.rows:
            if row["protocol"]:
                self.by_id[row["target"].split("/")[1]].append(row)
            elif row["method"]:
                self.cut.append(row)


class Verdict:
    def __init__(self, results, app, access, facts):
        self.results, self.app, self.access, self.facts = results, app, access, facts
        self.faults = []

    def say(self, name, text):
        self.faults.append((name, text))

    def judge(self):
        for line in self.app.faults:
            self.say("", f"the application got bytes that are no request: {line}")
        for name in {*self.app.heads, *self.app.seen}:
            self.at_most_once(name)
        for name, result in self.results.items():
            self.client(name, result)
        self.log()
        if self.facts.lives == 1:
            self.counters()
        return self.faults

    # --- the application ----------------------------------------------------------------------------
    def at_most_once(self, name):
        result = self.results.get(name)
        if not result:
            self.say(name, "nobody has sent this request")
            return
        for what, found in (("head", self.app.heads[name]), ("request", self.app.seen[name])):
            if len(found) > (2 if self.again(name, result) else 1):
                self.say(name, f"the application got this {what} {len(found)} times: {found}")
        for conn, method, xff, body, *_ in self.app.seen[name]:
            self.whole(name, result, method, xff, body)
            peer = self.app.peers.get(conn, "")
            # The programs of a killed kedge go at once.
            if self.facts.shown and peer != result.plan.address and not self.facts.killed:
                self.say(name, f"the application was shown {peer} instead of {result.plan.address}")

    def again(self, name, result):
        """May it be there twice: on two connections, and without an answer on the first?"""
        conns = [x[0] for x in self.app.heads[name]]
        return (self.facts.reuse and result.request.method in REPEATABLE and len(set(conns)) == len(conns) and
                not any(x[0] in conns[:-1] for x in self.app.begun[name]))

    def whole(self, name, result, method, xff, body):
        if result.sent != "whole":
            self.say(name, "complete at the application, and its client has not sent all of it")
        expected = result.plan.xff(result.request).replace(" ", "")
        if (method, xff) != (result.request.method, expected):
            self.say(name, f"the application saw {method} from {xff} instead of {result.request.method} from {expected}")
        if body != plan.digest(result.request.body):
            self.say(name, "its body is not the one that was sent")

    # --- a client -----------------------------------------------------------------------------------
    def client(self, name, r):
        if r.got == "answer" and not self.app.begun[name]:
            self.say(name, "its client has an answer that the application has not given")
        if r.got == "part" and r.end == "close_notify" and r.request.do not in ("to-end", "lost"):
            self.say(name, "a part of its answer, and then an end as of a whole one")
        if r.got == "own":
            self.own(name, r)
        if r.sent == "whole" and r.got != "answer" and not self.explained(r):
            self.say(name, f"lost, and nothing explains it: its client got {r.got} {r.status or ''}, then {r.end}")

    def own(self, name, r):
        if r.status not in OWN:
            self.say(name, f"kedge answered {r.status} to a request without a fault")
        if r.status == 502 and not r.first and not self.facts.reuse:
            self.say(name, "kedge answered 502 on a connection that had an answer before")
        if r.status in LATE and self.facts.mood == "patient":
            self.say(name, f"kedge answered {r.status} long before any deadline")
        late = r.status in LATE and self.facts.mood != "patient"  # the answer may have come after that
        if self.app.done[name] and not late and not self.disturbed(r):
            self.say(name, f"kedge answered {r.status}, and the application had answered")

    def disturbed(self, r):
        return any(kind not in HARMLESS and begin <= r.ended and r.opened <= end + events.AFTER and
                   not (kind == "kedge-end" and self.drained(r, begin)) for kind, begin, end in self.facts.windows)

    def drained(self, r, begin):
        """kedge was told to end when the request was at the application, which answered within the drain time."""
        seen, done = ([float(x[-1]) for x in log[r.request.id]] for log in (self.app.seen, self.app.done))
        return bool(seen and done) and r.opened < begin and seen[0] < begin and done[0] < begin + DRAINED

    def explained(self, r):
        """Does anything that happened cost requests, or does anything that the two sides do?"""
        before = r.plan.requests[:r.plan.requests.index(r.request) + 1]
        updates = self.facts.updates_end and r.plan.updates
        return (self.facts.mood != "patient" or updates or self.facts.limited or self.disturbed(r) or r.end.startswith("we ")
                or any(x.do in plan.ENDING for x in before))

    # --- kedge ----------------------------------------------------------------------------------------
    def log(self):
        for name, rows in self.access.by_id.items():
            if len(rows) > 1:
                self.say(name, f"{len(rows)} lines of the access log")
            if name not in self.results:
                self.say(name, "a line of the access log, and nobody has sent it")
            else:
                self.line(name, self.results[name], rows[0])
        if self.facts.killed:
            return
        for name in self.app.heads:
            if not self.access.by_id[name]:
                self.say(name, "no line of the access log")

    def line(self, name, r, row):
        if row["client"] != r.plan.address:
            self.say(name, f"the access log says that {row['client']} sent it, not {r.plan.address}")
        # Behind a last response a request is dropped, and a drain ends connections in order.
        last = any(x.do in plan.ENDING for x in r.plan.requests[:r.plan.requests.index(r.request)])
        if row["status"] is None and row["reason"] is None and not last and self.facts.lives == 1:
            self.say(name, "the access log has neither a status nor a reason")
        if row["status"] and row["status"] < 400 and not self.app.begun[name]:
            self.say(name, f"the access log says {row['status']}, and the application has not answered")
        if r.got == "own" and row["status"] != r.status:
            self.say(name, f"the access log says {row['status']}, and the client got {r.status}")
        if r.got == "answer":
            self.answered(name, r, row)

    def answered(self, name, r, row):
        wire = r.request.answer.rpartition(b"HTTP/1.1 ")[2]
        if row["status"] != int(wire[:3]):
            self.say(name, f"the access log says {row['status']}, and the client got {wire[:3].decode()}")
        size = 0 if r.request.method == "HEAD" or r.request.do == "nothing" else r.request.size
        if r.request.do not in ("upgrade", "lost") and row["bytes"] != size:
            self.say(name, f"the access log says {row['bytes']} bytes instead of {size}")

    def counters(self):
        stats, rows = self.facts.stats, self.access.rows
        known = [row for row in rows if row["protocol"]]
        whole = [row for name, rows in self.access.by_id.items() for row in rows
                 if name in self.app.heads or row["status"] and row["status"] < 400]
        own = [row for row in rows if row["status"] and row["status"] >= 400]
        theirs = [row for row in rows if row["status"] and row["status"] < 400]
        requests = stats["requests_user"] + stats["requests_bpf"]
        if not len(whole) <= requests <= len(known) + stats.get("requests_again", 0):
            self.say("", f"kedge has counted {requests} requests; the application has {len(whole)} of them, and the "
                         f"access log {len(known)}, incomplete heads included")
        # A response whose head has no end, or cannot be followed, has a line and is not counted.
        got = [r for r in self.results.values() if r.got == "answer" and r.request.do != "lost"]
        if not len(got) <= stats["responses"] <= len(theirs):
            self.say("", f"kedge has counted {stats['responses']} responses; the clients have {len(got)}, and the access "
                         f"log {len(theirs)}")
        for what, counted, logged in (("responses_own", stats["responses_own"], len(own)),
                                      ("access_lines", stats["access_lines"], len(rows)),
                                      ("accepted", stats["accepted"], stats["closed"])):
            if counted != logged:
                self.say("", f"{what}: kedge has counted {counted}, and its access log says {logged}")
        for reason in ("internal_error", "handoff_failed", "edit_short_send", "record_bad", "record_control"):
            # A socket that an agent has claimed cannot have kernel TLS.
            agent = reason == "handoff_failed" and "agent" in self.facts.kinds
            if self.facts.reasons.get(reason) and not agent:
                self.say("", f"kedge counts {self.facts.reasons[reason]} x {reason}")
        for row in rows:
            if row["reason"] and not self.facts.reasons.get(row["reason"]):
                self.say("", f"the access log has the reason {row['reason']}, which kedge has not counted")


def about(name, results, app, access):
    """All that is known of a request and of its connection, for people."""
    result = results.get(name)
    names = [r.id for r in result.plan.requests] if result else [name]
    out = []
    if result:
        p = result.plan
        out.append(f"connection {p.name}: {p.listener} TLS {p.version} prefix {p.prefix or 'none'} from {p.address} "
                   f"cut {p.cut} rcvbuf {p.rcvbuf} slow {p.slow} pause {p.pause}, ends by {p.ending} ({p.part:.2f})")
    for n in names:
        r = results.get(n)
        out.append(("* " if n == name else "  ") + n)
        if r:
            out.append(f"    client: {r.request.method} {r.request.path} body {len(r.request.body)}"
                       f"{' chunked' if r.request.coded else ''}{' expects 100' if r.request.expects else ''}: sent "
                       f"{r.sent} at {r.begun:.3f}, got {r.got} {r.status or ''} at {r.ended:.3f}, end {r.end or '-'}")
        out += [f"    application: {line}" for line in app.by_id.get(n, [])]
        out += [f"    kedge: {json.dumps(row)}" for row in access.by_id.get(n, [])]
    return "\n".join(out)
