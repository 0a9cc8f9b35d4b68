# SPDX-License-Identifier: BSD-2-Clause
"""
How a server gives an application the names of a request's fields, found by asking it without kedge. A field has a name
close to X-Real-IP and a value that is found again in what the application returns.
"""
import concurrent.futures
import re

import fronts
import names
import passing
from client import Client, request

# A byte in five places of X-Real-IP. "dash" and "letter": in the place of one; the others: added.
SHAPES = {"dash": b"X%bReal-IP", "letter": b"X-%beal-IP", "front": b"%bX-Real-IP", "inside": b"X-Re%bal-IP",
          "behind": b"X-Real-IP%b"}
# Where the byte makes X-Real-IP itself, or ends it.
ITSELF = {("dash", b"-"), ("letter", b"R"), ("letter", b"r"), ("behind", b":")}
EVERY = [b"%c" % c for c in range(256)]
SEPARATORS = [c.encode() for c in names.SEPARATORS]
TOKEN = [c for c in EVERY if c.isalnum() or c in SEPARATORS]
# Fields, in letters that no variable has, that a server or an application could believe.
BELIEVED = {
    "X-Forwarded-For": "203.0.113.66", "X-Real-Ip": "203.0.113.66", "Forwarded": "for=203.0.113.66;proto=https",
    "X-Client-Ip": "203.0.113.66", "Client-Ip": "203.0.113.66", "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "ssl", "X-Forwarded-Ssl": "on", "X-Forwarded-Scheme": "https", "X-Url-Scheme": "https",
    "Front-End-Https": "on", "X-Forwarded-Host": "forged.example", "X-Forwarded-Server": "forged.example",
    "X-Forwarded-Port": "4443", "X-Forwarded-Prefix": "/forged", "Content_Length": "3", "Transfer_Encoding": "chunked",
    "Remote-Addr": "203.0.113.66", "Remote_Addr": "203.0.113.66", "Remote-User": "forged", "Remote_User": "forged",
    "Auth_Type": "forged", "Script-Name": "/", "Script_Name": "/", "Path_Info": "/forged",
    "Request_Uri": "/forged", "Request_Method": "FORGED", "Server_Name": "forged", "Server_Port": "4443",
    "Https": "on", "Http_Host": "forged", "Proxy": "http://203.0.113.66",
}
AT_ONCE = 4  # connections
NO_ANSWER = (EOFError, ConnectionError, ValueError, AssertionError, IndexError)


