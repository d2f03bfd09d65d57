"""Admission webhooks: which requests they see, what they may change, refuse and say, and what their failures do."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import User
from fairlead.machinery.kinds.kind import Kind

from .harness import CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, Api, config_map, deployment, pod, start, story
from .test_admission_registration import MUTATING, PODS_RULE, VALIDATING, configuration, webhook
from .webhooks import Hook, serving

ALL = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
NAMESPACES = "/api/v1/namespaces"

Answerer = Callable[[dict[str, Any]], dict[str, Any]]


def allow(_: dict[str, Any]) -> dict[str, Any]:
    return {"allowed": True}


def patching(*operations: dict[str, Any], **more: Any) -> Answerer:
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return lambda _: {"allowed": True, "patch": patch, "patchType": "JSONPatch"} | more


def labelling(key: str, value: str) -> Answerer:
    return patching({"op": "add", "path": "/metadata/labels", "value": {key: value}})


def deny(_: dict[str, Any]) -> dict[str, Any]:
    return {"allowed": False, "status": {"message": "no such luck", "code": 418, "reason": "Teapot"}}


@asynccontextmanager
async def hook(
    api: Api, answer: Answerer, *, path: str = VALIDATING, name: str = "x", version: str = "v1", **more: Any
) -> AsyncIterator[Hook]:
    """Runs a webhook that answers reviews, and configures the API server to call it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        asked = (await request.json())["request"]
        response = {"uid": asked["uid"]} | answer(asked)
        review = {"apiVersion": f"admission.k8s.io/{version}", "kind": "AdmissionReview", "response": response}
        return web.json_response(review)

    async with configured(api, handle, path=path, name=name, **more) as server:
        yield server


@asynccontextmanager
async def configured(
    api: Api, handle: Any, *, path: str = VALIDATING, name: str = "x", **more: Any
) -> AsyncIterator[Hook]:
    async with serving(handle) as server:
        config = {"url": f"{server.url}/{name}", "caBundle": server.certificate.bundle}
        sent = webhook(f"{name}.example.com", clientConfig=config, **more)
        await api.ok("POST", path, configuration(name, sent))
        yield server
        await api.ok("DELETE", f"{path}/{name}")


def asked(server: Hook) -> list[tuple[str, str, str, str]]:
    """Operation, resource with subresource, namespace and name of each review."""
    found = []
    for review in server.reviews:
        request = review["request"]
        resource = "/".join(filter(None, (request["resource"]["resource"], request.get("subResource"))))
        found.append((request["operation"], resource, request.get("namespace", ""), request.get("name", "")))
    return found


@story
async def test_a_review_describes_the_request_as_upstream_does(api: Api) -> None:
    jane = User("jane", ("system:masters", "system:authenticated"), "u-1", {"scopes": ("a",)})
    async with hook(api, allow) as server:
        api.user = jane
        await api.ok("POST", PODS, pod("p"), query={"dryRun": "All", "fieldManager": "me"})
    (review,) = server.reviews
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    request = review["request"]
    obj = request.pop("object")
    assert len(request.pop("uid")) == 36
    assert request == {
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
        "requestResource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "p",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {
            "username": "jane",
            "uid": "u-1",
            "groups": ["system:masters", "system:authenticated"],
            "extra": {"scopes": ["a"]},
        },
        "oldObject": None,
        "dryRun": True,
        "options": {
            "kind": "CreateOptions",
            "apiVersion": "meta.k8s.io/v1",
            "dryRun": ["All"],
            "fieldManager": "me",
        },
    }
    assert (obj["kind"], obj["apiVersion"]) == ("Pod", "v1")
    assert obj["spec"]["serviceAccountName"] == "default"
    assert obj["metadata"]["uid"]


