"""Checks of a CustomResourceDefinition, with the texts and paths of upstream.

Upstream compares versions first: a schema, subresources and columns that all versions share are named as if they stood
in `spec.validation`, `spec.subresources` and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fairlead.api.apiextensions.customresourcedefinition.default_rules import default_errors
from fairlead.api.apiextensions.customresourcedefinition.jsonschema import schema_tree
from fairlead.api.apiextensions.customresourcedefinition.rule_costs import CostContext
from fairlead.api.apiextensions.customresourcedefinition.schema_rules import openapi_errors
from fairlead.api.apiextensions.customresourcedefinition.structural_rules import structural_errors
from fairlead.api.apiextensions.customresourcedefinition.types import (
    CustomResourceColumnDefinition,
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceSubresources,
    SelectableField,
)
from fairlead.api.apiextensions.structural.fieldpath import FieldPathError, resolve
from fairlead.api.apiextensions.structural.node import Node
from fairlead.api.meta.clientrules import client_errors
from fairlead.machinery.kinds.checks import IMMUTABLE_TEXT
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, not_supported, required

_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_AT_ROOT = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations"
)
_AT_ROOT_NAMES = frozenset(
    (
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
        *(name[0].lower() + name[1:] for name in _AT_ROOT.split()),
    )
)
_WITH_STATUS = "at the root of the schema if the status subresource is enabled"
_MOST_FIELDS = 8
_REVIEW_VERSIONS = ("v1", "v1beta1")
_APPROVED = "api-approved.kubernetes.io"
_SEE = "see https://github.com/kubernetes/enhancements/pull/1111"


def rules(crd: CustomResourceDefinition) -> list[FieldError]:
    """Returns all errors of a definition outside of its metadata."""
    return [*_spec_errors(crd.spec), *_names_errors(crd.status.acceptedNames, "status.acceptedNames")]


def create_rules(crd: CustomResourceDefinition) -> Iterator[FieldError]:
    """Yields the errors of a new definition: its name, its stored versions, and the approval of protected groups."""
    if crd.metadata.name != f"{crd.spec.names.plural}.{crd.spec.group}":
        yield invalid("metadata.name", crd.metadata.name, 'must be spec.names.plural+"."+spec.group')
    yield from _stored_errors(crd)
    yield from _approval_errors(crd, None)
    yield from _preserve_errors(crd)


def transition(old: CustomResourceDefinition, new: CustomResourceDefinition) -> Iterator[FieldError]:
    """Yields the errors of a change."""
    if any(one.type == "Established" and one.status == "True" for one in old.status.conditions):
        if new.spec.scope != old.spec.scope:
            yield invalid("spec.scope", new.spec.scope, IMMUTABLE_TEXT)
        if new.spec.names.kind != old.spec.names.kind:
            yield invalid("spec.names.kind", new.spec.names.kind, IMMUTABLE_TEXT)
    if new.spec.group != old.spec.group:
        yield invalid("spec.group", new.spec.group, IMMUTABLE_TEXT)
    if new.spec.names.plural != old.spec.names.plural:
        yield invalid("spec.names.plural", new.spec.names.plural, IMMUTABLE_TEXT)
    yield from _stored_errors(new)
    yield from _approval_errors(new, old)
    if not old.spec.preserveUnknownFields:
        yield from _preserve_errors(new)


def _stored_errors(crd: CustomResourceDefinition) -> Iterator[FieldError]:
    stored, path = crd.status.storedVersions, "status.storedVersions"
    if not stored:
        yield invalid(path, stored, "must have at least one stored version")
        return
    known = {version.name for version in crd.spec.versions}
    for version in crd.spec.versions:
        if version.storage and version.name not in stored:
            yield invalid(path, stored, f"must have the storage version {version.name}")
    for at, name in enumerate(stored):
        if name not in known:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                "spec.versions until a storage migration ensures no data remains persisted in "
                f"{name} and removes {name} from status.storedVersions"
            )
            yield invalid(f"{path}[{at}]", name, text)


def _approval_errors(crd: CustomResourceDefinition, old: CustomResourceDefinition | None) -> Iterator[FieldError]:
    group = crd.spec.group
    if not any(group == end or group.endswith(f".{end}") for end in ("k8s.io", "kubernetes.io")):
        return
    given = crd.metadata.annotations.get(_APPROVED, "")
    if old is not None and _approval(old.metadata.annotations.get(_APPROVED, "")) == _approval(given):
        return
    path, must = f"metadata.annotations[{_APPROVED}]", f'protected groups must have approval annotation "{_APPROVED}"'
    match _approval(given):
        case "missing":
            yield required(path, f"{must}, {_SEE}")
        case "invalid":
            text = f'{must} with either a URL or a reason starting with "unapproved", {_SEE}'
            yield invalid(path, given, text)
        case _:
            pass


def _approval(text: str) -> str:
    if not text:
        return "missing"
    if text.startswith("unapproved"):
        return "bypassed"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "invalid"
    return "approved" if parts.scheme and parts.netloc else "invalid"


def _preserve_errors(crd: CustomResourceDefinition) -> Iterator[FieldError]:
    if crd.spec.preserveUnknownFields:
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield invalid("spec.preserveUnknownFields", True, text)


# The spec


def _spec_errors(spec: CustomResourceDefinitionSpec) -> Iterator[FieldError]:
    yield from _group_errors(spec)
    yield from (
        required(f"spec.versions[{at}].schema.openAPIV3Schema")
        for at, version in enumerate(spec.versions)
        if version.schema is None or version.schema.openAPIV3Schema is None
    )
    yield from _version_errors(spec)
    shown = msgspec.to_builtins(spec.versions)
    if len({version.name for version in spec.versions}) < len(spec.versions):
        yield invalid("spec.versions", shown, "must contain unique version names")
    if sum(version.storage for version in spec.versions) != 1:
        yield invalid("spec.versions", shown, "must have exactly one version marked as storage version")
    for name in ("plural", "singular", "kind", "listKind"):
        if not getattr(spec.names, name):
            yield required(f"spec.names.{name}")
    yield from _names_errors(spec.names, "spec.names")
    yield from _shared_errors(spec)
    if spec.conversion is not None:
        yield from _conversion_errors(spec.conversion)


def _group_errors(spec: CustomResourceDefinitionSpec) -> Iterator[FieldError]:
    if not spec.group:
        yield required("spec.group")
    elif texts := names.dns1123_subdomain(spec.group):
        yield invalid("spec.group", spec.group, ",".join(texts))
    elif "." not in spec.group:
        yield invalid("spec.group", spec.group, "should be a domain with at least one dot")
    if not spec.scope:
        yield required("spec.scope")
    elif spec.scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", spec.scope, ("Cluster", "Namespaced"))


def _shared(spec: CustomResourceDefinitionSpec, name: str) -> Any:
    """Returns what all versions have in common; None if they differ."""
    found = [getattr(version, name) for version in spec.versions]
    return found[0] if found and all(one == found[0] for one in found) and found[0] else None


def _version_errors(spec: CustomResourceDefinitionSpec) -> Iterator[FieldError]:
    shared = {name: _shared(spec, name) for name in _PARTS}
    for at, version in enumerate(spec.versions):
        path = f"spec.versions[{at}]"
        if texts := names.dns1035_label(version.name):
            yield invalid(f"{path}.name", version.name, ",".join(texts))
        for text in _warning_texts(version.deprecated, version.deprecationWarning):
            yield invalid(f"{path}.deprecationWarning", version.deprecationWarning, text)
        for name in _PARTS:
            if shared[name] is None and getattr(version, name):
                yield from _part_errors(name, getattr(version, name), f"{path}.{name}", version)


def _shared_errors(spec: CustomResourceDefinitionSpec) -> Iterator[FieldError]:
    for name, upstream_name in _PARTS.items():
        shared = _shared(spec, name)
        if shared is not None:
            yield from _part_errors(name, shared, f"spec.{upstream_name}", spec.versions[0])


_PARTS = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
"""Parts of a version, and their names if all versions share them."""


def _part_errors(name: str, part: Any, path: str, version: Any) -> Iterator[FieldError]:
    match name:
        case "schema":
            status = version.subresources is not None and version.subresources.status is not None
            if part.openAPIV3Schema is not None:
                yield from schema_errors(schema_tree(part.openAPIV3Schema), f"{path}.openAPIV3Schema", status=status)
        case "subresources":
            yield from _scale_errors(part, path)
        case "additionalPrinterColumns":
            for at, column in enumerate(part):
                yield from _column_errors(column, f"{path}[{at}]")
        case _:
            yield from _selectable_errors(part, path, version)


def schema_errors(schema: dict[str, Any], path: str, *, status: bool) -> list[FieldError]:
    """Returns the errors of a version's schema; `status` says whether the version has the status subresource."""
    found: list[FieldError] = list(_root_errors(schema, path)) if status else []
    if schema.get("nullable"):
        found.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    wrong = structural_errors(schema, path) or list(default_errors(Node(schema), path))
    cost = None if wrong else CostContext(schema)
    found += wrong
    found += openapi_errors(schema, path, cost)
    if cost is not None:
        found += cost.total.errors(path)
    return found


