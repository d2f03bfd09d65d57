"""Chooses a Pod's container for logs, and checks that it has started: pure, with upstream's texts."""

from __future__ import annotations

from fairlead.api.core.pod.kind import Pod
from fairlead.machinery.values.status import StatusError, bad_request

_PULLING = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
"""Upstream's texts for two waiting reasons; other reasons are reported unchanged."""


def choose_container(pod: Pod, requested: str) -> str:
    """Returns the container's name. Raises StatusError 400."""
    name = pod.metadata.name
    names = [c.name for c in pod.spec.containers]
    init_names = [c.name for c in pod.spec.initContainers]
    if requested:
        if requested not in (*names, *init_names, *(c.name for c in pod.spec.ephemeralContainers)):
            raise bad_request(f"container {requested} is not valid for pod {name}")
        return requested
    if len(names) == 1:
        return names[0]
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
    if init_names:
        text += f" or one of the init containers: [{' '.join(init_names)}]"
    raise bad_request(text)


def check_started(pod: Pod, container: str) -> None:
    """Raises StatusError 400 if the container has not run yet."""
    known = pod.status
    statuses = (*known.containerStatuses, *known.initContainerStatuses, *known.ephemeralContainerStatuses)
    status = next((s for s in statuses if s.name == container), None)
    if status is None:
        if not statuses:
            raise _waiting(pod, container, "ContainerCreating")
        return
    waiting = status.state.waiting
    if waiting is not None and status.lastState.terminated is None:
        raise _waiting(pod, container, waiting.reason)


def _waiting(pod: Pod, container: str, reason: str) -> StatusError:
    text = f'container "{container}" in pod "{pod.metadata.name}" is waiting to start'
    detail = _PULLING.get(reason, reason)
    return bad_request(f"{text}: {detail}" if detail else text)
