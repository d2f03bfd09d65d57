"""Custom resources by the real kubectl, and across a crash of the control plane and a restart of the cluster."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "description": "Number of seats."},
        "color": {"type": "string", "default": "yellow", "enum": ["yellow", "black"]},
        "stops": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["street"],
            "items": {
                "type": "object",
                "required": ["street"],
                "properties": {"street": {"type": "string"}, "minutes": {"type": "integer"}},
            },
        },
    },
    "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "a cab never shrinks"}],
}
STATUS = {"type": "object", "properties": {"replicas": {"type": "integer"}}}
SCALE = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "cabs.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "cabs", "kind": "Cab", "shortNames": ["cb"], "categories": ["all"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}},
                "subresources": {"status": {}, "scale": SCALE},
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
            }
        ],
    },
}


def cab(name: str = "one", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Cab", "metadata": {"name": name}, "spec": {"size": 2} | spec}


def write(kubectl: Kubectl, name: str, tree: dict[str, Any]) -> str:
    (kubectl.manifests / name).write_text(json.dumps(tree))
    return name


def read(kubectl: Kubectl, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", *arguments, "-o", "json"))
    return found


def apply(kubectl: Kubectl, manager: str, tree: dict[str, Any]) -> str:
    path = write(kubectl, f"{manager}.json", tree)
    return kubectl("apply", "--server-side", "--field-manager", manager, "-f", path)


@pytest.fixture
def cabs(kubectl: Kubectl) -> Kubectl:
    """The definition, with one object."""
    kubectl("apply", "-f", write(kubectl, "crd.json", CRD))
    kubectl("wait", "--for=condition=Established", "crd/cabs.example.com", "--timeout=120s")
    kubectl("apply", "-f", write(kubectl, "cab.json", cab()))
    return kubectl


def test_a_custom_resource_is_handled_like_a_built_in_one(cabs: Kubectl) -> None:
    assert "cabs" in cabs("api-resources", "--api-group", "example.com", "--no-headers")
    assert read(cabs, "cb/one")["spec"] == {"size": 2, "color": "yellow"}
    assert cabs("get", "cabs").split() == ["NAME", "SIZE", "one", "2"]
    assert "cab.example.com/one" in cabs("get", "all")
    assert "Number of seats." in cabs("explain", "cabs.spec.size")
    cabs("patch", "cab", "one", "--type", "merge", "-p", '{"spec":{"color":"black"}}')
    assert read(cabs, "cab/one")["spec"]["color"] == "black"
    cabs("scale", "cab/one", "--replicas", "4")
    assert read(cabs, "cab/one")["spec"]["size"] == 4
    assert "Size:" in cabs("describe", "cab", "one")
    assert "deleted" in cabs("delete", "cab", "one")


def test_a_wrong_object_is_refused(cabs: Kubectl) -> None:
    done = cabs.try_("apply", "-f", write(cabs, "two.json", cab("two", size=10, colour="red")))
    assert 'unknown field "spec.colour"' in done.stderr
    done = cabs.try_("create", "--validate=false", "-f", write(cabs, "two.json", cab("two", size=10, color="red")))
    assert "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9" in done.stderr
    assert 'spec.color: Unsupported value: "red": supported values: "yellow", "black"' in done.stderr
    done = cabs.try_("patch", "cab", "one", "--type", "merge", "-p", '{"spec":{"size":1}}')
    assert "spec: Invalid value: a cab never shrinks" in done.stderr


def test_two_appliers_share_a_list_by_its_keys(cabs: Kubectl) -> None:
    apply(cabs, "ann", cab("shared", stops=[{"street": "a", "minutes": 1}]))
    apply(cabs, "bob", cab("shared", stops=[{"street": "b"}]))
    assert [one["street"] for one in read(cabs, "cab/shared")["spec"]["stops"]] == ["a", "b"]
    apply(cabs, "ann", cab("shared"))
    assert [one["street"] for one in read(cabs, "cab/shared")["spec"]["stops"]] == ["b"]
    cabs("delete", "cab", "shared")


def test_a_definition_is_deleted_with_its_objects(cabs: Kubectl) -> None:
    cabs("delete", "crd", "cabs.example.com", "--wait=true")
    assert "the server could not find the requested resource" in cabs.try_("get", "cabs").stderr  # kubectl's cache
    cabs("apply", "-f", "crd.json")
    cabs("wait", "--for=condition=Established", "crd/cabs.example.com", "--timeout=120s")
    assert cabs("get", "cabs", "-o", "name") == ""


def test_a_namespace_is_deleted_with_its_custom_objects(cabs: Kubectl) -> None:
    cabs("create", "namespace", "depot")
    cabs("apply", "-n", "depot", "-f", "cab.json")
    cabs("delete", "namespace", "depot", "--wait=true")
    cabs("create", "namespace", "depot")
    assert cabs("get", "cabs", "-n", "depot", "-o", "name") == ""
    cabs("delete", "namespace", "depot", "--wait=true")


def test_an_object_is_collected_with_its_owner(cabs: Kubectl) -> None:
    uid = read(cabs, "cab/one")["metadata"]["uid"]
    owner = {"apiVersion": "example.com/v1", "kind": "Cab", "name": "one", "uid": uid}
    meta = {"name": "seat", "ownerReferences": [owner]}
    cabs("apply", "-f", write(cabs, "map.json", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}))
    cabs("delete", "cab", "one")
    until("the dependent is collected", lambda: "NotFound" in cabs.try_("get", "cm", "seat").stderr)


def test_a_quota_counts_custom_objects(cabs: Kubectl) -> None:
    cabs("create", "namespace", "small")
    cabs("create", "quota", "q", "-n", "small", "--hard", "count/cabs.example.com=1")
    until("the quota is ready", lambda: read(cabs, "quota/q", "-n", "small").get("status", {}).get("used"))
    cabs("create", "-n", "small", "-f", "cab.json")
    done = cabs.try_("create", "-n", "small", "-f", write(cabs, "two.json", cab("two")))
    assert "exceeded quota: q, requested: count/cabs.example.com=1" in done.stderr
    used = {"count/cabs.example.com": "1"}
    until("the use is counted", lambda: read(cabs, "quota/q", "-n", "small")["status"]["used"] == used)
    cabs("delete", "namespace", "small", "--wait=true")


def test_definitions_and_objects_survive_a_crash_and_a_restart(cabs: Kubectl) -> None:
    before = read(cabs, "cab/one")
    cluster = cabs.cluster
    old = cluster.component("control-plane")["pid"]
    os.kill(old, signal.SIGKILL)
    until("another control plane", lambda: cluster.component("control-plane")["pid"] not in (old, 0))
    until("the server is ready", lambda: cabs.try_("get", "--raw", "/readyz").returncode == 0)
    assert read(cabs, "cab/one") == before
    assert cluster.fairlead("down").returncode == 0
    cluster.up()
    assert read(cabs, "cab/one") == before
    assert "Number of seats." in cabs("explain", "cabs.spec.size")
