"""Grace period of a deleted pod (upstream's pod strategy, `CheckGracefulDelete`)."""

from __future__ import annotations

from fairlead.api.core.pod.types import Pod

_FINISHED = frozenset({"Succeeded", "Failed"})
_DEFAULT_GRACE_S = 30


def grace_s(pod: Pod, asked: int | None) -> int:
    """Returns the seconds that the pod's containers have to end; 0 if none can be running."""
    if not pod.spec.nodeName or pod.status.phase in _FINISHED:
        return 0
    seconds = pod.spec.terminationGracePeriodSeconds if asked is None else asked
    if seconds is None:
        seconds = _DEFAULT_GRACE_S
    return max(seconds, 1) if seconds < 0 else seconds
