"""The APIService kind: the server of one group and version, this one or a Service of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.apiregistration.apiservice.kind import APIService

API_SERVICE: Kind[APIService] = declare(
    f"{__name__}.kind",
    Identity(
        kind="APIService",
        group="apiregistration.k8s.io",
        plural="apiservices",
        singular="apiservice",
        categories=("api-extensions",),
        namespaced=False,
        status=True,
    ),
)
