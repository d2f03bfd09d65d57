"""The list of kinds. Everything that is said about all kinds is read off `KINDS`."""

from __future__ import annotations

from typing import Any

from fairlead.api.configmap import CONFIG_MAP
from fairlead.api.controllerrevision import CONTROLLER_REVISION
from fairlead.api.deployment import DEPLOYMENT
from fairlead.api.endpoints import ENDPOINTS
from fairlead.api.endpointslice import ENDPOINT_SLICE
from fairlead.api.event import EVENT
from fairlead.api.event_view import EVENT_VIEW
from fairlead.api.ingress import INGRESS
from fairlead.api.ingressclass import INGRESS_CLASS
from fairlead.api.ipaddress import IP_ADDRESS
from fairlead.api.lease import LEASE
from fairlead.api.namespace import NAMESPACE
from fairlead.api.networkpolicy import NETWORK_POLICY
from fairlead.api.node import NODE
from fairlead.api.pod import POD
from fairlead.api.replicaset import REPLICA_SET
from fairlead.api.replicationcontroller import REPLICATION_CONTROLLER
from fairlead.api.secret import SECRET
from fairlead.api.service import SERVICE
from fairlead.api.serviceaccount import SERVICE_ACCOUNT
from fairlead.api.servicecidr import SERVICE_CIDR
from fairlead.machinery.kind import Kind

KINDS: tuple[Kind[Any], ...] = (
    CONFIG_MAP,
    ENDPOINTS,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    REPLICATION_CONTROLLER,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    REPLICA_SET,
    LEASE,
    ENDPOINT_SLICE,
    EVENT_VIEW,
    INGRESS,
    INGRESS_CLASS,
    IP_ADDRESS,
    NETWORK_POLICY,
    SERVICE_CIDR,
)

_BY_RESOURCE = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
_BY_GVK = {(kind.group, kind.version, kind.kind): kind for kind in KINDS}


def by_resource(group: str, version: str, plural: str) -> Kind[Any] | None:
    return _BY_RESOURCE.get((group, version, plural))


def by_gvk(group: str, version: str, kind: str) -> Kind[Any] | None:
    return _BY_GVK.get((group, version, kind))
