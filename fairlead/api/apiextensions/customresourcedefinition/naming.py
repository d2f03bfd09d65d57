"""Names of definitions: which are accepted, and the conditions that say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.api.apiextensions.customresourcedefinition.outline import Outline
from fairlead.api.apiextensions.customresourcedefinition.types import (
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionNames,
)
from fairlead.machinery.values.quoting import go_quote

_SINGLE = (
    ("plural", "PluralConflict", True),
    ("singular", "SingularConflict", True),
    ("kind", "KindConflict", False),
    ("listKind", "ListKindConflict", False),
)
"""Names, the reasons if they are taken, and whether they are names of resources (or of kinds)."""


def set_names(crd: Outline, others: Sequence[Outline], *, now: str) -> None:
    """Accepts the names that no other definition of the group has, and sets the conditions about names."""
    resources, kinds = _taken(others)
    asked, accepted = crd.spec.names, crd.status.acceptedNames
    new = CustomResourceDefinitionNames(
        plural=accepted.plural,
        singular=accepted.singular,
        shortNames=list(accepted.shortNames),
        kind=accepted.kind,
        listKind=accepted.listKind,
        categories=list(asked.categories),
    )
    reason = message = ""
    for name, conflict, is_resource in _SINGLE:
        wanted = getattr(asked, name)
        taken = resources if is_resource else kinds
        if wanted != getattr(accepted, name) and wanted in taken:
            reason, message = conflict, f"{go_quote(wanted)} is already in use"
        else:
            setattr(new, name, wanted)
        if name == "singular":
            clashes = [one for one in asked.shortNames if one not in accepted.shortNames and one in resources]
            if clashes:
                texts = [f"{go_quote(one)} is already in use" for one in clashes]
                reason, message = "ShortNamesConflict", texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            else:
                new.shortNames = list(asked.shortNames)
    crd.status.acceptedNames = new
    if reason:
        set_condition(crd, "NamesAccepted", "False", reason, message, now=now)
    else:
        set_condition(crd, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now=now)
    if not any(one.type == "Established" for one in crd.status.conditions):
        set_condition(crd, "Established", "False", "NotAccepted", "not all names are accepted", now=now)


def establish(crd: Outline, *, now: str) -> None:
    """Sets the condition that the resource is served."""
    message = "the initial names have been accepted"
    established = next((one for one in crd.status.conditions if one.type == "Established"), None)
    if established is None or established.status != "True":
        set_condition(crd, "Established", "True", "InitialNamesAccepted", message, now=now)


def _taken(others: Iterable[Outline]) -> tuple[set[str], set[str]]:
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        names = other.status.acceptedNames
        resources |= {names.plural, names.singular, *names.shortNames}
        kinds |= {names.kind, names.listKind}
    return resources - {""}, kinds - {""}


def set_condition(
    crd: CustomResourceDefinition | Outline, type: str, status: str, reason: str, message: str, *, now: str
) -> None:
    """Sets a condition; the time of the last transition changes with the status only."""
    for one in crd.status.conditions:
        if one.type == type:
            if one.status != status:
                one.status, one.lastTransitionTime = status, now
            one.reason, one.message = reason, message
            return
    condition = CustomResourceDefinitionCondition(
        type=type, status=status, reason=reason, message=message, lastTransitionTime=now
    )
    crd.status.conditions.append(condition)
