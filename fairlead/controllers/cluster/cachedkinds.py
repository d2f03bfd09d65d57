"""In which form each kind is cached here: whole where a controller reads its contents, else metadata only."""

from __future__ import annotations

from typing import Any

from fairlead.api.deployment import DEPLOYMENT
from fairlead.api.endpoints import ENDPOINTS
from fairlead.api.endpointslice import ENDPOINT_SLICE
from fairlead.api.event import EVENT
from fairlead.api.kinds import KINDS
from fairlead.api.lease import LEASE
from fairlead.api.namespace import NAMESPACE
from fairlead.api.node import NODE
from fairlead.api.pod import POD
from fairlead.api.replicaset import REPLICA_SET
from fairlead.api.replicationcontroller import REPLICATION_CONTROLLER
from fairlead.api.service import SERVICE
from fairlead.api.serviceaccount import SERVICE_ACCOUNT
from fairlead.controllers.cluster.partial import partial
from fairlead.machinery.kind import Kind

_WHOLE = (
    POD,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    ENDPOINTS,
    SERVICE,
    NODE,
    NAMESPACE,
    SERVICE_ACCOUNT,
    LEASE,
)


def cached_form(kind: Kind[Any]) -> Kind[Any]:
    """The kind to ask an InformerSet for."""
    return kind if kind in _WHOLE else partial(kind)


# Events own nothing, are owned by nothing, and are many.
CACHED: tuple[Kind[Any], ...] = tuple(cached_form(kind) for kind in KINDS if kind is not EVENT and not kind.view)
