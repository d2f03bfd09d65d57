"""Rewrites what manifests of removed API versions had in another form, so that the corrected lines are of today's.

Source: the deprecated API migration guide of Kubernetes. A document is rewritten by its form and not by its
`apiVersion`, because many manifests have the new version above the old fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import text
from fairlead.lint.context import Context
from fairlead.lint.document import Entry, Value
from fairlead.lint.problem import Fix, Span


def modernise(context: Context, document: Value, kind: str) -> None:
    """Reports old fields, and rewrites them in the document."""
    if kind in _REWRITES:
        _REWRITES[kind](context, document)


def _ingress(context: Context, document: Value) -> None:
    spec = document.get("spec")
    if spec is None:
        return
    _rename(context, spec, "backend", "defaultBackend")
    backends = [spec.get("defaultBackend")]
    for rule in spec.list_at("rules"):
        backends += [path.get("backend") for path in rule.list_at("http", "paths")]
    for backend in backends:
        if backend is not None:
            _backend(context, backend)


def _backend(context: Context, backend: Value) -> None:
    name, port = backend.entry("serviceName"), backend.entry("servicePort")
    if name is None or name.value.form != "scalar":
        return
    is_number = port is not None and str(port.value.scalar).isdigit()  # also in quotes: a port's name has a letter
    key = "number" if is_number else "name"
    inner: dict[str, Any] = {"name": name.value.scalar}
    if port is not None:
        inner["port"] = {key: int(port.value.scalar) if is_number else port.value.scalar}
    old = _Old(name, port, "service", inner)
    _report(context, old, (f"name: {name.value.text}", f"port: {{{key}: {port.value.text}}}" if port else ""))
    _replace(backend, old)


def _autoscaler(context: Context, document: Value) -> None:
    for metric in document.list_at("spec", "metrics"):
        resource = metric.get("resource")
        for key, kind in _TARGETS.items() if resource is not None else ():
            assert resource is not None
            entry = resource.entry(key)
            if entry is not None and entry.value.form == "scalar":
                field = kind[0].lower() + kind[1:] if kind != "Utilization" else "averageUtilization"
                old = _Old(entry, None, "target", {"type": kind, field: entry.value.scalar})
                _report(context, old, (f"type: {kind}, {field}: {entry.value.text}", ""))
                _replace(resource, old)


_TARGETS = {"targetAverageUtilization": "Utilization", "targetAverageValue": "AverageValue"}
"""The fields of autoscaling/v2beta1, and the `type` of `target` that each is now."""
_REWRITES: dict[str, Callable[[Context, Value], None]] = {"Ingress": _ingress, "HorizontalPodAutoscaler": _autoscaler}


@dataclass(frozen=True, slots=True)
class _Old:
    """One or two members that are one mapping in the present version."""

    first: Entry
    second: Entry | None
    key: str
    """Today's field."""
    tree: dict[str, Any]
    """Today's value."""

    @property
    def entries(self) -> list[Entry]:
        members = [one for one in (self.first, self.second) if one is not None]
        return sorted(members, key=lambda one: (one.span.line, one.span.column))


def _rename(context: Context, above: Value, old: str, new: str) -> None:
    entry = above.entry(old)
    if entry is not None and above.entry(new) is None:
        message = text("unknown field `{key}`: did you mean `{meant}`?", key=old, meant=new)
        context.report("unknown-field", "error", entry.span, message, context.replaced(entry.span, new))
        entry.key = new


def _report(context: Context, old: _Old, parts: tuple[str, str]) -> None:
    """Reports the members, and shows the lines with today's field in flow style: lines keep their numbers."""
    fixes = tuple(_fixes(context, old, parts))
    whole = f"{old.key}: {{{', '.join(one for one in parts if one)}}}"
    help = None if fixes else text("write instead: {line}", line=whole)
    for at, entry in enumerate(old.entries):
        message = text("`{key}` is a field of removed versions; today it is in `{meant}`",
                       key=entry.key, meant=old.key)  # fmt: skip
        context.report("unknown-field", "error", entry.span, message, *(fixes if at == 0 else ()),
                       help=help if at == 0 else None)  # fmt: skip


def _fixes(context: Context, old: _Old, parts: tuple[str, str]) -> Iterator[Fix]:
    entries = old.entries
    if any(one.value.span.line != one.span.line for one in entries):
        return
    first, last = entries[0], entries[-1]
    opening = f"{old.key}: {{"
    if first.span.line == last.span.line:
        span = Span(first.span.line, first.span.column, last.value.span.end_column)
        yield context.replaced(span, f"{opening}{', '.join(one for one in parts if one)}}}")
    elif last.span.line == first.span.line + 1 and first.span.column == last.span.column:
        upper, lower = parts
        yield context.replaced(_whole(first), f"{opening}{upper},")
        yield context.replaced(_whole(last), f"{' ' * len(opening)}{lower}}}")


def _whole(entry: Entry) -> Span:
    return Span(entry.span.line, entry.span.column, entry.value.span.end_column)


def _replace(above: Value, old: _Old) -> None:
    span, line = old.entries[0].span, old.entries[0].span.line
    above.entries[:] = [one for one in above.entries if one not in old.entries]
    above.entries.append(Entry(old.key, span, _value(old.tree, span, line)))


def _value(tree: Any, span: Span, line: int) -> Value:
    if isinstance(tree, dict):
        entries = [Entry(key, span, _value(one, span, line)) for key, one in tree.items()]
        return Value("mapping", span, line, entries=entries)
    return Value("scalar", span, line, scalar=tree, text=str(tree))
