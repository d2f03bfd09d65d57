"""Reads the tables of default roles and bindings. Pure.

A role is a line with its name, and indented lines with its rules:

    edit of=edit to=admin           aggregates the roles labelled `to=edit`, is itself part of `admin`
      get list: pods pods/log       verbs, resources; of the core group if no group is named
      get: leases @ apps core = a   groups after `@`, names of objects after `=`
      get path: /healthz            paths that are not resources
      events                        the rule to write Events

`read`, `write` and `readwrite` stand for the usual verbs; a line with deeper indentation continues the one before. A
role or a binding of a namespace has the namespace before its name.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.meta.types import LabelSelector, ObjectMeta
from fairlead.api.rbac.binding import RoleRef, Subject
from fairlead.api.rbac.clusterrole.kind import AggregationRule, ClusterRole
from fairlead.api.rbac.clusterrolebinding.kind import ClusterRoleBinding
from fairlead.api.rbac.policy import GROUP, PolicyRule
from fairlead.api.rbac.role.kind import Role
from fairlead.api.rbac.rolebinding.kind import RoleBinding
from fairlead.apiserver.auth.rbac.bootstrap import bindings, clusterroles, controllers, namespaces, own
from fairlead.base.dataclass import dataclass

AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
CONTROLLER = "system:controller:"
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
_DEFAULTS = ("kubernetes.io/bootstrapping", "rbac-defaults")
_SYSTEM = "kube-system"
_WRITE = "create delete deletecollection patch update"
_VERBS = {
    "read": "get list watch",
    "write": _WRITE,
    "readwrite": "create delete deletecollection get list patch update watch",
}
_EVENTS = "create patch update: events @ core events.k8s.io"
_SUBJECTS = {"user": "User", "group": "Group", "account": "ServiceAccount"}


@dataclass(frozen=True, slots=True)
class Policy:
    """All default roles and bindings."""

    cluster_roles: list[ClusterRole]
    cluster_bindings: list[ClusterRoleBinding]
    roles: list[Role]
    bindings: list[RoleBinding]


def default_policy() -> Policy:
    """Returns the roles and bindings that every cluster has."""
    names = [head.split()[0] for head, _ in _blocks(controllers.CONTROLLER_ROLES)]
    of_controllers = "".join(f"{CONTROLLER}{name}: account={name}\n" for name in names)
    return Policy(
        [
            *_cluster_roles(clusterroles.CLUSTER_ROLES),
            *_cluster_roles(controllers.CONTROLLER_ROLES, prefix=CONTROLLER),
            *_cluster_roles(own.CLUSTER_ROLES),
        ],
        [
            ClusterRoleBinding(metadata=_meta(name), subjects=subjects, roleRef=_ref("ClusterRole", role))
            for text in (bindings.CLUSTER_BINDINGS, of_controllers, own.CLUSTER_BINDINGS)
            for _, name, role, subjects in _bindings(text)
        ],
        [*_roles(namespaces.NAMESPACE_ROLES), *_roles(own.NAMESPACE_ROLES)],
        [
            RoleBinding(metadata=_meta(name, namespace), subjects=subjects, roleRef=_ref("Role", role))
            for text in (bindings.NAMESPACE_BINDINGS, own.NAMESPACE_BINDINGS)
            for namespace, name, role, subjects in _bindings(text)
        ],
    )


def rules_of(name: str) -> list[PolicyRule]:
    """Returns the rules of a default cluster role."""
    return next(_rules(lines) for head, lines in _blocks(clusterroles.CLUSTER_ROLES) if head.split()[0] == name)


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yields the lines without indentation, each with the indented lines below, in which continuations are joined."""
    head, lines = "", list[str]()
    for line in text.splitlines():
        if not line.startswith(" "):
            if head:
                yield head, lines
            head, lines = line, []
        elif line.startswith("    "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line.strip())
    if head:
        yield head, lines


def _cluster_roles(text: str, prefix: str = "") -> Iterator[ClusterRole]:
    for head, lines in _blocks(text):
        name, *options = head.split()
        role = ClusterRole(metadata=_meta(prefix + name), rules=_rules(lines))
        for option in options:
            kind, _, group = option.partition("=")
            label = {_AGGREGATE + group: "true"}
            if kind == "to":
                role.metadata.labels |= label
            else:
                role.aggregationRule = AggregationRule(clusterRoleSelectors=[LabelSelector(matchLabels=label)])
        yield role


def _roles(text: str) -> Iterator[Role]:
    for head, lines in _blocks(text):
        namespace, name = head.split()
        yield Role(metadata=_meta(name, namespace), rules=_rules(lines))


def _rules(lines: list[str]) -> list[PolicyRule]:
    return [_rule(_EVENTS if line == "events" else line) for line in lines]


def _rule(line: str) -> PolicyRule:
    verbs, _, rest = line.partition(": ")
    granted = _VERBS.get(verbs, verbs).split()
    if granted[-1] == "path":
        return PolicyRule(verbs=granted[:-1], nonResourceURLs=rest.split())
    rest, _, names = rest.partition(" = ")
    resources, _, groups = rest.partition(" @ ")
    return PolicyRule(
        verbs=granted,
        apiGroups=["" if group == "core" else group for group in (groups or "core").split()],
        resources=resources.split(),
        resourceNames=names.split(),
    )


def _bindings(text: str) -> Iterator[tuple[str, str, str, list[Subject]]]:
    """Yields namespace, name, role and subjects of each binding."""
    for head, lines in _blocks(text):
        called, _, first = f"{head} ".partition(": ")
        namespace, _, pair = called.rpartition(" ")
        name, _, role = pair.partition("=")
        yield namespace, name, role or name, [_subject(word) for word in f"{first} {' '.join(lines)}".split()]


def _subject(word: str) -> Subject:
    kind, _, name = word.partition("=")
    if kind == "account":
        return Subject(kind="ServiceAccount", name=name, namespace=_SYSTEM)
    return Subject(kind=_SUBJECTS[kind], apiGroup=GROUP, name=name)


def _ref(kind: str, name: str) -> RoleRef:
    return RoleRef(apiGroup=GROUP, kind=kind, name=name)


def _meta(name: str, namespace: str = "") -> ObjectMeta:
    return ObjectMeta(name=name, namespace=namespace, labels=dict([_DEFAULTS]), annotations={AUTO_UPDATE: "true"})
