"""The strategy of the declared kind."""

from __future__ import annotations

from fairlead.api.meta.columns import AGE, NAME
from fairlead.machinery.kinds.declared import define
from fairlead.machinery.kinds.kind import Strategy
from tests.machinery.dinghy import DINGHY
from tests.ships import Ship

define(DINGHY, Strategy(type=Ship, columns=(NAME, AGE)))
