"""The `Status` bodies of errors, field by field."""

from __future__ import annotations

from typing import Any

import msgspec

from .harness import CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, PODS, SERVICES, Api, config_map, pod, service, story

NO_RESOURCE = "the server could not find the requested resource"
NO_METHOD = "the server does not allow this method on the requested resource"
CRDS = "/apis/example.com/v1/things"


async def _status(api: Api, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    response = await api.call(method, path, body, **more)
    tree: dict[str, Any] = msgspec.json.decode(response.body)
    assert tree["code"] == response.status
    return tree


def _failure(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """Returns the whole body; `details=None` for one without details."""
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    found = {} if details == {"details": None} else {"details": details}
    return head | {"message": message, "reason": reason} | found | {"code": code}


@story
async def test_unknown_paths_and_methods_have_empty_details(api: Api) -> None:
    for path in (
        "/nothing",
        "/apis/nothing.example/v1",
        "/api/v1/nothing",
        "/api/v2/pods",
        f"{PODS}/a/nothing",
        f"{CONFIG_MAPS}/a/scale",
        CRDS,
        "/apis/example.com/v1",
        "/api/v1/namespaces//pods",
        "/api/v1/namespaces/default//pods",
        "/api/v1/watch/namespaces/default/pods/a/log",
        "/api/v1/namespaces/default/namespaces/default",
    ):
        assert await _status(api, "GET", path) == _failure(404, "NotFound", NO_RESOURCE), path
    for method, path in (
        ("PUT", PODS),
        ("PATCH", PODS),
        ("POST", f"{PODS}/a"),
        ("POST", "/api/v1/pods"),
        ("POST", "/api/v1/watch/namespaces/default/configmaps"),
        ("DELETE", "/api/v1/watch/namespaces/default/configmaps"),
        ("DELETE", "/api/v1/namespaces"),
        ("DELETE", f"{PODS}/a/status"),
        ("DELETE", f"{DEPLOYMENTS}/a/scale"),
        ("POST", "/version"),
        ("POST", "/api/v1"),
        ("DELETE", "/openapi/v2"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        ("PUT", "/apis/authentication.k8s.io/v1/selfsubjectreviews"),
    ):
        assert await _status(api, method, path) == _failure(405, "MethodNotAllowed", NO_METHOD), (method, path)


@story
async def test_errors_about_an_object_name_it(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    text = 'configmaps "b" not found'
    assert await _status(api, "GET", f"{CONFIG_MAPS}/b") == _failure(404, "NotFound", text, name="b", kind="configmaps")
    text = 'deployments.apps "b" not found'
    found = await _status(api, "GET", f"{DEPLOYMENTS}/b")
    assert found == _failure(404, "NotFound", text, name="b", group="apps", kind="deployments")
    text = 'configmaps "a" already exists'
    found = await _status(api, "POST", CONFIG_MAPS, config_map("a"))
    assert found == _failure(409, "AlreadyExists", text, name="a", kind="configmaps")
    found = await _status(api, "DELETE", "/api/v1/namespaces/default")
    text = 'namespaces "default" is forbidden: this namespace may not be deleted'
    assert found == _failure(403, "Forbidden", text, name="default", kind="namespaces")
    text = 'namespaces "none" not found'
    found = await _status(api, "POST", "/api/v1/namespaces/none/configmaps", config_map("a"))
    assert found == _failure(404, "NotFound", text, name="none", kind="namespaces")


@story
async def test_errors_about_a_request_have_no_details(api: Api) -> None:
    found = await _status(api, "POST", CONFIG_MAPS, {"metadata": {"name": "a"}}, content_type="text/plain")
    assert (found["code"], found["reason"], "details" in found) == (415, "UnsupportedMediaType", False)
    found = await _status(api, "GET", CONFIG_MAPS, accept="text/plain")
    assert (found["code"], found["reason"], "details" in found) == (406, "NotAcceptable", False)
    found = await _status(api, "POST", CONFIG_MAPS, b"{")
    assert (found["code"], found["reason"], "details" in found) == (400, "BadRequest", False)
    found = await _status(api, "GET", PODS, query={"limit": "x"})
    assert (found["code"], found["reason"], "details" in found) == (400, "BadRequest", False)
    operations = [{"op": "add", "path": "/x", "value": 1}] * 10_001
    found = await _status(api, "PATCH", f"{SERVICES}/kubernetes", operations, content_type=JSON_PATCH)
    text = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert found == _failure(413, "RequestEntityTooLarge", text, details=None)


@story
async def test_a_patch_that_does_not_fit_the_object_has_empty_details(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    operations = [{"op": "test", "path": "/spec/nodeName", "value": "x"}]
    found = await _status(api, "PATCH", f"{PODS}/a", operations, content_type=JSON_PATCH)
    assert (found["code"], found["reason"], found["details"]) == (422, "Invalid", {})


@story
async def test_an_internal_error_names_its_cause(api: Api) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 30000}
    await api.ok("POST", SERVICES, service("a", **local))
    why = "failed to allocate requested HealthCheck NodePort 30000: provided port is already allocated"
    found = await _status(api, "POST", SERVICES, service("b", **local))
    assert found == _failure(500, "InternalError", f"Internal error occurred: {why}", causes=[{"message": why}])


@story
async def test_kinds_that_are_only_posted_do_not_have_a_table(api: Api) -> None:
    await api.ok("POST", PODS, pod("a", nodeName="n1"))
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    for path, body in (
        ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {}}),
        ("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}),
        ("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}),
        ("/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}}),
        (f"{PODS}/a/binding", {"target": {"name": "n1"}}),
        (f"{PODS}/a/eviction", {}),
    ):
        found = await _status(api, "POST", path, body, accept=table)
        assert (found["code"], found["reason"]) == (406, "NotAcceptable"), path
    for accept in (f"{table},application/json", "*/*"):
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        assert (await api.ok("POST", path, {}, accept=accept))["kind"] == "SelfSubjectReview"
