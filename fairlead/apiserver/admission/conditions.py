"""Evaluates match conditions: expressions in CEL that must all be true for a webhook or a policy to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.matching import ResourceVersionKind
from fairlead.apiserver.admission.plugin import Attributes

if TYPE_CHECKING:
    from fairlead.api.admissionregistration.conditions import MatchCondition


class Conditions:
    """Evaluates match conditions."""

    async def hold(
        self,
        conditions: Sequence[MatchCondition],
        attributes: Attributes,
        bodies: Bodies,
        version: ResourceVersionKind,
        *,
        ignores_failures: bool,
    ) -> bool:
        """Returns whether all conditions are true. Raises StatusError 403 if a condition has an error, unless failures
        are ignored."""
        raise NotImplementedError
