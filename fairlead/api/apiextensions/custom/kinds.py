"""Makes the kinds of a CustomResourceDefinition: one for each served version.

One of them, the hub, owns the objects in the store: the storage version if it is served. Objects that were stored in
another version are brought to the hub when they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fairlead.api.apiextensions.custom.codec import CustomCodec
from fairlead.api.apiextensions.custom.columns import columns_of
from fairlead.api.apiextensions.custom.jsonpath import compile_path
from fairlead.api.apiextensions.customresourcedefinition.outline import Outline, VersionOutline
from fairlead.api.apiextensions.customresourcedefinition.types import CustomResourceSubresourceScale
from fairlead.api.apiextensions.structural.embedded import embedded_errors
from fairlead.api.apiextensions.structural.listtypes import list_errors
from fairlead.api.apiextensions.structural.validation import validate
from fairlead.api.meta.unstructured import Unstructured
from fairlead.machinery.kinds.kind import VERBS, Conversion, Kind, RemoteConversion, ScaleFields
from fairlead.machinery.values.status import FieldError, invalid

if TYPE_CHECKING:
    from fairlead.api.apiextensions.structural.rules import Rules

Read = Callable[[str], dict[str, Any]]
"""Returns the schema of a version as JSON."""

_INT32 = (1 << 31) - 1
_NO_CREATE = tuple(verb for verb in VERBS if verb != "create")
_TERMINATING = "create not allowed while custom resource definition is terminating"
_BLOCKING = frozenset(("NotSupported", "Required", "TooLong", "TooMany", "TypeInvalid"))
_NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)
_LEAVES = ("annotations", "finalizers", "labels", "ownerReferences")


def hub_version(crd: Outline) -> str:
    """Returns the version that owns the objects; empty if no version is served."""
    served = [version for version in crd.spec.versions if version.served]
    stored = [version for version in served if version.storage]
    return (stored or served)[0].name if served else ""


def custom_kinds(
    crd: Outline, read: Read, *, remote: RemoteConversion | None = None, terminating: bool = False
) -> list[Kind[Unstructured]]:
    """Returns the kinds of all served versions, the hub first."""
    hub_name = hub_version(crd)
    served = sorted((one for one in crd.spec.versions if one.served), key=lambda one: one.name != hub_name)
    found: list[Kind[Unstructured]] = []
    for version in served:
        hub = found[0] if found else None
        found.append(_kind(crd, version, read, hub, remote=remote, terminating=terminating))
    return found


def _kind(
    crd: Outline,
    version: VersionOutline,
    read: Read,
    hub: Kind[Unstructured] | None,
    *,
    remote: RemoteConversion | None,
    terminating: bool,
) -> Kind[Unstructured]:
    spec, names, group = crd.spec, crd.status.acceptedNames, crd.spec.group
    codec = CustomCodec(group, version.name, names.kind or spec.names.kind, lambda: read(version.name))
    subresources = version.subresources
    status = subresources is not None and subresources.status is not None
    scale = subresources.scale if subresources is not None else None
    checks = _Checks(codec, scale)
    return Kind(
        kind=names.kind or spec.names.kind,
        group=group,
        version=version.name,
        plural=names.plural or spec.names.plural,
        singular=names.singular,
        short_names=tuple(names.shortNames),
        categories=tuple(names.categories),
        namespaced=spec.scope == "Namespaced",
        own_list_kind=names.listKind or spec.names.listKind,
        status=status,
        scale=scale is not None,
        verbs=_NO_CREATE if terminating else VERBS,
        closed=_TERMINATING if terminating else "",
        generation=True,
        conversion=_conversion(codec, hub) if hub is not None else None,
        remote=remote,
        type=Unstructured,
        own_codec=codec,
        changes_generation=_without_status if status else _any_content,
        columns=columns_of(version.additionalPrinterColumns),
        prepare_create=_drop_status if status else _same,
        create_rules=checks.created,
        transition=checks.changed,
        fields={one.jsonPath.removeprefix("."): _selectable(one.jsonPath) for one in version.selectableFields},
        deprecation=_deprecation(crd, version),
        status_leaves=_LEAVES,
        name_rule="path-segment",
        qualified_finalizers=False,
        scale_fields=_scale_fields(scale) if scale is not None else ScaleFields(),
    )


def _conversion(codec: CustomCodec, hub: Kind[Unstructured]) -> Conversion[Unstructured]:
    stored = hub.own_codec
    assert isinstance(stored, CustomCodec)
    return Conversion(hub, stored.converted, codec.converted)


def _same(obj: Unstructured) -> Unstructured:
    return obj


def _drop_status(obj: Unstructured) -> Unstructured:
    obj.status = None
    return obj


def _without_status(old: Unstructured, new: Unstructured) -> bool:
    def content(obj: Unstructured) -> dict[str, Any]:
        return {key: value for key, value in obj.content.items() if key != "status"}

    return content(old) != content(new)


def _any_content(old: Unstructured, new: Unstructured) -> bool:
    return old.content != new.content


def _deprecation(crd: Outline, version: VersionOutline) -> str:
    if not version.deprecated:
        return ""
    return version.deprecationWarning or f"{crd.spec.group}/{version.name} {crd.spec.names.kind} is deprecated"


def _selectable(path: str) -> Callable[[Unstructured], str]:
    find = compile_path(path)

    def read(obj: Unstructured) -> str:
        value = find(obj.content)
        if isinstance(value, bool):
            return "true" if value else "false"
        return "" if value is None else str(value)

    return read


class _Checks:
    """The checks of new and changed objects."""

    def __init__(self, codec: CustomCodec, scale: CustomResourceSubresourceScale | None) -> None:
        self._codec = codec
        self._scale = scale

    def created(self, obj: Unstructured) -> list[FieldError]:
        codec, tree = self._codec, self._codec.tree_of(obj)
        found = [*validate(tree, codec.node), *self._scale_errors(tree)]
        found += self._structure_errors(tree)
        return found + self._rule_errors(found, lambda rules: rules.errors(tree))

    def changed(self, old: Unstructured, new: Unstructured) -> list[FieldError]:
        codec, tree, before = self._codec, self._codec.tree_of(new), self._codec.tree_of(old)
        found = [*validate(tree, codec.node, old=before), *self._scale_errors(tree)]
        wrong = self._structure_errors(tree)
        if wrong and not self._structure_errors(before):
            found += wrong
        return found + self._rule_errors(found, lambda rules: rules.errors(tree, old=before))

    def _rule_errors(self, found: list[FieldError], evaluate: Callable[[Rules], list[FieldError]]) -> list[FieldError]:
        """Returns the errors of the rules, which need an object of the right form."""
        rules = self._codec.rules
        if rules is None:
            return []
        if any(error.type in _BLOCKING for error in found):
            return [invalid("<nil>", None, _NOT_CHECKED)]
        return evaluate(rules)

    def _structure_errors(self, tree: dict[str, Any]) -> list[FieldError]:
        node = self._codec.node
        return [*list_errors(tree, node), *embedded_errors(tree, node)]

    def _scale_errors(self, tree: dict[str, Any]) -> Iterator[FieldError]:
        if self._scale is None:
            return
        for path in (self._scale.specReplicasPath, self._scale.statusReplicasPath):
            value = compile_path(path)(tree)
            if value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                kind = "string" if isinstance(value, str) else type(value).__name__
                text = f"{path} accessor error: {value} is of the type {kind}, expected int64"
                yield invalid(path, 0, text)
            elif value < 0:
                yield invalid(path, value, "should be a non-negative integer")
            elif value > _INT32:
                yield invalid(path, value, f"should be less than or equal to {_INT32}")


def _scale_fields(scale: CustomResourceSubresourceScale) -> ScaleFields[Unstructured]:
    desired, current = compile_path(scale.specReplicasPath), compile_path(scale.statusReplicasPath)
    selector = compile_path(scale.labelSelectorPath) if scale.labelSelectorPath else lambda _: None
    path = scale.specReplicasPath.removeprefix(".").split(".")

    def write(obj: Unstructured, replicas: int) -> None:
        inner = obj.content
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = replicas

    return ScaleFields(
        replicas=lambda obj: desired(obj.content) or 0,
        write=write,
        current=lambda obj: current(obj.content) or 0,
        selector=lambda obj: str(selector(obj.content) or ""),
        path=tuple(path),
    )
