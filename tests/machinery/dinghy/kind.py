"""The strategies of declared kinds."""

from __future__ import annotations

from fairlead.api.meta.columns import AGE, NAME
from fairlead.machinery.kinds.kind import Column, Strategy
from tests.ships import Ship

STRATEGY: Strategy[Ship] = Strategy(type=Ship, columns=(NAME, AGE))
RAFT_STRATEGY: Strategy[Ship] = Strategy(type=Ship, columns=(Column("Planks", lambda ship, _: ship.metadata.name),))
