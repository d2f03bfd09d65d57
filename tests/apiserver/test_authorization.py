"""Authorizers and authenticators in addition to the built-in ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from fairlead.apiserver.auth.authentication import AuthenticatorChain, Credentials, unauthorized
from fairlead.apiserver.auth.authorization import AuthorizerChain, Decision, Rules
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import ANONYMOUS, SYSTEM, User
from fairlead.apiserver.requestinfo import RequestInfo, request_info
from fairlead.machinery.values.status import StatusError

from .harness import CONFIG_MAPS, MERGE, PODS, Api, config_map, pod, start

ALICE = User("alice", ("system:masters", "system:authenticated"))
APPLY = "application/apply-patch+yaml"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass
class Denies:
    """Denies a request of alice if it matches all the given fields; gives no opinion about other requests."""

    fields: dict[str, str] = field(default_factory=dict)
    asked: list[RequestInfo] = field(default_factory=list)

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        self.asked.append(info)
        fits = all(getattr(info, name) == value for name, value in self.fields.items())
        return Decision("denied", "not today") if fits and user == ALICE else Decision("no opinion")


def denying(story: Callable[[Api, Denies], Awaitable[None]]) -> Callable[[], None]:
    """Makes a test of a coroutine that takes a server with such an authorizer, as the user alice."""

    def run() -> None:
        async def main() -> None:
            denies = Denies({"verb": "never"})
            api = await start(extensions=Extensions(authorizers=(denies,)))
            await api.ok("POST", PODS, pod("a"))
            await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
            await api.ok("POST", CONFIG_MAPS, config_map("b", x="1"))
            try:
                await story(replace(api, user=ALICE), denies)
            finally:
                await api.server.stop()

        asyncio.run(main())

    run.__name__, run.__doc__ = story.__name__, story.__doc__
    return run


async def status(api: Api, method: str, path: str, body: Any = None, **more: Any) -> int:
    return (await api.call(method, path, body, **more)).status


@denying
async def test_a_verb_is_denied_in_all_its_forms_and_no_other(api: Api, denies: Denies) -> None:
    made = config_map("c", x="1")
    requests: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
        "get": ("GET", f"{CONFIG_MAPS}/a", None, {}),
        "list": ("GET", CONFIG_MAPS, None, {}),
        "create": ("POST", CONFIG_MAPS, made, {"query": {"dryRun": "All"}}),
        "update": ("PUT", f"{CONFIG_MAPS}/a", config_map("a", x="2"), {}),
        "patch": ("PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": "3"}}, {"content_type": MERGE}),
        "delete": ("DELETE", f"{CONFIG_MAPS}/a", None, {"query": {"dryRun": "All"}}),
        "deletecollection": ("DELETE", CONFIG_MAPS, None, {"query": {"dryRun": "All"}}),
    }
    for denied in requests:
        denies.fields = {"verb": denied, "resource": "configmaps"}
        for verb, (method, path, body, more) in requests.items():
            assert (await status(api, method, path, body, **more) == 403) is (verb == denied), (denied, verb)
    denies.fields = {"verb": "watch"}
    assert await status(api, "GET", CONFIG_MAPS, query={"watch": "true"}) == 403
    assert await status(api, "GET", "/api/v1/watch/configmaps") == 403
    denies.fields = {"verb": "patch"}
    applied = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: z}\n"
    query = {"fieldManager": "m"}
    assert await status(api, "PATCH", f"{CONFIG_MAPS}/z", applied, query=query, content_type=APPLY) == 403


@denying
async def test_resource_subresource_namespace_and_name_are_distinguished(api: Api, denies: Denies) -> None:
    log, scale = f"{PODS}/a/log", "/apis/apps/v1/namespaces/default/deployments/d/scale"
    for fields, path, refused in (
        ({"resource": "pods"}, PODS, True),
        ({"resource": "pods"}, CONFIG_MAPS, False),
        ({"resource": "pods", "subresource": ""}, log, False),
        ({"resource": "pods", "subresource": "log"}, log, True),
        ({"subresource": "log"}, f"{PODS}/a", False),
        ({"subresource": "scale", "api_group": "apps"}, scale, True),
        ({"namespace": "default"}, PODS, True),
        ({"namespace": "default"}, "/api/v1/namespaces/default", True),
        ({"namespace": "kube-system"}, PODS, False),
        ({"namespace": ""}, "/api/v1/pods", True),
        ({"name": "a"}, f"{CONFIG_MAPS}/a", True),
        ({"name": "a"}, f"{CONFIG_MAPS}/b", False),
        ({"api_group": "apps"}, "/apis/apps/v1/deployments", True),
        ({"api_group": "apps"}, "/api/v1/pods", False),
    ):
        denies.fields = fields
        assert (await status(api, "GET", path) == 403) is refused, (fields, path)


@denying
async def test_paths_that_are_no_resources_are_denied_too(api: Api, denies: Denies) -> None:
    denies.fields = {"path": "/metrics", "verb": "get"}
    error = await api.error("GET", "/metrics")
    assert (error.code, error.message) == (403, 'forbidden: User "alice" cannot get path "/metrics": not today')
    assert await status(api, "GET", "/livez") == 200
    denies.fields = {"path": "/livez"}
    assert await status(api, "GET", "/livez") == 403


@denying
async def test_a_refusal_names_user_verb_resource_and_namespace(api: Api, denies: Denies) -> None:
    denies.fields = {"resource": "pods"}
    error = await api.error("POST", f"{PODS}/a/exec")
    text = 'pods "a" is forbidden: User "alice" cannot create resource "pods/exec" in API group "" in the namespace'
    assert error.message == f'{text} "default": not today'
    assert (error.code, error.reason, error.details) == (403, "Forbidden", {"name": "a", "kind": "pods"})
    denies.fields = {"resource": "nodes"}
    error = await api.error("GET", "/api/v1/nodes")
    text = (
        'nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope: not today'
    )
    assert error.message == text
    denies.fields = {"api_group": "a&b"}
    assert 'in API group "a&amp;b"' in (await api.error("GET", "/apis/a&b/v1/things")).message


@denying
async def test_an_unknown_resource_is_authorized_first(api: Api, denies: Denies) -> None:
    assert await status(api, "GET", "/api/v1/namespaces/default/things") == 404
    assert denies.asked[-1].resource == "things"
    denies.fields = {"resource": "things"}
    assert await status(api, "GET", "/api/v1/namespaces/default/things") == 403


@denying
async def test_a_review_returns_the_decision_of_the_authorizers(api: Api, denies: Denies) -> None:
    denies.fields = {"verb": "delete", "resource": "pods", "subresource": "", "name": "a", "namespace": "default"}
    asked = {"verb": "delete", "resource": "pods", "name": "a", "namespace": "default"}
    found = await api.ok("POST", REVIEW, {"spec": {"resourceAttributes": asked}})
    assert found["status"] == {"allowed": False, "denied": True, "reason": "not today"}
    assert found["spec"] == {"resourceAttributes": asked}
    found = await api.ok("POST", REVIEW, {"spec": {"resourceAttributes": asked | {"name": "b"}}})
    assert found["status"] == {"allowed": True}
    denies.fields = {"path": "/metrics"}
    for path, allowed in (("/metrics", False), ("/version", True)):
        found = await api.ok("POST", REVIEW, {"spec": {"nonResourceAttributes": {"path": path, "verb": "get"}}})
        assert found["status"]["allowed"] is allowed
    rules = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    assert (await api.ok("POST", rules, {"spec": {"namespace": "default"}}))["status"]["incomplete"] is True


@denying
async def test_a_review_asks_exactly_one_question(api: Api, denies: Denies) -> None:
    both = {"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/"}}
    for spec in ({}, both):
        error = await api.error("POST", REVIEW, {"spec": spec})
        assert (error.code, error.details["kind"]) == (422, "SelfSubjectAccessReview")
    error = await api.error("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {}})
    assert (error.code, error.message) == (400, "no namespace on request")


@denying
async def test_a_review_is_read_in_every_form_of_body(api: Api, denies: Denies) -> None:
    denies.fields = {"resource": "pods"}
    yaml = b"spec: {resourceAttributes: {verb: get, resource: pods}}"
    found = await api.call("POST", REVIEW, yaml, content_type="application/yaml")
    assert msgspec.json.decode(found.body)["status"]["allowed"] is False
    # resourceAttributes{verb: "get", resource: "pods"}, by upstream's field numbers
    attributes = b"\x12\x03get\x2a\x04pods"
    spec = b"\x0a" + bytes([len(attributes)]) + attributes
    review = b"\x12" + bytes([len(spec)]) + spec
    body = b"k8s\x00\x12" + bytes([len(review)]) + review
    found = await api.call("POST", REVIEW, body, content_type="application/vnd.kubernetes.protobuf")
    assert msgspec.json.decode(found.body)["status"]["allowed"] is False


@dataclass(frozen=True)
class Says:
    decision: Decision

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        return self.decision


class Lists(Says):
    async def rules_for(self, user: User, namespace: str) -> Rules:
        return Rules([{"verbs": ["get"]}], [], False)


def test_the_first_opinion_decides_and_reasons_for_none_are_gathered() -> None:
    silent, why = Says(Decision("no opinion")), Says(Decision("no opinion", "unknown role"))
    yes, no = Says(Decision("allowed", "a")), Says(Decision("denied", "b"))
    info = request_info("GET", "/", {})
    for authorizers, wanted in (
        ((silent, yes, no), Decision("allowed", "a")),
        ((why, no, yes), Decision("denied", "b")),
        ((silent, why, why), Decision("no opinion", "unknown role\nunknown role")),
        ((), Decision("no opinion", "")),
    ):
        assert asyncio.run(AuthorizerChain(authorizers).authorize(ALICE, info)) == wanted
    listing = Lists(Decision("no opinion"))
    assert asyncio.run(AuthorizerChain([listing, listing]).rules_for(ALICE, "a")) == Rules([{"verbs": ["get"]}] * 2)
    assert asyncio.run(AuthorizerChain([listing, silent]).rules_for(ALICE, "a")).incomplete


@dataclass(frozen=True)
class Knows:
    user: User | None
    refuses: bool = False

    async def authenticate(self, credentials: Credentials) -> User | None:
        if self.refuses:
            raise unauthorized()
        return self.user


def test_the_first_authenticator_that_knows_the_user_decides() -> None:
    nothing = Credentials(None, {})

    def authenticated(*authenticators: Knows) -> User | int:
        try:
            return asyncio.run(AuthenticatorChain(authenticators).authenticate(nothing))
        except StatusError as error:
            return error.code

    assert authenticated(Knows(None), Knows(ALICE), Knows(SYSTEM)) == ALICE
    assert authenticated(Knows(None, refuses=True), Knows(ALICE)) == ALICE
    assert authenticated(Knows(None, refuses=True), Knows(None)) == 401
    assert authenticated(Knows(None)) is ANONYMOUS
