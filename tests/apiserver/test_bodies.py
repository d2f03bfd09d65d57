"""The content of bodies: nested metadata, YAML, base64."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from fairlead.api.kinds import KINDS
from fairlead.machinery.kinds.kind import Kind

from .harness import CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, PODS, STRATEGIC, Api, deployment, pod, story

APPLY = "application/apply-patch+yaml"
YAML = "application/yaml"
AGENT = "kubectl/v1"
OWNERS = [
    {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}}
]


@story
async def test_a_template_may_carry_owners_copied_from_a_pod(api: Api) -> None:
    body = deployment("web")
    body["spec"]["template"]["metadata"]["managedFields"] = OWNERS
    made = await api.ok("POST", DEPLOYMENTS, body, user_agent=AGENT)
    assert made["spec"]["template"]["metadata"]["managedFields"] == OWNERS
    made["spec"]["template"]["metadata"]["managedFields"][0]["fieldsV1"] = {"f:b": {}}
    made = await api.ok("PUT", f"{DEPLOYMENTS}/web", made, user_agent=AGENT)
    template = {"spec": {"template": {"metadata": {"managedFields": [*OWNERS, *OWNERS]}}}}
    for content_type in (MERGE, STRATEGIC):
        await api.ok("PATCH", f"{DEPLOYMENTS}/web", template, content_type=content_type, user_agent=AGENT)
    operations = [{"op": "add", "path": "/spec/template/metadata/managedFields/-", "value": OWNERS[0]}]
    await api.ok("PATCH", f"{DEPLOYMENTS}/web", operations, content_type=JSON_PATCH, user_agent=AGENT)
    scale = {"spec": {"replicas": 2}}
    await api.ok("PATCH", f"{DEPLOYMENTS}/web/scale", scale, content_type=MERGE, user_agent=AGENT)
    config = {"apiVersion": "apps/v1", "kind": "Deployment", **body}
    query = {"fieldManager": "x", "force": "true"}
    found = await api.ok("PATCH", f"{DEPLOYMENTS}/web", config, content_type=APPLY, query=query)
    assert found["spec"]["template"]["metadata"]["managedFields"] == OWNERS
    found["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    assert (await api.error("PUT", f"{DEPLOYMENTS}/web", found)).code == 422


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource)
def test_a_tag_on_any_field_of_any_kind_is_no_error_of_ours(kind: Kind[Any]) -> None:
    tags = ("!!bool foo", '!!int ""', "!!timestamp x", "!!float {}", "!!binary _", "!!set {a}", "!!omap [a: b]", "!x y")
    places = (
        "{}",
        "kind: {}",
        "metadata: {}",
        "metadata: {{name: a, labels: {}}}",
        "spec: {}",
        "? {}\n: 1",
        "data: {}",
    )

    @story
    async def every_tag_in_every_place(api: Api) -> None:
        for tag, place in itertools.product(tags, places):
            text = place.format(tag)
            path = kind.path("default", "a")
            for method, where, media in (
                ("POST", kind.path("default"), YAML),
                ("PUT", path, YAML),
                ("PATCH", path, APPLY),
                ("DELETE", path, YAML),
            ):
                query = {"fieldManager": "x"} if media == APPLY else {}
                response = await api.call(method, where, text.encode(), content_type=media, query=query)
                assert response.status < 500, (method, text, response.body)

    every_tag_in_every_place()


@story
async def test_a_duplicate_key_in_yaml_gives_a_warning_or_an_error(api: Api) -> None:
    text = b"metadata: {name: a}\ndata:\n  a: x\n  b: w\n  a: z\n"
    problem = 'yaml: unmarshal errors:\n  line 5: key "a" already set in map'
    error = await api.error("POST", CONFIG_MAPS, text, content_type=YAML, query={"fieldValidation": "Strict"})
    head = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
    assert (error.code, error.message) == (400, head + problem)
    response = await api.call("POST", CONFIG_MAPS, text, content_type=YAML, query={"fieldValidation": "Warn"})
    assert response.status == 201
    assert msgspec.json.decode(response.body)["data"] == {"a": "z", "b": "w"}
    assert "already set in map" in response.headers["warning"]
    text = text.replace(b"name: a", b"name: b")
    response = await api.call("POST", CONFIG_MAPS, text, content_type=YAML, query={"fieldValidation": "Ignore"})
    assert (response.status, "warning" in response.headers) == (201, False)


@story
async def test_yaml_is_read_as_upstream_reads_it(api: Api) -> None:
    text = b"metadata: {name: a, annotations: {when: 2024-01-01}}\n"
    text += b"spec: {containers: [{name: c, image: i, args: [22:22]}]}"
    found = await api.ok("POST", PODS, text, content_type=YAML)
    assert found["metadata"]["annotations"] == {"when": "2024-01-01"}
    assert found["spec"]["containers"][0]["args"] == ["22:22"]
    assert pod("a")["metadata"]["name"] == found["metadata"]["name"]


@story
async def test_base64_with_line_breaks_is_written_back_without(api: Api) -> None:
    body = {"metadata": {"name": "a"}, "binaryData": {"k": "YWJj\r\nZA==\n"}}
    assert (await api.ok("POST", CONFIG_MAPS, body))["binaryData"] == {"k": "YWJjZA=="}
    secrets = "/api/v1/namespaces/default/secrets"
    made = await api.ok("POST", secrets, {"metadata": {"name": "a"}, "data": {"k": "YWJj\nZA=="}})
    assert made["data"] == {"k": "YWJjZA=="}
    patch = {"data": {"k": "YQ\n=="}}
    assert (await api.ok("PATCH", f"{secrets}/a", patch, content_type=MERGE))["data"] == {"k": "YQ=="}


@story
async def test_a_patch_with_unknown_or_repeated_fields_is_refused_with_what_it_made(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, {"metadata": {"name": "a", "uid": ""}, "data": {"k": "1"}})
    path, strict = f"{CONFIG_MAPS}/a", {"fieldValidation": "Strict"}
    patch = b'{"data": {"k": "2", "k": "3"}, "zz": [1, true, null, {"b": "x", "a": 1.5}], "data": {"k": "4"}}'
    problems = 'duplicate field "data.k", duplicate field "data", unknown field "zz"'
    shown = "map[data:map[k:4] zz:[1 true <nil> map[a:1.5 b:x]]]"
    error = await api.error("PATCH", path, patch, content_type=STRATEGIC, query=strict)
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == f' "" is invalid: patch: Invalid value: "{shown}": strict decoding error: {problems}'
    (cause,) = error.details["causes"]
    assert (cause["field"], cause["reason"]) == ("patch", "FieldValueInvalid")
    error = await api.error("PATCH", path, patch, content_type=MERGE, query=strict)
    assert error.message.endswith(f"strict decoding error: {problems}")
    operations = b'[{"op": "add", "path": "/data/x", "path": "/data/y", "value": "1"}]'
    error = await api.error("PATCH", path, operations, content_type=JSON_PATCH, query=strict)
    assert error.message.endswith('strict decoding error: json patch duplicate field "[0].path"')
    error = await api.error("PATCH", path, {"data": 7}, content_type=MERGE)
    text = "json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string"
    assert error.code == 422
    assert error.message.endswith(text)
    response = await api.call("PATCH", path, patch, content_type=STRATEGIC)
    assert msgspec.json.decode(response.body)["data"] == {"k": "4"}
    assert response.headers["warning"].count("299 -") == 3
    ignore = {"fieldValidation": "Ignore"}
    assert "warning" not in (await api.call("PATCH", path, patch, content_type=STRATEGIC, query=ignore)).headers
