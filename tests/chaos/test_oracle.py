# SPDX-License-Identifier: BSD-2-Clause
"""The oracle finds each wrong that it looks for: made-up logs of a run, with one thing wrong in each."""
import dataclasses
import json

import pytest

import oracle
import plan
from clients import Result, Stream, Wrong

REQUEST = plan.Request("1.2.3.0.0", "POST", "whole", 90, 0, body=b"hello")
CONNECTION = plan.Connection("1.2.3", "clear", "1.3", "", "127.0.0.9", "", 0, 0, groups=[[REQUEST]])
ROW = {"target": REQUEST.path, "protocol": "HTTP/1.1", "method": "POST", "client": "127.0.0.9", "status": 200, "bytes": 90,
       "reason": None}
SEEN = [f"H {REQUEST.id} 1-0 1.0", f"S {REQUEST.id} 1-0 POST 127.0.0.9 {plan.digest(b'hello')} 1.1"]
BEGUN = [f"A {REQUEST.id} 1-0 1.2"]
PEER = ["C 1-0 127.0.0.8 0.9"]
APP = [*SEEN, *BEGUN, f"D {REQUEST.id} 1-0 1.3"]
STATS = {"requests_user": 1, "requests_bpf": 0, "responses": 1, "responses_own": 0, "access_lines": 1, "accepted": 1,
         "closed": 1}


def judge(app=(), row=None, rows=1, stats=None, windows=(), mood="patient", lives=1, reasons=None, shown=False,
          reuse=False, method="POST", **result):
    request = dataclasses.replace(REQUEST, method=method)
    r = Result(dataclasses.replace(CONNECTION, groups=[[request]]), request, **{"sent": "whole", "got": "answer", "begun": 10.0, "opened": 10.0, "ended": 11.0,
                                       **result})
    facts = oracle.Facts(mood, set(), list(windows), lives=lives, shown=shown, reuse=reuse,
                         stats={**STATS, **(stats or {})}, reasons=reasons or {"app_gone": 1})
    logs = oracle.AppLog([*(app or APP)]), oracle.AccessLog([json.dumps({**ROW, **(row or {})})] * rows)
    return [text for _, text in oracle.Verdict({REQUEST.id: r}, *logs, facts).judge()]


OWN_502 = {"got": "own", "status": 502, "row": {"status": 502, "reason": "app_gone"},
           "stats": {"responses": 0, "responses_own": 1}}
KILLED = [("app-kill", 9.0, 10.5)]
DRAINS = [("kedge-end", 10.2, 11.0)]
# Complete before the drain, answered in its time.
IN_TIME = [line.replace(" 1-0 1.", " 1-0 10.").replace(" 1.1", " 10.1") for line in APP]


# A GET that has come to the application twice.
GET = [line.replace("POST", "GET") for line in APP]
TWICE = [line.replace(" 1-0 ", " 9-9 ") for line in GET[:2]] + GET
AGAIN = {"reuse": True, "method": "GET", "row": {"method": "GET"}, "stats": {"requests_user": 2, "requests_again": 1}}


def test_a_run_without_a_fault():
    assert judge() == []
    assert judge(app=SEEN, windows=KILLED, **OWN_502) == []
    assert judge(app=[*PEER, *APP]) == []
    late = {**OWN_502, "status": 504, "row": {"status": 504}, "mood": "hasty"}
    assert judge(**late) == []
    assert judge(app=IN_TIME[:3], windows=DRAINS, got="nothing") == []
    assert judge(app=TWICE, **AGAIN) == []
    assert judge(app=SEEN, windows=KILLED, reuse=True, first=False, **OWN_502) == []


