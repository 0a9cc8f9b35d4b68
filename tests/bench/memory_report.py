# SPDX-License-Identifier: BSD-2-Clause
"""Tables of the memory of idle connections, made of what the JSON holds and of nothing else."""
import report
import slab
from guest_report import median

# Whose caches are listed, of those that there are.
LISTED = ("nginx", "haproxy", "kedge", "kedge+shared", "kedge+record", "kedge+record+shared")


def beside(found, name, key):
    """The median, and how many times nginx's that is."""
    value = median(found[name], key)
    first = next(iter(found))
    times = f" ({value / median(found[first], key):.2f})" if first == "nginx" else ""
    return f"{value:,.0f}{times}"


def memory_table(found):
    columns = {"user": "user space", "used": "slab, objects", "pages": "slab, pages"}
    if not all("caches" in runs[0] for runs in found.values()):
        columns = {"user": "user space"}
    rows = [[name, *(beside(found, name, key) for key in columns),
             f"{median(runs, 'user_before_kb') / 1024:.1f}"] for name, runs in found.items()]
    return report.table(["", *columns.values(), "user space before, MB"], rows)


def cache_table(found):
    """"" if the slab was not read."""
    runs = {name: runs[0]["caches"] for name, runs in found.items() if name in LISTED and "caches" in runs[0]}
    if not runs:
        return ""
    rows = [[cache, *(f"{used:,.0f} / {pages:,.0f}" for _, used, pages in
                      (caches.get(cache, (0, 0, 0)) for caches in runs.values()))]
            for cache in slab.named(runs.values())]
    return "\nBytes of objects / of pages, by cache:\n\n" + report.table(["cache", *runs], rows)


def text(data):
    versions = ", ".join(f"{n} {v}" for n, v in data["versions"].items())
    parts = ["# Memory of an idle TLS connection\n\n",
             report.paragraph(f"{data['date']}; {versions}. Made by `make membench`, {data['connections']} connections."), "\n",
             report.reading("memory")]
    for where, found in data["results"].items():
        parts += [f"\n## {where}\n\n", memory_table(found), cache_table(found)]
    return "".join(parts)
