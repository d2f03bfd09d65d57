"""Roles and bindings grant only what their author may do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .harness import MERGE, Api, Tree, story
from .rbac import GROUP, RBAC, add_role, bind, path_rule, rule, user

ALICE = user("alice", "dev")
ROLES = f"{RBAC}/namespaces/default/roles"
ROLE_BINDINGS = f"{RBAC}/namespaces/default/rolebindings"
CLUSTER_ROLES = f"{RBAC}/clusterroles"
CLUSTER_ROLE_BINDINGS = f"{RBAC}/clusterrolebindings"
APPLY = "application/apply-patch+yaml"


async def author(api: Api) -> Api:
    """Returns the API as alice, who may write roles and bindings, and read pods in the whole cluster."""
    verbs = "get list watch create update patch delete"  # `*` would include `bind` and `escalate`
    of_roles = rule(verbs, "roles rolebindings clusterroles clusterrolebindings", GROUP)
    await add_role(api, "author", of_roles, rule("get", "pods"))
    await bind(api, "author", "author", "user:alice")
    return replace(api, user=ALICE)


def role(name: str, *rules: Tree, **more: Any) -> Tree:
    return {"metadata": {"name": name}, "rules": list(rules)} | more


def binding(name: str, kind: str, called: str) -> Tree:
    subjects = [{"kind": "User", "name": "alice"}]
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": called},
        "subjects": subjects,
    }


@story
async def test_a_role_with_permissions_that_its_author_lacks_is_forbidden_with_a_list_of_them(api: Api) -> None:
    alice = await author(api)
    await alice.ok("POST", ROLES, role("mine", rule("get", "pods")))
    wanted = role("more", rule("get list delete", "pods"), rule("get", "secrets", names="a b"))
    error = await alice.error("POST", ROLES, wanted)
    assert (error.code, error.reason, error.details["name"]) == (403, "Forbidden", "more")
    assert error.message == (
        f'roles.{GROUP} "more" is forbidden: user "alice" (groups=["dev" "system:authenticated"]) is attempting to '
        "grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["list" "delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]}\n'
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}'
    )
    error = await alice.error("POST", CLUSTER_ROLES, role("urls", path_rule("get", "/metrics")))
    assert error.message.endswith('{NonResourceURLs:["/metrics"], Verbs:["get"]}')
    for everything in (
        rule("*", "*", "*"),
        rule("*", "pods"),
        rule("get", "*"),
        rule("get", "*/log"),
        path_rule("*", "*"),
    ):
        assert (await alice.error("POST", CLUSTER_ROLES, role("all", everything))).code == 403, everything


@story
async def test_every_way_to_change_a_role_is_checked(api: Api) -> None:
    alice = await author(api)
    await alice.ok("POST", ROLES, role("mine", rule("get", "pods")))
    path, more = f"{ROLES}/mine", role("mine", rule("*", "secrets"))
    applied = {"apiVersion": f"{GROUP}/v1", "kind": "Role"} | more
    new = applied | {"metadata": {"name": "new"}}
    manager = {"fieldManager": "m", "force": "true"}
    for method, where, body, extra in (
        ("PUT", path, more, {}),
        ("PATCH", path, {"rules": more["rules"]}, {"content_type": MERGE}),
        ("PATCH", path, applied, {"content_type": APPLY, "query": manager}),
        ("PATCH", f"{ROLES}/new", new, {"content_type": APPLY, "query": manager}),
        ("POST", ROLES, more | {"metadata": {"generateName": "x"}}, {}),
        ("POST", ROLES, more | {"metadata": {"name": "y"}}, {"query": {"dryRun": "All"}}),
    ):
        error = await alice.error(method, where, body, **extra)
        assert "is attempting to grant RBAC permissions" in error.message, (method, where)
    # Labels change neither the permissions that alice has nor those that she lacks.
    await api.ok("PUT", path, more)
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert (await alice.error("PATCH", path, labels, content_type=MERGE)).code == 403
    lifetime = {"metadata": {"finalizers": ["example.com/a"]}}
    await alice.ok("PATCH", path, lifetime, content_type=MERGE)


@story
async def test_a_binding_of_a_role_that_its_author_lacks_is_forbidden(api: Api) -> None:
    alice = await author(api)
    for path, kind in ((CLUSTER_ROLE_BINDINGS, "ClusterRole"), (ROLE_BINDINGS, "ClusterRole")):
        error = await alice.error("POST", path, binding("b", kind, "cluster-admin"))
        assert error.code == 403
        assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in error.message
        error = await alice.error("POST", path, binding("b", kind, "none"))
        assert (error.code, error.message) == (404, f'clusterroles.{GROUP} "none" not found')
    error = await alice.error("POST", ROLE_BINDINGS, binding("b", "Role", "none"))
    assert (error.code, error.message) == (404, f'roles.{GROUP} "none" not found')
    await add_role(api, "pods", rule("get", "pods"))
    await alice.ok("POST", CLUSTER_ROLE_BINDINGS, binding("b", "ClusterRole", "pods"))
    # The subjects of a binding of a role that alice lacks are as closed to her as a new binding.
    path = f"{CLUSTER_ROLE_BINDINGS}/system:monitoring"
    changed = {"subjects": [{"kind": "User", "name": "alice"}]}
    assert (await alice.error("PATCH", path, changed, content_type=MERGE)).code == 403


@story
async def test_bind_and_escalate_are_verbs_of_their_own(api: Api) -> None:
    alice = await author(api)
    await add_role(api, "binder", rule("bind", "clusterroles", GROUP, names="view admin"))
    await bind(api, "binder", "binder", "user:alice")
    await alice.ok("POST", ROLE_BINDINGS, binding("v", "ClusterRole", "view"))
    assert (await alice.error("POST", ROLE_BINDINGS, binding("e", "ClusterRole", "cluster-admin"))).code == 403
    assert (await alice.error("POST", ROLES, role("r", rule("*", "secrets")))).code == 403
    await add_role(api, "escalator", rule("escalate", "roles", GROUP), namespace="default")
    await bind(api, "escalator", "Role/escalator", "user:alice", namespace="default")
    await alice.ok("POST", ROLES, role("r", rule("*", "secrets")))
    assert (await alice.error("POST", CLUSTER_ROLES, role("r", rule("*", "secrets")))).code == 403
    other = ROLES.replace("default", "kube-system")
    assert (await alice.error("POST", other, role("r", rule("*", "secrets")))).code == 403


@story
async def test_permissions_in_one_namespace_are_granted_there_alone(api: Api) -> None:
    alice = await author(api)
    await add_role(api, "secrets", rule("get", "secrets"), namespace="default")
    await bind(api, "secrets", "Role/secrets", "user:alice", namespace="default")
    await alice.ok("POST", ROLES, role("r", rule("get", "secrets")))
    for path in (ROLES.replace("default", "kube-system"), CLUSTER_ROLES):
        assert (await alice.error("POST", path, role("r", rule("get", "secrets")))).code == 403, path


@story
async def test_an_aggregated_role_needs_the_rights_of_an_administrator(api: Api) -> None:
    alice = await author(api)
    selector = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    error = await alice.error("POST", CLUSTER_ROLES, role("r", aggregationRule=selector))
    text = "must have cluster-admin privileges to use the aggregationRule"
    assert (error.code, error.message) == (403, f'clusterroles.{GROUP} "r" is forbidden: {text}')
    await api.ok("POST", CLUSTER_ROLES, role("r", aggregationRule=selector))
    for changed in ({"aggregationRule": None}, {"metadata": {"labels": {"x": "y"}}}):
        assert (await alice.error("PATCH", f"{CLUSTER_ROLES}/r", changed, content_type=MERGE)).message.endswith(text)
    # A label that makes a role part of another one grants nothing that its author lacks.
    labelled = role("part", rule("*", "secrets"))
    labelled["metadata"]["labels"] = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    assert (await alice.error("POST", CLUSTER_ROLES, labelled)).code == 403
    await bind(api, "root", "cluster-admin", "user:alice")
    await alice.ok("POST", CLUSTER_ROLES, role("s", aggregationRule=selector))
