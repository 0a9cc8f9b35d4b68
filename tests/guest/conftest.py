# SPDX-License-Identifier: BSD-2-Clause
"""Tests of one combination stand together, so that kedge and Express start once for all of them."""


def pytest_collection_modifyitems(items):
    def combination(item):
        return str(item.callspec.params.get("combination")) if hasattr(item, "callspec") else ""

    items.sort(key=combination)
