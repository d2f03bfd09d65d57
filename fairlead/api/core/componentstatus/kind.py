"""The ComponentStatus kind: the health of the scheduler, the controllers and the store."""

from typing import Annotated

import msgspec

from fairlead.api.meta.columns import NAME
from fairlead.api.meta.types import BY_TYPE, Object, Record
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Doc, Strategy

HEALTHY = "Healthy"


class ComponentCondition(Record):
    """Health of a component as one typed condition."""

    type: Annotated[str, Doc("Type of the condition; Healthy is the only one.")] = msgspec.field(default_factory=str)
    error: Annotated[str, Doc("Error code of a failed check; empty for a healthy component.")] = ""
    message: Annotated[str, Doc("Answer of the component to the check, such as ok.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)


class ComponentStatus(Object):
    """Health of a component of the control plane, checked at each request; deprecated since Kubernetes 1.19."""

    conditions: Annotated[list[ComponentCondition], BY_TYPE, Doc("Conditions of the component, of type Healthy.")] = []


def _condition(found: ComponentStatus) -> ComponentCondition:
    return next((one for one in found.conditions if one.type == HEALTHY), ComponentCondition(status="Unknown"))


def _status(found: ComponentStatus, _: Instant) -> str:
    return {"True": "Healthy", "Unknown": "Unknown"}.get(_condition(found).status, "Unhealthy")


STRATEGY: Strategy[ComponentStatus] = Strategy(
    type=ComponentStatus,
    columns=(
        NAME,
        Column("Status", _status, doc="Health of the component: Healthy, Unhealthy or Unknown."),
        Column("Message", lambda found, _: _condition(found).message, doc="Answer of the component to the check."),
        Column("Error", lambda found, _: _condition(found).error, doc="Error of a failed check."),
    ),
    warnings=lambda found: ("v1 ComponentStatus is deprecated in v1.19+",),
)
