"""Selectors of Services and disruption budgets that match no Pod template of the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fairlead.base.texts import text
from fairlead.lint.document import Entry
from fairlead.lint.near import likeness, nearest
from fairlead.lint.problem import Fix, Problem
from fairlead.lint.world import Manifest, Template, World

_PATHS = {"Service": ("spec", "selector"), "PodDisruptionBudget": ("spec", "selector", "matchLabels")}


def selectors(world: World) -> Iterator[Problem]:
    for kind, path in _PATHS.items():
        for one in world.of_kind(kind):
            entry = one.entry(*path)
            selector = one.value.strings_at(*path)
            if entry is not None and selector:
                yield from _check(world, one, entry, selector)


def _check(world: World, one: Manifest, entry: Entry, selector: Mapping[str, str]) -> Iterator[Problem]:
    if world.selected(selector, one.namespace):
        return
    near = [template for template in world.templates if template.owner.namespace == one.namespace]
    shown = _render(selector)
    elsewhere = [template for template in world.templates if selector.items() <= template.labels.items()]
    if elsewhere:
        message = text(
            "the selector {selector} matches no Pod of namespace {namespace}, but {other} of namespace {there}",
            selector=shown,
            namespace=one.namespace,
            other=elsewhere[0].owner.title,
            there=elsewhere[0].owner.namespace,
        )
        yield Problem("selector", "error", one.context.file, entry.span, message)
        return
    meant = _meant(selector, near)
    if meant is not None:
        template, key, label, value = meant
        message = text(
            "the selector {selector} matches no Pod of these files: {other} has {label}={value}",
            selector=shown,
            other=template.owner.title,
            label=label,
            value=value,
        )
        yield Problem("selector", "error", one.context.file, entry.span, message, _fix(one, entry, key, label, value))
    elif near:
        message = text(
            "the selector {selector} matches no Pod of these files; their labels are {labels}",
            selector=shown,
            labels="; ".join(sorted({_render(template.labels) or "-" for template in near})[:4]),
        )
        yield Problem("selector", "warning", one.context.file, entry.span, message)


def _meant(selector: Mapping[str, str], near: list[Template]) -> tuple[Template, str, str, str] | None:
    """Returns the template that all but one pair match, the key of this pair, and the label that is probably meant."""
    best: tuple[float, Template, str, str, str] | None = None
    for template in near:
        wrong = [key for key, value in selector.items() if template.labels.get(key) != value]
        label = _label_for(wrong[0], selector[wrong[0]], template.labels) if len(wrong) == 1 else ""
        if not label:
            continue
        value = template.labels[label]
        score = likeness(f"{wrong[0]}={selector[wrong[0]]}", f"{label}={value}")
        if best is None or score > best[0]:
            best = score, template, wrong[0], label, value
    return best[1:] if best is not None else None


def _label_for(key: str, value: str, labels: Mapping[str, str]) -> str:
    """Returns the label with the same key, or with a similar key or another key and the same value."""
    if key in labels:
        return key
    same_value = [name for name, one in labels.items() if one == value]
    return nearest(key, same_value) or next(iter(same_value), "")


def _fix(one: Manifest, entry: Entry, key: str, label: str, value: str) -> tuple[Fix, ...]:
    pair = entry.value.entry(key)
    if pair is None or entry.value.flow or pair.span.line != pair.value.span.line:
        return ()
    line = one.context.lines[pair.span.line]
    return (Fix(pair.span.line, f"{line[: pair.span.column]}{label}: {value}"),)


def _render(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
