"""Feeds the ReplicationController controller like the ReplicaSet controller."""

from __future__ import annotations

from fairlead.api.core.replicationcontroller.kind import REPLICATION_CONTROLLER, ReplicationController
from fairlead.controllers.context import Context
from fairlead.controllers.workloads.replicaset.loop import Replicas
from fairlead.controllers.workloads.replicationcontroller.plan import reconcile
from fairlead.machinery.values.selectors import LabelRequirements, from_map
from fairlead.runtime.loop import Controller


def controller(context: Context) -> Controller:
    return Replicas(context, REPLICATION_CONTROLLER, "replication-controller", _selector, reconcile).controller


def _selector(rc: ReplicationController) -> LabelRequirements | None:
    return from_map(rc.spec.selector) if rc.spec.selector else None