def _root_errors(schema: dict[str, Any], path: str) -> Iterator[FieldError]:
    for name, value in schema.items():
        if name == "type":
            if value != "object":
                yield invalid(f"{path}.type", value, f'only "object" is allowed as the type {_WITH_STATUS}')
                return
        elif name not in _AT_ROOT_NAMES and value:
            text = (
                f"only [{_AT_ROOT}] fields are allowed at the root of the schema if the status subresource is enabled"
            )
            yield invalid(path, schema, text)
            return


def _warning_texts(deprecated: bool, warning: str | None) -> Iterator[str]:
    if warning is None:
        return
    if not deprecated:
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > 256:
        yield "must be <= 256 characters long"
    if not warning:
        yield "must not be an empty string"
    for at, char in enumerate(warning):
        if not char.isprintable():
            yield f"must only contain printable UTF-8 characters; non-printable character found at index {at}"
            break


def _names_errors(given: CustomResourceDefinitionNames, path: str) -> Iterator[FieldError]:
    for name in ("plural", "singular"):
        value = getattr(given, name)
        if value and (texts := names.dns1035_label(value)):
            yield invalid(f"{path}.{name}", value, ",".join(texts))
    for name in ("kind", "listKind"):
        value = getattr(given, name)
        if value and (texts := names.dns1035_label(value.lower())):
            text = "may have mixed case, but should otherwise match: " + ",".join(texts)
            yield invalid(f"{path}.{name}", value, text)
    for at, short in enumerate(given.shortNames):
        if texts := names.dns1035_label(short):
            yield invalid(f"{path}.shortNames[{at}]", short, ",".join(texts))
    if given.kind and given.kind == given.listKind:
        yield invalid(f"{path}.listKind", given.listKind, "kind and listKind may not be the same")
    for at, category in enumerate(given.categories):
        if texts := names.dns1035_label(category):
            yield invalid(f"{path}.categories[{at}]", category, ",".join(texts))


