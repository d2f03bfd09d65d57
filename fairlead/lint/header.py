"""Finds a document's kind: `apiVersion` and `kind`, also if they are misspelt, missing or of a removed version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.base.texts import text
from fairlead.lint.context import Context
from fairlead.lint.document import Entry, Value
from fairlead.lint.near import nearest
from fairlead.lint.problem import Span
from fairlead.lint.versions import SUCCESSORS, removed_in
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme

_FORMS = {"list": text("a list"), "mapping": text("a mapping"), "scalar": text("a number")}
_COMMON = ("Service", "Deployment", "Pod", "ConfigMap", "Secret", "Ingress", "StatefulSet", "Job", "CronJob")
"""The kinds among which a document without kind and version is looked for."""


def find_kind(context: Context, document: Value, scheme: Scheme) -> Kind[Any] | None:
    """Returns the kind of a document, and reports what is wrong with its header; None if the kind is not known."""
    version, name = _header(context, document, "apiVersion"), _header(context, document, "kind")
    if version is None or name is None:
        return None
    if version and name:
        return _by_both(context, document, scheme, version, name)
    return _guess(context, document, scheme, version, name)


def _header(context: Context, document: Value, key: str) -> str | None:
    """Returns the field; empty if it is missing, None if it is not a text."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value.scalar, str):
        message = text(
            "`{field}` must be {expected}, not {given}", field=key, expected=text("a string"), given=_FORMS[value.form]
        )
        context.report("wrong-type", "error", value.span, message)
        return None
    return value.scalar


def _by_both(context: Context, document: Value, scheme: Scheme, version: str, name: str) -> Kind[Any] | None:
    known = _exact(scheme, version, name)
    if known is not None:
        return known
    same_name = [kind for kind in scheme if kind.kind == name and not kind.answered and kind.conversion is None]
    if _is_custom(scheme, version, name, is_known_name=bool(same_name)):
        return None  # its definition is not at hand
    if same_name:
        return _other_version(context, document, version, same_name)
    meant = nearest(name, {kind.kind for kind in scheme})
    entry = document.entry("kind")
    assert entry is not None
    if not meant:
        if removed := removed_in(version, name):
            message = text(
                "{kind} was removed in Kubernetes {release}: {successor}",
                kind=name,
                release=removed,
                successor=SUCCESSORS[name],
            )
            context.report("removed-version", "error", entry.value.span, message)
        else:
            message = text("unknown kind `{kind}` in {version}", kind=name, version=version)
            context.report("unknown-kind", "error", entry.value.span, message)
        return None
    message = text("unknown kind `{kind}`: did you mean `{meant}`?", kind=name, meant=meant)
    context.report("unknown-kind", "error", entry.value.span, message, context.replaced(entry.value.span, meant))
    entry.value.scalar = meant
    return _by_both(context, document, scheme, version, meant)


def _is_custom(scheme: Scheme, version: str, name: str, *, is_known_name: bool) -> bool:
    """Returns whether the object is a custom resource: its group has a dot and none of the built-in kinds.

    Such a kind may have the name of a built-in one, as the Service of serving.knative.dev. Groups of k8s.io may be
    custom too, as gateway.networking.k8s.io; one that nearly is a built-in group is misspelt.
    """
    group, _, _ = version.rpartition("/")
    groups = {kind.group for kind in scheme}
    if "." not in group or group in groups or removed_in(version, name):
        return False
    return not (is_known_name and group.endswith(".k8s.io") and nearest(group, groups))


def _exact(scheme: Scheme, version: str, name: str) -> Kind[Any] | None:
    group, _, short = version.rpartition("/")
    return scheme.by_gvk(group, short, name)


def _other_version(context: Context, document: Value, version: str, kinds: Sequence[Kind[Any]]) -> Kind[Any]:
    kind = kinds[0]
    entry = document.entry("apiVersion")
    assert entry is not None
    if removed := removed_in(version, kind.kind):
        message = text(
            "{kind} of {version} was removed in Kubernetes {release}: use {present}",
            kind=kind.kind,
            version=version,
            release=removed,
            present=kind.api_version,
        )
        rule = "removed-version"
    else:
        message = text(
            "{kind} is not in `{version}`: it is in `{present}`",
            kind=kind.kind,
            version=version,
            present=kind.api_version,
        )
        rule = "wrong-version"
    span = entry.value.span
    context.report(rule, "error", span, message, context.replaced(span, kind.api_version))
    entry.value.scalar = kind.api_version
    return kind


def _guess(context: Context, document: Value, scheme: Scheme, version: str, name: str) -> Kind[Any] | None:
    if document.form != "mapping" or not document.entries:
        context.report("not-an-object", "error", document.span, text("this document is not a Kubernetes object"))
        return None
    first = document.entries[0].span
    kind = _guessed(document, scheme, version, name)
    for key, given, meant in (
        ("apiVersion", version, kind.api_version if kind else ""),
        ("kind", name, kind.kind if kind else ""),
    ):
        if given:
            continue
        misspelt = next((one for one in document.entries if one.key.lower() == key.lower() and one.key != key), None)
        if misspelt is not None:
            message = text("unknown field `{key}`: did you mean `{meant}`?", key=misspelt.key, meant=key)
            context.report("unknown-field", "error", misspelt.span, message, context.replaced(misspelt.span, key))
            misspelt.key = key
            return find_kind(context, document, scheme)
        _missing(context, document, key, meant, first)
    return kind


def _missing(context: Context, document: Value, key: str, meant: str, first: Span) -> None:
    message = text("`{key}` is missing", key=key)
    if not meant:
        context.report("missing-kind", "error", first, message)
        return
    help = text("add the line: {line}", line=f"{key}: {meant}")
    context.report("missing-kind", "error", first, message, help=help)
    span = Span(first.line, first.column, first.column + 1)
    document.entries.append(Entry(key, span, Value("scalar", span, first.line, scalar=meant, text=meant)))


def _guessed(document: Value, scheme: Scheme, version: str, name: str) -> Kind[Any] | None:
    """Returns the kind whose `spec` knows most of the document's fields."""
    if name:
        return next((kind for kind in scheme if kind.kind == name and kind.conversion is None), None)
    keys = {entry.key for entry in document.entries} - {"apiVersion", "metadata"}
    spec = document.get("spec")
    inner = {entry.key for entry in spec.entries} if spec is not None else set()
    best: tuple[float, Kind[Any]] | None = None
    for kind in scheme:
        if (kind.api_version != version if version else kind.kind not in _COMMON) or kind.answered:
            continue
        fields = kind.schema.fields
        score = float(len(keys & set(fields)))
        if "spec" in fields and fields["spec"].type.schema is not None:
            known = set(fields["spec"].type.fields)
            score += sum(one in known for one in inner)
        if kind.kind in _COMMON:
            score += 0.5
        if score >= 1 and keys <= set(fields) and (best is None or score > best[0]):
            best = score, kind
    return best[1] if best else None
