"""The plug-in for pytest: options, fixtures, and the state of a namespace in the report of a failed test.

pytest imports this module in every project of an environment that has Fairlead, so it imports nothing else of Fairlead
before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fairlead.testing.clients import Clients
    from fairlead.testing.cluster import Cluster

_NAMESPACE = "fairlead_namespace"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fairlead", "Kubernetes clusters of Fairlead")
    group.addoption("--fairlead-nodes", type=int, default=1, metavar="N", help="number of nodes (default: 1)")
    group.addoption(
        "--fairlead-keep",
        action="store_true",
        help="keep the cluster and the namespaces of failed tests; the next run resets the cluster and uses it again",
    )
    group.addoption(
        "--fairlead-images",
        metavar="DIR",
        help="load the image archives of this folder (*.tar, *.tar.gz, ...) before the first test",
    )


@pytest.fixture(scope="session")
def fairlead_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster for this session, one for each worker of pytest-xdist. It ends with the process of the tests."""
    from fairlead.testing.session import new_cluster

    with new_cluster(request.config) as cluster:
        yield cluster


@pytest.fixture
def fairlead_namespace(fairlead_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a new namespace for this test, which is deleted afterwards."""
    from fairlead.testing.session import new_namespace

    with new_namespace(fairlead_cluster, request) as namespace:
        yield namespace


@pytest.fixture
def fairlead_fresh_cluster(fairlead_cluster: Cluster) -> Cluster:
    """The cluster of the session, brought back to its first state before this test."""
    fairlead_cluster.reset()
    return fairlead_cluster


@pytest.fixture(scope="session")
def fairlead_client(fairlead_cluster: Cluster) -> Iterator[Clients]:
    """Clients of the cluster: `.kubernetes` (the official one), `.lightkube` and `.kr8s`, as far as installed."""
    from fairlead.testing.clients import Clients

    clients = Clients(fairlead_cluster)
    yield clients
    clients.close()


@pytest.fixture
def kubectl(fairlead_cluster: Cluster, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Runs kubectl and returns its output: `kubectl("get pods")`; in the namespace of the test, if it has one."""
    from functools import partial

    if _NAMESPACE in request.fixturenames:
        return partial(fairlead_cluster.kubectl, namespace=str(request.getfixturevalue(_NAMESPACE)))
    return fairlead_cluster.kubectl


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds events, Pods and logs of the test's namespace to the report of a failure."""
    outcome = yield
    namespace = getattr(item, "funcargs", {}).get(_NAMESPACE)
    if namespace is None:
        return
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and report.when in ("setup", "call"):
        from fairlead.testing.session import attach

        attach(report, item, namespace)
