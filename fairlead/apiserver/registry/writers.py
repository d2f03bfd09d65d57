"""The four ways to change objects, together."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.apiserver.registry.apply import Applier
from fairlead.apiserver.registry.create import Creator
from fairlead.apiserver.registry.delete import Deleter
from fairlead.apiserver.registry.update import Updater


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """The code of the writing verbs."""

    creator: Creator
    updater: Updater
    deleter: Deleter
    applier: Applier
