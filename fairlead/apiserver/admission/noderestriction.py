"""Limits what a node writes to its own Node and Lease, to its own Pods, and to tokens for them.

What must stay true: a node cannot make itself the node of a Pod, and cannot create a Pod that refers to other objects;
the Node authorizer gives it whatever its Pods refer to. Source: upstream's admission plug-in NodeRestriction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.rules import MIRROR
from fairlead.api.core.topology.labels import REGION_LABEL, ZONE_LABEL
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.auth.node.authorizer import LEASE_NAMESPACE
from fairlead.apiserver.auth.node.identity import node_of
from fairlead.apiserver.auth.node.references import referred_kind
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.quoting import go_quote

_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        ZONE_LABEL,
        REGION_LABEL,
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESERVED_DOMAINS = ("kubernetes.io", "k8s.io")
_RESTRICTED = "node-restriction.kubernetes.io"
_OF_CLAIMS = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")
"""Fields of a claim's status that a node may change."""


class NodeRestriction(AdmissionPlugin):
    """Refuses what a node may not write."""

    name = "NodeRestriction"

    def __init__(self, resources: Resources) -> None:
        self._pods = resources.of(POD)
        self._nodes = resources.of(NODE)

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation != "CONNECT" and (kind.group, kind.plural) in _CHECKS

    async def admit(self, attributes: Attributes) -> None:
        node = node_of(attributes.user)
        if node is None:
            return
        if not node:
            raise attributes.denied(f"could not determine node from user {go_quote(attributes.user.name)}")
        kind = attributes.kind
        _CHECKS[kind.group, kind.plural](self, node, attributes)

    def _pod(self, node: str, attributes: Attributes) -> None:
        match attributes.subresource:
            case "":
                self._whole_pod(node, attributes)
            case "status":
                _pod_status(node, attributes)
            case "eviction":
                entry = self._pods.find(attributes.namespace, attributes.name)
                if entry.decode().spec.nodeName != node:
                    raise attributes.denied(f"node {node} can only evict pods with spec.nodeName set to itself")
            case other:
                text = f"unexpected pod subresource {go_quote(other)}, only 'status' and 'eviction' are allowed"
                raise attributes.denied(text)

    def _whole_pod(self, node: str, attributes: Attributes) -> None:
        quoted = go_quote(node)
        if attributes.operation == "DELETE":
            if attributes.old.spec.nodeName != node:
                raise attributes.denied(f"node {quoted} can only delete pods with spec.nodeName set to itself")
        elif attributes.operation == "CREATE":
            self._mirror(node, attributes, attributes.obj)
        else:
            why = f"unexpected operation {go_quote(attributes.operation)}, node {quoted} can only create and delete "
            raise attributes.denied(f"{why}mirror pods")

    def _mirror(self, node: str, attributes: Attributes, pod: Pod) -> None:
        quoted = go_quote(node)
        if MIRROR not in pod.metadata.annotations:
            why = f"pod does not have {go_quote(MIRROR)} annotation, node {quoted} can only create mirror pods"
            raise attributes.denied(why)
        only = f"node {quoted} can only create pods with"
        if pod.spec.nodeName != node:
            raise attributes.denied(f"{only} spec.nodeName set to itself")
        owners = pod.metadata.ownerReferences
        if len(owners) > 1:
            raise attributes.denied(f"{only} a single owner reference set to itself")
        if not owners or (owners[0].apiVersion, owners[0].kind, owners[0].name) != ("v1", "Node", node):
            raise attributes.denied(f"{only} an owner reference set to itself")
        if not owners[0].controller:
            raise attributes.denied(f"{only} a controller owner reference set to itself")
        if owners[0].blockOwnerDeletion:
            raise attributes.denied(f"node {quoted} must not set blockOwnerDeletion on an owner reference")
        uid = self._nodes.find("", node).decode().metadata.uid
        if owners[0].uid != uid:
            raise attributes.denied(f"node {node} UID mismatch: expected {owners[0].uid} got {uid}")
        if kind := referred_kind(msgspec.to_builtins(pod)):
            raise attributes.denied(f"node {quoted} can not create pods that reference {kind}")

    def _node(self, node: str, attributes: Attributes) -> None:
        name = attributes.name or attributes.obj.metadata.name
        if name != node:
            raise attributes.denied(f"node {go_quote(node)} is not allowed to modify node {go_quote(name)}")
        if attributes.operation == "CREATE":
            if labels := _forbidden(attributes.obj.metadata.labels, {}):
                why = f"node {go_quote(node)} is not allowed to set the following labels: {', '.join(labels)}"
                raise attributes.denied(why)
        elif attributes.operation == "UPDATE":
            old, new = attributes.old, attributes.obj
            if new.spec.taints != old.spec.taints:
                raise attributes.denied(f"node {go_quote(node)} is not allowed to modify taints")
            if new.metadata.ownerReferences != old.metadata.ownerReferences:
                raise attributes.denied(f"node {go_quote(node)} is not allowed to modify ownerReferences")
            if labels := _forbidden(new.metadata.labels, old.metadata.labels):
                raise attributes.denied(f"is not allowed to modify labels: {', '.join(labels)}")

    def _account(self, node: str, attributes: Attributes) -> None:
        if attributes.operation != "CREATE" or attributes.subresource != "token":
            return
        ref = attributes.obj.spec.boundObjectRef
        if ref is None or (ref.apiVersion, ref.kind) != ("v1", "Pod") or not ref.name:
            raise attributes.denied("node requested token not bound to a pod")
        if not ref.uid:
            raise attributes.denied("node requested token with a pod binding without a uid")
        pod: Pod = self._pods.find(attributes.namespace, ref.name).decode()
        if ref.uid != pod.metadata.uid:
            why = f"the UID in the bound object reference ({ref.uid}) does not match the UID in record. "
            raise attributes.denied(why + "The object might have been deleted and then recreated")
        if pod.spec.nodeName != node:
            raise attributes.denied("node requested token bound to a pod scheduled on a different node")
        self._audience(attributes, pod, attributes.obj.spec.audiences)

    def _audience(self, attributes: Attributes, pod: Pod, audiences: list[str]) -> None:
        """Refuses audiences for which the Pod mounts no token."""
        if len(audiences) > 1:
            raise attributes.denied("node may only request 0 or 1 audiences")
        wanted = audiences[0] if audiences else ""
        sources = (source for volume in pod.spec.volumes if volume.projected for source in volume.projected.sources)
        if not any(s.serviceAccountToken and s.serviceAccountToken.audience == wanted for s in sources):
            why = f"audience {go_quote(wanted)} not found in pod spec volume, {attributes.user.name} is not authorized "
            raise attributes.denied(f"{why}to request tokens for this audience")

    def _lease(self, node: str, attributes: Attributes) -> None:
        if attributes.namespace != LEASE_NAMESPACE:
            why = f"can only access leases in the {go_quote(LEASE_NAMESPACE)} system namespace"
            raise attributes.denied(why)
        self._own_name(node, attributes, "node lease")

    def _csi_node(self, node: str, attributes: Attributes) -> None:
        self._own_name(node, attributes, "CSINode")

    def _own_name(self, node: str, attributes: Attributes, what: str) -> None:
        if (attributes.name or attributes.obj.metadata.name) != node:
            raise attributes.denied(f"can only access {what} with the same name as the requesting node")

    def _claim(self, node: str, attributes: Attributes) -> None:
        if attributes.subresource != "status":
            raise attributes.denied("may only update PVC status")
        if _without_own_status(attributes.old) != _without_own_status(attributes.obj):
            why = "is not allowed to update fields other than status.quantity and status.conditions"
            raise attributes.denied(f"node {go_quote(node)} {why}")

    def _slice(self, node: str, attributes: Attributes) -> None:
        found = attributes.obj if attributes.operation == "CREATE" else attributes.old
        if attributes.operation in ("CREATE", "DELETE") and found.spec.nodeName != node:
            verb = attributes.operation.lower()
            raise attributes.denied(f"can only {verb} ResourceSlice with the same NodeName as the requesting node")

    def _request(self, node: str, attributes: Attributes) -> None:
        """Lets a node ask for certificates that carry its name only."""
        if attributes.operation != "CREATE" or attributes.obj.spec.signerName not in _NODE_SIGNERS:
            return
        from fairlead.api.certificates.certificatesigningrequest.request import contents

        try:
            asked = contents(attributes.obj.spec.request)
        except ValueError as error:
            raise attributes.denied(f"unable to parse csr: {error}") from error
        if asked.common_name != f"system:node:{node}":
            raise attributes.denied(f"can only create a node CSR with CN=system:node:{node}")


_NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_CHECKS: dict[tuple[str, str], Callable[[NodeRestriction, str, Attributes], None]] = {
    ("", "pods"): NodeRestriction._pod,
    ("", "nodes"): NodeRestriction._node,
    ("", "persistentvolumeclaims"): NodeRestriction._claim,
    ("", "serviceaccounts"): NodeRestriction._account,
    ("coordination.k8s.io", "leases"): NodeRestriction._lease,
    ("storage.k8s.io", "csinodes"): NodeRestriction._csi_node,
    ("resource.k8s.io", "resourceslices"): NodeRestriction._slice,
    ("certificates.k8s.io", "certificatesigningrequests"): NodeRestriction._request,
}


def _pod_status(node: str, attributes: Attributes) -> None:
    old, new, quoted = attributes.old, attributes.obj, go_quote(node)
    if attributes.operation != "UPDATE":
        raise attributes.denied(f"unexpected operation {go_quote(attributes.operation)}")
    if old.spec.nodeName != node:
        why = f"node {quoted} can only update pod status for pods with spec.nodeName set to itself"
        raise attributes.denied(why)
    if old.metadata.labels != new.metadata.labels:
        raise attributes.denied(f"node {quoted} cannot update labels through pod status")
    if _claims(old) != _claims(new):
        raise attributes.denied(f"node {quoted} cannot update resource claim statues")


def _claims(pod: Pod) -> object:
    return msgspec.to_builtins(getattr(pod.status, "resourceClaimStatuses", []))


def _without_own_status(claim: Any) -> Any:
    tree = msgspec.to_builtins(claim)
    for name in ("resourceVersion", "managedFields"):
        tree["metadata"].pop(name, None)
    for name in _OF_CLAIMS:
        tree.get("status", {}).pop(name, None)
    if not tree.get("status"):
        tree.pop("status", None)
    return tree


def _forbidden(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """Returns the changed labels that a node may not set, sorted."""
    changed = {key for key in new.keys() | old.keys() if new.get(key) != old.get(key)}
    return sorted(key for key in changed if _is_forbidden(key))


def _is_forbidden(label: str) -> bool:
    domain, slash, _ = label.partition("/")
    domain = domain if slash else ""
    if _is_in(domain, (_RESTRICTED,)):
        return True
    return _is_in(domain, _RESERVED_DOMAINS) and label not in _OWN_LABELS and not _is_in(domain, _OWN_DOMAINS)


def _is_in(domain: str, domains: tuple[str, ...]) -> bool:
    return any(domain == known or domain.endswith(f".{known}") for known in domains)
