"""Settings that users write, as dataclasses: `base.codec` with the rules of Go's decoders, from JSON or YAML.

What must stay true: every error has its path, unknown fields are errors, and null means absent.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fairlead.base.codec import CodecError, Fault, decode
from fairlead.machinery.values.yamltree import load_yaml

T = TypeVar("T")


def read_settings(kind: type[T], text: str, *, root: str, unknown: bool = False) -> T:
    """Returns the value of a document; the defaults if it is empty. Raises CodecError.

    `root` names the document in errors about the whole of it. `unknown` ignores unknown fields.
    """
    tree = read_tree(text, root=root)
    if not isinstance(tree, dict | None):
        raise CodecError(Fault(root, "expected an object with fields"))
    return decode(kind, {} if tree is None else tree, nulls=True, unknown=unknown)


def read_tree(text: str, *, root: str) -> Any:
    """Returns the tree of a JSON or YAML document. Raises CodecError."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            pass  # YAML has flow mappings that look like JSON
    try:
        return load_yaml(text)
    except ValueError as e:
        raise CodecError(Fault(root, f"is not valid JSON or YAML: {' '.join(str(e).split())}")) from e
