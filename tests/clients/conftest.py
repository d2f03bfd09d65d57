"""Real clients against an API server on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes.client import ApiClient

from .apiserver import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture
def api(served: Served) -> Iterator[ApiClient]:
    with served.client() as client:
        yield client
