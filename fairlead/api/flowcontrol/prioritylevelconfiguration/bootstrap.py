"""The priority levels of every cluster: facts of upstream's bootstrap configuration."""

from __future__ import annotations

from fairlead.api.flowcontrol.autoupdate import initial_meta
from fairlead.api.flowcontrol.prioritylevelconfiguration.types import (
    ExemptPriorityLevelConfiguration,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
)

_QUEUE_LENGTH = 50


def _level(name: str, shares: int, lendable: int, queues: int, hand: int) -> PriorityLevelConfiguration:
    """Returns a limited level; one without queues rejects."""
    queuing = QueuingConfiguration(queues=queues, handSize=hand, queueLengthLimit=_QUEUE_LENGTH) if queues else None
    limited = LimitedPriorityLevelConfiguration(
        nominalConcurrencyShares=shares,
        lendablePercent=lendable,
        limitResponse=LimitResponse(type="Queue" if queues else "Reject", queuing=queuing),
    )
    return PriorityLevelConfiguration(
        metadata=initial_meta(name), spec=PriorityLevelConfigurationSpec(type="Limited", limited=limited)
    )


def priority_levels() -> list[PriorityLevelConfiguration]:
    """Returns the priority levels of every cluster."""
    exempt = ExemptPriorityLevelConfiguration(nominalConcurrencyShares=0, lendablePercent=0)
    return [
        PriorityLevelConfiguration(
            metadata=initial_meta("exempt"), spec=PriorityLevelConfigurationSpec(type="Exempt", exempt=exempt)
        ),
        _level("catch-all", 5, 0, 0, 0),
        _level("system", 30, 33, 64, 6),
        _level("node-high", 40, 25, 64, 6),
        _level("leader-election", 10, 0, 16, 4),
        _level("workload-high", 40, 50, 128, 6),
        _level("workload-low", 100, 90, 128, 6),
        _level("global-default", 20, 50, 128, 6),
    ]
