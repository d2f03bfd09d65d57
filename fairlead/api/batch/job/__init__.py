"""The Job kind: runs pods until a number of them has succeeded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.batch.job.types import Job

JOB: Kind[Job] = declare(
    f"{__name__}.kind",
    Identity(
        kind="Job",
        group="batch",
        plural="jobs",
        storage_path="jobs",
        singular="job",
        categories=("all",),
        status=True,
        generation=True,
    ),
)
