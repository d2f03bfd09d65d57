"""The sockets of Pods are compared with the families of the Service's addresses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.explain.diagnose import diagnose
from fairlead.explain.finding import Status
from fairlead.explain.reading import Observed, assemble, lists, observed_in
from fairlead.explain.sockets import Listener
from tests.explain.english import english_in

POD = {
    "metadata": {"name": "web-1", "namespace": "default", "labels": {"app": "web"}},
    "spec": {"nodeName": "node1", "containers": [{"name": "web", "image": "nginx"}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}


def listening(families: list[str], addresses: list[str]) -> tuple[Status, str]:
    spec: dict[str, Any] = {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ports": [{"port": 80}]}
    service = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec | {"ipFamilies": families}}
    trees: dict[str, Any] = {key: [] for key in lists("web", "default")} | {"services": [service], "pods": [POD]}
    listed = {key: msgspec.json.encode({"items": one}) for key, one in trees.items()}
    sockets = {"web-1": frozenset(Listener("TCP", address, 80) for address in addresses)}
    diagnosis = diagnose(observed_in(assemble("web", "default", listed), Observed(sockets)))
    assert list(english_in(diagnosis)) == []
    found = next(step.finding for step in diagnosis.steps if step.check.name == "listening")
    return found.status, str(found.cause)


@pytest.mark.parametrize(
    ("families", "addresses", "part"),
    [
        (["IPv6"], ["0.0.0.0"], "has an IPv6 address, and the process in Pod web-1 listens on port 80 by IPv4 only"),
        (["IPv4", "IPv6"], ["0.0.0.0"], "has an IPv6 address"),
        (["IPv4"], ["fd00::5"], "has an IPv4 address, and the process in Pod web-1 listens on port 80 by IPv6 only"),
    ],
)
def test_a_process_that_listens_by_one_family_only_is_a_fault_of_the_other(
    families: list[str], addresses: list[str], part: str
) -> None:
    status, cause = listening(families, addresses)
    assert (status, part in cause) == (Status.FAULT, True), cause


@pytest.mark.parametrize(
    ("families", "addresses"),
    [
        (["IPv4", "IPv6"], ["::"]),
        (["IPv4", "IPv6"], ["0.0.0.0", "fd00::5"]),
        (["IPv4"], ["10.244.1.2", "127.0.0.1"]),
        ([], ["0.0.0.0"]),
    ],
)
def test_a_socket_on_the_unspecified_address_of_ipv6_serves_both_families(
    families: list[str], addresses: list[str]
) -> None:
    assert listening(families, addresses)[0] is Status.OK
