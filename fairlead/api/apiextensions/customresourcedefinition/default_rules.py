"""Checks that the defaults in a schema are valid values of it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from fairlead.api.apiextensions.structural.embedded import embedded_errors
from fairlead.api.apiextensions.structural.node import META, Node, has_rules
from fairlead.api.apiextensions.structural.pruning import prune
from fairlead.api.apiextensions.structural.validation import same, validate
from fairlead.machinery.values.status import FieldError, invalid


def default_errors(node: Node, path: str, *, root: bool = True, in_meta: bool = False) -> Iterator[FieldError]:
    """Yields the errors of the defaults of a schema and of all schemas within it."""
    if node.has_default:
        yield from _value_errors(node, f"{path}.default", in_meta=in_meta)
    if node.items is not None:
        yield from default_errors(node.items, f"{path}.items", root=False, in_meta=in_meta and not node.embedded)
    for name, prop in node.properties.items():
        inner = (root or node.embedded) and name in META
        below = inner or (in_meta and not node.embedded)
        yield from default_errors(prop, f"{path}.properties[{name}]", root=False, in_meta=below)


def _value_errors(node: Node, path: str, *, in_meta: bool) -> Iterator[FieldError]:
    value = node.own["default"]
    if not in_meta:
        pruned = deepcopy(value)
        prune(pruned, node)
        if not same(pruned, value):
            yield invalid(path, value, "must not have unknown fields")
    found = list(embedded_errors(value, node, path)) or [_below(path, error) for error in validate(value, node)]
    if not found and has_rules(node):
        from fairlead.api.apiextensions.structural.rules import Rules  # imports CEL

        found = Rules(node, root=node.embedded).errors(value, path)
    yield from found


def _below(path: str, error: FieldError) -> FieldError:
    """Returns an error with the path of the default before its own; its text names the field within the default."""
    inner = "" if error.path in ("", "<nil>") else error.path
    at = f"{path}.{inner}" if inner and not inner.startswith("[") else path + inner
    return FieldError(at, error.type, error.value, error.detail)
