"""The Node authorizer. Source of rules and texts: upstream's authorizer of the mode `Node`.

What must stay true: a node reads Secrets, ConfigMaps, claims and volumes only by name and only if a Pod bound to the
node refers to them. What depends on the contents of a written object is checked by the admission plug-in
NodeRestriction.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.apiserver.auth.authorization import Decision, Rules
from fairlead.apiserver.auth.node.graph import NodeGraph
from fairlead.apiserver.auth.node.identity import node_of
from fairlead.apiserver.auth.rbac.bootstrap.policy import rules_of
from fairlead.apiserver.auth.rbac.permissions import Permissions
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.selectors import parse_field_selector
from fairlead.machinery.values.status import StatusError

LEASE_NAMESPACE = "kube-node-lease"
_ALLOWED = Decision("allowed")
_NO_OPINION = Decision("no opinion")
_READ = ("get", "list", "watch")
_OWN = ("get", "create", "update", "patch", "delete")
_RESOURCE = "resource.k8s.io"
_STORAGE = "storage.k8s.io"


class NodeAuthorizer:
    """Allows nodes what they need. Implements `Authorizer` and `RuleResolver`."""

    def __init__(self, graph: NodeGraph) -> None:
        self._graph = graph
        self._rules: Permissions | None = None

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        node = node_of(user)
        if node is None:
            return _NO_OPINION
        if not node:
            return _no(f"unknown node for user {go_quote(user.name)}")
        check = _CHECKS.get((info.api_group, info.resource)) if info.is_resource_request else None
        if check is not None:
            return check(self, node, info)
        if self._rules is None:
            self._rules = Permissions([(rules_of("system:node"), "")])
        return _ALLOWED if self._rules.find(info) is not None else _NO_OPINION

    async def rules_for(self, user: User, namespace: str) -> Rules:
        """Returns no rules: for a node, they depend on the objects."""
        if node_of(user) is None:
            return Rules()
        return Rules(incomplete=True, error="node authorizer does not support user rule resolution")

    def _read(self, node: str, info: RequestInfo) -> Decision:
        """Decides about Secrets and ConfigMaps."""
        if info.verb not in _READ:
            return _no("can only read resources of this type")
        if info.subresource:
            return _no("cannot read subresource")
        if not info.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, info)

    def _get(self, node: str, info: RequestInfo) -> Decision:
        """Decides about objects that are read one by one."""
        if info.verb != "get":
            return _no("can only get individual resources of this type")
        if info.subresource:
            return _no("cannot get subresource")
        return self._related(node, info)

    def _claim(self, node: str, info: RequestInfo) -> Decision:
        if info.subresource != "status":
            return self._get(node, info)
        if info.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, info)

    def _account(self, node: str, info: RequestInfo) -> Decision:
        if info.verb == "get" and not info.subresource:
            return self._read(node, info)
        if info.verb != "create" or not info.name:
            return _no("can only create tokens for individual service accounts")
        if info.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, info)

    def _related(self, node: str, info: RequestInfo) -> Decision:
        """Allows the request if a Pod of the node refers to the object."""
        if not info.name:
            return _no("No Object name found")
        if self._graph.refers(node, info.resource, info.namespace, info.name):
            return _ALLOWED
        return _unrelated(node)

    def _lease(self, node: str, info: RequestInfo) -> Decision:
        if info.verb not in _OWN:
            return _no("can only get, create, update, patch, or delete a node lease")
        if info.namespace != LEASE_NAMESPACE:
            return _no(f"can only access leases in the {go_quote(LEASE_NAMESPACE)} system namespace")
        if info.verb != "create" and info.name != node:
            return _no("can only access node lease with the same name as the requesting node")
        return _ALLOWED

    def _csi_node(self, node: str, info: RequestInfo) -> Decision:
        if info.verb not in _OWN:
            return _no("can only get, create, update, patch, or delete a CSINode")
        if info.subresource:
            return _no("cannot authorize CSINode subresources")
        if info.verb != "create" and info.name != node:
            return _no("can only access CSINode with the same name as the requesting node")
        return _ALLOWED

    def _attachment(self, node: str, info: RequestInfo) -> Decision:
        if info.verb != "get":
            return _no("can only get individual resources of this type")
        if info.subresource:
            return _no("cannot get subresource")
        return self._of_node(node, info)

    def _slice(self, node: str, info: RequestInfo) -> Decision:
        if info.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        match info.verb:
            case "create":
                return _ALLOWED
            case "get" | "update" | "patch" | "delete":
                return self._of_node(node, info)
            case "watch" | "list" | "deletecollection":
                if _selects(info, "spec.nodeName", node):
                    return _ALLOWED
                return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
            case _:
                return _no(
                    "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, "
                    "patch, delete, deletecollection"
                )

    def _of_node(self, node: str, info: RequestInfo) -> Decision:
        if not info.name:
            return _no("No Object name found")
        found = self._graph.is_on_node(info.api_group, info.resource, info.name, node)
        return _ALLOWED if found else _unrelated(node)

    def _node(self, node: str, info: RequestInfo) -> Decision:
        match info.subresource, info.verb:
            case ("", "create" | "update" | "patch") | ("status", "update" | "patch"):
                return _ALLOWED
            case ("", "get" | "list" | "watch"):
                if info.name == node:
                    return _ALLOWED
                which = f"'{info.name}'" if info.name else "all nodes"
                return _no(f"node '{node}' cannot read {which}, only its own Node object")
            case _:
                return _NO_OPINION

    def _pod(self, node: str, info: RequestInfo) -> Decision:
        match info.subresource, info.verb:
            case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return _ALLOWED
            case ("", "list" | "watch") if _selects(info, "spec.nodeName", node):
                return _ALLOWED
            case ("", "list" | "watch") if not info.name:
                return _no("can only list/watch pods with spec.nodeName field selector")
            case ("", "get" | "list" | "watch"):
                found = self._graph.has_pod(node, info.namespace, info.name)
                return _ALLOWED if found else _unrelated(node)
            case _:
                return _NO_OPINION


_CHECKS: dict[tuple[str, str], Callable[[NodeAuthorizer, str, RequestInfo], Decision]] = {
    ("", "secrets"): NodeAuthorizer._read,
    ("", "configmaps"): NodeAuthorizer._read,
    ("", "persistentvolumeclaims"): NodeAuthorizer._claim,
    ("", "persistentvolumes"): NodeAuthorizer._get,
    (_RESOURCE, "resourceclaims"): NodeAuthorizer._get,
    (_RESOURCE, "resourceslices"): NodeAuthorizer._slice,
    (_STORAGE, "volumeattachments"): NodeAuthorizer._attachment,
    (_STORAGE, "csinodes"): NodeAuthorizer._csi_node,
    ("", "serviceaccounts"): NodeAuthorizer._account,
    ("coordination.k8s.io", "leases"): NodeAuthorizer._lease,
    ("", "nodes"): NodeAuthorizer._node,
    ("", "pods"): NodeAuthorizer._pod,
}
"""Resources about which the static rules of the role `system:node` do not decide."""


def _no(reason: str) -> Decision:
    return Decision("no opinion", reason)


def _unrelated(node: str) -> Decision:
    return _no(f"no relationship found between node '{node}' and this object")


def _selects(info: RequestInfo, field: str, value: str) -> bool:
    """Returns whether the request's field selector restricts the request to one value of a field."""
    if not info.field_selector:
        return False
    try:
        return parse_field_selector(info.field_selector).exact(field) == value
    except StatusError:
        return False
