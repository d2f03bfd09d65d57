"""Role-based access control: what rules allow, whom bindings reach, and that changes are in force at once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.rbac.policy import PolicyRule
from fairlead.apiserver.auth.rbac.permissions import Permissions
from fairlead.apiserver.auth.rbac.rules import allows, missing
from fairlead.apiserver.model import ANONYMOUS, User
from fairlead.apiserver.requestinfo import RequestInfo

from .harness import CONFIG_MAPS, MERGE, PODS, Api, Tree, config_map, pod, story
from .rbac import RBAC, add_role, bind, path_rule, rule, user

ALICE = user("alice")
POD = rule("get list", "pods")


def asked(
    verb: str, resource: str = "", *, group: str = "", name: str = "", namespace: str = "", path: str = ""
) -> RequestInfo:
    plural, _, subresource = resource.partition("/")
    return RequestInfo(
        method="",
        path=path,
        verb=verb,
        is_resource_request=bool(resource),
        api_group=group,
        resource=plural,
        subresource=subresource,
        name=name,
        namespace=namespace,
    )


GET_PODS = asked("get", "pods")
LOG = asked("get", "pods/log")
SCALE = asked("get", "deployments/scale", group="apps")
OTHER_GROUP = asked("get", "pods", group="apps")
NAMED_A, NAMED_B = asked("get", "pods", name="a"), asked("get", "pods", name="b")


def to(path: str, verb: str = "get") -> RequestInfo:
    return asked(verb, path=path)


@pytest.mark.parametrize(
    ("given_rule", "allowed", "refused"),
    [
        (rule("get", "pods"), [GET_PODS, NAMED_A], [LOG, asked("get", "Pods"), asked("list", "pods")]),
        (rule("get", "pods"), [], [OTHER_GROUP, asked("GET", "pods"), asked("get", "pod")]),
        (rule("*", "pods"), [GET_PODS, asked("", "pods")], [asked("get", "secrets")]),
        (rule("get", "*"), [GET_PODS, LOG], [OTHER_GROUP]),
        (rule("get", "pods/*"), [], [LOG, GET_PODS]),
        (rule("get", "*/log"), [LOG], [GET_PODS, asked("get", "pods/log2")]),
        (rule("get", "*/scale", "*"), [SCALE], [asked("get", "scale")]),
        (rule("get", "pods", "*"), [GET_PODS, OTHER_GROUP], []),
        (rule("get", "pods", names="a"), [NAMED_A], [GET_PODS, NAMED_B]),
        (path_rule("get", "/healthz"), [to("/healthz")], [to("/healthz/"), to("/HEALTHZ"), to("/healthz", "post")]),
        (path_rule("get", "/a/*"), [to("/a/b/c"), to("/a/")], [to("/a"), to("/a/b", "post")]),
        (path_rule("*", "*"), [to("/x"), to("", "")], [asked("get", "pods", path="/x")]),
    ],
)
def test_a_rule_allows_these_requests_and_refuses_those(
    given_rule: Tree, allowed: list[RequestInfo], refused: list[RequestInfo]
) -> None:
    made = PolicyRule(**given_rule)
    permissions = Permissions([([made], "it")])
    for info in allowed:
        assert allows(made, info), info
        assert permissions.find(info) is not None, info
    for info in refused:
        assert not allows(made, info), info
        assert permissions.find(info) is None, info


_VERBS = st.sampled_from(["get", "list", "create", "*"])
_GROUPS = st.sampled_from(["", "apps", "*"])
_RESOURCES = st.sampled_from(["pods", "pods/log", "services", "*", "*/log", "*/scale", "deployments/scale"])
_NAMES = st.sampled_from(["a", "b"])
_URLS = st.sampled_from(["/healthz", "/a", "/a/*", "/a*", "*", "/a/b"])


def _some(of: st.SearchStrategy[str], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(of, min_size=least, max_size=3, unique=True)


_RULES = st.one_of(
    st.builds(
        PolicyRule,
        verbs=_some(_VERBS),
        apiGroups=_some(_GROUPS),
        resources=_some(_RESOURCES),
        resourceNames=_some(_NAMES, 0),
    ),
    st.builds(PolicyRule, verbs=_some(_VERBS), nonResourceURLs=_some(_URLS)),
)
_REQUESTS = st.one_of(
    st.builds(
        asked,
        st.sampled_from(["get", "list", "create", "delete"]),
        st.sampled_from(["pods", "pods/log", "services", "services/scale", "deployments/scale"]),
        group=st.sampled_from(["", "apps", "other"]),
        name=st.sampled_from(["", "a", "b", "c"]),
    ),
    st.builds(
        asked, st.sampled_from(["get", "list"]), path=st.sampled_from(["/healthz", "/a", "/a/", "/a/b", "/ab", ""])
    ),
)


@given(st.lists(_RULES, max_size=5), st.lists(_REQUESTS, max_size=20))
def test_compiled_permissions_decide_as_the_rules_one_by_one(
    rules: list[PolicyRule], requests: list[RequestInfo]
) -> None:
    permissions = Permissions([([one], str(number)) for number, one in enumerate(rules)])
    for info in requests:
        found = permissions.find(info)
        assert (found is not None) == any(allows(one, info) for one in rules)
        if found is not None:
            assert allows(rules[int(found.reason.rpartition(" ")[2])], info)


@given(st.lists(_RULES, max_size=4), st.lists(_RULES, max_size=3), st.lists(_REQUESTS, max_size=20))
def test_rules_that_cover_others_allow_all_that_the_others_allow(
    owned: list[PolicyRule], wanted: list[PolicyRule], requests: list[RequestInfo]
) -> None:
    if not missing(owned, wanted):
        for info in requests:
            assert not any(allows(one, info) for one in wanted) or any(allows(one, info) for one in owned)
    assert missing(wanted, wanted) == []
    assert missing([*owned, *missing(owned, wanted)], wanted) == []


def test_a_rule_with_a_million_combinations_is_not_expanded() -> None:
    many = [f"x{number}" for number in range(100)]
    permissions = Permissions([([PolicyRule(verbs=many, apiGroups=many, resources=many)], "it")])
    assert permissions.find(asked("x9", "x99", group="x42")) is not None
    assert permissions.find(asked("x9", "y", group="x42")) is None
    assert permissions._grants == {}


async def status(api: Api, who: User, method: str, path: str, body: Any = None, **more: Any) -> int:
    return (await replace(api, user=who).call(method, path, body, **more)).status


@story
async def test_a_binding_reaches_users_groups_and_service_accounts_by_their_whole_names(api: Api) -> None:
    await add_role(api, "reader", POD)
    await bind(api, "all", "reader", "user:alice", "group:dev", "account:default/web")
    for who, code in (
        (ALICE, 200),
        (user("bob", "dev"), 200),
        (user("system:serviceaccount:default:web"), 200),
        (user("Alice"), 403),
        (user("bob", "Dev"), 403),
        (user("dev"), 403),
        (user("bob", "alice"), 403),
        (user("system:serviceaccount:other:web"), 403),
        (user("web"), 403),
        (user("default/web"), 403),
        (ANONYMOUS, 403),
    ):
        assert await status(api, who, "GET", PODS) == code, who


@story
async def test_a_role_binding_grants_in_its_namespace_alone_also_a_cluster_role(api: Api) -> None:
    await add_role(api, "reader", POD, path_rule("get", "/metrics"))
    await add_role(api, "own", rule("get", "configmaps"), namespace="default")
    await bind(api, "pods", "reader", "user:alice", namespace="default")
    await bind(api, "maps", "Role/own", "user:alice", namespace="default")
    await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
    for path, code in (
        (PODS, 200),
        (f"{CONFIG_MAPS}/a", 200),
        (CONFIG_MAPS, 403),
        ("/api/v1/pods", 403),
        ("/api/v1/namespaces/kube-system/pods", 403),
        ("/metrics", 403),
        (f"{PODS}/a/log", 403),
    ):
        assert await status(api, ALICE, "GET", path) == code, path


@story
async def test_changes_of_roles_and_bindings_are_in_force_at_once(api: Api) -> None:
    await bind(api, "b", "later", "user:alice")
    error = await replace(api, user=ALICE).error("GET", PODS)
    text = 'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default"'
    assert error.message == f'{text}: RBAC: clusterrole.rbac.authorization.k8s.io "later" not found'
    await add_role(api, "later", POD)
    assert await status(api, ALICE, "GET", PODS) == 200
    await api.ok("PATCH", f"{RBAC}/clusterroles/later", {"rules": []}, content_type=MERGE)
    error = await replace(api, user=ALICE).error("GET", PODS)
    assert (error.code, error.message) == (403, text)
    await api.ok("PATCH", f"{RBAC}/clusterroles/later", {"rules": [POD]}, content_type=MERGE)
    changed = {"subjects": [{"kind": "User", "name": "bob"}]}
    await api.ok("PATCH", f"{RBAC}/clusterrolebindings/b", changed, content_type=MERGE)
    assert await status(api, ALICE, "GET", PODS) == 403
    assert await status(api, user("bob"), "GET", PODS) == 200
    await api.ok("DELETE", f"{RBAC}/clusterrolebindings/b")
    assert await status(api, user("bob"), "GET", PODS) == 403


@story
async def test_names_in_a_rule_limit_lists_and_watches_to_one_name(api: Api) -> None:
    await add_role(api, "one", rule("get list watch delete", "configmaps", names="a"))
    await bind(api, "one", "one", "user:alice")
    await api.ok("POST", CONFIG_MAPS, config_map("a", x="1"))
    field = {"fieldSelector": "metadata.name=a"}
    assert await status(api, ALICE, "GET", f"{CONFIG_MAPS}/a") == 200
    assert await status(api, ALICE, "GET", CONFIG_MAPS) == 403
    assert await status(api, ALICE, "GET", CONFIG_MAPS, query=field) == 200
    assert await status(api, ALICE, "GET", CONFIG_MAPS, query={"fieldSelector": "metadata.name!=a"}) == 403
    assert await status(api, ALICE, "DELETE", CONFIG_MAPS, query=field) == 403
    assert await status(api, ALICE, "POST", CONFIG_MAPS, config_map("a")) == 403


@story
async def test_a_path_that_is_written_in_another_way_is_not_allowed(api: Api) -> None:
    await add_role(api, "reader", rule("get list", "pods"), path_rule("get", "/healthz"))
    await bind(api, "reader", "reader", "user:alice", namespace="default")
    await api.ok("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("secret", x="1"))
    secret = "/api/v1/namespaces/kube-system/configmaps/secret"
    for path in (
        "//api/v1/namespaces/kube-system/configmaps/secret",
        "/api/v1/namespaces/default/../kube-system/configmaps/secret",
        "/api/v1/namespaces/default/pods/../../kube-system/configmaps/secret",
        "/api/v1//namespaces/kube-system/configmaps/secret",
        "/API/v1/namespaces/kube-system/configmaps/secret",
        "/api/V1/namespaces/kube-system/configmaps/secret",
        "/api/v1/Namespaces/kube-system/configmaps/secret",
        "/api/v1/namespaces/kube-system/CONFIGMAPS/secret",
        "/api/v1/watch/namespaces/kube-system/configmaps/secret",
        "/healthz/../api/v1/namespaces/kube-system/configmaps/secret",
        f"{secret}/",
        secret,
    ):
        response = await replace(api, user=ALICE).call("GET", path)
        assert response.status in (403, 404), path
        assert b'"x"' not in response.body, path


@story
async def test_a_stream_into_a_pod_needs_the_right_to_create_by_whatever_method(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    streams = ("exec", "attach", "portforward")
    await add_role(api, "looker", rule("get", " ".join(f"pods/{name}" for name in streams)))
    await bind(api, "l", "looker", "user:alice")
    alice = replace(api, user=ALICE)
    for name in streams:
        error = await alice.error("GET", f"{PODS}/a/{name}", query={"command": "sh"})
        text = f'User "alice" cannot create resource "pods/{name}" in API group "" in the namespace "default"'
        assert (error.code, error.message) == (403, f'pods "a" is forbidden: {text}')
    await add_role(api, "user", rule("create", " ".join(f"pods/{name}" for name in streams)))
    await bind(api, "u", "user", "user:alice")
    for name in streams:
        error = await alice.error("GET", f"{PODS}/a/{name}", query={"command": "sh"})
        assert error.code != 403, name  # the Pod is unscheduled


@story
async def test_the_default_roles_of_users_build_on_each_other(api: Api) -> None:
    await bind(api, "v", "system:aggregate-to-view", "user:viewer", namespace="default")
    await bind(api, "m", "system:aggregated-metrics-reader", "user:viewer", namespace="default")
    await bind(api, "e", "system:aggregate-to-edit", "user:editor", namespace="default")
    viewer, editor = user("viewer"), user("editor")
    secrets = "/api/v1/namespaces/default/secrets"
    for who, method, path, body, code in (
        (viewer, "GET", PODS, None, 200),
        (viewer, "GET", secrets, None, 403),
        (viewer, "GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods", None, 200),
        (viewer, "GET", "/apis/metrics.k8s.io/v1beta1/nodes", None, 403),
        (viewer, "POST", PODS, pod("a"), 403),
        (editor, "POST", PODS, pod("a"), 201),
        (editor, "GET", secrets, None, 200),
        (editor, "POST", f"{RBAC}/namespaces/default/roles", {"metadata": {"name": "r"}}, 403),
        (editor, "GET", "/api/v1/nodes", None, 403),
    ):
        assert await status(api, who, method, path, body) == code, (who.name, method, path)


@story
async def test_every_default_role_and_binding_exists_and_is_completed_at_the_next_start(api: Api) -> None:
    path = f"{RBAC}/clusterroles"
    names = {item["metadata"]["name"] for item in (await api.ok("GET", path))["items"]}
    assert {"cluster-admin", "admin", "edit", "view", "system:node", "system:controller:job-controller"} <= names
    kept = await api.ok("GET", f"{path}/system:kube-scheduler")
    assert kept["metadata"]["labels"] == {"kubernetes.io/bootstrapping": "rbac-defaults"}
    own = rule("get", "secrets")
    await api.ok("PATCH", f"{path}/system:kube-dns", {"rules": [own]}, content_type=MERGE)
    protected = {"rules": [], "metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}}
    await api.ok("PATCH", f"{path}/system:heapster", protected, content_type=MERGE)
    await api.ok("DELETE", f"{path}/system:monitoring")
    bindings = f"{RBAC}/clusterrolebindings"
    await api.ok("PATCH", f"{bindings}/system:discovery", {"subjects": []}, content_type=MERGE)
    await api.ok("DELETE", f"{bindings}/system:basic-user")
    await bind(api, "system:basic-user", "view", "user:alice")
    revision = api.revision
    await api.server._background.policy.ensure()
    completed = (await api.ok("GET", f"{path}/system:kube-dns"))["rules"]
    assert completed[0]["resources"] == ["secrets"]
    assert len(completed) > 1
    assert (await api.ok("GET", f"{path}/system:heapster"))["rules"] == []
    assert (await api.ok("GET", f"{path}/system:monitoring"))["rules"] != []
    found = await api.ok("GET", f"{bindings}/system:discovery")
    assert [one["name"] for one in found["subjects"]] == ["system:authenticated"]
    assert (await api.ok("GET", f"{bindings}/system:basic-user"))["roleRef"]["name"] == "system:basic-user"
    assert api.revision > revision
    revision = api.revision
    await api.server._background.policy.ensure()
    assert api.revision == revision


async def _default_objects(api: Api) -> dict[str, Tree]:
    """Returns the roles and bindings by path, without the fields that differ for each creation."""
    found = {}
    for plural in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        for item in (await api.ok("GET", f"{RBAC}/{plural}"))["items"]:
            meta = item["metadata"]
            namespace = f"namespaces/{meta['namespace']}/" if "namespace" in meta else ""
            del meta["uid"], meta["resourceVersion"], meta["creationTimestamp"]
            found[f"{RBAC}/{namespace}{plural}/{meta['name']}"] = item
    return found


@story
async def test_the_objects_of_a_first_start_pass_the_checks_and_are_those_of_an_ordinary_creation(api: Api) -> None:
    first = await _default_objects(api)
    assert len(first) > 140
    kept = f"{RBAC}/clusterroles/cluster-admin"
    for path in first:
        if path != kept:
            await api.ok("DELETE", path)
    await api.server._background.policy.ensure()
    assert await _default_objects(api) == first


@pytest.mark.slow
def test_a_first_start_reads_no_schemas_of_roles_and_bindings() -> None:
    code = (
        "import asyncio\n"
        "from tests.apiserver.harness import start\n"
        "async def main():\n"
        "    api = await start()\n"
        "    kinds = [kind for kind in api.scheme if kind.group == 'rbac.authorization.k8s.io']\n"
        "    print(*[kind.kind for kind in kinds if kind.schema.derived])\n"
        "    await api.server.stop()\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
