"""The ways to change objects, together."""

from __future__ import annotations

from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.registry.apply import Applier
from fairlead.apiserver.registry.create import Creator
from fairlead.apiserver.registry.delete import Deleter
from fairlead.apiserver.registry.put import Replacer
from fairlead.apiserver.registry.update import Updater
from fairlead.apiserver.registry.writer import Writer
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.ids import IdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """The code of the writing verbs."""

    creator: Creator
    updater: Updater
    deleter: Deleter
    applier: Applier
    replacer: Replacer


def make_writers(writer: Writer, admission: AdmissionChain, *, clock: Clock, ids: IdSource) -> Writers:
    """Returns the writing verbs over one writer and one admission chain."""
    creator = Creator(writer, admission, clock=clock, ids=ids)
    updater = Updater(writer, admission, clock=clock)
    return Writers(
        creator=creator,
        updater=updater,
        deleter=Deleter(writer, admission, clock=clock),
        applier=Applier(creator, updater, clock=clock),
        replacer=Replacer(creator, updater),
    )
