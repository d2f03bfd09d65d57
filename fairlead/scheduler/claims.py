"""Whether the claims of a pod's volumes are there: without them it fits no node, whatever nodes there are."""

from __future__ import annotations

from collections.abc import Container

from fairlead.api.core.pod.kind import Pod


def claim_problem(pod: Pod, claims: Container[str]) -> str:
    """Returns in upstream's words what is wrong with the first claim that is not there; empty if all are. `claims` are
    the keys (`namespace/name`) of those that are."""
    meta = pod.metadata
    for volume in pod.spec.volumes:
        if volume.persistentVolumeClaim is not None:
            name = volume.persistentVolumeClaim.claimName
            problem = f'persistentvolumeclaim "{name}" not found'
        elif volume.ephemeral is not None:
            name = f"{meta.name}-{volume.name}"
            problem = f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        else:
            continue
        if f"{meta.namespace}/{name}" not in claims:
            return problem
    return ""
