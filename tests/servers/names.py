# SPDX-License-Identifier: BSD-2-Clause
"""Names of fields that a server could take for one that kedge sets or strips: each dash replaced by another
separator."""
import itertools

# The characters of a name (RFC 9110, 5.6.2) that are no letter or digit.
SEPARATORS = "!#$%&'*+-.^_`|~"
OURS = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Host", "X-Forwarded-Prefix",
        "X-Forwarded-Server", "X-Real-IP")
# These fields of a client that is not trusted do not reach the application under their own names, either.
STRIPPED = (*OURS[1:], "Forwarded", "X-Forwarded", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-By", "Forwarded-For",
            "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "Client-IP",
            "Front-End-Https")


def aliases(name):
    """Every mixture of separators in place of its dashes, without the name itself."""
    words = name.split("-")
    for between in itertools.product(SEPARATORS, repeat=len(words) - 1):
        made = words[0] + "".join(map("".join, zip(between, words[1:])))
        if made != name:
            yield made


def variable(name):
    """The name of CGI's variable (RFC 3875, 4.1.18)."""
    return "HTTP_" + "".join(c if c.isalnum() else "_" for c in name.upper())


ALIASES = [alias for name in OURS for alias in aliases(name)]
assert len(ALIASES) == len(OURS) * 224
# For the others, the same separator at each dash.
ALIASES += [name.replace("-", separator) for name in STRIPPED[len(OURS):] if "-" in name
            for separator in SEPARATORS.replace("-", "")]


def cases(names):
    """The same names in lower case, upper case, and as they are, one after the other."""
    change = itertools.cycle((str, str.lower, str.upper))
    return [how(name) for how, name in zip(change, names)]
