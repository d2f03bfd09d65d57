"""Server-side apply over HTTP, and the owners that other writes record."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairlead.api.kinds import KINDS
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import OBJECT_MODIFIED

from .harness import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    SERVICES,
    STRATEGIC,
    Api,
    Tree,
    config_map,
    deployment,
    pod,
    service,
    story,
)

APPLY = "application/apply-patch+yaml"
WEB = f"{SERVICES}/web"


def web(**spec: Any) -> Tree:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def ports(*found: Tree) -> Tree:
    return web(ports=list(found), selector={"app": "web"})


async def apply(api: Api, path: str, body: Any, manager: str = "me", **query: str) -> Tree:
    return await api.ok("PATCH", path, body, content_type=APPLY, query={"fieldManager": manager} | query)


async def refused(api: Api, path: str, body: Any, manager: str = "me", **query: str) -> tuple[int, str, str]:
    error = await api.error("PATCH", path, body, content_type=APPLY, query={"fieldManager": manager} | query)
    return error.code, error.reason, error.message


def owners(obj: Tree) -> list[tuple[str, str, str]]:
    entries = obj["metadata"].get("managedFields", [])
    return [(entry["manager"], entry["operation"], entry.get("subresource", "")) for entry in entries]


def fields(obj: Tree, manager: str, subresource: str = "") -> Tree:
    for entry in obj["metadata"]["managedFields"]:
        if (entry["manager"], entry.get("subresource", "")) == (manager, subresource):
            found: Tree = entry["fieldsV1"]
            return found
    raise AssertionError(f"{manager} owns nothing: {owners(obj)}")


ALIASES = b"a: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"b%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 10)
)
HTTP = {"name": "http", "port": 80, "targetPort": 8080}


@story
async def test_applying_creates_and_then_changes(api: Api) -> None:
    body = ports(HTTP)
    created = await api.call("PATCH", WEB, body, content_type=APPLY, query={"fieldManager": "me"})
    assert created.status == 201
    again = await api.call("PATCH", WEB, body, content_type=APPLY, query={"fieldManager": "me"})
    assert (again.status, again.body) == (200, created.body)
    found = await apply(api, WEB, ports(HTTP | {"targetPort": 9090}))
    assert found["spec"]["ports"] == [HTTP | {"targetPort": 9090, "protocol": "TCP"}]
    assert found["spec"]["clusterIP"]
    entry = found["metadata"]["managedFields"][0]
    assert entry == {
        "manager": "me",
        "operation": "Apply",
        "apiVersion": "v1",
        "time": "2023-11-14T22:13:20Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:spec": {
                "f:ports": {
                    'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:targetPort": {}}
                },
                "f:selector": {},
            }
        },
    }


@story
async def test_yaml_is_read_as_well(api: Api) -> None:
    body = b"""
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {since: "2020-01-01"}}
data:
  key: |
    two
    lines
