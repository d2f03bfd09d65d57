"""The CronJob kind: creates Jobs at the times of a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.batch.cronjob.kind import CronJob

CRON_JOB: Kind[CronJob] = declare(
    f"{__name__}.kind",
    Identity(
        kind="CronJob",
        group="batch",
        plural="cronjobs",
        storage_path="cronjobs",
        singular="cronjob",
        short_names=("cj",),
        categories=("all",),
        status=True,
        generation=True,
    ),
)