@story
async def test_all_operations_and_subresources_are_seen(api: Api) -> None:
    await api.ok("POST", PODS, pod("exec"))
    async with hook(api, allow, rules=[ALL]) as server:
        await api.ok("POST", DEPLOYMENTS, deployment("d"))
        await api.call("PATCH", f"{DEPLOYMENTS}/d", {"spec": {"replicas": 2}}, content_type=MERGE)
        scale = {"metadata": {"name": "d"}, "spec": {"replicas": 1}}
        await api.ok("PUT", f"{DEPLOYMENTS}/d/scale", scale)
        await api.call("PATCH", f"{DEPLOYMENTS}/d/status", {"status": {"replicas": 1}}, content_type=MERGE)
        await api.ok("DELETE", f"{DEPLOYMENTS}/d")
        await api.call("POST", f"{PODS}/exec/exec", query={"command": "ls", "stdout": "true"})
        await api.ok("POST", f"{PODS}/exec/eviction", {"metadata": {"name": "exec"}})
        await api.ok("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})
        await api.ok("POST", NAMESPACES, {"metadata": {"name": "n"}})
    assert asked(server) == [
        ("CREATE", "deployments", "default", "d"),
        ("UPDATE", "deployments", "default", "d"),
        ("UPDATE", "deployments/scale", "default", "d"),
        ("UPDATE", "deployments/status", "default", "d"),
        ("DELETE", "deployments", "default", "d"),
        ("CONNECT", "pods/exec", "default", "exec"),
        ("CREATE", "pods/eviction", "default", "exec"),
        ("CREATE", "serviceaccounts/token", "default", "default"),
        ("CREATE", "namespaces", "n", "n"),
    ]
    by_resource = {(r["operation"], r["resource"]["resource"]): r for r in (x["request"] for x in server.reviews)}
    scaled = server.reviews[2]["request"]
    assert scaled["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert (scaled["object"]["spec"], scaled["oldObject"]["spec"]) == ({"replicas": 1}, {"replicas": 2})
    deleted = by_resource["DELETE", "deployments"]
    assert deleted["object"] is None
    assert deleted["oldObject"]["kind"] == "Deployment"
    assert deleted["options"] == {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}
    connect = by_resource["CONNECT", "pods"]
    assert connect["kind"] == {"group": "", "version": "v1", "kind": "PodExecOptions"}
    assert connect["object"] == {
        "kind": "PodExecOptions", "apiVersion": "v1", "stdout": True, "command": ["ls"],
    }  # fmt: skip
    assert connect["options"] is None
    assert by_resource["UPDATE", "deployments"]["options"]["kind"] in ("PatchOptions", "UpdateOptions")
    assert server.reviews[1]["request"]["options"]["kind"] == "PatchOptions"


@story
async def test_a_refusal_has_the_webhooks_code_reason_and_words(api: Api) -> None:
    async with hook(api, deny):
        error = await api.error("POST", PODS, pod("p"))
    text = 'admission webhook "x.example.com" denied the request: no such luck'
    assert (error.code, error.reason, error.message) == (418, "Teapot", text)
    assert (await api.call("GET", f"{PODS}/p")).status == 404
    async with hook(api, lambda _: {"allowed": False}):
        error = await api.error("POST", PODS, pod("p"))
    text = 'admission webhook "x.example.com" denied the request without explanation'
    assert (error.code, error.reason, error.message) == (400, "", text)


@story
async def test_a_patch_changes_the_object_which_is_defaulted_and_checked_afterwards(api: Api) -> None:
    container = {"name": "side", "image": "busybox"}
    async with hook(api, patching({"op": "add", "path": "/spec/containers/-", "value": container}), path=MUTATING):
        made = await api.ok("POST", PODS, pod("p"))
        assert [c["name"] for c in made["spec"]["containers"]] == ["web", "side"]
        assert made["spec"]["containers"][1]["terminationMessagePath"] == "/dev/termination-log"
    async with hook(api, patching({"op": "replace", "path": "/spec/containers", "value": []}), path=MUTATING):
        error = await api.error("POST", PODS, pod("q"))
        assert (error.code, error.details["causes"][0]["field"]) == (422, "spec.containers")
    async with hook(api, patching({"op": "remove", "path": "/nowhere"}), path=MUTATING):
        error = await api.error("POST", PODS, pod("q"))
        assert (error.code, error.reason) == (500, "InternalError")


@story
async def test_a_webhook_cannot_set_what_belongs_to_the_server(api: Api) -> None:
    values = {"uid": "u", "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 7, "labels": {"a": "b"}}
    patch = [{"op": "add", "path": f"/metadata/{key}", "value": value} for key, value in values.items()]
    async with hook(api, patching(*patch), path=MUTATING):
        made = await api.ok("POST", PODS, pod("p"), user_agent="kubectl/1")
    meta = made["metadata"]
    assert meta["labels"] == {"a": "b"}
    assert meta["uid"] != "u"
    assert not meta["creationTimestamp"].startswith("2000")
    assert meta.get("generation") == 1
    assert meta["managedFields"][0]["manager"] == "kubectl"
    elsewhere = patching({"op": "add", "path": "/metadata/namespace", "value": "kube-system"})
    async with hook(api, elsewhere, path=MUTATING):
        error = await api.error("POST", PODS, pod("q"))
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert (error.code, error.message) == (400, text)


@story
async def test_a_name_is_generated_after_the_mutating_and_before_the_validating_webhooks(api: Api) -> None:
    body = {"metadata": {"generateName": "p-"}, "spec": pod("")["spec"]}
    async with hook(api, allow, path=MUTATING) as first, hook(api, allow) as second:
        made = await api.ok("POST", PODS, body)
    name = made["metadata"]["name"]
    assert asked(first) == [("CREATE", "pods", "default", "")]
    assert asked(second) == [("CREATE", "pods", "default", name)]
    assert "name" not in first.reviews[0]["request"]["object"]["metadata"]


@story
async def test_mutating_webhooks_are_called_in_the_order_of_their_names(api: Api) -> None:
    def second(request: dict[str, Any]) -> dict[str, Any]:
        assert request["object"]["metadata"]["labels"] == {"a": "1"}
        return patching({"op": "add", "path": "/metadata/labels/b", "value": "2"})(request)

    async with hook(api, second, path=MUTATING, name="b"), hook(api, labelling("a", "1"), path=MUTATING, name="a"):
        made = await api.ok("POST", PODS, pod("p"))
    assert made["metadata"]["labels"] == {"a": "1", "b": "2"}


@story
async def test_a_webhook_is_called_again_if_a_later_one_changed_the_object(api: Api) -> None:
    again = {"path": MUTATING, "reinvocationPolicy": "IfNeeded"}
    async with hook(api, allow, name="a", **again) as first, hook(api, labelling("k", "v"), path=MUTATING, name="b"):
        await api.ok("POST", PODS, pod("p"))
    assert len(first.reviews) == 2
    assert first.reviews[1]["request"]["object"]["metadata"]["labels"] == {"k": "v"}
    async with hook(api, allow, name="a", path=MUTATING) as never, hook(api, allow, path=MUTATING, name="b"):
        await api.ok("POST", PODS, pod("q"))
    assert len(never.reviews) == 1


@story
async def test_a_webhook_is_not_called_again_for_its_own_change_by_a_second_pass_alone(api: Api) -> None:
    async with hook(api, labelling("k", "v"), name="a", path=MUTATING, reinvocationPolicy="IfNeeded") as only:
        await api.ok("POST", PODS, pod("p"))
    assert len(only.reviews) == 1


@story
async def test_failures_refuse_requests_unless_they_are_ignored(api: Api) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500, text="oh")

    why = 'an error on the server ("oh") has prevented the request from succeeding'
    for path in (VALIDATING, MUTATING):
        async with configured(api, broken, path=path):
            error = await api.error("POST", PODS, pod("p"))
            text = f'Internal error occurred: failed calling webhook "x.example.com": failed to call webhook: {why}'
            assert (error.code, error.reason, error.message) == (500, "InternalError", text)
        async with configured(api, broken, path=path, failurePolicy="Ignore") as server:
            await api.ok("POST", PODS, pod("p"))
            assert len(server.paths) == 1
        await api.ok("DELETE", f"{PODS}/p", query={"gracePeriodSeconds": "0"})


@pytest.mark.parametrize(
    ("mutating", "response", "why"),
    [
        (False, None, "webhook response was absent"),
        (False, {"uid": "y", "allowed": True}, 'expected response.uid="{uid}", got "y"'),
        (False, {"allowed": True, "patch": "W10="}, "validating webhook may not return response.patch"),
        (False, {"allowed": True, "patchType": "JSONPatch"}, "validating webhook may not return response.patchType"),
        (True, {"allowed": True, "patch": "W10="}, "webhook returned response.patch but not response.patchType"),
        (
            True,
            {"allowed": True, "patchType": "JSONPatch"},
            "webhook returned response.patchType but not response.patch",
        ),
        (True, {"allowed": True, "patch": "W10=", "patchType": "XML"}, 'unsupported patch type "XML"'),
    ],
)
def test_a_lying_webhook_is_a_failure(mutating: bool, response: dict[str, Any] | None, why: str) -> None:
    @story
    async def run(api: Api) -> None:
        uids = []

        async def lie(request: web.Request) -> web.StreamResponse:
            uids.append((await request.json())["request"]["uid"])
            said = None if response is None else {"uid": uids[-1]} | response
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": said}
            return web.json_response(review)

        async with configured(api, lie, path=MUTATING if mutating else VALIDATING):
            error = await api.error("POST", PODS, pod("p"))
        head = 'Internal error occurred: failed calling webhook "x.example.com": received invalid webhook response: '
        assert error.message == head + why.replace("{uid}", uids[0])

    run()


@story
async def test_answers_of_another_version_or_no_json_are_failures(api: Api) -> None:
    head = 'Internal error occurred: failed calling webhook "x.example.com": received invalid webhook response: '
    async with hook(api, allow, version="v2"):
        error = await api.error("POST", PODS, pod("p"))
        wanted = "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got "
        assert error.message == f"{head}{wanted}admission.k8s.io/v2, Kind=AdmissionReview"

    async def babble(request: web.Request) -> web.StreamResponse:
        return web.Response(text="[" * 5000)

    async with configured(api, babble):
        assert (await api.error("POST", PODS, pod("p"))).message.startswith(f"{head}couldn't decode the answer")


@story
async def test_the_older_version_of_the_review_is_spoken_to_webhooks_that_ask_for_it(api: Api) -> None:
    answer = labelling("a", "b")
    accepted = ["v9", "v1beta1", "v1"]
    async with hook(api, answer, path=MUTATING, version="v1beta1", admissionReviewVersions=accepted) as server:
        made = await api.ok("POST", PODS, pod("p"))
    assert made["metadata"]["labels"] == {"a": "b"}
    assert server.reviews[0]["apiVersion"] == "admission.k8s.io/v1beta1"


@story
async def test_a_hanging_webhook_costs_its_own_requests_only(api: Api) -> None:
    release = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(status=500)

    async with configured(api, hang, timeoutSeconds=30):
        stuck = [asyncio.create_task(api.call("POST", PODS, pod(f"p{i}"))) for i in range(20)]
        await api.ok("POST", CONFIG_MAPS, config_map("a"))
        await api.ok("GET", PODS)
        assert not any(task.done() for task in stuck)
        release.set()
        assert [(await task).status for task in stuck] == [500] * 20


@story
async def test_a_call_ends_at_its_time_out(api: Api) -> None:
    release = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(status=500)

    async with configured(api, hang, timeoutSeconds=1) as server:
        error = await api.error("POST", PODS, pod("p"))
        why = f'failed to call webhook: Post "{server.url}/x?timeout=1s": context deadline exceeded'
        assert error.message == f'Internal error occurred: failed calling webhook "x.example.com": {why}'
        release.set()


@story
async def test_warnings_reach_the_client_and_annotations_the_record(api: Api) -> None:
    noted: list[dict[str, str]] = []

    class Recorder(AdmissionPlugin):
        name = "Recorder"

        def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
            return kind.plural == "pods"

        async def validate(self, attributes: Attributes) -> None:
            noted.append(attributes.context.annotations)

    recorded = await start(extensions=Extensions(plugins=(Recorder(),)))
    try:
        said = {"warnings": ["mind the gap"], "auditAnnotations": {"k": "v"}}
        async with (
            hook(recorded, labelling("a", "b"), path=MUTATING, name="m"),
            hook(recorded, lambda _: {"allowed": True} | said),
        ):
            response = await recorded.call("POST", PODS, pod("p"))
    finally:
        await recorded.server.stop()
    assert response.headers["warning"] == '299 - "mind the gap"'
    assert noted == [
        {
            "mutation.webhook.admission.k8s.io/round_0_index_0": (
                '{"configuration":"m","webhook":"m.example.com","mutated":true}'
            ),
            "pod-security.kubernetes.io/enforce-policy": "privileged:latest",
            "x.example.com/k": "v",
        }
    ]


@story
async def test_selectors_restrict_the_requests(api: Api) -> None:
    await api.ok("POST", NAMESPACES, {"metadata": {"name": "prod", "labels": {"env": "prod"}}})
    await api.ok("POST", f"{NAMESPACES}/prod/serviceaccounts", {"metadata": {"name": "default"}})
    selector = {"matchLabels": {"env": "prod"}}
    rule = PODS_RULE | {"operations": ["*"], "resources": ["pods", "namespaces", "nodes"]}
    async with hook(api, allow, rules=[rule], namespaceSelector=selector) as server:
        await api.ok("POST", PODS, pod("a"))
        await api.ok("POST", f"{NAMESPACES}/prod/pods", pod("b"))
        await api.ok("POST", NAMESPACES, {"metadata": {"name": "test", "labels": {"env": "test"}}})
        await api.ok("POST", NAMESPACES, {"metadata": {"name": "prod2", "labels": {"env": "prod"}}})
        await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
    assert [(resource, name) for _, resource, _, name in asked(server)] == [
        ("pods", "b"),
        ("namespaces", "prod2"),
        ("nodes", "n"),
    ]
    rule = PODS_RULE | {"operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
    async with hook(api, allow, rules=[rule], objectSelector=selector) as server:
        await api.ok("POST", CONFIG_MAPS, config_map("a", {"env": "prod"}))
        await api.ok("POST", CONFIG_MAPS, config_map("b"))
        await api.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a"))  # the old object has the label
        await api.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a", {"other": "x"}))
    assert [operation for operation, *_ in asked(server)] == ["CREATE", "UPDATE"]


@story
async def test_the_scope_of_a_rule_tells_namespaced_from_other_objects(api: Api) -> None:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["*"]}
    for scope, wanted in (("Cluster", ["namespaces"]), ("Namespaced", ["configmaps"])):
        async with hook(api, allow, rules=[rule | {"scope": scope}]) as server:
            await api.ok("POST", CONFIG_MAPS, config_map(scope.lower()))
            await api.ok("POST", NAMESPACES, {"metadata": {"name": f"s-{scope.lower()}"}})
        assert [resource for _, resource, *_ in asked(server)] == wanted


@story
async def test_other_versions_of_a_resource_are_converted_for_the_webhook(api: Api) -> None:
    events = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Pod", "namespace": "default", "name": "p"},
        "action": "Sing", "reason": "Happy", "note": "la", "type": "Normal",
        "reportingController": "c.example.com/x", "reportingInstance": "i", "eventTime": "2024-01-01T00:00:00.000000Z",
    }  # fmt: skip
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["events"]}
    change = patching({"op": "replace", "path": "/message", "value": "lala"})
    async with hook(api, change, path=MUTATING, rules=[rule]) as server:
        made = await api.ok("POST", events, event)
    request = server.reviews[0]["request"]
    assert request["kind"] == {"group": "", "version": "v1", "kind": "Event"}
    assert request["requestKind"] == {"group": "events.k8s.io", "version": "v1", "kind": "Event"}
    assert request["object"]["involvedObject"]["name"] == "p"
    assert (made["apiVersion"], made["note"]) == ("events.k8s.io/v1", "lala")
    async with hook(api, change, path=MUTATING, rules=[rule], matchPolicy="Exact") as server:
        await api.ok("POST", events, event | {"metadata": {"name": "f"}})
    assert server.reviews == []


