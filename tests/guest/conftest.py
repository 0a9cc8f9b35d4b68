"""Tests of one combination stand together, so that kedge and Express start once for all of them."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: str(item.callspec.params["combination"]))
