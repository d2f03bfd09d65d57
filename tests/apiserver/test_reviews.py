"""Reviews: what a user may do, and who a token is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fairlead.apiserver.model import ANONYMOUS

from .harness import Api, Tree, story
from .rbac import add_role, bind, path_rule, rule, user

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
SUBJECT = f"{AUTHORIZATION}/subjectaccessreviews"
LOCAL = f"{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews"
SELF = f"{AUTHORIZATION}/selfsubjectaccessreviews"
RULES = f"{AUTHORIZATION}/selfsubjectrulesreviews"
TOKEN = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
ISSUER = "https://kubernetes.default.svc.cluster.local"


def pods(verb: str = "get", namespace: str = "default", **more: str) -> Tree:
    return {"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": namespace} | more}


async def causes(api: Api, path: str, spec: Tree, **meta: Any) -> list[tuple[str, str]]:
    error = await api.error("POST", path, {"spec": spec, "metadata": meta})
    assert error.code == 422, error
    return [(cause["field"], cause["message"]) for cause in error.details["causes"]]


@story
async def test_a_subject_access_review_is_about_any_user_by_name_and_groups(api: Api) -> None:
    await add_role(api, "reader", rule("get", "pods"))
    await bind(api, "reader", "reader", "group:dev", namespace="default")
    found = await api.ok("POST", SUBJECT, {"spec": pods() | {"user": "bob", "groups": ["dev"]}})
    reason = 'RBAC: allowed by RoleBinding "reader/default" of ClusterRole "reader" to Group "dev"'
    assert found["status"] == {"allowed": True, "reason": reason}
    assert found["spec"]["groups"] == ["dev"]
    for spec in (
        pods() | {"user": "bob"},
        pods(namespace="other") | {"user": "bob", "groups": ["dev"]},
        pods(subresource="log") | {"groups": ["dev"]},
        pods("list") | {"groups": ["dev"]},
        {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}, "groups": ["dev"]},
    ):
        assert (await api.ok("POST", SUBJECT, {"spec": spec}))["status"] == {"allowed": False}, spec
    everything = pods() | {"user": "x", "groups": ["system:masters"]}
    assert (await api.ok("POST", SUBJECT, {"spec": everything}))["status"]["allowed"] is True
    stranger = {"nonResourceAttributes": {"path": "/healthz", "verb": "get"}, "groups": ["system:unauthenticated"]}
    assert (await api.ok("POST", SUBJECT, {"spec": stranger}))["status"]["allowed"] is True


@story
async def test_a_review_must_be_complete(api: Api) -> None:
    action = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    no_user = ("spec.user", 'Invalid value: "": at least one of user or group must be specified')
    assert await causes(api, SUBJECT, {}) == [
        ("spec.resourceAttributes", f"Invalid value: null: {action}"),
        no_user,
    ]
    assert await causes(api, SUBJECT, pods()) == [no_user]
    named = await causes(api, SUBJECT, pods() | {"user": "bob"}, name="x")
    assert named == [("metadata", 'Invalid value: {"name":"x"}: must be empty')]
    selector: Tree = {"fieldSelector": {}}
    wrong = pods() | {"user": "bob"}
    wrong["resourceAttributes"] |= selector
    path = "spec.resourceAttributes.fieldSelector"
    text = f"Required value: when {path} is specified, requirements or rawSelector is required"
    assert await causes(api, SUBJECT, wrong) == [(f"{path}.requirements", text)]


@story
async def test_a_local_review_is_about_its_own_namespace(api: Api) -> None:
    await bind(api, "v", "system:aggregate-to-view", "user:bob", namespace="default")
    assert (await api.ok("POST", LOCAL, {"spec": pods() | {"user": "bob"}}))["status"]["allowed"] is True
    other = await causes(api, LOCAL, pods(namespace="other") | {"user": "bob"})
    assert other == [("spec.resourceAttributes.namespace", 'Invalid value: "other": must match metadata.namespace')]
    url = {"nonResourceAttributes": {"path": "/x", "verb": "get"}, "user": "bob"}
    assert [field for field, _ in await causes(api, LOCAL, url)] == ["spec.nonResourceAttributes"]
    admin = replace(api, user=user("ann"))
    assert (await admin.error("POST", LOCAL, {"spec": pods() | {"user": "bob"}})).code == 403
    await bind(api, "a", "system:aggregate-to-admin", "user:ann", namespace="default")
    assert (await admin.ok("POST", LOCAL, {"spec": pods() | {"user": "bob"}}))["status"]["allowed"] is True
    assert (await admin.error("POST", SUBJECT, {"spec": pods() | {"user": "bob"}})).code == 403


@story
async def test_a_node_is_reviewed_with_the_selector_of_its_request(api: Api) -> None:
    for selector, allowed in (
        ({"rawSelector": "spec.nodeName=n1"}, True),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}]}, True),
        ({"requirements": [{"key": "spec.nodeName", "operator": "NotIn", "values": ["n1"]}]}, False),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1", "n2"]}]}, False),
        ({"rawSelector": "spec.nodeName=n2"}, False),
    ):
        spec = pods("list") | {"user": "system:node:n1", "groups": ["system:nodes"]}
        spec["resourceAttributes"] |= {"fieldSelector": selector}
        assert (await api.ok("POST", SUBJECT, {"spec": spec}))["status"]["allowed"] is allowed, selector


@story
async def test_the_rules_of_a_user_are_those_of_the_namespace_and_of_the_cluster(api: Api) -> None:
    alice = replace(api, user=user("alice"))
    await add_role(api, "own", rule("get", "secrets", names="a"), namespace="default")
    await bind(api, "own", "Role/own", "user:alice", namespace="default")
    await add_role(api, "urls", path_rule("get", "/metrics"), rule("list", "nodes"))
    await bind(api, "urls", "urls", "user:alice")
    await bind(api, "lost", "lost", "user:alice", namespace="default")
    found = (await alice.ok("POST", RULES, {"spec": {"namespace": "default"}}))["status"]
    own = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}
    nodes = {"verbs": ["list"], "apiGroups": [""], "resources": ["nodes"]}
    assert own in found["resourceRules"]
    assert nodes in found["resourceRules"]
    assert {"verbs": ["get"], "nonResourceURLs": ["/metrics"]} in found["nonResourceRules"]
    assert found["incomplete"] is False
    assert found["evaluationError"] == 'clusterrole.rbac.authorization.k8s.io "lost" not found'
    other = (await alice.ok("POST", RULES, {"spec": {"namespace": "other"}}))["status"]
    assert own not in other["resourceRules"]
    assert nodes in other["resourceRules"]
    error = await alice.error("POST", RULES, {"spec": {}})
    assert (error.code, error.message) == (400, "no namespace on request")
    node = replace(api, user=user("system:node:n1", "system:nodes"))
    assert (await node.ok("POST", RULES, {"spec": {"namespace": "default"}}))["status"]["incomplete"] is True


@story
async def test_a_token_review_names_the_user_for_the_wanted_audience(api: Api) -> None:
    async def token(*audiences: str) -> str:
        found = await api.ok("POST", f"{ACCOUNTS}/default/token", {"spec": {"audiences": list(audiences)}})
        return str(found["status"]["token"])

    async def review(**spec: Any) -> Tree:
        tree: Tree = (await api.ok("POST", TOKEN, {"spec": spec}))["status"]
        return tree

    found = await review(token=await token())
    assert (found["authenticated"], found["audiences"]) == (True, [ISSUER])
    assert found["user"]["username"] == "system:serviceaccount:default:default"
    assert found["user"]["groups"][0] == "system:serviceaccounts"
    vault = await token("vault", "other")
    assert (await review(token=vault, audiences=["x", "vault"]))["audiences"] == ["vault"]
    for bad in ({"token": vault}, {"token": "x"}, {"token": await token(), "audiences": ["vault"]}):
        refused = await review(**bad)
        assert refused.get("authenticated", False) is False
        assert refused["user"] == {}
        assert refused["error"].startswith("[invalid bearer token, ")
    error = await api.error("POST", TOKEN, {"spec": {}})
    assert (error.code, error.message) == (400, "token is required for TokenReview in authentication")


@story
async def test_reviews_are_found_by_discovery_and_are_only_created(api: Api) -> None:
    for group, kinds in (
        ("authentication.k8s.io", {"SelfSubjectReview", "TokenReview"}),
        (
            "authorization.k8s.io",
            {"LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"},
        ),
    ):
        found = (await api.ok("GET", f"/apis/{group}/v1"))["resources"]
        assert {item["kind"] for item in found} == kinds
        assert all(item["verbs"] == ["create"] for item in found)
    for method, path in (("GET", SUBJECT), ("GET", f"{TOKEN}/x"), ("DELETE", SUBJECT), ("POST", f"{SUBJECT}/x")):
        assert (await api.call(method, path)).status == 405, (method, path)
    everywhere = f"{AUTHORIZATION}/localsubjectaccessreviews"
    assert (await api.error("POST", everywhere, {"spec": pods() | {"user": "bob"}})).code == 405
    page = await api.store.list("/registry/authorization.k8s.io/")
    assert list(page.records) == []


@story
async def test_ordinary_users_review_themselves_and_strangers_nothing(api: Api) -> None:
    for who, code in ((user("alice"), 201), (ANONYMOUS, 403)):
        at = replace(api, user=who)
        assert (await at.call("POST", SELF, {"spec": pods()})).status == code
        assert (await at.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})).status == code
        assert (await at.call("POST", TOKEN, {"spec": {"token": "x"}})).status == 403
        assert (await at.call("POST", SUBJECT, {"spec": pods() | {"user": "bob"}})).status == 403
    delegate = replace(api, user=user("system:serviceaccount:default:proxy"))
    await bind(api, "delegate", "system:auth-delegator", "account:default/proxy")
    assert (await delegate.call("POST", TOKEN, {"spec": {"token": "x"}})).status == 201
