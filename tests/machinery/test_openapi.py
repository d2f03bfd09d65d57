from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fairlead.api.kinds import KINDS
from fairlead.machinery.openapi.document import OpenApi, openapi_v2, openapi_v3, openapi_v3_index
from fairlead.machinery.openapi.schema import INT_OR_STRING, META, QUANTITY, TIME, Names, object_tree
from fairlead.machinery.schemas.schema import schema_of
from tests.machinery.things import THING, Port, Spec

GROUP_VERSIONS = sorted({kind.api_version for kind in KINDS})
METHODS = {"get", "put", "post", "patch", "delete"}


def refs(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from refs(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from refs(value)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield path, method, item[method]


@pytest.mark.parametrize("group_version", GROUP_VERSIONS)
def test_every_reference_of_a_v3_document_resolves(group_version: str) -> None:
    document = openapi_v3(KINDS, group_version)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(refs(document)) <= known


def test_every_reference_of_the_v2_document_resolves() -> None:
    document = openapi_v2(KINDS)
    assert set(refs(document)) <= {f"#/definitions/{name}" for name in document["definitions"]}
    text = json.dumps(document)
    assert '"allOf": [' not in text
    assert "requestBody" not in text


@pytest.mark.parametrize("document", [*(openapi_v3(KINDS, gv) for gv in GROUP_VERSIONS), openapi_v2(KINDS)])
def test_path_parameters_are_declared_and_operation_ids_unique(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        in_path = {p["name"] for p in item["parameters"] if p["in"] == "path"}
        assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    ids = [tree["operationId"] for _, _, tree in operations(document)]
    assert len(ids) == len(set(ids))
    assert all("200" in tree["responses"] for _, _, tree in operations(document))


def test_every_kind_has_a_patch_that_validates_fields_as_kubectl_looks_for_it() -> None:
    for kind in KINDS:
        document = openapi_v3(KINDS, kind.api_version)
        patch = document["paths"][kind.path("{namespace}", "{name}")]["patch"]
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        assert patch["x-kubernetes-group-version-kind"] == gvk
        assert {"dryRun", "fieldValidation", "fieldManager"} <= {p["name"] for p in patch["parameters"]}
        assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
        named = [
            name
            for name, schema in document["components"]["schemas"].items()
            if gvk in schema.get("x-kubernetes-group-version-kind", [])
        ]
        assert len(named) == 1


def test_components_are_called_as_upstream_calls_them() -> None:
    schemas = openapi_v3(KINDS, "apps/v1")["components"]["schemas"]
    assert {
        "io.k8s.api.apps.v1.Deployment",
        "io.k8s.api.apps.v1.DeploymentList",
        "io.k8s.api.core.v1.PodTemplateSpec",
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
        "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
        "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
    } <= schemas.keys()
    assert "io.k8s.api.core.v1.Service" not in schemas
    slices = openapi_v3(KINDS, "discovery.k8s.io/v1")["components"]["schemas"]
    assert "io.k8s.api.discovery.v1.EndpointSlice" in slices
    assert "io.k8s.api.core.v1.ObjectReference" in slices


def test_objects_that_one_group_holds_alone_belong_to_that_group() -> None:
    schemas = openapi_v3(KINDS, "networking.k8s.io/v1")["components"]["schemas"]
    assert {
        "io.k8s.api.networking.v1.IngressSpec",
        "io.k8s.api.networking.v1.HTTPIngressPath",
        "io.k8s.api.core.v1.TypedLocalObjectReference",
    } <= schemas.keys()


def test_references_of_events_and_claims_of_nodes_are_replaced_whole() -> None:
    schemas = openapi_v3(KINDS, "events.k8s.io/v1")["components"]["schemas"]
    event = schemas["io.k8s.api.events.v1.Event"]["properties"]
    assert [event[name]["x-kubernetes-map-type"] for name in ("regarding", "related")] == ["atomic", "atomic"]
    pod = openapi_v3(KINDS, "v1")["components"]["schemas"]["io.k8s.api.core.v1.PodStatus"]["properties"]
    assert pod["nodeAllocatableResourceClaimStatuses"]["x-kubernetes-list-type"] == "atomic"


def test_no_two_structs_share_a_component_name() -> None:
    found = [name for _, name in Names(KINDS).items()]
    assert len(found) == len(set(found))


def test_markers_become_extensions_and_limits() -> None:
    names = Names([THING])
    properties = object_tree(schema_of(Spec), names)["properties"]
    ports, volumes = properties["ports"], properties["volumes"]
    assert ports["items"] == {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.test.v1.Port"}], "default": {}}
    assert ports["x-kubernetes-list-map-keys"] == ["port", "protocol"]
    assert ports["x-kubernetes-patch-merge-key"] == "port"
    assert ports["x-kubernetes-patch-strategy"] == "merge"
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert properties["strategy"]["x-kubernetes-patch-strategy"] == "retainKeys"
    assert properties["names"]["x-kubernetes-list-type"] == "set"
    assert properties["names"]["x-kubernetes-patch-strategy"] == "merge"
    assert properties["words"]["x-kubernetes-list-type"] == "atomic"
    assert properties["selector"]["x-kubernetes-map-type"] == "atomic"
    assert properties["selector"]["allOf"] == [{"$ref": f"#/components/schemas/{META}LabelSelector"}]
    assert "default" not in properties["selector"]
    assert properties["size"]["allOf"] == [{"$ref": f"#/components/schemas/{QUANTITY}"}]
    assert properties["since"]["allOf"] == [{"$ref": f"#/components/schemas/{TIME}"}]
    assert properties["percent"] == {"type": "integer", "format": "int32", "minimum": 1, "maximum": 100}
    assert properties["byName"]["additionalProperties"]["default"] == {}
    port = object_tree(schema_of(Port), names)
    assert port["description"] == "One port of a thing."
    assert port["required"] == ["port"]
    assert port["properties"]["protocol"] == {"type": "string", "enum": ["TCP", "UDP"], "description": "How to talk."}
    assert port["properties"]["target"]["allOf"] == [{"$ref": f"#/components/schemas/{INT_OR_STRING}"}]


def test_the_index_names_each_document_with_a_hash_of_its_content() -> None:
    paths = openapi_v3_index(KINDS)["paths"]
    assert set(paths) == {f"apis/{gv}" if "/" in gv else f"api/{gv}" for gv in GROUP_VERSIONS}
    address = paths["apis/apps/v1"]["serverRelativeURL"]
    assert address.startswith("/openapi/v3/apis/apps/v1?hash=")
    assert openapi_v3_index(KINDS, version="v2")["paths"]["apis/apps/v1"]["serverRelativeURL"] != address


def test_documents_are_made_once() -> None:
    documents = OpenApi([THING])
    assert documents.v3("api/v1") is None
    assert documents.v3("apis/test.example.com/v1") is documents.v3("apis/test.example.com/v1")
    assert json.loads(documents.index())["paths"].keys() == {"apis/test.example.com/v1"}
    assert json.loads(documents.v2())["swagger"] == "2.0"


def test_every_field_of_every_kind_is_described() -> None:
    bare = [
        f"{name}.{field.name}"
        for schema, name in Names(KINDS).items()
        for field in schema.fields.values()
        if not field.doc
    ]
    assert not bare
