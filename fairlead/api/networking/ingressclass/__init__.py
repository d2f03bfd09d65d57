"""The IngressClass kind: names the controller of the ingresses that refer to the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.networking.ingressclass.kind import IngressClass

INGRESS_CLASS: Kind[IngressClass] = declare(
    f"{__name__}.kind",
    Identity(
        kind="IngressClass",
        group="networking.k8s.io",
        plural="ingressclasses",
        storage_path="ingressclasses",
        singular="ingressclass",
        namespaced=False,
        generation=True,
    ),
)
