"""The NetworkPolicy kind. The API stores and checks policies; no component filters packets yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.networking.networkpolicy.kind import NetworkPolicy

NETWORK_POLICY: Kind[NetworkPolicy] = declare(
    f"{__name__}.kind",
    Identity(
        kind="NetworkPolicy",
        group="networking.k8s.io",
        plural="networkpolicies",
        storage_path="networkpolicies",
        singular="networkpolicy",
        short_names=("netpol",),
        generation=True,
        inert="no component of this cluster enforces a NetworkPolicy: all traffic stays allowed",
    ),
)
