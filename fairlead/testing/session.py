"""The work of the plug-in's fixtures."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from fairlead.cli.api import ApiError
from fairlead.testing.cluster import Cluster
from fairlead.testing.report import describe_namespace

FAILED = pytest.StashKey[bool]()
"""The test failed, and `--fairlead-keep` keeps its namespace."""
_NAME_MAX = 40


@contextmanager
def new_cluster(config: pytest.Config) -> Iterator[Cluster]:
    """Yields the cluster of a session."""
    keep = config.getoption("--fairlead-keep")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    name = cluster_name(str(config.rootpath), worker, keep=keep)
    with Cluster(name, nodes=config.getoption("--fairlead-nodes"), keep=keep) as cluster:
        if images := config.getoption("--fairlead-images"):
            cluster.load_image(images)
        yield cluster


def cluster_name(root: str, worker: str, *, keep: bool) -> str:
    """Returns the name of a session's cluster: the same for each session of a project if the cluster is kept."""
    own = hashlib.sha256(root.encode()).hexdigest()[:8] if keep else f"{os.getpid()}-{os.urandom(2).hex()}"
    return "-".join(filter(None, ("pytest", own, worker)))


def namespace_name(test: str) -> str:
    """Returns a new name that tells the test."""
    plain = re.sub("[^a-z0-9]+", "-", test.lower().removeprefix("test_")).strip("-")[:_NAME_MAX].strip("-")
    return f"{plain or 'test'}-{os.urandom(2).hex()}"


@contextmanager
def new_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yields the name of a new namespace, in which Pods can be created at once. It is deleted afterwards, but for a
    failed test with `--fairlead-keep`."""
    name = namespace_name(request.node.name)
    cluster.create_namespace(name)
    yield name
    if not (request.config.getoption("--fairlead-keep") and request.node.stash.get(FAILED, False)):
        with suppress(ApiError):
            cluster.api.call("DELETE", f"/api/v1/namespaces/{name}")


def attach(report: pytest.TestReport, item: Any, namespace: str) -> None:
    """Adds the state of the namespace to the report of a failed test."""
    item.stash[FAILED] = True
    cluster = item.funcargs.get("fairlead_cluster") or item._request.getfixturevalue("fairlead_cluster")
    for title, text in describe_namespace(cluster, namespace):
        report.sections.append((f"fairlead: {title}", text))
