"""The PriorityLevelConfiguration kind. The API server stores and checks priority levels; it limits no requests."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from fairlead.api.flowcontrol.autoupdate import MANDATORY
from fairlead.api.flowcontrol.prioritylevelconfiguration.bootstrap import priority_levels
from fairlead.api.flowcontrol.prioritylevelconfiguration.types import (
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
    PriorityLevelConfigurationStatus,
    QueuingConfiguration,
)
from fairlead.api.meta.columns import AGE, NAME, NONE
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import CellValue, Column, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, not_supported, required

_EXEMPT = "exempt"
_TYPES = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")
_MOST_QUEUES = 10_000_000
_HASH_BITS = 60
"""Bits of the hash from which upstream's shuffle sharding deals its hands."""
_NOT_NEGATIVE = "must be a non-negative integer"
_OLD_ANNOTATION = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares"


def _default(level: PriorityLevelConfiguration) -> PriorityLevelConfiguration:
    for part, shares in ((level.spec.limited, 30), (level.spec.exempt, 0)):
        if part is not None:
            if part.nominalConcurrencyShares is None:
                part.nominalConcurrencyShares = shares
            part.lendablePercent = part.lendablePercent or 0
    if level.spec.limited is not None and (queuing := level.spec.limited.limitResponse.queuing) is not None:
        queuing.queues = queuing.queues or 64
        queuing.handSize = queuing.handSize or 8
        queuing.queueLengthLimit = queuing.queueLengthLimit or 50
    return level


def _prepare_create(level: PriorityLevelConfiguration) -> PriorityLevelConfiguration:
    level.status = PriorityLevelConfigurationStatus()
    return level


def _rules(level: PriorityLevelConfiguration) -> Iterator[FieldError]:
    name, spec = level.metadata.name, level.spec
    if _OLD_ANNOTATION in level.metadata.annotations:
        yield forbidden("metadata.annotations", f"annotation '{_OLD_ANNOTATION}' is forbidden")
    if (name == _EXEMPT) != (spec.type == "Exempt"):
        yield invalid("spec.type", spec.type, "must be 'Exempt' if and only if `name` is 'exempt'")
    yield from _spec_errors(spec)
    if name in MANDATORY:
        yield from _fixed_errors(name, spec)
    known: set[str] = set()
    for i, condition in enumerate(level.status.conditions):
        if condition.type in known:
            yield duplicate(f"status.conditions[{i}].type", condition.type)
        known.add(condition.type)
        if not condition.type:
            yield required(f"status.conditions[{i}].type")


def _spec_errors(spec: PriorityLevelConfigurationSpec) -> Iterator[FieldError]:
    match spec.type:
        case "Exempt":
            if spec.limited is not None:
                yield forbidden("spec.limited", "must be nil if the type is not Limited")
            if spec.exempt is not None:
                yield from _share_errors(spec.exempt.nominalConcurrencyShares, "spec.exempt")
                yield from _percent_errors(spec.exempt.lendablePercent, "spec.exempt")
        case "Limited":
            if spec.exempt is not None:
                yield forbidden("spec.exempt", "must be nil if the type is Limited")
            if spec.limited is None:
                yield required("spec.limited", "must not be empty when type is Limited")
            else:
                yield from _limit_errors(spec.limited)
        case other:
            yield not_supported("spec.type", other, _TYPES)


def _fixed_errors(name: str, spec: PriorityLevelConfigurationSpec) -> Iterator[FieldError]:
    """Yields an error if a mandatory level is not as it must be; the settings of the exempt level may change."""
    fixed = next(level.spec for level in priority_levels() if level.metadata.name == name)
    if name == _EXEMPT:
        if msgspec.structs.replace(spec, exempt=fixed.exempt) != fixed:
            text = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
            yield invalid("spec", to_tree(spec), text)
    elif spec != fixed:
        yield invalid("spec", to_tree(spec), f"spec of '{name}' must equal the fixed value")


def _share_errors(shares: int | None, path: str) -> Iterator[FieldError]:
    if (shares or 0) < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, _NOT_NEGATIVE)


def _percent_errors(percent: int | None, path: str) -> Iterator[FieldError]:
    if percent is not None and not 0 <= percent <= 100:
        yield invalid(f"{path}.lendablePercent", percent, names.range_text(0, 100))


def _limit_errors(limited: LimitedPriorityLevelConfiguration) -> Iterator[FieldError]:
    path = "spec.limited"
    yield from _share_errors(limited.nominalConcurrencyShares, path)
    yield from _response_errors(limited.limitResponse, f"{path}.limitResponse")
    yield from _percent_errors(limited.lendablePercent, path)
    borrowed = limited.borrowingLimitPercent
    if borrowed is not None and borrowed < 0:
        yield invalid(f"{path}.borrowingLimitPercent", borrowed, f"if specified, {_NOT_NEGATIVE}")


def _response_errors(response: LimitResponse, path: str) -> Iterator[FieldError]:
    match response.type:
        case "Reject":
            if response.queuing is not None:
                yield forbidden(f"{path}.queuing", "must be nil if limited.limitResponse.type is not Limited")
        case "Queue":
            if response.queuing is None:
                yield required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
            else:
                yield from _queue_errors(response.queuing, f"{path}.queuing")
        case other:
            yield not_supported(f"{path}.type", other, _RESPONSES)


def _queue_errors(queuing: QueuingConfiguration, path: str) -> Iterator[FieldError]:
    queues, hand = queuing.queues, queuing.handSize
    if queuing.queueLengthLimit <= 0:
        yield invalid(f"{path}.queueLengthLimit", queuing.queueLengthLimit, "must be positive")
    if queues <= 0:
        yield invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        yield invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        yield invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif _entropy_bits(queues, hand) > _HASH_BITS:
        text = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_HASH_BITS}"
        yield invalid(f"{path}.handSize", hand, text)


def _entropy_bits(deck: int, hand: int) -> int:
    """Returns upstream's estimate of the bits of hash that it takes to deal a hand from a deck."""
    return math.ceil(math.log2(deck) * hand)


def _shares(level: PriorityLevelConfiguration, _: Instant) -> CellValue:
    return level.spec.limited.nominalConcurrencyShares if level.spec.limited is not None else NONE


def _queuing(level: PriorityLevelConfiguration, name: str) -> CellValue:
    queuing = level.spec.limited.limitResponse.queuing if level.spec.limited is not None else None
    return getattr(queuing, name) if queuing is not None else NONE


STRATEGY: Strategy[PriorityLevelConfiguration] = Strategy(
    type=PriorityLevelConfiguration,
    columns=(
        NAME,
        Column("Type", lambda found, _: found.spec.type, doc="Type of the level: Exempt or Limited."),
        Column("NominalConcurrencyShares", _shares, doc="Share of the server's capacity in relation to others."),
        Column("Queues", lambda found, _: _queuing(found, "queues"), doc="Number of queues of the level."),
        Column("HandSize", lambda found, _: _queuing(found, "handSize"), doc="Number of queues that a flow can use."),
        Column(
            "QueueLengthLimit",
            lambda found, _: _queuing(found, "queueLengthLimit"),
            doc="Greatest number of requests that wait in one queue.",
        ),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
)
