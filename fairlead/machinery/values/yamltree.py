"""YAML as JSON trees, read as Go's libraries read it: YAML 1.1 without base 60, limited to the values of JSON.

What must stay true: every document gives a tree of JSON values or a ValueError (`yaml.YAMLError` is turned into one).
PyYAML's own constructors break that rule: they raise KeyError for `!!bool foo`, IndexError for `!!int ""`, and
AttributeError for `!!timestamp x`; and JSON lacks dates, sets and bytes. So scalars are constructed here, by the rules
of go-yaml 2, and only nodes come from PyYAML. Keys that are numbers or booleans become texts.
"""

from __future__ import annotations

import binascii
import functools
import math
import re
from typing import Any, ClassVar

_TAG = "tag:yaml.org,2002:"
_PLAIN = "!plain"
"""The tag given to scalars without quotes or tag, which distinguishes them from `!!str` ones."""
_BINARY = f"{_TAG}binary"
_WORDS: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), ("bool", True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), ("bool", False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("float", math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), ("float", math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), ("float", -math.inf)),
}
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?"
)
_LARGEST_WHOLE = 1e21
"""From here on Go writes floats with an exponent, and a JSON decoder does not accept such a number as an integer."""
_MOST_DIGITS = 4000


def load_yaml(text: bytes | str) -> Any:
    """Returns the first document as a JSON tree. Raises ValueError."""
    import yaml  # slow to import, and needed only if a user sends YAML

    try:
        return yaml.load(text, Loader=loader())
    except yaml.YAMLError as e:
        raise ValueError(str(e)) from e
    except RecursionError as e:
        raise ValueError("exceeded max depth") from e


@functools.cache
def safe_loader() -> Any:
    """Returns PyYAML's loader class for plain data: in C if the installation has it, which is twenty times as fast."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def loader() -> Any:
    """Returns the loader class, made on the first use."""
    import yaml

    base: Any = safe_loader()

    class JsonLoader(base):  # type: ignore[misc]
        yaml_implicit_resolvers: ClassVar[Any] = {
            "<": [(f"{_TAG}merge", re.compile(r"<<\Z"))],
            None: [(_PLAIN, re.compile(r"(?s:.*)"))],
        }
        yaml_constructors: ClassVar[Any] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
            if isinstance(node, yaml.MappingNode):
                self.flatten_mapping(node)
            else:
                raise yaml.constructor.ConstructorError(None, None, "expected a mapping", node.start_mark)
            return {
                _key(self.construct_object(key, deep=True)): self.construct_object(value, deep=deep)
                for key, value in node.value
            }

    def scalar(self: Any, node: Any) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, f"cannot decode a {node.id}", node.start_mark)
        return scalar_value(node.tag, node.value)

    for tag in (_PLAIN, "!", *(_TAG + name for name in ("str", "bool", "int", "float", "null", "timestamp", "binary"))):
        JsonLoader.add_constructor(tag, scalar)
    for name in ("map", "set"):
        JsonLoader.add_constructor(_TAG + name, base.construct_yaml_map)
    for name in ("seq", "omap", "pairs"):
        JsonLoader.add_constructor(_TAG + name, base.construct_yaml_seq)
    JsonLoader.add_constructor(None, base.construct_undefined)
    return JsonLoader


def scalar_value(tag: str, text: str) -> Any:
    """Returns the JSON value of a scalar node's tag and text. Raises ValueError."""
    return _json_value(_resolve("" if tag == _PLAIN else tag.removeprefix(_TAG), text))


def _resolve(tag: str, text: str) -> Any:
    """Returns the value of a scalar; the tag is empty for a bare one. Raises ValueError."""
    if tag in ("str", "!"):
        return text
    if tag == "binary":
        return _decoded(text)
    type_name, value = _read(text, timestamps=tag in ("", "timestamp"))
    if tag == "float" and type_name == "int":
        return float(value)
    if tag not in ("", type_name):
        raise ValueError(f"cannot decode !!{type_name} `{text}` as a !!{tag}")
    return value


def _read(text: str, *, timestamps: bool) -> tuple[str, Any]:
    """Returns the name of the type, and the value, of a text without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return "str", text
    if timestamps and _TIME.fullmatch(text):
        return "timestamp", text
    plain = text.replace("_", "")
    if len(plain) < _MOST_DIGITS and _INTEGER.fullmatch(plain):
        number = _integer(plain)
        if -(2**63) <= number < 2**64:
            return "int", number
    if _FLOAT.fullmatch(plain) and math.isfinite(float(plain)):
        return "float", float(plain)
    return "str", text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    number = int(digits, 8 if digits.isdigit() and digits[0] == "0" else 0)
    return -number if text[0] == "-" else number


def _decoded(text: str) -> str:
    try:
        data = binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        raise ValueError("!!binary value contains invalid base64 data") from None
    return data.decode("utf-8", "replace")


def _json_value(value: Any) -> Any:
    """Returns the value as Go writes it in JSON: a float without a fraction becomes an integer."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise ValueError(f"json: unsupported value: {value}")
    return int(value) if value.is_integer() and abs(value) < _LARGEST_WHOLE else value


def _key(key: Any) -> str:
    match key:
        case str():
            return key
        case bool():
            return "true" if key else "false"
        case int() | float():
            return str(key)
        case _:
            raise ValueError(f"unsupported map key of type {type(key).__name__}")


def dump_yaml(tree: Any) -> str:
    """Returns a JSON tree as a document, with keys in alphabetical order as Go's libraries write it."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return yaml.dump(tree, Dumper=dumper, allow_unicode=True, default_flow_style=False, width=1 << 30)