def _column_errors(column: CustomResourceColumnDefinition, path: str) -> Iterator[FieldError]:
    if not column.name:
        yield required(f"{path}.name")
    types = ",".join(_COLUMN_TYPES)
    if not column.type:
        yield required(f"{path}.type", f"must be one of {types}")
    elif column.type not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", column.type, f"must be one of {types}")
    if column.format and column.format not in _COLUMN_FORMATS:
        yield invalid(f"{path}.format", column.format, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not column.jsonPath:
        yield required(f"{path}.JSONPath")
    else:
        yield from _path_errors(column.jsonPath, f"{path}.JSONPath")


def _path_errors(value: str, path: str) -> Iterator[FieldError]:
    if not value.startswith("."):
        yield invalid(path, value, "must be a simple json path starting with .")


def _scale_errors(subresources: CustomResourceSubresources, path: str) -> Iterator[FieldError]:
    scale = subresources.scale
    if scale is None:
        return
    for name, roots, where in (
        ("specReplicasPath", (".spec.",), "under .spec"),
        ("statusReplicasPath", (".status.",), "under .status"),
        ("labelSelectorPath", (".spec.", ".status."), "under either .spec or .status"),
    ):
        value, at = getattr(scale, name), f"{path}.scale.{name}"
        if not value:
            if name != "labelSelectorPath":
                yield required(at)
            continue
        wrong = list(_path_errors(value, at))
        yield from wrong
        if not wrong and not value.startswith(roots):
            yield invalid(at, value, f"should be a json path {where}")


def _selectable_errors(fields: Sequence[SelectableField], path: str, version: Any) -> Iterator[FieldError]:
    if version.schema is None or version.schema.openAPIV3Schema is None:
        yield invalid(path, "", "may only be set when `version.schema.openAPIV3Schema` is not included")
        return
    node, seen = Node(schema_tree(version.schema.openAPIV3Schema)), set()
    for at, one in enumerate(fields):
        here = f"{path}[{at}].jsonPath"
        if not one.jsonPath:
            yield required(here)
            continue
        try:
            found, schema = resolve(one.jsonPath, node, brackets=False)
        except FieldPathError as e:
            yield invalid(here, one.jsonPath, f"is an invalid path: {e}")
            continue
        if found.split(".")[0] == "metadata":
            yield invalid(here, one.jsonPath, "must not point to fields in metadata")
        if schema.types not in (("string",), ("boolean",), ("integer",)):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
                "are allowed."
            )
            yield invalid(here, one.jsonPath, text)
        if found in seen:
            yield duplicate(here, one.jsonPath)
        seen.add(found)
    if len(seen) > _MOST_FIELDS:
        yield FieldError(path, "TooMany", len(seen), f"must have at most {_MOST_FIELDS} items")


