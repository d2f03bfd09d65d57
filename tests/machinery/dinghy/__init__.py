"""A declared kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from tests.ships import Ship

DINGHY: Kind[Ship] = declare(
    f"{__name__}.kind", Identity(kind="Dinghy", group="harbour.example", plural="dinghies", singular="dinghy")
)
