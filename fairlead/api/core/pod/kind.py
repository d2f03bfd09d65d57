"""The kind Pod."""

from __future__ import annotations

from fairlead.api.core.pod.columns import POD_COLUMNS
from fairlead.api.core.pod.create import prepare_pod
from fairlead.api.core.pod.defaults import default_own_spec, default_pod_spec
from fairlead.api.core.pod.deletion import grace_s
from fairlead.api.core.pod.resize import keep_all_but_resources, resize_changes
from fairlead.api.core.pod.rules import ephemeral_container_changes, pod_create_errors, pod_errors, pod_transition
from fairlead.api.core.pod.subresources import POD_SUBRESOURCES
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.pod.warnings import pod_warnings
from fairlead.machinery.kinds.kind import Kind, Part

__all__ = ["POD", "Pod"]


def _default(pod: Pod) -> Pod:
    default_pod_spec(pod.spec)
    default_own_spec(pod.spec)
    return pod


POD = Kind(
    type=Pod,
    kind="Pod",
    plural="pods",
    cached="object",
    delete_returns_object=True,
    deletion_turn="first",
    grace_s=grace_s,
    singular="pod",
    short_names=("po",),
    categories=("all",),
    status=True,
    generation=True,
    parts=(
        Part(
            name="ephemeralcontainers",
            writes=("spec", "ephemeralContainers"),
            transition=ephemeral_container_changes,
        ),
        Part(
            name="resize",
            writes=("spec",),
            transition=resize_changes,
            prepare=keep_all_but_resources,
        ),
    ),
    subresources=POD_SUBRESOURCES,
    columns=POD_COLUMNS,
    default=_default,
    prepare_create=prepare_pod,
    rules=pod_errors,
    create_rules=pod_create_errors,
    transition=pod_transition,
    warnings=lambda pod: pod_warnings(pod.metadata, pod.spec),
    fields={
        "spec.nodeName": lambda pod: pod.spec.nodeName,
        "spec.restartPolicy": lambda pod: pod.spec.restartPolicy,
        "spec.schedulerName": lambda pod: pod.spec.schedulerName,
        "spec.serviceAccountName": lambda pod: pod.spec.serviceAccountName,
        "spec.hostNetwork": lambda pod: "true" if pod.spec.hostNetwork else "false",
        "status.phase": lambda pod: pod.status.phase,
        "status.podIP": lambda pod: pod.status.podIP,
        "status.nominatedNodeName": lambda pod: pod.status.nominatedNodeName,
    },
)
