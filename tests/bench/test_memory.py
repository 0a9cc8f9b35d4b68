# SPDX-License-Identifier: BSD-2-Clause
"""How the slab is read. Nothing is measured here."""
import slab

HEAD = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> ...
"""


def rows(tcp, files):
    return HEAD + (f"TCP   {tcp[0]}  {tcp[1] * 13} 2368 13 8 : tunables 0 0 0 : slabdata  {tcp[1]}  {tcp[1]}   0\n"
                   f"filp  {files[0]} {files[1] * 21} 192 21 1 : tunables 0 0 0 : slabdata {files[1]} {files[1]} 0\n")


def test_objects_and_pages_are_told_apart():
    found = slab.parse(rows((5, 2), (30, 2)))
    assert found == {"TCP": (5, 2368, 2 * 8 * 4096), "filp": (30, 192, 2 * 4096)}


def test_growth_is_for_one_connection():
    before, after = slab.parse(rows((5, 2), (30, 2))), slab.parse(rows((25, 5), (30, 2)))
    found = slab.grown(before, after, 10)
    assert found["TCP"] == [2, 2 * 2368, 3 * 8 * 4096 / 10]
    assert "filp" not in found  # it has not changed
    assert slab.total(found, 1) == 2 * 2368
    assert slab.named([found]) == ["TCP"]
    # A cache that is new has grown from nothing.
    assert slab.grown({}, after, 10)["filp"] == [3, 3 * 192, 2 * 4096 / 10]
