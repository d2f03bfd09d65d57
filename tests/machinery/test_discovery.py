from __future__ import annotations

from typing import Any

from fairlead.api.kinds import KINDS
from fairlead.machinery.kinds.discovery import (
    AGGREGATED_MEDIA_TYPE,
    aggregated,
    api_group,
    api_groups,
    api_resources,
    api_versions,
    wants_aggregated,
)
from fairlead.machinery.openapi.document import openapi_v3
from tests.machinery.things import THING


def resources(group_version: str) -> dict[str, Any]:
    found = api_resources(KINDS, group_version)
    assert found is not None
    assert found["groupVersion"] == group_version
    return {r["name"]: r for r in found["resources"]}


def test_the_core_group_is_v1() -> None:
    assert api_versions("127.0.0.1:6443")["versions"] == ["v1"]
    assert api_versions()["serverAddressByClientCIDRs"] == []


def test_every_named_group_is_listed_with_its_preferred_version() -> None:
    groups = {g["name"]: g["preferredVersion"]["groupVersion"] for g in api_groups(KINDS)["groups"]}
    assert groups["apps"] == "apps/v1"
    assert groups["discovery.k8s.io"] == "discovery.k8s.io/v1"
    assert "" not in groups
    assert api_group(KINDS, "apps") == {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": "apps",
        "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
    }
    assert api_group(KINDS, "nope") is None
    assert api_group(KINDS, "") is None


def test_resources_say_what_kubectl_maps_names_by() -> None:
    core, apps = resources("v1"), resources("apps/v1")
    assert core["services"]["shortNames"] == ["svc"]
    assert core["services"]["singularName"] == "service"
    assert core["services"]["categories"] == ["all"]
    assert "watch" in core["services"]["verbs"]
    assert core["nodes"]["namespaced"] is False
    assert core["services/status"]["verbs"] == ["get", "patch", "update"]
    assert core["pods/exec"]["kind"] == "PodExecOptions"
    assert (core["pods/attach"]["kind"], core["pods/attach"]["verbs"]) == ("PodAttachOptions", ["create", "get"])
    assert core["pods/log"]["verbs"] == ["get"]
    assert (core["pods/eviction"]["group"], core["pods/eviction"]["version"]) == ("policy", "v1")
    assert (apps["deployments/scale"]["group"], apps["deployments/scale"]["kind"]) == ("autoscaling", "Scale")
    assert api_resources(KINDS, "apps/v9") is None


def test_the_aggregated_form_says_the_same() -> None:
    core, named = aggregated(KINDS, core=True), aggregated(KINDS, core=False)
    assert (core["kind"], core["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert len(core["items"]) == 1
    for item in core["items"] + named["items"]:
        group = item["metadata"].get("name", "")
        for version in item["versions"]:
            old = resources(f"{group}/{version['version']}" if group else version["version"])
            new = {r["resource"]: r for r in version["resources"]}
            assert {n for n in old if "/" not in n} == set(new)
            for name, resource in new.items():
                assert resource["verbs"] == old[name]["verbs"]
                assert resource["responseKind"]["kind"] == old[name]["kind"]
                assert (resource["scope"] == "Namespaced") is old[name]["namespaced"]
                subs = {f"{name}/{s['subresource']}" for s in resource.get("subresources", [])}
                assert subs == {n for n in old if n.startswith(name + "/")}


def test_a_kind_of_ones_own_is_discovered_like_any_other() -> None:
    found = aggregated([THING], core=False)["items"][0]
    assert found["metadata"]["name"] == "test.example.com"
    assert [s["subresource"] for s in found["versions"][0]["resources"][0]["subresources"]] == ["scale", "status"]


def test_kubectl_asks_for_the_aggregated_form() -> None:
    old = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
    assert wants_aggregated(f"{AGGREGATED_MEDIA_TYPE},{old},application/json")
    assert wants_aggregated("application/json; as=APIGroupDiscoveryList; v=v2; g=apidiscovery.k8s.io")
    assert not wants_aggregated("application/json")
    assert not wants_aggregated(old)


def test_namespaces_have_no_deletecollection_verb() -> None:
    found = api_resources(KINDS, "v1")
    assert found is not None
    verbs = {resource["name"]: resource["verbs"] for resource in found["resources"]}
    assert "deletecollection" not in verbs["namespaces"]
    assert "deletecollection" in verbs["services"]
    assert "delete" not in openapi_v3(KINDS, "v1")["paths"]["/api/v1/namespaces"]
    assert "delete" in openapi_v3(KINDS, "v1")["paths"]["/api/v1/nodes"]
