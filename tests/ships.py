"""A kind that is not built in, in two versions: for tests of kinds that come and go at run time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.types import Int32, Object, Record
from fairlead.machinery.kinds.kind import Column, Conversion, Doc, Kind
from fairlead.machinery.values.status import FieldError, invalid


class ShipSpec(Record):
    masts: Annotated[Int32, Doc("How many masts the ship has.")] = 0


class Ship(Object):
    """A vessel."""

    spec: Annotated[ShipSpec, Doc("How it is built.")] = msgspec.field(default_factory=ShipSpec)


def _rules(ship: Ship) -> Iterator[FieldError]:
    if ship.spec.masts < 0:
        yield invalid("spec.masts", ship.spec.masts, "must be greater than or equal to 0")


def ship_kind(*, namespaced: bool = True) -> Kind[Ship]:
    """Returns a new kind each time, as its author would declare it."""
    return Kind(
        type=Ship,
        kind="Ship",
        group="harbour.example",
        plural="ships",
        singular="ship",
        short_names=("sh",),
        namespaced=namespaced,
        rules=_rules,
        columns=(NAME, Column("Masts", lambda ship, _: ship.spec.masts), AGE),
    )


class OldShip(Object):
    """A vessel, as the first version described it."""

    masts: Annotated[Int32, Doc("How many masts the ship has.")] = 0


def _to_storage(old: OldShip) -> Ship:
    return Ship(metadata=old.metadata, spec=ShipSpec(masts=old.masts))


def _from_storage(ship: Ship) -> OldShip:
    return OldShip(metadata=ship.metadata, masts=ship.spec.masts)


def old_ship_kind(storage: Kind[Ship]) -> Kind[OldShip]:
    """Returns the version v1beta1, whose objects are stored as v1."""
    return Kind(
        type=OldShip,
        kind="Ship",
        group="harbour.example",
        version="v1beta1",
        plural="ships",
        singular="ship",
        conversion=Conversion(storage, _to_storage, _from_storage),
    )


SHIPS = "/apis/harbour.example/v1/namespaces/default/ships"
OLD_SHIPS = "/apis/harbour.example/v1beta1/namespaces/default/ships"
