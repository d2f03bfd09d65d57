"""Tells the API a pod's status: whenever it differs from what was told last, and until it is taken."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from fairlead.api.core.pod.kind import POD
from fairlead.api.core.pod.status import PodStatus
from fairlead.machinery.status import StatusError
from fairlead.node.pods.context import PodContext
from fairlead.node.pods.status import render_status

_RETRY_S = 0.2
_LONGEST_RETRY_S = 5.0


async def write_status(context: PodContext) -> None:
    """For ever, woken by `context.show`."""
    # What was written last, and what the API made of it: the same again is no news, should the two differ.
    told: tuple[PodStatus, PodStatus] | None = None
    while True:
        await context.show.wait()
        context.show.clear()
        shared, pod = context.shared, context.pod
        status = render_status(pod, context.state, host_ips=shared.settings.ips, now=shared.clock.now())
        if context.past or status == pod.status or (status, pod.status) == told:
            continue
        taken = await _write(context, status)
        if taken is not None:
            told = (status, taken)


async def _write(context: PodContext, status: PodStatus) -> PodStatus | None:
    """What the API has now; None where it did not take it."""
    pod, pause_s = context.pod, _RETRY_S
    meta = pod.metadata
    while True:
        try:
            new = await context.shared.client.patch(
                POD, meta.name, meta.namespace, patch=status_patch(context, status), subresource="status"
            )
        except ConnectionError:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_RETRY_S)
            status = _seen_meanwhile(context, status)
        except StatusError as error:
            if error.code in (404, 409):  # gone, or another pod of that name; or it has changed: look again
                if error.code == 409 and context.pod.metadata.uid == meta.uid:
                    await asyncio.sleep(_RETRY_S)
                    context.show.set()
                return None
            context.shared.log.warn("status not taken", pod=f"{meta.namespace}/{meta.name}", error=error)
            await asyncio.sleep(pause_s)
            context.show.set()
            return None
        else:
            context.shared.pods.wrote(new)
            return new.status


def _seen_meanwhile(context: PodContext, status: PodStatus) -> PodStatus:
    """The status as it is by now. What has changed since it was last worked out has the present time, and not that at
    which the API can be reached again, which may be much later."""
    told = msgspec.structs.replace(context.pod, status=status)
    shared = context.shared
    return render_status(told, context.state, host_ips=shared.settings.ips, now=shared.clock.now())


def status_patch(context: PodContext, status: PodStatus) -> dict[str, Any]:
    """A merge patch: lists are replaced whole, and what the present status has too much is taken away."""
    meta = context.pod.metadata
    new = msgspec.to_builtins(status)
    old = msgspec.to_builtins(context.pod.status)
    guard = {"uid": meta.uid}
    if context.pod.spec.readinessGates:  # others write conditions into the same list
        guard["resourceVersion"] = meta.resourceVersion
    return {"metadata": guard, "status": dict.fromkeys(old.keys() - new.keys()) | new}
