"""The types of PriorityLevelConfiguration: the share of the server that requests of one priority get."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import BY_TYPE, Int32, Object, Record, Time
from fairlead.machinery.kinds.kind import Doc


class QueuingConfiguration(Record):
    """Queues in which the requests of a priority level wait."""

    queues: Annotated[Int32, Doc("Number of queues of the level, at least 1; default 64.")] = msgspec.field(
        default_factory=int
    )
    handSize: Annotated[
        Int32, Doc("Number of queues of which a flow gets the shortest, from 1 to `queues`; default 8.")
    ] = msgspec.field(default_factory=int)
    queueLengthLimit: Annotated[Int32, Doc("Greatest number of requests that wait in one queue; default 50.")] = (
        msgspec.field(default_factory=int)
    )


class LimitResponse(Record):
    """Treatment of requests that cannot be served at once."""

    type: Annotated[str, Doc("Treatment of such requests: Queue to let them wait, or Reject.")] = msgspec.field(
        default_factory=str
    )
    queuing: Annotated[QueuingConfiguration, Doc("Queues for the requests; required if `type` is Queue.")] | None = None


class LimitedPriorityLevelConfiguration(Record):
    """Limits of a priority level that has any, and the treatment of further requests."""

    nominalConcurrencyShares: (
        Annotated[Int32, Doc("Share of the server's capacity in relation to those of other levels; default 30.")] | None
    ) = None
    limitResponse: Annotated[LimitResponse, Doc("Treatment of requests that cannot be served at once.")] = (
        msgspec.field(default_factory=LimitResponse)
    )
    lendablePercent: (
        Annotated[Int32, Doc("Part of the level's capacity that others may borrow, 0 (default) to 100 percent.")] | None
    ) = None
    borrowingLimitPercent: (
        Annotated[
            Int32, Doc("Capacity that the level may borrow, in percent of its own capacity; not limited if absent.")
        ]
        | None
    ) = None


class ExemptPriorityLevelConfiguration(Record):
    """Settings of the priority level without limits, named `exempt`."""

    nominalConcurrencyShares: (
        Annotated[Int32, Doc("Share of the server's capacity that is kept for the level; default 0.")] | None
    ) = None
    lendablePercent: (
        Annotated[Int32, Doc("Part of the level's capacity that others may borrow, 0 (default) to 100 percent.")] | None
    ) = None


class PriorityLevelConfigurationSpec(Record):
    """Desired state of a priority level: no limits, or limits."""

    type: Annotated[str, Doc("Type of the level: Limited, or Exempt for the level named `exempt` alone.")] = (
        msgspec.field(default_factory=str)
    )
    limited: (
        Annotated[LimitedPriorityLevelConfiguration, Doc("Limits of the level; required if `type` is Limited.")] | None
    ) = None
    exempt: (
        Annotated[
            ExemptPriorityLevelConfiguration, Doc("Settings of a level without limits; only if `type` is Exempt.")
        ]
        | None
    ) = None


class PriorityLevelConfigurationCondition(Record):
    """Observation about a priority level as one typed condition."""

    type: Annotated[str, Doc("Type of the condition, in CamelCase; unique in the list.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""


class PriorityLevelConfigurationStatus(Record):
    """Most recently observed state of a priority level."""

    conditions: Annotated[
        list[PriorityLevelConfigurationCondition],
        BY_TYPE,
        Doc("Most recent observations of the level, one for each type."),
    ] = []


class PriorityLevelConfiguration(Object):
    """Share of the API server for requests of one priority. Fairlead stores it and limits no requests by it."""

    spec: Annotated[PriorityLevelConfigurationSpec, Doc("Desired state of the level: its type and its limits.")] = (
        msgspec.field(default_factory=PriorityLevelConfigurationSpec)
    )
    status: Annotated[
        PriorityLevelConfigurationStatus, Doc("Most recently observed state of the level; written by the system.")
    ] = msgspec.field(default_factory=PriorityLevelConfigurationStatus)
