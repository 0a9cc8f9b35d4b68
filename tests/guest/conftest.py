# SPDX-License-Identifier: BSD-2-Clause
"""Sorts tests by combination, so that kedge and Express start once for each."""


def pytest_collection_modifyitems(items):
    def combination(item):
        return str(item.callspec.params.get("combination")) if hasattr(item, "callspec") else ""

    items.sort(key=combination)
