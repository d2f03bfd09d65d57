"""The official Python client's dynamic client, which finds every kind by discovery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import dynamic

from fairlead.api.kinds import built_in

from .apiserver import Served


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[dynamic.DynamicClient]:
    with served.client() as api:
        yield dynamic.DynamicClient(api)


@pytest.mark.slow
def test_the_dynamic_client_lists_every_kind(client: dynamic.DynamicClient) -> None:
    listed = {kind for kind in built_in() if "list" in kind.verbs}
    for kind in listed:
        resource = client.resources.get(api_version=kind.api_version, kind=kind.kind)
        found = resource.get()
        assert found.kind == kind.list_kind
        assert found.apiVersion == kind.api_version


@pytest.mark.slow
def test_the_dynamic_client_creates_applies_watches_and_deletes(client: dynamic.DynamicClient) -> None:
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    made = maps.create(body=body, namespace="default")
    events = maps.watch(namespace="default", name="a", resource_version=made.metadata.resourceVersion, timeout=60)
    body["data"] = {"k": "2"}
    client.server_side_apply(maps, body=body, namespace="default", field_manager="test", force_conflicts=True)
    assert next(events)["object"].data.k == "2"
    maps.delete(name="a", namespace="default")
    assert next(events)["type"] == "DELETED"
    events.close()
