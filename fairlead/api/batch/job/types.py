"""Types of a Job."""

from typing import Annotated

import msgspec

from fairlead.api.batch.job.spec import JobSpec
from fairlead.api.batch.job.status import JobStatus
from fairlead.api.meta.types import Object
from fairlead.machinery.kinds.kind import Doc


class Job(Object):
    """Runs pods until a number of them has succeeded, and starts new pods for those that fail."""

    spec: Annotated[JobSpec, Doc("Desired state of the Job: template, number of pods and treatment of failures.")] = (
        msgspec.field(default_factory=JobSpec)
    )
    status: Annotated[JobStatus, Doc("Most recently observed state of the Job; written by the system.")] = (
        msgspec.field(default_factory=JobStatus)
    )
