"""The list of controllers."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.controllers.certificates.approving import loop as approving_loop
from fairlead.controllers.certificates.cleaning import loop as cleaning_loop
from fairlead.controllers.cluster.garbage import loop as garbage_loop
from fairlead.controllers.cluster.namespace import loop as namespace_loop
from fairlead.controllers.cluster.nodeipam import loop as nodeipam_loop
from fairlead.controllers.cluster.nodelifecycle import loop as nodelifecycle_loop
from fairlead.controllers.cluster.podgc import loop as podgc_loop
from fairlead.controllers.cluster.roleaggregation import loop as roleaggregation_loop
from fairlead.controllers.cluster.rootca import loop as rootca_loop
from fairlead.controllers.cluster.serviceaccount import loop as serviceaccount_loop
from fairlead.controllers.context import Context
from fairlead.controllers.services.endpoints import loop as endpoints_loop
from fairlead.controllers.services.endpointslice import loop as endpointslice_loop
from fairlead.controllers.services.endpointslicemirroring import loop as mirroring_loop
from fairlead.controllers.storage.binding import loop as binding_loop
from fairlead.controllers.storage.ephemeral import loop as ephemeral_loop
from fairlead.controllers.storage.expansion import loop as expansion_loop
from fairlead.controllers.workloads.autoscaling import loop as autoscaling_loop
from fairlead.controllers.workloads.cronjob import loop as cronjob_loop
from fairlead.controllers.workloads.daemonset import loop as daemonset_loop
from fairlead.controllers.workloads.deployment import loop as deployment_loop
from fairlead.controllers.workloads.disruption import loop as disruption_loop
from fairlead.controllers.workloads.job import loop as job_loop
from fairlead.controllers.workloads.replicaset import loop as replicaset_loop
from fairlead.controllers.workloads.replicationcontroller import loop as replicationcontroller_loop
from fairlead.controllers.workloads.statefulset import loop as statefulset_loop
from fairlead.controllers.workloads.ttlafterfinished import loop as ttlafterfinished_loop
from fairlead.runtime.loop import Controller

CONTROLLERS: tuple[Callable[[Context], Controller], ...] = (
    deployment_loop.controller,
    replicaset_loop.controller,
    replicationcontroller_loop.controller,
    daemonset_loop.controller,
    statefulset_loop.controller,
    disruption_loop.controller,
    autoscaling_loop.controller,
    job_loop.controller,
    cronjob_loop.controller,
    ttlafterfinished_loop.controller,
    binding_loop.controller,
    expansion_loop.controller,
    ephemeral_loop.controller,
    endpointslice_loop.controller,
    endpoints_loop.controller,
    mirroring_loop.controller,
    namespace_loop.controller,
    garbage_loop.controller,
    serviceaccount_loop.controller,
    rootca_loop.controller,
    roleaggregation_loop.controller,
    nodelifecycle_loop.controller,
    nodeipam_loop.controller,
    podgc_loop.controller,
    approving_loop.controller,
    cleaning_loop.controller,
)
