"""In which form each kind is cached here: whole where a controller reads its contents, else metadata only."""

from __future__ import annotations

from typing import Any

from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.apps.replicaset.kind import REPLICA_SET
from fairlead.api.coordination.lease.kind import LEASE
from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.replicationcontroller.kind import REPLICATION_CONTROLLER
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.kinds import KINDS
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
