"""The connections by which `fairlead why` tries a Service."""

from __future__ import annotations

import socket
from argparse import Namespace
from typing import Any

import msgspec
import pytest

from fairlead.cmd.commands.explaining.why import _subject, _without_port
from fairlead.cmd.errors import UsageError
from fairlead.cmd.inspection.trying import dial_all
from fairlead.explain.dialling import by_hand_dials, dials_to
from fairlead.explain.outcomes import ANSWERED, REFUSED
from fairlead.explain.reading import assemble, lists
from fairlead.explain.snapshot import Snapshot


def test_all_connections_are_tried_and_each_has_its_own_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ends = [("80/TCP", "127.0.0.1", one.getsockname()[1]) for one in (server, closed)]
        assert [(one.number, one.outcome) for one in dial_all([*ends, ends[0]])] == [
            (ends[0][2], ANSWERED),
            (ends[1][2], REFUSED),
        ]
    assert dial_all([]) == []


def snapshot(spec: dict[str, Any], *endpoints: dict[str, Any]) -> Snapshot:
    service = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    piece = {
        "metadata": {"name": "web-1", "namespace": "default"},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
    }
    trees: dict[str, Any] = {key: [] for key in lists("web", "default")} | {"services": [service], "slices": [piece]}
    return assemble("web", "default", {key: msgspec.json.encode({"items": one}) for key, one in trees.items()})


PORTS = [{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
POD = {"addresses": ["10.244.1.2"], "targetRef": {"kind": "Pod", "name": "web-1"}}


def test_endpoints_without_a_pod_are_tried_at_each_tcp_port_if_they_serve() -> None:
    spec = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": PORTS}
    unready = {"addresses": ["192.0.2.3"], "conditions": {"ready": False}}
    made = snapshot(spec, POD, {"addresses": ["192.0.2.1"]}, {"addresses": ["192.0.2.2"]}, unready)
    assert by_hand_dials(made) == [("8080/TCP", "192.0.2.1", 8080), ("8080/TCP", "192.0.2.2", 8080)]
    assert dials_to(made) == [("80/TCP", "10.96.0.9", 80)]


def test_a_headless_service_is_tried_at_an_endpoint_and_an_alias_not_at_all() -> None:
    assert dials_to(snapshot({"clusterIP": "None", "ports": PORTS}, POD)) == [("8080/TCP", "10.244.1.2", 8080)]
    assert dials_to(snapshot({"type": "ExternalName", "externalName": "db.example.org"})) == []


@pytest.mark.parametrize(
    ("words", "kind", "name", "port"),
    [
        ("web", "svc", "web", ""),
        ("svc/web:http", "svc", "web", "http"),
        ("http://web:8080/path", "svc", "web", "8080"),
        ("https://web.shop/", "svc", "web.shop", ""),
        ("deployment.apps/web", "deploy", "web", ""),
        ("replicaset/web", "rs", "web", ""),
        ("job.batch/work", "job", "work", ""),
        ("cj/work", "cronjob", "work", ""),
    ],
)
def test_objects_are_named_as_users_name_them(words: str, kind: str, name: str, port: str) -> None:
    args = Namespace(port="")
    assert (_subject(_without_port(words, args)), args.port) == ((kind, name), port)


def test_other_kinds_are_refused_with_those_that_can_be_explained() -> None:
    with pytest.raises(UsageError, match="expected svc/NAME"):
        _subject("node/node1")
