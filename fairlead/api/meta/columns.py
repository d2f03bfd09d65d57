"""Table columns that several kinds share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.api.meta.types import LabelSelector, Object
from fairlead.base.instant import Instant, parse_time, render_age
from fairlead.machinery.kinds.kind import Column
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import StatusError

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"
_SHOWN = 3


def since(text: str | None, now: Instant) -> str:
    """Returns the time since a timestamp in upstream's short form (`translateTimestampSince`)."""
    if not text:
        return UNKNOWN
    try:
        return render_age(now - parse_time(text))
    except ValueError:
        return UNKNOWN


def _name(obj: Object, _: Instant) -> str:
    return obj.metadata.name


def _age(obj: Object, now: Instant) -> str:
    return since(obj.metadata.creationTimestamp, now)


NAME: Column[Any] = Column(
    "Name", _name, format="name", doc="Name of the object, unique for its kind within the namespace."
)
CREATED_AT: Column[Any] = Column(
    "Created At",
    lambda found, _: found.metadata.creationTimestamp or "",
    type="date",
    doc="Time of the creation of the object.",
)
"""Upstream's second column of kinds that it declares no columns for."""
AGE: Column[Any] = Column("Age", _age, doc="Time since the creation of the object.")
REPLICAS: tuple[Column[Any], ...] = (
    Column(
        "Desired",
        lambda found, _: found.spec.replicas or 0,
        type="integer",
        doc="Desired number of pods of the workload.",
    ),
    Column(
        "Current",
        lambda found, _: found.status.replicas,
        type="integer",
        doc="Number of pods that exist and do not terminate.",
    ),
    Column(
        "Ready",
        lambda found, _: found.status.readyReplicas,
        type="integer",
        doc="Number of pods whose Ready condition is True.",
    ),
)
"""Columns of kinds that keep a number of pods."""


def or_none(text: str) -> str:
    return text or NONE


def render_labels(labels: Mapping[str, str]) -> str:
    """Renders labels as `app=web,tier=front`, sorted by key."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def render_selector(selector: LabelSelector | None) -> str:
    """Renders a selector as `app=web,tier in (back,front)`, sorted by key, like `labels.Selector.String`."""
    try:
        return str(from_label_selector(selector))
    except StatusError:
        return "<error>"


def first_few(texts: Iterable[str]) -> str:
    """Renders at most a few items, such as `a,b,c + 2 more...`."""
    items = list(texts)
    shown = ",".join(items[:_SHOWN])
    return f"{shown} + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else shown


def join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
