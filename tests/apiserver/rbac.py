"""Short forms of roles and bindings for tests."""

from __future__ import annotations

from typing import Any

from fairlead.apiserver.model import User

from .harness import Api, Tree

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"


def user(name: str, *groups: str, **more: Any) -> User:
    return User(name, (*groups, "system:authenticated"), **more)


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> Tree:
    """Returns a rule; all arguments but the first two may hold several words. The empty group is the core group."""
    return {
        "verbs": verbs.split(),
        "resources": resources.split(),
        "apiGroups": groups.split() or [""],
        "resourceNames": names.split(),
    }


def path_rule(verbs: str, urls: str) -> Tree:
    return {"verbs": verbs.split(), "nonResourceURLs": urls.split()}


def subject(text: str) -> Tree:
    """Returns the subject of `user:alice`, `group:dev` or `account:default/web`."""
    kind, _, name = text.partition(":")
    if kind == "account":
        namespace, _, name = name.partition("/")
        return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"kind": kind.capitalize(), "name": name}


async def add_role(api: Api, name: str, *rules: Tree, namespace: str = "", **more: Any) -> None:
    """Creates a ClusterRole, or a Role if a namespace is given."""
    path = f"{RBAC}/namespaces/{namespace}/roles" if namespace else f"{RBAC}/clusterroles"
    await api.ok("POST", path, {"metadata": {"name": name}, "rules": list(rules)} | more)


async def bind(api: Api, name: str, role: str, *subjects: str, namespace: str = "") -> None:
    """Binds `role` (`Role/name` or the name of a ClusterRole) in a namespace or in the whole cluster."""
    path = f"{RBAC}/namespaces/{namespace}/rolebindings" if namespace else f"{RBAC}/clusterrolebindings"
    kind, _, called = role.rpartition("/")
    ref = {"apiGroup": GROUP, "kind": kind or "ClusterRole", "name": called}
    await api.ok("POST", path, {"metadata": {"name": name}, "roleRef": ref, "subjects": list(map(subject, subjects))})
