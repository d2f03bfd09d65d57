"""Numbers of things, and texts made of several."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from fairlead.base.texts import Text, text
from fairlead.explain.outcomes import ANSWERED, REFUSED, SILENT, UNREACHABLE

Message = Text | str
"""A text that can be translated, or one that the API gave."""


def pods_of(number: int) -> Text:
    return text("{number} Pod", number=number) if number == 1 else text("{number} Pods", number=number)


def ready_pods_of(number: int) -> Text:
    return text("{number} ready Pod", number=number) if number == 1 else text("{number} ready Pods", number=number)


def endpoints_of(number: int) -> Text:
    return text("{number} endpoint", number=number) if number == 1 else text("{number} endpoints", number=number)


def clients_of(number: int) -> Text:
    return text("{number} client", number=number) if number == 1 else text("{number} clients", number=number)


def outcome_of(outcome: str) -> Message:
    """Returns the outcome of a connection or question, or the kernel's error, in words."""
    return _OUTCOMES.get(outcome, outcome)


_OUTCOMES = {
    ANSWERED: text("answered"),
    REFUSED: text("refused"),
    SILENT: text("silent"),
    UNREACHABLE: text("unreachable"),
    os.strerror(errno.ENETUNREACH): text("Network is unreachable"),
    os.strerror(errno.EHOSTUNREACH): text("No route to host"),
}


def then(command: str, remark: Text) -> Text:
    """Returns a command with a remark for its reader, as a comment of the shell."""
    return Text("{command}  # {remark}", {"command": command, "remark": remark})


def listed(parts: Sequence[Message]) -> Message:
    """Returns the parts with commas between them; the template consists of values."""
    names = [f"part{at}" for at in range(len(parts))]
    return Text(", ".join(f"{{{name}}}" for name in names), dict(zip(names, parts, strict=True)))


def joined(first: Message, rest: Message) -> Text:
    """Returns one text after the other; the template consists of values."""
    return Text("{first}{rest}", {"first": first, "rest": rest})
