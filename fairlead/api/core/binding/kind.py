"""The Binding kind: the assignment of a pod to a node, which is posted and not stored."""

from __future__ import annotations

from fairlead.api.core.pod.actions import Binding
from fairlead.api.meta.columns import AGE, NAME
from fairlead.machinery.kinds.kind import Strategy

STRATEGY: Strategy[Binding] = Strategy(type=Binding, columns=(NAME, AGE))
