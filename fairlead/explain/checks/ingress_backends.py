"""An Ingress: its class, and the Services and ports behind its paths."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.networking.ingress.spec import IngressServiceBackend
from fairlead.base.texts import Text, text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.labels import like
from fairlead.explain.snapshot import Snapshot

_NEAR = 0.6


def find_class(s: Snapshot) -> Finding | None:
    """Reports that only a controller in the cluster serves an Ingress."""
    if s.ingress is None:
        return None
    name = s.ingress.spec.ingressClassName or ""
    looked_at = text("IngressClasses")
    if name and name not in s.ingress_classes:
        known = ", ".join(s.ingress_classes) or text("none")
        return fault(
            looked_at,
            text(
                'ingressClassName "{name}" names no IngressClass of the cluster (there are: {known})',
                name=name,
                known=known,
            ),
            cure="kubectl get ingressclass",
        )
    if s.ingress.status.loadBalancer.ingress:
        return ok(text("{looked_at}: a controller has written an address into the status", looked_at=looked_at))
    return note(
        looked_at,
        text(
            "no controller has written an address into its status: Fairlead stores Ingresses, and an "
            "ingress controller that runs in the cluster has to serve them"
        ),
        cure=s.kubectl(f"describe ingress {s.name}"),
    )


def find_backends(s: Snapshot) -> Finding | None:
    if s.ingress is None:
        return None
    looked_at, checked = text("Services behind the paths"), []
    for path, backend in _backends(s):
        service = next(
            (one for one in s.services if (one.metadata.name, one.metadata.namespace) == (backend.name, s.namespace)),
            None,
        )
        if service is None:
            near = max((one.metadata.name for one in s.services), key=lambda n: like(n, backend.name), default="")
            meant = text('; did you mean "{near}"?', near=near) if near and like(near, backend.name) >= _NEAR else ""
            return fault(
                looked_at,
                text(
                    "{path} leads to Service {backend}, which does not exist in namespace {namespace}{meant}",
                    path=path,
                    backend=backend.name,
                    namespace=s.namespace,
                    meant=meant,
                ),
                cure=s.kubectl("get svc"),
            )
        wanted = backend.port.name or backend.port.number if backend.port is not None else None
        if wanted is not None and wanted not in [value for one in service.spec.ports for value in (one.name, one.port)]:
            ports = ", ".join(str(one.port) + (f" ({one.name})" if one.name else "") for one in service.spec.ports)
            return fault(
                looked_at,
                text(
                    "{path} leads to port {wanted} of Service {backend}, which has {value}",
                    path=path,
                    wanted=wanted,
                    backend=backend.name,
                    value=(ports or text("no ports")),
                ),
                cure=s.kubectl(f"edit ingress {s.name}"),
            )
        checked.append(f"svc/{backend.name}")
    names = ", ".join(dict.fromkeys(checked)) or text("none")
    return ok(text("{looked_at}: {names}; `fairlead why` explains each of them", looked_at=looked_at, names=names))


def _backends(s: Snapshot) -> Iterator[tuple[Text, IngressServiceBackend]]:
    assert s.ingress is not None
    spec = s.ingress.spec
    if spec.defaultBackend is not None and spec.defaultBackend.service is not None:
        yield text("the default backend"), spec.defaultBackend.service
    for rule in spec.rules:
        for path in rule.http.paths if rule.http is not None else ():
            if path.backend.service is not None:
                yield text("path {path}", path=f"{rule.host}{path.path}"), path.backend.service
