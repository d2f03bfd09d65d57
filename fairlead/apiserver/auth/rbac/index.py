"""The roles and bindings of the cluster, indexed by subject; follows the watch caches.

What must stay true: an answer reflects every write that a client has seen answered, because caches call their
listeners before the write returns. A user's compiled permissions are dropped with every change of a role or a binding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fairlead.api.rbac.binding import Binding, RoleRef, Subject
from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE
from fairlead.api.rbac.clusterrolebinding.kind import CLUSTER_ROLE_BINDING
from fairlead.api.rbac.policy import GROUP, PolicyRule
from fairlead.api.rbac.role.kind import ROLE
from fairlead.api.rbac.rolebinding.kind import ROLE_BINDING
from fairlead.apiserver.auth.rbac.permissions import Permissions
from fairlead.apiserver.model import User
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.values.quoting import go_quote

_MOST_USERS = 1024
"""Number of users whose compiled permissions are kept; with more, all are dropped."""
_ACCOUNT = "system:serviceaccount:"

_Key = tuple[str, str]
"""A subject: its kind (`User` or `Group`) and its name."""


class _Bindings:
    """The bindings of one scope (the cluster, or a namespace) by subject."""

    def __init__(self) -> None:
        self._by_name: dict[str, Any] = {}
        self._by_subject: dict[_Key, dict[str, None]] = {}

    def put(self, name: str, binding: Any, namespace: str) -> None:
        self.drop(name, namespace)
        self._by_name[name] = binding
        for key in _keys(binding.subjects, namespace):
            self._by_subject.setdefault(key, {})[name] = None

    def drop(self, name: str, namespace: str) -> None:
        binding = self._by_name.pop(name, None)
        for key in _keys(binding.subjects, namespace) if binding is not None else ():
            named = self._by_subject.get(key)
            if named is not None:
                named.pop(name, None)
                if not named:
                    del self._by_subject[key]

    def of(self, user: User) -> Iterator[tuple[str, Any]]:
        """Yields the user's bindings, sorted by name."""
        names: set[str] = set()
        for key in (("User", user.name), *(("Group", group) for group in user.groups)):
            names.update(self._by_subject.get(key, ()))
        for name in sorted(names):
            yield name, self._by_name[name]


class RoleIndex:
    """Finds the permissions of users."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._cluster = _Bindings()
        self._namespaces: dict[str, _Bindings] = {}
        self._compiled: dict[tuple[str, tuple[str, ...], str], Permissions] = {}

    def follow(self) -> None:
        """Reads the caches and follows their changes. Called once, after the caches are loaded."""
        for kind in (CLUSTER_ROLE_BINDING, ROLE_BINDING):
            cache = self._resources.of(kind).cache
            for entry in cache.select():
                self._put(entry)
            cache.listeners[self] = self._binding_changed
        for kind in (CLUSTER_ROLE, ROLE):
            self._resources.of(kind).cache.listeners[self] = self._role_changed

    def _binding_changed(self, event: Event) -> None:
        self._compiled.clear()
        if event.type != "DELETED":
            self._put(event.entry)
            return
        namespace, name = event.entry.namespace, event.entry.name
        bindings = self._namespaces.get(namespace) if namespace else self._cluster
        if bindings is not None:
            bindings.drop(name, namespace)

    def _put(self, entry: Entry) -> None:
        namespace = entry.namespace
        bindings = self._namespaces.setdefault(namespace, _Bindings()) if namespace else self._cluster
        bindings.put(entry.name, entry.decode(), namespace)

    def _role_changed(self, _: Event) -> None:
        self._compiled.clear()

    def permissions(self, user: User, namespace: str) -> Permissions:
        """Returns what bindings of the namespace give to the user; for an empty namespace, what cluster bindings
        give."""
        key = (user.name, user.groups, namespace)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _MOST_USERS:
                self._compiled.clear()
            found = self._compiled[key] = self._compile(user, namespace)
        return found

    def _compile(self, user: User, namespace: str) -> Permissions:
        bindings = self._namespaces.get(namespace) if namespace else self._cluster
        granted: list[tuple[Sequence[PolicyRule], str]] = []
        errors: list[str] = []
        for name, binding in bindings.of(user) if bindings is not None else ():
            rules = self.rules_of(binding.roleRef, namespace)
            if rules is None:
                errors.append(absent(binding.roleRef))
            else:
                granted.append((rules, _describe(name, binding, namespace, user)))
        return Permissions(granted, errors)

    def rules_of(self, ref: RoleRef, namespace: str) -> Sequence[PolicyRule] | None:
        """Returns the rules of the role that a binding in the namespace refers to; None if the role is absent."""
        if ref.kind == "Role":
            entry = self._resources.of(ROLE).cache.get(f"{namespace}/{ref.name}")
        else:
            entry = self._resources.of(CLUSTER_ROLE).cache.get(ref.name)
        return None if entry is None else entry.decode().rules


def absent(ref: RoleRef) -> str:
    """Returns the text about a role that does not exist."""
    return f"{ref.kind.lower()}.{GROUP} {go_quote(ref.name)} not found"


def _keys(subjects: Iterable[Subject], namespace: str) -> Iterator[_Key]:
    """Yields the keys of the subjects of a binding in the namespace."""
    for subject in subjects:
        if subject.kind == "ServiceAccount":
            if where := subject.namespace or namespace:
                yield "User", f"{_ACCOUNT}{where}:{subject.name}"
        else:
            yield subject.kind, subject.name


def _describe(name: str, binding: Binding, namespace: str, user: User) -> str:
    """Returns the text that names a binding, its role and the subject that the user is."""
    kind, called = ("RoleBinding", f"{name}/{namespace}") if namespace else ("ClusterRoleBinding", name)
    ref = binding.roleRef
    head = f"{kind} {go_quote(called)} of {ref.kind} {go_quote(ref.name)} to "
    users = {("User", user.name), *(("Group", group) for group in user.groups)}
    subject = next(one for one in binding.subjects if not users.isdisjoint(_keys([one], namespace)))
    if subject.kind == "ServiceAccount":
        return f"{head}ServiceAccount {go_quote(f'{subject.name}/{subject.namespace or namespace}')}"
    return f"{head}{subject.kind} {go_quote(subject.name)}"
