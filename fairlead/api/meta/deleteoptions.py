"""Options of a deletion request (meta/v1)."""

from __future__ import annotations

from fairlead.api.meta.types import Int64, Record, Strings


class Preconditions(Record):
    """Conditions that the stored object must meet before the request is carried out."""

    resourceVersion: str | None = None
    uid: str | None = None


class DeleteOptions(Record):
    """Options of a deletion request, such as the grace period and the treatment of dependents."""

    kind: str = ""
    apiVersion: str = ""
    dryRun: Strings = []
    gracePeriodSeconds: Int64 | None = None
    ignoreStoreReadErrorWithClusterBreakingPotential: bool | None = None
    orphanDependents: bool | None = None
    preconditions: Preconditions | None = None
    propagationPolicy: str | None = None
