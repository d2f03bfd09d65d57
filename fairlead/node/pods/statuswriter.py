"""Writes a pod's status to the API if it differs from the status written last, until the API accepts it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from fairlead.api.core.pod.kind import POD
from fairlead.api.core.pod.status import PodStatus
from fairlead.base.keys import key_of
from fairlead.machinery.values.status import StatusError
from fairlead.node.pods.deciding.status import render_status
from fairlead.node.pods.localpod import LocalPod

_RETRY_S = 0.2
_LONGEST_RETRY_S = 5.0


async def write_status(local: LocalPod) -> None:
    """Runs until cancelled, woken by `local.show`."""
    # The last status written, and the API server's form of it: the same status is not written again, even if the two
    # differ.
    reported: tuple[PodStatus, PodStatus] | None = None
    while True:
        await local.show.wait()
        local.show.clear()
        deps, pod = local.deps, local.pod
        status = render_status(pod, local.state, host_ips=deps.settings.ips, now=deps.clock.now())
        if local.ended_before or status == pod.status or (status, pod.status) == reported:
            continue
        taken = await _write(local, status)
        if taken is not None:
            reported = (status, taken)


async def _write(local: LocalPod, status: PodStatus) -> PodStatus | None:
    """Writes the status; returns the API's version of it, or None if the API refused it."""
    pod, pause_s = local.pod, _RETRY_S
    meta = pod.metadata
    while True:
        try:
            new = await local.deps.client.patch(
                POD, meta.name, meta.namespace, patch=status_patch(local, status), subresource="status"
            )
        except ConnectionError:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
            status = _present_status(local, status)
        except StatusError as error:
            if error.code in (404, 409):  # gone, or another pod of that name; or it has changed: look again
                if error.code == 409 and local.pod.metadata.uid == meta.uid:
                    await asyncio.sleep(_RETRY_S)
                    local.show.set()
                return None
            local.deps.log.warn("cannot write the status", pod=key_of(meta), error=error)
            await asyncio.sleep(pause_s)
            local.show.set()
            return None
        else:
            local.deps.pods.wrote(new)
            return new.status


def _present_status(local: LocalPod, status: PodStatus) -> PodStatus:
    """The status as it is by now. What has changed since it was last worked out has the present time, and not that at
    which the API can be reached again, which may be much later."""
    reported = msgspec.structs.replace(local.pod, status=status)
    deps = local.deps
    return render_status(reported, local.state, host_ips=deps.settings.ips, now=deps.clock.now())


def status_patch(local: LocalPod, status: PodStatus) -> dict[str, Any]:
    """Returns a merge patch: lists are replaced whole, and surplus fields of the present status are removed."""
    meta = local.pod.metadata
    new = msgspec.to_builtins(status)
    old = msgspec.to_builtins(local.pod.status)
    guard = {"uid": meta.uid}
    if local.pod.spec.readinessGates:  # others write conditions into the same list
        guard["resourceVersion"] = meta.resourceVersion
    return {"metadata": guard, "status": dict.fromkeys(old.keys() - new.keys()) | new}