def ask(address, target, lines):
    """The answer to a request with these lines in its head; None: no answer in HTTP."""
    head = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % target.encode()
    with Client(address) as c:
        try:
            c.send(head + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
            return c.response()
        except NO_ANSWER:
            return None


def lines_in(answer):
    """What the application returned; nothing if it was not asked."""
    if not answer or answer.status != 200:
        return []
    return answer.body.decode("latin-1").split("\n")


def names_of(found, mark):
    """Our marks have no "=", but a name may."""
    return [line.rpartition("=")[0] for line in found if mark in line.rpartition("=")[2]]


def lines_of(byte, shapes):
    """White space in front of a name would continue the line before it."""
    return [b"X-Before: b", *(SHAPES[shape] % byte + b": mark%d." % at for at, shape in enumerate(shapes)), b"X-Behind: b"]


class Asked:
    """An application at an address. shown: the names under which it gets x-rEAL-ip, found if they are not given."""

    def __init__(self, address, target, known=None):
        self.address, self.target = address, target
        self.shown = known or sorted(set(names_of(self.ask([b"x-rEAL-ip: mark."]), "mark.")))
        self.own = {name.lower() for name in self.shown}
        assert self.own, (address, target)

    def ask(self, lines):
        return lines_in(ask(self.address, self.target, lines))

    # --- each byte in each place ------------------------------------------------------------
    def fate(self, found):
        """Names differ in capital letters only, if the server passes them as they came."""
        if self.own & {name.lower() for name in found}:
            return "ours"
        return "own" if found else "dropped"

    def fates_of(self, byte, shapes):
        """{shape: fate} of some in one request; None if that was refused."""
        found = self.ask(lines_of(byte, shapes))
        if not found:
            return None
        return {shape: self.fate(names_of(found, f"mark{at}.")) for at, shape in enumerate(shapes)}

    def together(self, byte):
        return self.fates_of(byte, list(SHAPES)) if byte in TOKEN or byte > b"\x7f" else None

    def alone(self, way):
        shape, byte = way
        return (self.fates_of(byte, [shape]) or {shape: "refused"})[shape]

    def all_fates(self):
        """
        {(shape, byte): fate}. ours: the application takes the field for X-Real-IP; own: it has another name; dropped:
        the application does not see it; refused: the request is.
        """
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            together = dict(zip(EVERY, pool.map(self.together, EVERY)))
            rest = [(shape, byte) for byte, fates in together.items() if not fates for shape in SHAPES]
            found = dict(zip(rest, pool.map(self.alone, rest)))
        return found | {(shape, byte): fate for byte, fates in together.items() for shape, fate in (fates or {}).items()}

    # --- two fields that become one ---------------------------------------------------------
    def both(self, first, second):
        """What the application sees of two fields, the first of value "one", the second of value "two"."""
        found = self.ask([first + b": one", second + b": two"])
        values = [value for name, _, value in (line.partition("=") for line in found)
                  if name.lower() in self.own and re.search("one|two", value)]
        return "; ".join(dict.fromkeys(values)) or ("neither" if found else "refused")

    # --- names by which a server frames a request -------------------------------------------
    def frames(self, name, value, body):
        """Does this field make it take the bytes that follow for a body? The next request then has its answer."""
        last = request(target=self.target, fields=[("X-Last", "mark."), ("Connection", "close")])
        with Client(self.address) as c:
            try:
                c.send(b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b: %b\r\n\r\n%b" % (
                    self.target.encode(), name, value, body))
                c.response()
                c.send(last)
                return b"mark." in c.response().body
            except NO_ANSWER:
                return False

    def framing(self):
        """{field: the separators with which it is taken for a field that frames a request}."""
        body = request(target=self.target)
        ways = {b"Content%bLength": (b"%d" % len(body), body),
                b"Transfer%bEncoding": (b"chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))}
        return {name.replace(b"%b", b"-").decode(): [s for s in SEPARATORS if s != b"-" and self.frames(name % s, *how)]
                for name, how in ways.items()}

    # --- variables of the server's own ------------------------------------------------------
    def variables(self, lines=()):
        return dict(line.partition("=")[::2] for line in self.ask([b"X-Before: b", *lines]))

    def sets(self):
        """{variable: the fields that set it}, without a field's own."""
        before, again = self.variables(), self.variables()
        found = {}
        for field, value in BELIEVED.items():
            for name, now in self.variables([f"{field}: {value}".encode()]).items():
                if before.get(name) == again.get(name) != now and not is_of(field, name):
                    found.setdefault(name, []).append(field)
        return found


def is_of(field, name):
    """The variable that every field has. One in capitals without HTTP_ is the server's own."""
    return name.startswith("HTTP_") and name != "HTTP_PROXY" or \
        name.lower().replace("_", "-") == field.lower().replace("_", "-") and not name.isupper()


def targets(server):
    """An application returns the names as they are, if it is asked for such a target."""
    return getattr(server, "as_they_are", server.doors)


ALL = (*fronts.ALL, *fronts.PLAIN, *passing.ALL)

# --- the table ------------------------------------------------------------------------------
WORDS = {b"\0": "NUL", b"\t": "TAB", b"\n": "LF", b"\r": "CR", b" ": "SP", b"\x7f": "DEL", b"|": "bar", b"`": "backtick"}
SETS = {"all": [c for c in SEPARATORS if c != b"-"], "8-bit": EVERY[128:],
        "control": [c for c in EVERY[:32] if c not in WORDS],
        "punctuation": [c for c in EVERY[33:127] if c not in TOKEN and c != b":"]}


def shown(some):
    """Bytes for a table."""
    some, words = list(some), []
    for word, members in SETS.items():
        if set(members) <= set(some):
            some = [c for c in some if c not in members]
            words.append(word)
    rest = [WORDS.get(c) or (f"`{c.decode()}`" if b" " < c < b"\x7f" else f"0x{c.hex()}") for c in some]
    return " ".join([*words, *rest])


def taken_for_ours(fates):
    """(shape, byte) that make another name X-Real-IP."""
    return [way for way, fate in fates.items() if fate == "ours" and way not in ITSELF]


def ours_cell(fates):
    parts = []
    for shape, word in (("dash", ""), ("letter", "for a letter: "), ("front", "in front: "), ("inside", "inside: "),
                        ("behind", "behind: ")):
        some = [byte for at, byte in taken_for_ours(fates) if at == shape]
        if some:
            parts.append(word + shown(some))
    return "; ".join(parts) or "none"


def fate_cell(fates, fate, some):
    return shown(c for c in some if fates["inside", c] == fate) or "none"


MANY = 12  # tries to see a choice by chance
TWICE = {"one, two": "joined", "one,two": "joined", "one": "first", "two": "last", "one; two": "both"}


def with_alias_cell(asked, fates):
    """Of X-Real-IP and an alias of it, in both orders."""
    some = [byte for at, byte in taken_for_ours(fates) if at == "dash"]
    if not some:
        return ""
    alias = SHAPES["dash"] % (b"_" if b"_" in some else some[0])
    got = {order: {asked.both(*order) for _ in range(MANY)} for order in ((b"X-Real-IP", alias), (alias, b"X-Real-IP"))}
    first, second = got.values()
    if len(first) + len(second) > 2:
        return "either"  # an order of its own, by chance
    if first != second:
        return "the true one" if first == {"one"} else "the alias"
    return TWICE[first.pop()]


def framing_cell(asked):
    return "; ".join(f"{name}: {shown(some)}" for name, some in asked.framing().items() if some) or "none"


def sets_cell(asked):
    return "; ".join(f"`{name}`: {' '.join(f'`{field}`' for field in fields)}"
                     for name, fields in sorted(asked.sets().items())) or "none"


HEADINGS = ("server", "application", "`x-rEAL-ip` arrives as", "takes for a dash", "drops", "lets in", "twice",
            "with an alias", "frames by", "variables that fields set")


def row(asked, fates):
    """The cells of one door, without server and application."""
    # A colon ends the name.
    others = [c for c in EVERY if c not in TOKEN and c != b":"]
    taken = [c for c in others if fates["inside", c] != "refused"]
    return (", ".join(f"`{name}`" for name in asked.shown), ours_cell(fates), fate_cell(fates, "dropped", SEPARATORS),
            shown(taken) or "none", TWICE[asked.both(b"X-Real-IP", b"X-Real-IP")], with_alias_cell(asked, fates),
            framing_cell(asked), sets_cell(asked))
