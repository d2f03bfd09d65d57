"""The FlowSchema kind. The API server stores and checks flow schemas; it shapes no traffic by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.flowcontrol.flowschema.types import FlowSchema

FLOW_SCHEMA: Kind[FlowSchema] = declare(
    f"{__name__}.kind",
    Identity(
        kind="FlowSchema",
        group="flowcontrol.apiserver.k8s.io",
        plural="flowschemas",
        storage_path="flowschemas",
        singular="flowschema",
        namespaced=False,
        status=True,
        generation=True,
    ),
)