# Conversion


def _conversion_errors(conversion: CustomResourceConversion) -> Iterator[FieldError]:
    path = "spec.conversion"
    if not conversion.strategy:
        yield required(f"{path}.strategy")
    elif conversion.strategy not in ("None", "Webhook"):
        yield not_supported(f"{path}.strategy", conversion.strategy, ("None", "Webhook"))
    webhook = conversion.webhook
    config = webhook.clientConfig if webhook is not None else None
    versions = webhook.conversionReviewVersions if webhook is not None else []
    if conversion.strategy == "Webhook":
        yield from _client_errors(config, f"{path}.webhookClientConfig")
        yield from _review_errors(versions, f"{path}.conversionReviewVersions")
        return
    text = "should not be set when strategy is not set to Webhook"
    if config is not None:
        yield forbidden(f"{path}.webhookClientConfig", text)
    if versions:
        yield forbidden(f"{path}.conversionReviewVersions", text)


def _client_errors(config: Any, path: str) -> Iterator[FieldError]:
    if config is None:
        yield required(path, "required when strategy is set to Webhook")
    else:
        yield from client_errors(config, path)


def _review_errors(versions: Sequence[str], path: str) -> Iterator[FieldError]:
    if not versions:
        yield required(path)
        return
    for at, version in enumerate(versions):
        if version in versions[:at]:
            yield invalid(f"{path}[{at}]", version, "duplicate version")
        else:
            yield from (invalid(f"{path}[{at}]", version, text) for text in names.dns1035_label(version))
    if not set(versions) & set(_REVIEW_VERSIONS):
        yield invalid(path, list(versions), f"must include at least one of {', '.join(_REVIEW_VERSIONS)}")