"""
    assert (await apply(api, f"{CONFIG_MAPS}/a", body))["data"] == {"key": "two\nlines\n"}


@story
async def test_a_conflict_has_upstreams_text_and_can_be_forced(api: Api) -> None:
    await api.ok("POST", SERVICES, service("web", ports=[HTTP]), query={"fieldManager": "kubectl-create"})
    await api.ok(
        "PATCH",
        WEB,
        {"spec": {"ports": [{"port": 80, "targetPort": 9376}]}},
        content_type=STRATEGIC,
        query={"fieldManager": "kubectl-edit"},
    )
    where = '.spec.ports[port=80,protocol="TCP"].targetPort'
    text = f'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: {where}'
    assert await refused(api, WEB, ports(HTTP)) == (409, "Conflict", text)
    error = await api.error("PATCH", WEB, ports(HTTP), content_type=APPLY, query={"fieldManager": "me"})
    assert error.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl-edit" using v1', "field": where}
    ]
    found = await apply(api, WEB, ports(HTTP), force="true")
    assert found["spec"]["ports"][0]["targetPort"] == 8080
    assert owners(found) == [("me", "Apply", ""), ("kubectl-create", "Update", "")]


@story
async def test_two_managers_share_an_object(api: Api) -> None:
    await apply(api, WEB, ports(HTTP), "a")
    await apply(api, WEB, web(ports=[{"name": "metrics", "port": 9100}]), "b")
    found = await apply(api, WEB, ports(HTTP), "a")
    assert [port["port"] for port in found["spec"]["ports"]] == [80, 9100]
    found = await apply(api, WEB, web(), "b")
    assert [port["port"] for port in found["spec"]["ports"]] == [80]
    assert owners(found)[0] == ("a", "Apply", "")


@story
async def test_a_dry_run_changes_nothing(api: Api) -> None:
    assert (await apply(api, WEB, ports(HTTP), dryRun="All"))["spec"]["type"] == "ClusterIP"
    assert (await api.error("GET", WEB)).code == 404
    before = await apply(api, WEB, ports(HTTP))
    changed = await apply(api, WEB, ports(HTTP | {"targetPort": 1}), dryRun="All")
    assert changed["spec"]["ports"][0]["targetPort"] == 1
    assert await api.ok("GET", WEB) == before


@story
async def test_configurations_that_cannot_be_applied_are_refused(api: Api) -> None:
    error = await api.error("PATCH", WEB, ports(HTTP), content_type=APPLY)
    text = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    assert (error.code, error.message) == (422, text)
    error = await api.error("PATCH", WEB, {}, content_type=MERGE, query={"force": "true"})
    assert (
        error.message
        == 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'
    )
    cases: list[tuple[Any, int, str]] = [
        (b"a: [", 400, "error decoding YAML: "),
        (b"[]", 400, "error decoding YAML: an object is expected"),
        (b"&a [*a]", 400, "error decoding YAML: "),
        (ALIASES, 400, "error decoding YAML: "),
        (b"[" * 100_000, 400, "error decoding YAML: "),
        (b'{"a":' * 100_000, 400, "error decoding YAML: "),
        ({}, 400, "Object 'Kind' is missing in the applied configuration"),
        (web() | {"kind": "Pod"}, 400, "invalid object type: v1, Kind=Pod"),
        (web() | {"apiVersion": "v2"}, 400, "Incorrect version specified in apply patch. "),
        (
            web(bar=1),
            400,
            "failed to create typed patch object (default/web; /v1, Kind=Service): "
            ".spec.bar: field not declared in schema",
        ),
        (
            ports(HTTP, HTTP),
            400,
            "failed to create typed patch object (default/web; /v1, Kind=Service): "
            '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
        ),
        (web() | {"metadata": {"name": "web", "managedFields": []}}, 400, "metadata.managedFields must be nil"),
        (web() | {"metadata": {"name": "other"}}, 400, "the name of the object (other) does not match the name on the"),
        (web() | {"metadata": {"name": "web", "uid": "x"}}, 409, "Operation cannot be fulfilled on services"),
        (ports({"port": 0}), 422, 'Service "web" is invalid: [spec.ports[0].port: Invalid value: 0: must be between'),
    ]
    for body, code, beginning in cases:
        found = await refused(api, WEB, body)
        assert found[0] == code, found
        assert found[2].startswith(beginning), found
    assert (await refused(api, WEB, b'{"a": 1, "a": 2}'))[0] == 400


@story
async def test_duplicate_keys_give_a_warning_or_an_error(api: Api) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\ndata:\n  a: b\n  a: c\n"
    found = await refused(api, f"{CONFIG_MAPS}/x", body, fieldValidation="Strict")
    assert found == (400, "BadRequest", 'error strict decoding YAML: line 5: key "a" already set in map')
    query = {"fieldManager": "me", "fieldValidation": "Warn"}
    response = await api.call("PATCH", f"{CONFIG_MAPS}/x", body, content_type=APPLY, query=query)
    assert 'key \\"a\\" already set in map' in response.headers["warning"]


@story
async def test_a_resource_version_in_the_configuration_is_held_to(api: Api) -> None:
    first = await apply(api, WEB, ports(HTTP))
    version = first["metadata"]["resourceVersion"]
    await apply(api, WEB, web(sessionAffinity="ClientIP"), "b")
    body = ports(HTTP | {"targetPort": 1}) | {"metadata": {"name": "web", "resourceVersion": version}}
    code, reason, message = await refused(api, WEB, body)
    assert (code, reason) == (409, "Conflict")
    assert message.endswith(OBJECT_MODIFIED)
    assert (await refused(api, f"{SERVICES}/new", web() | {"metadata": {"resourceVersion": "7"}}))[0] == 409


@story
async def test_the_status_is_applied_and_owned_apart(api: Api) -> None:
    await apply(api, WEB, web(type="LoadBalancer", ports=[HTTP]), "a")
    ingress = {"loadBalancer": {"ingress": [{"ip": "172.30.0.200"}]}}
    body = web(type="NodePort") | {"status": ingress}
    found = await apply(api, f"{WEB}/status", body, "lb")
    assert found["spec"]["type"] == "LoadBalancer"
    assert found["status"] == {"loadBalancer": {"ingress": [{"ip": "172.30.0.200", "ipMode": "VIP"}]}}
    assert owners(found) == [("a", "Apply", ""), ("lb", "Apply", "status")]
    assert fields(found, "lb", "status") == {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
    found = await apply(api, WEB, web(type="LoadBalancer", ports=[HTTP]) | {"status": {"loadBalancer": {}}}, "a")
    assert found["status"]["loadBalancer"]["ingress"]
    assert (await refused(api, f"{SERVICES}/none/status", body))[0] == 404


@story
async def test_scaling_takes_over_the_ownership_of_replicas(api: Api) -> None:
    path = f"{DEPLOYMENTS}/web"
    await apply(api, path, {"apiVersion": "apps/v1", "kind": "Deployment"} | deployment("web", 3), "a")
    scale = {"spec": {"replicas": 5}}
    await api.ok("PATCH", f"{path}/scale", scale, content_type=MERGE, query={"fieldManager": "hpa"})
    found = await api.ok("GET", path)
    assert fields(found, "hpa", "scale") == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in fields(found, "a")["f:spec"]
    body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 7}}
    code, _, message = await refused(api, f"{path}/scale", body, "other")
    assert (code, message) == (
        409,
        'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas',
    )
    assert (await apply(api, f"{path}/scale", body, "other", force="true"))["spec"]["replicas"] == 7
    assert ("other", "Apply", "scale") in owners(await api.ok("GET", path))


@story
async def test_every_write_leaves_its_owner_by_name_or_by_program(api: Api) -> None:
    created = await api.ok("POST", SERVICES, service("web", ports=[HTTP]), user_agent="kubectl/v1.36 (linux/amd64)")
    assert owners(created) == [("kubectl", "Update", "")]
    assert fields(created, "kubectl") == {
        "f:spec": {
            "f:internalTrafficPolicy": {},
            "f:ports": {
                ".": {},
                'k:{"port":80,"protocol":"TCP"}': {
                    ".": {},
                    "f:name": {},
                    "f:port": {},
                    "f:protocol": {},
                    "f:targetPort": {},
                },
            },
            "f:selector": {},
            "f:sessionAffinity": {},
            "f:type": {},
        }
    }
    patch = {"metadata": {"labels": {"a": "b"}}}
    await api.ok("PATCH", WEB, patch, content_type=MERGE, query={"fieldManager": "labeller"})
    found = await api.ok("GET", WEB)
    assert fields(found, "labeller") == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    found["spec"]["selector"] = {"x": "y"}
    del found["metadata"]["labels"]
    found = await api.ok("PUT", WEB, found, query={"fieldManager": "putter"})
    assert [name for name, _, _ in owners(found)] == ["kubectl", "putter"]
    assert fields(found, "putter") == {"f:spec": {"f:selector": {}}}
    condition = {"type": "Seen", "status": "True", "reason": "Tested", "lastTransitionTime": "2023-11-14T22:13:20Z"}
    status = {"status": {"conditions": [condition | {"message": ""}]}}
    await api.ok("PATCH", f"{WEB}/status", status, content_type=MERGE)
    assert ("fairlead", "Update", "status") in owners(await api.ok("GET", WEB))


@story
async def test_an_apply_without_changes_is_not_written(api: Api) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a", k="v"), query={"fieldManager": "a"})
    same = await api.ok("PUT", f"{CONFIG_MAPS}/a", created, query={"fieldManager": "b"})
    assert same == created
    patch = {"data": {"k": "v"}}
    query = {"fieldManager": "c"}
    assert await api.ok("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=MERGE, query=query) == created


@story
async def test_writers_without_a_name_start_no_tracking(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    found = await api.ok(
        "PATCH", f"{PODS}/a", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE, query={"fieldManager": "x"}
    )
    assert owners(found) == []
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"c": "d"}}}
    found = await apply(api, f"{PODS}/a", body)
    assert owners(found) == [("me", "Apply", ""), ("before-first-apply", "Update", "")]
    assert fields(found, "before-first-apply")["f:metadata"]["f:labels"] == {".": {}, "f:a": {}}


@story
async def test_a_client_may_reset_or_rewrite_the_owners_but_not_lose_them(api: Api) -> None:
    path = f"{CONFIG_MAPS}/a"
    created = await api.ok("POST", CONFIG_MAPS, config_map("a", k="v"), query={"fieldManager": "a"})
    without = created | {"metadata": {k: v for k, v in created["metadata"].items() if k != "managedFields"}}
    assert owners(await api.ok("PUT", path, without)) == [("a", "Update", "")]
    for nonsense in ([{"manager": "x", "operation": "Dance"}], [{"operation": "Apply", "fieldsType": "FieldsV1"}]):
        patch = {"metadata": {"managedFields": nonsense}}
        assert owners(await api.ok("PATCH", path, patch, content_type=MERGE)) == [("a", "Update", "")]
    entry = created["metadata"]["managedFields"][0] | {"manager": "b", "operation": "Apply"}
    operations = [{"op": "replace", "path": "/metadata/managedFields", "value": [entry]}]
    assert owners(await api.ok("PATCH", path, operations, content_type=JSON_PATCH)) == [("b", "Apply", "")]
    found = await api.ok("PATCH", path, {"metadata": {"managedFields": [{}]}}, content_type=MERGE)
    assert owners(found) == []


@story
async def test_a_deletion_keeps_the_owners(api: Api) -> None:
    body = config_map("a", k="v")
    body["metadata"]["finalizers"] = ["x/y"]
    await api.ok("POST", CONFIG_MAPS, body, query={"fieldManager": "a"})
    await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    found = await api.ok("GET", f"{CONFIG_MAPS}/a")
    assert found["metadata"]["deletionTimestamp"]
    assert owners(found) == [("a", "Update", "")]


@story
async def test_many_managers_apply_at_once_and_nothing_is_lost(api: Api) -> None:
    def body(number: int) -> Tree:
        return {"apiVersion": "v1", "kind": "ConfigMap", "data": {f"k{number}": "v"}}

    await asyncio.gather(*(apply(api, f"{CONFIG_MAPS}/a", body(i), f"m{i}") for i in range(20)))
    found = await api.ok("GET", f"{CONFIG_MAPS}/a")
    assert sorted(found["data"]) == sorted(f"k{i}" for i in range(20))
    assert len(owners(found)) == 20


@story
async def test_openapi_lists_apply_and_the_keys_of_lists(api: Api) -> None:
    document = await api.ok("GET", "/openapi/v3/api/v1")
    operation = document["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"]
    assert APPLY in operation["requestBody"]["content"]
    spec = document["components"]["schemas"]["io.k8s.api.core.v1.ServiceSpec"]["properties"]
    assert spec["ports"]["x-kubernetes-list-map-keys"] == ["port", "protocol"]
    assert spec["ports"]["x-kubernetes-list-type"] == "map"
    assert spec["selector"]["x-kubernetes-map-type"] == "atomic"
    port = document["components"]["schemas"]["io.k8s.api.core.v1.ServicePort"]["properties"]
    assert port["protocol"]["default"] == "TCP"


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.conversion is None and "patch" in kind.verbs], ids=lambda kind: kind.kind
)
def test_every_kind_can_be_applied(kind: Kind[Any]) -> None:
    """Applies at least metadata; a kind that needs more answers 422 and does not crash."""

    @story
    async def test(api: Api) -> None:
        path = kind.path("default", "a-b")
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"labels": {"a": "b"}}}
        response = await api.call("PATCH", path, body, content_type=APPLY, query={"fieldManager": "me"})
        assert response.status in (201, 422), response.body
        if response.status == 201:
            found = await apply(api, path, body | {"metadata": {}})
            assert "a" not in found["metadata"].get("labels", {})
            assert owners(found) == []

    test()


@story
async def test_labels_of_a_kind_without_a_spec_have_an_owner_from_their_creation(api: Api) -> None:
    for path, body in (
        (CONFIG_MAPS, config_map("a", {"app": "x"}, k="v")),
        (CONFIG_MAPS.replace("configmaps", "secrets"), {"metadata": {"name": "a", "labels": {"app": "x"}}}),
    ):
        made = await api.ok("POST", path, body, query={"fieldManager": "maker"})
        [entry] = made["metadata"]["managedFields"]
        assert entry["fieldsV1"]["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
        config = {
            "apiVersion": "v1",
            "kind": made["kind"],
            "metadata": {"name": "a", "labels": {"app": "y"}},
        }
        query = {"fieldManager": "other"}
        error = await api.error("PATCH", f"{path}/a", config, content_type="application/apply-patch+yaml", query=query)
        assert (error.code, error.details["causes"][0]["field"]) == (409, ".metadata.labels.app")
