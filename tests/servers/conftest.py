# SPDX-License-Identifier: BSD-2-Clause
"""Shared by the tests with few connections; test_servers.py has runs of its own."""
import pytest

import fronts
from kedge import Combination

EDITORS = [Combination(), Combination(edit=True)]


@pytest.fixture(params=EDITORS, ids=str)
def editor(request):
    missing = {str(c): why for c, why in request.config.kedge_missing.items()}.get(str(request.param))
    if missing:
        pytest.skip(f"{request.param}: {missing}")
    return request.param


@pytest.fixture(scope="session")
def applications():
    """The applications behind FastCGI, SCGI and uwsgi."""
    behind = fronts.Behind()
    fronts.Configured.sockets = behind.base
    yield
    behind.stop()
