"""The Ingress kind. The API stores and checks ingresses; no controller serves them yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.networking.ingress.kind import Ingress

INGRESS: Kind[Ingress] = declare(
    f"{__name__}.kind",
    Identity(
        kind="Ingress",
        group="networking.k8s.io",
        plural="ingresses",
        storage_path="ingress",
        singular="ingress",
        short_names=("ing",),
        status=True,
        generation=True,
        inert="no component of this cluster serves an Ingress: install an ingress controller",
    ),
)