@pytest.mark.parametrize("text, wrong", [
    ("2 times", {"app": [*APP, *APP[:1]]}),
    ("2 times", {"app": [*APP, *APP[1:2]]}),
    ("2 times", {"app": TWICE, **AGAIN, "reuse": False}),
    ("2 times", {"app": [*APP[:2], *[x.replace(" 1-0 ", " 9-9 ") for x in APP]], **AGAIN, "method": "POST", "row": None}),
    ("2 times", {"app": [*GET[:2], *GET], **AGAIN}),
    ("2 times", {"app": [*TWICE[:2], *[x.replace(" 1-0 ", " 9-9 ") for x in BEGUN], *GET], **AGAIN}),
    ("3 times", {"app": [*[x.replace("9-9", "8-8") for x in TWICE[:2]], *TWICE], **AGAIN}),
    ("nobody has sent", {"app": [*APP, "H 1.1.1.1.1 1-0 1.0"]}),
    ("not sent all", {"sent": "part"}),
    ("instead of POST from", {"app": [x.replace("127.0.0.9", "127.0.0.8") for x in APP]}),
    ("instead of POST from", {"app": [x.replace("POST", "GET") for x in APP]}),
    ("not the one that was sent", {"app": [x.replace(plan.digest(b"hello"), "0") for x in APP]}),
    ("has not given", {"app": SEEN}),
    ("an end as of a whole one", {"got": "part", "end": "close_notify", "windows": KILLED}),
    ("without a fault", {**OWN_502, "status": 400, "row": {"status": 400}, "app": SEEN, "windows": KILLED}),
    ("had an answer before", {**OWN_502, "first": False, "app": SEEN, "windows": KILLED}),
    ("before any deadline", {**OWN_502, "status": 504, "row": {"status": 504}, "app": SEEN, "windows": KILLED}),
    ("the application had answered", OWN_502),
    ("nothing explains it", {**OWN_502, "app": SEEN}),
    ("nothing explains it", {"got": "nothing", "end": "eof"}),
    ("nothing explains it", {"app": IN_TIME, "windows": DRAINS, "got": "nothing"}),
    ("was shown 127.0.0.8", {"app": [*PEER, *APP], "shown": True}),
    ("2 lines", {"rows": 2, "lives": 2}),
    ("no line", {"rows": 0, "lives": 2}),
    ("sent it, not", {"row": {"client": "127.0.0.8"}}),
    ("neither a status nor", {"row": {"status": None}, "got": "nothing", "windows": KILLED}),
    ("says 200, and the application has not", {"app": SEEN, "got": "nothing", "windows": KILLED}),
    ("says 503, and the client got 502", {**OWN_502, "row": {"status": 503}, "app": SEEN, "windows": KILLED}),
    ("says 204, and the client got 200", {"row": {"status": 204}}),
    ("says 89 bytes", {"row": {"bytes": 89}}),
    ("has counted 2 requests", {"stats": {"requests_bpf": 1}}),
    ("has counted 2 responses", {"stats": {"responses": 2}}),
    ("responses_own: kedge has counted 1", {"stats": {"responses_own": 1}}),
    ("access_lines: kedge has counted 0", {"stats": {"access_lines": 0}}),
    ("accepted: kedge has counted 1", {"stats": {"closed": 0}}),
    ("1 x record_bad", {"reasons": {"record_bad": 1}}),
    ("which kedge has not counted", {"row": {"reason": "app_gone"}, "reasons": {"app_reset": 1}}),
])
def test_a_wrong_is_found(text, wrong):
    found = judge(**wrong)
    assert any(text in x for x in found), found


OWN = (b"HTTP/1.1 502 Bad Gateway\r\nDate: Sun, 29 Nov 2026 09:00:00 GMT\r\nContent-Type: text/plain\r\n"
       b"Content-Length: 3\r\nConnection: close\r\n\r\nabc")


@pytest.mark.parametrize("data, got", [
    (REQUEST.answer, "answer"), (REQUEST.answer[:50], "part"), (OWN, "own"), (OWN[:20], "nothing"), (b"", "nothing")])
def test_what_a_client_may_get(data, got):
    for step in (1, 7, 1000):
        result, stream = Result(CONNECTION, REQUEST), Stream()
        stream.expect(result)
        for at in range(0, len(data), step):
            stream.take(data[at:at + step])
        assert result.got == got, step


@pytest.mark.parametrize("data", [
    REQUEST.answer + b"H", OWN + b"H", REQUEST.answer[:60] + OWN, REQUEST.answer.replace(b"1.2.3", b"1.2.4"),
    REQUEST.answer[:-1] + b"!", OWN.replace(b"Date", b"X-Date"), b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_what_a_client_may_not_get(data):
    stream = Stream()
    stream.expect(Result(CONNECTION, REQUEST))
    with pytest.raises(Wrong):
        stream.take(data)
