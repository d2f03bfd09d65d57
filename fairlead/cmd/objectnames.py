"""Names of objects in command lines, checked before they become parts of URLs."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError

from fairlead.cmd.errors import UsageError

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_is_label = re.compile(_LABEL).fullmatch
_is_name = re.compile(rf"{_LABEL}(\.{_LABEL})*").fullmatch
_LONGEST = 253
_RULE = 'use lower-case letters, digits and "-"'


def add_namespace(parser: ArgumentParser, whose: str) -> None:
    help_text = f"namespace of {whose} (default: default)"
    parser.add_argument("-n", "--namespace", type=_namespace, default="default", help=help_text)


def _namespace(text: str) -> str:
    if not _is_label(text):
        raise ArgumentTypeError(f'invalid namespace "{text}": {_RULE}')
    return text


def service_name(text: str) -> str:
    """Returns the name in `svc/NAME`; the kind may be missing. Raises UsageError."""
    kind, slash, name = text.rpartition("/")
    if not name or (slash and kind not in ("svc", "service", "services")):
        raise UsageError(f'invalid Service "{text}": expected svc/NAME')
    return checked(name, "Service name")


def checked(name: str, what: str) -> str:
    """Returns the name if an object can have it. Raises UsageError."""
    if not _is_name(name) or len(name) > _LONGEST:
        raise UsageError(f'invalid {what} "{name}": {_RULE}')
    return name


def dns_name(text: str) -> str:
    """Returns the name if it can be asked of a DNS server (RFC 1035, 2.3.4). Raises UsageError."""
    labels = text.removesuffix(".").split(".")
    if not text.isascii() or len(text) > _LONGEST or not all(0 < len(label) <= 63 for label in labels):
        raise UsageError(f'invalid domain name "{text}": expected labels of 1 to 63 ASCII letters, separated by dots')
    return text
