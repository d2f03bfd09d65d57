"""Headless Services: clients connect to the Pods directly, so `targetPort` does not translate."""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_headless
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.service.ports import target_port
from fairlead.service.wellknown import SERVICE_NAME_LABEL


def find(s: Snapshot) -> Finding | None:
    if not is_headless(s.found.spec):
        return None
    looked_at = text("ports of the headless Service")
    for port in s.ports:
        for pod in s.ready_pods:
            target = target_port(port, pod)
            if target in (0, port.port):
                continue
            shown = text(
                "the Service is headless, so port {port} is not translated to target port {target}: its "
                "name resolves to the Pods, and clients must connect to {target} themselves",
                port=port.port,
                target=target,
            )
            cure = s.kubectl(f"get endpointslices -l {SERVICE_NAME_LABEL}={s.name}")
            sockets = s.sockets.get(pod.metadata.name)
            if sockets is not None and not any(one.port == port.port for one in sockets):
                return fault(
                    looked_at,
                    shown,
                    text("nothing listens on port {port} of Pod {pod}", port=port.port, pod=pod.metadata.name),
                    cure=cure,
                )
            return note(looked_at, shown, cure=cure)
    return ok(looked_at)
