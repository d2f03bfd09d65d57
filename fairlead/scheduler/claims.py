"""Checks that the claims of a pod's volumes exist: without them the pod fits no node."""

from __future__ import annotations

from collections.abc import Container

from fairlead.api.core.pod.kind import Pod
from fairlead.base.keys import join_key


def claim_problem(pod: Pod, claims: Container[str]) -> str:
    """Returns upstream's message about the first missing claim; empty if all exist. `claims` are the keys
    (`namespace/name`) of the existing claims."""
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
        if join_key(meta.namespace, name) not in claims:
            return problem
    return ""