@story
async def test_webhooks_cannot_stop_their_own_configuration(api: Api) -> None:
    async with hook(api, deny, rules=[ALL]) as server, hook(api, deny, rules=[ALL], path=MUTATING, name="m"):
        await api.ok("POST", VALIDATING, configuration("y", webhook()))
        await api.call("PATCH", f"{VALIDATING}/y", {"webhooks": []}, content_type=MERGE)
        await api.ok("DELETE", f"{VALIDATING}/y")
    assert server.reviews == []


@story
async def test_a_collection_is_deleted_object_by_object(api: Api) -> None:
    for name in ("a", "b"):
        await api.ok("POST", CONFIG_MAPS, config_map(name))
    rule = PODS_RULE | {"operations": ["DELETE"], "resources": ["configmaps"]}

    def only_a(request: dict[str, Any]) -> dict[str, Any]:
        return {"allowed": request["name"] != "b"}

    async with hook(api, only_a, rules=[rule]) as server:
        await api.error("DELETE", CONFIG_MAPS)
    assert {name for *_, name in asked(server)} >= {"a", "b"}
    assert [item["metadata"]["name"] for item in (await api.ok("GET", CONFIG_MAPS))["items"]] == ["b"]


@story
async def test_webhooks_that_are_configured_or_deleted_count_from_the_next_request_on(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    async with hook(api, deny):
        await api.error("POST", PODS, pod("b"))
    await api.ok("POST", PODS, pod("b"))
